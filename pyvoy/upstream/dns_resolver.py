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
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from pyvoy.upstream.cluster_plan import DnsLookupFamily, DnsPlan

RESOLVER = "dns.resolver"
"""Where the services of a worker keep its resolver."""

# c-ares, ares.h: addresses come in the order of the answer.
_ARES_AI_NOSORT = 1 << 7

_CHANNEL_LIFE_S = 0.5

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
    """IP addresses without repetitions, possibly none; `ttl_s` is the shortest of them, 0 when unknown.

    `note` says why there are none, as Envoy's details do."""

    ips: tuple[str, ...] = ()
    ttl_s: int = 0
    note: str = ""


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


class _Channel:
    """A c-ares channel and how many resolutions use it."""

    __slots__ = ("ares", "born_s", "users")

    def __init__(self, ares: Any, born_s: float) -> None:
        self.ares = ares
        self.born_s = born_s
        self.users = 0


class CaresResolver:
    """DNS by c-ares.  One per set of options; made in the process and on the loop that uses it.

    A channel remembers answers for their time to live, which Envoy switches off and the binding cannot: so a channel
    serves the questions of half a second and is closed when the last of them is answered (0.7 ms of CPU each).
    """

    def __init__(self, plan: DnsPlan, loop: asyncio.AbstractEventLoop) -> None:
        self._plan = plan
        self._loop = loop
        self._channel: _Channel | None = None

    async def resolve(self, name: str, family: DnsLookupFamily) -> Answer:
        """The addresses of a name.  Raises ResolutionError."""
        channel = self._channel
        if channel is None or self._loop.time() - channel.born_s > _CHANNEL_LIFE_S:
            channel = self._channel = _Channel(self._open(), self._loop.time())
        channel.users += 1
        try:
            return await _by_families(partial(self._ask, channel.ares), name, family)
        finally:
            channel.users -= 1
            if channel.users == 0:
                self._close(channel)

    def _open(self) -> Any:
        import pycares

        plan = self._plan
        flags = pycares.ARES_FLAG_USEVC if plan.use_tcp else 0
        flags |= pycares.ARES_FLAG_NOSEARCH if plan.no_search_domain else 0
        servers = [_server(ip, port) for ip, port in plan.resolvers]
        return pycares.Channel(
            flags=flags, timeout=plan.query_timeout_s, tries=plan.query_tries, servers=servers or None
        )

    async def _ask(self, ares: Any, name: str, family: socket.AddressFamily) -> Answer:
        from pycares import errno

        future: asyncio.Future[tuple[Any, int | None]] = self._loop.create_future()

        def done(result: Any, error: int | None) -> None:
            # Runs in c-ares' thread; the loop may have ended meanwhile.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(_settle, future, result, error)

        ares.getaddrinfo(name, None, family=family, flags=_ARES_AI_NOSORT, callback=done)
        result, error = await future
        if error in (errno.ARES_ENODATA, errno.ARES_ENOTFOUND):
            return Answer(note="cares_norecords:" + str(errno.strerror(error or 0)).replace(" ", "_"))
        if error is not None:
            raise ResolutionError(str(errno.strerror(error)))
        ips = dict.fromkeys(node.addr[0].decode("ascii") for node in result.nodes)
        return Answer(tuple(ips), min((node.ttl for node in result.nodes), default=0))

    def _close(self, channel: _Channel) -> None:
        if self._channel is channel:
            self._channel = None
        channel.ares.close()

    def close(self) -> None:
        """Nothing to give up: who cancels a resolution closes its channel."""


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


def resolver_of(shared: dict[str, Any], loop: asyncio.AbstractEventLoop) -> Resolver:
    """The one of a worker, for those who ask without options of their own; `shared` is what its services keep."""
    found = shared.get(RESOLVER)
    if found is None:
        found = shared[RESOLVER] = CaresResolver(DnsPlan(), loop)
    resolver: Resolver = found
    return resolver


def make_resolver(plan: DnsPlan, loop: asyncio.AbstractEventLoop) -> Resolver:
    """The resolver that a cluster's plan asks for."""
    return SystemResolver(loop) if plan.system else CaresResolver(plan, loop)


def _settle(future: asyncio.Future[tuple[Any, int | None]], result: Any, error: int | None) -> None:
    if not future.done():
        future.set_result((result, error))


def _server(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
