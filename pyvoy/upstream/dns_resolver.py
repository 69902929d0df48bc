"""Resolvers: from a name and a lookup family to addresses with the time they may be kept.

`CaresResolver` asks DNS through c-ares, the library that Envoy uses, so that hosts file, search domains, "localhost"
and literal addresses behave the same; its queries run in a thread of its own.  `SystemResolver` asks the system's
getaddrinfo in the loop's executor.  When to ask, and what becomes of the answer, is `dns.py`'s matter.
Source of behaviour: Envoy, CaresDnsResolver and GetAddrInfoDnsResolver; what counts as an answer was measured on 1.40:
an unknown name and a name without such records are answers without addresses, everything else is a failure.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import Any, Protocol

from pyvoy.upstream.cluster_plan import DnsLookupFamily, DnsPlan

# c-ares, ares.h: addresses come in the order of the answer.
_ARES_AI_NOSORT = 1 << 7

_FAMILIES = {
    DnsLookupFamily.AUTO: (socket.AF_INET6, socket.AF_INET),
    DnsLookupFamily.V4_PREFERRED: (socket.AF_INET, socket.AF_INET6),
    DnsLookupFamily.V4_ONLY: (socket.AF_INET,),
    DnsLookupFamily.V6_ONLY: (socket.AF_INET6,),
    DnsLookupFamily.ALL: (socket.AF_UNSPEC,),
}


class ResolutionError(Exception):
    """No answer: a time-out, a refusal, a broken server."""


@dataclass(slots=True, frozen=True)
class Answer:
    """IP addresses without repetitions, possibly none; `ttl_s` is the shortest of them, 0 when unknown."""

    ips: tuple[str, ...] = ()
    ttl_s: int = 0


class Resolver(Protocol):
    """Asks for names."""

    async def resolve(self, name: str, family: DnsLookupFamily) -> Answer:
        """The addresses of a name.  Raises ResolutionError."""

    def close(self) -> None:
        """Give up what is under way."""


async def _by_families(ask: Any, name: str, family: DnsLookupFamily) -> Answer:
    """Ask for one address family after the other until one has addresses; the last outcome counts."""
    families = _FAMILIES[family]
    for first in families[:-1]:
        try:
            answer: Answer = await ask(name, first)
        except ResolutionError:
            continue
        if answer.ips:
            return answer
    last: Answer = await ask(name, families[-1])
    return last


class CaresResolver:
    """DNS by c-ares.  One per set of options; made in the process and on the loop that uses it."""

    def __init__(self, plan: DnsPlan, loop: asyncio.AbstractEventLoop) -> None:
        import pycares

        self._loop = loop
        self._empty = frozenset((pycares.errno.ARES_ENODATA, pycares.errno.ARES_ENOTFOUND))
        self._explain = pycares.errno.strerror
        flags = pycares.ARES_FLAG_USEVC if plan.use_tcp else 0
        flags |= pycares.ARES_FLAG_NOSEARCH if plan.no_search_domain else 0
        servers = [_server(ip, port) for ip, port in plan.resolvers]
        self._channel = pycares.Channel(
            flags=flags, timeout=plan.query_timeout_s, tries=plan.query_tries, servers=servers or None
        )

    async def resolve(self, name: str, family: DnsLookupFamily) -> Answer:
        """The addresses of a name.  Raises ResolutionError."""
        return await _by_families(self._ask, name, family)

    async def _ask(self, name: str, family: socket.AddressFamily) -> Answer:
        future: asyncio.Future[tuple[Any, int | None]] = self._loop.create_future()

        def done(result: Any, error: int | None) -> None:
            # Runs in c-ares' thread.
            self._loop.call_soon_threadsafe(_settle, future, result, error)

        self._channel.getaddrinfo(name, None, family=family, flags=_ARES_AI_NOSORT, callback=done)
        result, error = await future
        if error in self._empty:
            return Answer()
        if error is not None:
            raise ResolutionError(str(self._explain(error)))
        nodes = result.nodes
        ips = dict.fromkeys(node.addr[0].decode("ascii") for node in nodes)
        return Answer(tuple(ips), min((node.ttl for node in nodes), default=0))

    def close(self) -> None:
        """Give up what is under way."""
        self._channel.close()


class SystemResolver:
    """The system's getaddrinfo; it tells no times to live."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    async def resolve(self, name: str, family: DnsLookupFamily) -> Answer:
        """The addresses of a name.  Raises ResolutionError."""
        return await _by_families(self._ask, name, family)

    async def _ask(self, name: str, family: socket.AddressFamily) -> Answer:
        try:
            found = await self._loop.getaddrinfo(name, None, family=family, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            if error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)):
                return Answer()
            raise ResolutionError(error.strerror or str(error)) from error
        return Answer(tuple(dict.fromkeys(str(entry[4][0]) for entry in found)))

    def close(self) -> None:
        """Nothing to give up: a query under way ends in its thread."""


def make_resolver(plan: DnsPlan, loop: asyncio.AbstractEventLoop) -> Resolver:
    """The resolver that a cluster's plan asks for."""
    return SystemResolver(loop) if plan.system else CaresResolver(plan, loop)


def _settle(future: asyncio.Future[tuple[Any, int | None]], result: Any, error: int | None) -> None:
    if not future.done():
        future.set_result((result, error))


def _server(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
