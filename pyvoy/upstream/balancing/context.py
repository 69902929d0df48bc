"""What a request tells the load balancer: its hash, which hosts to avoid, which host it insists on.

The router (or tcp_proxy) subclasses it once and overrides what it knows; None stands for a request without wishes.
Source of behaviour: Envoy, Upstream::LoadBalancerContext.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyvoy.upstream.balancing.load import PriorityLoad
    from pyvoy.upstream.endpoint import Host, PrioritySet


class LoadBalancerContext:
    """The wishes of one request; this class wishes nothing.

    `override_host` is (address text such as "10.0.0.1:80", strict): that host is taken whatever the policy says; when
    the cluster does not have it, strict ends in no host and lax in the policy's choice.
    `host_selection_retry_count` says how often another host is asked for when `should_skip` refuses one.
    `steers`: the load of the priorities is what `steer` makes of it.
    """

    __slots__ = ()

    metadata_match: Mapping[str, Any] | None = None
    override_host: tuple[str, bool] | None = None
    host_selection_retry_count: int = 0
    steers: bool = False

    def hash_key(self) -> int | None:
        """64-bit hash of the request by the route's hash policy; None when the policy gives none."""
        return None

    def should_skip(self, host: Host) -> bool:
        """True when a retry predicate (previous_hosts, omit_canary_hosts, ...) refuses this host."""
        return False

    def steer(self, sets: PrioritySet, load: PriorityLoad, place: Callable[[Host], int | None]) -> PriorityLoad:
        """The load that holds for this request; `place` tells the priority that a host has among these sets."""
        return load
