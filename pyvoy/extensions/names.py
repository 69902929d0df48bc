"""Names that extensions get resolved, by the resolver that the worker's clusters use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyvoy.upstream.cluster_plan import DnsLookupFamily
from pyvoy.upstream.dns_resolver import Answer, ResolutionError, resolver_of

if TYPE_CHECKING:
    from pyvoy.server.services import Services

__all__ = ["Answer", "resolve"]


async def resolve(services: Services, name: str) -> Answer | None:
    """The addresses of a name, those of IPv6 or else those of IPv4; None when it could not be resolved."""
    try:
        return await resolver_of(services.shared, services.loop).resolve(name, DnsLookupFamily.AUTO)
    except (ResolutionError, UnicodeError):  # no name may look like that
        return None
