"""Statistics on their way out of the main process, at every flush: datagrams, and lines over TCP.

What a sink does not take is lost; nothing waits for it.  Source: Envoy's UdpStatsdSink and TcpStatsdSink.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, cast

from pyvoy.stats.statsd import StatsdWriter, packed

if TYPE_CHECKING:
    from pyvoy.config.compile.stats_sinks import SinkPlan
    from pyvoy.network.address import Address
    from pyvoy.stats.counters import Counter
    from pyvoy.stats.merge import Snapshot
    from pyvoy.stats.store import Scope
    from pyvoy.stats.tags import TagExtractor

log = logging.getLogger("pyvoy.main")

MAX_WAITING_BYTES = 16 * 1024 * 1024
"""How much may wait for a TCP connection before its lines are dropped."""

FindHost = Callable[[str], "Address | None"]


class StatsSinks:
    """The sinks in force.  Owned by the main process."""

    def __init__(self, root: Scope, loop: asyncio.AbstractEventLoop, find_host: FindHost) -> None:
        self._root = root
        self._loop = loop
        self._find_host = find_host
        self._plans: list[SinkPlan] = []
        self._sinks: list[tuple[StatsdWriter, _Datagrams | _Lines]] = []

    def adopt(self, plans: list[SinkPlan]) -> None:
        """Send to these from now on; those that stay the same go on as they are."""
        if plans == self._plans:
            return
        self.close()
        self._plans = plans
        self._sinks = [(StatsdWriter(plan.prefix, plan.dialect), self._sink(plan)) for plan in plans]

    def _sink(self, plan: SinkPlan) -> _Datagrams | _Lines:
        if plan.address is not None:
            return _Datagrams(plan.address, plan.max_bytes)
        overflow = self._root.counter("statsd.cx_overflow")
        return _Lines(self._loop, lambda: self._find_host(plan.cluster), overflow)

    def flush(self, snapshot: Callable[[], Snapshot], tags: TagExtractor) -> None:
        """Send everything; `snapshot` is only asked where there are sinks."""
        if not self._sinks:
            return
        found = snapshot()
        for writer, sink in self._sinks:
            sink.send(writer.lines(found, tags))

    def close(self) -> None:
        """Send nothing more."""
        for _, sink in self._sinks:
            sink.close()
        self._sinks, self._plans = [], []


class _Datagrams:
    """A socket for datagrams; opened on first need."""

    def __init__(self, address: Address, max_bytes: int) -> None:
        self._address = address
        self._max_bytes = max_bytes
        self._socket: socket.socket | None = None

    def send(self, lines: Iterable[str]) -> None:
        """Send lines."""
        target: Any
        address = self._address
        if address.is_pipe:
            family, target = socket.AF_UNIX, address.path
        else:
            family = socket.AF_INET6 if ":" in address.ip else socket.AF_INET
            target = (address.ip, address.port)
        if self._socket is None:
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
        for data in packed(iter(lines), self._max_bytes):
            try:
                self._socket.sendto(data, target)
            except OSError as error:
                log.debug("statistics for %s are lost: %s", address.text, error)

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class _Lines(asyncio.Protocol):
    """A TCP connection to a host of a cluster; made on first need and whenever it is lost."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, find_host: Callable[[], Address | None], overflow: Counter
    ) -> None:
        self._loop = loop
        self._find_host = find_host
        self._overflow = overflow
        self._transport: asyncio.Transport | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._waiting: list[bytes] = []

    def send(self, lines: Iterable[str]) -> None:
        """Send lines, as soon as there is a connection."""
        data = "".join(f"{line}\n" for line in lines).encode()
        transport = self._transport
        if transport is not None:
            if transport.get_write_buffer_size() + len(data) > MAX_WAITING_BYTES:
                self._overflow.inc()
            else:
                transport.write(data)
            return
        self._waiting = [data]  # what did not get through before is old
        if self._connecting is None:
            self._connecting = self._loop.create_task(self._connect(), name="stats sink")

    async def _connect(self) -> None:
        address = self._find_host()
        try:
            if address is not None:
                await self._loop.create_connection(lambda: self, address.ip, address.port)
        except OSError as error:
            log.debug("statistics wait for %s: %s", address, error)
        finally:
            self._connecting = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send what waits."""
        writing = self._transport = cast("asyncio.Transport", transport)
        waiting, self._waiting = self._waiting, []
        writing.write(b"".join(waiting))

    def connection_lost(self, exc: Exception | None) -> None:
        """The next flush makes another one."""
        self._transport = None

    def close(self) -> None:
        """Close the connection."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._transport is not None:
            self._transport.close()
