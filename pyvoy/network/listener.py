"""A listener of one worker: accepts on the sockets it is given and starts connections.

The plan is shared and frozen; the listener holds what lives: servers, connections, stats.  It never closes the
supervisor's sockets, only its own duplicates, and accepts what is queued before it stops.
Source: Envoy's listener manager (stats names, limits).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pyvoy.network.address import Address, ListenAddress, from_sockname
from pyvoy.network.connection import DownstreamConnection
from pyvoy.network.network_filter import CloseType
from pyvoy.observe.details import FILTER_CHAIN_NOT_FOUND, Flag
from pyvoy.observe.stream_info import ConnectionInfo
from pyvoy.stats.tally import Tally, TallyBoard

if TYPE_CHECKING:
    from pyvoy.server.arena import SharedGauge
    from pyvoy.server.services import Services
    from pyvoy.stats.counters import Counter, Gauge
    from pyvoy.stats.store import Scope

Maker = tuple[Callable[[Any], Any], Any]
"""A filter class with its plan; `make(plan)` is one instance."""


class AccessLogger(Protocol):
    """Writes one line about a finished stream or connection."""

    def log(self, source: Any) -> None:
        """Log `source` (see the access log package)."""


@dataclass(slots=True, frozen=True)
class FilterChain:
    """One filter chain, ready to make connections.

    `transport_socket` is None on plain text, otherwise makes the transport socket of a connection.
    """

    name: str
    filters: tuple[Maker, ...]
    transport_socket: Callable[[DownstreamConnection], Any] | None = None
    delayed_close_timeout_s: float = 1.0
    on_delayed_close_timeout: Callable[[], None] | None = None


@dataclass(slots=True, frozen=True)
class ListenerPlan:
    """A listener as compiled.

    `match` finds the filter chain of a connection; `digest` tells whether a reload changed anything.  `max_connections`
    is this listener's limit, `proxy_limit` that of all listeners together; None is none.
    """

    name: str
    addresses: tuple[ListenAddress, ...]
    match: Callable[[ConnectionInfo], FilterChain | None]
    chains: tuple[FilterChain, ...]
    listener_filters: tuple[Maker, ...]
    listener_filters_timeout_s: float
    continue_on_listener_filters_timeout: bool
    per_connection_buffer_limit_bytes: int
    access_logs: tuple[AccessLogger, ...]
    scope: Scope
    digest: bytes
    backlog: int = 128
    direction: str = "UNSPECIFIED"
    socket_options: tuple[tuple[int, int, int | bytes], ...] = ()
    reuse_port: bool = True
    transparent: bool = False
    bind_to_port: bool = True
    max_connections: int | None = None
    proxy_limit: int | None = None


class ListenerStats:
    """The listener's counters, under Envoy's names."""

    __slots__ = (
        "downstream_cx_active",
        "downstream_cx_destroy",
        "downstream_cx_length_ms",
        "downstream_cx_overflow",
        "downstream_cx_overload_reject",
        "downstream_cx_total",
        "downstream_cx_transport_socket_connect_timeout",
        "downstream_global_cx_overflow",
        "downstream_listener_filter_error",
        "downstream_listener_filter_remote_close",
        "downstream_pre_cx_active",
        "downstream_pre_cx_timeout",
        "extension_config_missing",
        "network_extension_config_missing",
        "no_filter_chain_match",
        "worker_active",
        "worker_total",
    )
    downstream_cx_active: Gauge
    downstream_cx_destroy: Counter
    downstream_cx_total: Counter
    downstream_listener_filter_error: Counter
    downstream_listener_filter_remote_close: Counter
    downstream_pre_cx_active: Gauge
    downstream_pre_cx_timeout: Counter
    network_extension_config_missing: Counter
    no_filter_chain_match: Counter
    downstream_cx_overflow: Counter
    downstream_global_cx_overflow: Counter

    def __init__(self, scope: Scope, worker_index: int) -> None:
        for name in self.__slots__[:-2]:
            if name.endswith("_active"):
                setattr(self, name, scope.gauge(name))
            elif name.endswith("_ms"):
                setattr(self, name, scope.histogram(name))
            else:
                setattr(self, name, scope.counter(name))
        self.worker_total = scope.counter(f"worker_{worker_index}.downstream_cx_total")
        self.worker_active = scope.gauge(f"worker_{worker_index}.downstream_cx_active")
        self.downstream_cx_length_ms = scope.histogram("downstream_cx_length_ms")

    def tallies(self, board: TallyBoard) -> tuple[Tally, Tally]:
        """What a connection moves when it has its filter chain, and when it ends."""
        levels = (self.downstream_cx_active, self.worker_active)
        for level in levels:
            level.add(0)
        falling = tuple(level.index for level in levels)
        cells = self.downstream_cx_total.cells
        return (
            Tally(board, cells, (self.downstream_cx_total.index, self.worker_total.index, *falling)),
            Tally(board, cells, (self.downstream_cx_destroy.index,), (self.downstream_cx_length_ms,), falling=falling),
        )


def _hand_over(connection: DownstreamConnection, filters: list[Any], chain: FilterChain | None) -> None:
    makers = chain.filters if chain is not None else ()
    same = [type(filter_) for filter_ in filters] == [make for make, _ in makers]
    for index, filter_ in enumerate(filters):
        if same and hasattr(filter_, "on_new_plan"):
            filter_.on_new_plan(makers[index][1])
        elif not same and hasattr(filter_, "on_drain"):
            filter_.on_drain(connection)


class Listener:
    """The live listener of one worker."""

    def __init__(self, plan: ListenerPlan, services: Services) -> None:
        self.plan = plan
        self.services = services
        self.stats = ListenerStats(plan.scope, services.worker_index)
        self.connections: set[DownstreamConnection] = set()
        self.fixed_local: Address | None = None
        self._begun, self._over = self.stats.tallies(services.tallies)
        self._shared: SharedGauge = services.arena.resource(f"listener_connections {plan.name}")
        self._of_proxy: SharedGauge = services.arena.resource("downstream_connections")
        self._servers: list[asyncio.Server] = []
        self._sockets: list[socket.socket] = []

    async def start(self, sockets: list[socket.socket]) -> None:
        """Accept on `sockets` (bound and listening; ownership passes to the listener)."""
        loop = self.services.loop
        if len(sockets) == 1:
            bound = from_sockname(sockets[0].getsockname())
            if bound.ip not in ("0.0.0.0", "::"):
                self.fixed_local = bound
        for sock in sockets:
            sock.setblocking(False)
            if sock.family == socket.AF_UNIX:
                server = await loop.create_unix_server(self._make, sock=sock, backlog=self.plan.backlog)
            else:
                server = await loop.create_server(self._make, sock=sock, backlog=self.plan.backlog)
            self._servers.append(server)
            self._sockets.append(sock)

    def _make(self) -> DownstreamConnection:
        return DownstreamConnection(self)

    def replace(self, plan: ListenerPlan) -> None:
        """Serve by another plan on the same sockets.

        Running connections go on: a filter that stands in the same place of its new chain gets its new plan
        (`on_new_plan`), any other is asked to end when it can (`on_drain`).
        """
        self.plan = plan
        for connection in list(self.connections):
            if connection.runner is not None:
                _hand_over(connection, connection.runner.filters, plan.match(connection.info))

    async def stop_accepting(self) -> None:
        """Take what the kernel has queued, then close our side of the sockets."""
        servers, self._servers = self._servers, []
        sockets, self._sockets = self._sockets, []
        for sock in sockets:
            await self._accept_queued(sock.dup())
        for server in servers:
            server.close()

    async def _accept_queued(self, sock: socket.socket) -> None:
        """Accept until EAGAIN: a connection in the queue of a closing socket would be reset."""
        with sock:
            while True:
                try:
                    connection, _ = sock.accept()
                except (BlockingIOError, InterruptedError):
                    return
                except OSError:
                    return
                connection.setblocking(False)
                await self.services.loop.connect_accepted_socket(self._make, connection)

    # ---- called by connections ----

    def admit(self, connection: DownstreamConnection) -> bool:
        """False when the connection limit of the proxy or the listener, which all workers share, is reached."""
        plan = connection.plan
        limit = plan.proxy_limit
        if limit is not None and not self._of_proxy.inc_within(limit):
            self.stats.downstream_global_cx_overflow.inc()
            return False
        limit = plan.max_connections
        if limit is not None and not self._shared.inc_within(limit):
            self.stats.downstream_cx_overflow.inc()
            if plan.proxy_limit is not None:
                self._of_proxy.dec()
            return False
        self.connections.add(connection)
        return True

    def admitted(self, connection: DownstreamConnection) -> None:
        """The connection has its filter chain."""
        begun = self._begun
        if not begun.count:
            begun.board.note(begun)
        begun.count += 1
        connection.counted = True

    def forget(self, connection: DownstreamConnection) -> None:
        """The connection is gone: statistics and the listener's access log."""
        if connection not in self.connections:
            return
        self.connections.discard(connection)
        plan = connection.plan
        if plan.max_connections is not None:
            self._shared.dec()
        if plan.proxy_limit is not None:
            self._of_proxy.dec()
        if connection.counted:
            connection.counted = False
            over = self._over
            if not over.count:
                over.board.note(over)
            over.count += 1
            over.values.append(int((self.services.clock() - connection.info.start_s) * 1000))
        if plan.access_logs:
            source = connection.source
            source.end()
            for logger in plan.access_logs:
                logger.log(source)

    def no_chain(self, connection: DownstreamConnection) -> None:
        """No filter chain fits; the connection is closed."""
        self.stats.no_filter_chain_match.inc()
        connection.info.response_flags |= Flag.NO_ROUTE_FOUND
        connection.info.response_code_details = FILTER_CHAIN_NOT_FOUND

    # ---- draining ----

    @property
    def active_connections(self) -> int:
        """How many connections are open."""
        return len(self.connections)

    def drain(self) -> None:
        """Ask every connection to end as soon as it is idle (network filters see it by `on_drain`)."""
        for connection in list(self.connections):
            runner = connection.runner
            if runner is None:
                continue
            for filter_ in runner.filters:
                if hasattr(filter_, "on_drain"):
                    filter_.on_drain(connection)

    def close_all(self) -> None:
        """Close every connection now."""
        for connection in list(self.connections):
            connection.close(CloseType.NO_FLUSH)
