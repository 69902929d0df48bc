"""A listener with network filters and clusters of one worker, live on loopback, with clients and upstreams to try it.

Everything runs in one uvloop; what the worker counts is in `store`.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
import time
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

import uvloop

from pyvoy.network.address import Address, ListenAddress
from pyvoy.network.listener import FilterChain, Listener, ListenerPlan
from pyvoy.network.timers import TimerWheel
from pyvoy.observe.details import flags_text
from pyvoy.server.arena import local_arena
from pyvoy.server.services import Services
from pyvoy.stats.store import memory_store
from pyvoy.stats.tally import TallyBoard
from pyvoy.upstream.cluster_manager import ClusterManager
from pyvoy.upstream.cluster_plan import AssignmentPlan, ClusterPlan, EndpointPlan, LocalityPlan
from tests.support.peer import Peer, connect
from tests.support.tls import Tls

RST = struct.pack("ii", 1, 0)
LOOP_S = 5.0
"""No wait in a test takes longer."""


def run(work: Callable[[Worker], Coroutine[Any, Any, None]]) -> None:
    """Run a test in a fresh loop with a fresh worker."""

    async def main() -> None:
        worker = Worker()
        try:
            await asyncio.wait_for(work(worker), 4 * LOOP_S)
        finally:
            await worker.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


class LogOf:
    """An access log that keeps what it is given: flags, bytes and whatever else a test asks for."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def log(self, source: Any) -> None:
        """Keep the line."""
        info = source.info
        host = info.upstream_host
        self.lines.append(
            f"{source.log_type} {flags_text(info.response_flags)} {info.bytes_received}/{info.bytes_sent} "
            f"{info.upstream_cluster or '-'} {'host' if host else '-'} {info.response_code_details or '-'} "
            f"{source.connection.filter_chain_name or '-'}"
        )


class Worker:
    """Services, clusters and listeners."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.store = memory_store()
        self.arena = local_arena()
        self.log = LogOf()
        self.listener: Listener
        self._listeners: list[Listener] = []
        self._plans: list[ClusterPlan] = []
        self._ends: list[Callable[[], None]] = []
        self._peers: list[Client] = []
        clusters = ClusterManager(self.store.root, self.arena, Random(1))
        self.services = Services(
            loop=loop,
            timers=TimerWheel(loop, time.monotonic),
            root_scope=self.store.root,
            arena=self.arena,
            clusters=clusters,
            random=Random(1),
            connection_ids=itertools.count(1).__next__,
        )
        self.services.tallies = TallyBoard(loop, delay_s=0)

    def count(self, name: str) -> int:
        """A counter's value."""
        return self.store.root.counter(name).value

    def level(self, name: str) -> int:
        """A gauge's value."""
        return self.store.root.gauge(name).value

    def counts(self, prefix: str, names: str) -> list[int]:
        """Several counters."""
        return [self.count(f"{prefix}.{name}") for name in names.split()]

    def cluster(self, name: str, *ports: int, **options: Any) -> None:
        """A cluster with hosts on loopback."""
        endpoints = tuple(EndpointPlan(Address("127.0.0.1", port)) for port in ports)
        assignment = AssignmentPlan((LocalityPlan(endpoints),) if ports else ())
        options.setdefault("connect_timeout_s", 1.0)
        self._plans.append(ClusterPlan(name, assignment=assignment, fingerprint=name, **options))
        self.services.clusters.apply(self._plans)

    async def listen(self, *filters: tuple[Any, Any], chain: FilterChain | None = None, **options: Any) -> int:
        """Serve these filters (or that chain); returns the port."""
        found = chain or FilterChain("chain", filters)
        plan: dict[str, Any] = {
            "name": "test",
            "match": lambda info: found,
            "listener_filters": (),
            "listener_filters_timeout_s": 15.0,
            "continue_on_listener_filters_timeout": False,
            "per_connection_buffer_limit_bytes": 1 << 20,
            "access_logs": (self.log,),
            "scope": self.store.root.scope("listener.test"),
            "digest": b"",
            **options,
        }
        sock = bound()
        address = ListenAddress(Address("127.0.0.1", sock.getsockname()[1]))
        self.listener = Listener(ListenerPlan(addresses=(address,), chains=(found,), **plan), self.services)
        self._listeners.append(self.listener)
        await self.listener.start([sock])
        return int(sock.getsockname()[1])

    async def upstream(self, serve: Callable[[Client], Coroutine[Any, Any, None]]) -> int:
        """An upstream that runs `serve` for each connection; returns the port."""
        tasks: list[asyncio.Task[None]] = []

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.append(asyncio.get_running_loop().create_task(serve(self._peer(reader, writer))))

        sock = bound()
        server = await asyncio.start_server(accept, sock=sock, limit=1 << 16)

        def end() -> None:
            server.close()
            for task in tasks:
                task.cancel()

        self._ends.append(end)
        return int(sock.getsockname()[1])

    async def dial(self, port: int) -> Client:
        """A client of a port."""
        return self._peer(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 16))

    async def secured(self, port: int, tls: Tls) -> Peer:
        """A client of a port that speaks TLS."""
        peer = await connect(port, tls)
        self._ends.append(peer.reset)
        return peer

    def _peer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Client:
        peer = Client(reader, writer)
        self._peers.append(peer)
        return peer

    async def settle(self, done: Callable[[], bool]) -> None:
        """Wait until something holds; fails when it never does."""
        deadline = time.monotonic() + LOOP_S
        while not done():
            assert time.monotonic() < deadline, "it never came to that"
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """End everything."""
        for listener in self._listeners:
            await listener.stop_accepting()
            listener.close_all()
        for end in self._ends:
            end()
        for peer in self._peers:
            peer.writer.transport.abort()
        await asyncio.sleep(0.01)
        self.services.timers.stop()


class Client:
    """One end of a connection outside the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        """Send."""
        self.writer.write(data)

    async def read(self, size: int) -> bytes:
        """Exactly so many bytes."""
        return await asyncio.wait_for(self.reader.readexactly(size), LOOP_S)

    async def rest(self) -> bytes | None:
        """All up to the end; None when the end is a reset."""
        try:
            return await asyncio.wait_for(self.reader.read(), LOOP_S)
        except ConnectionResetError:
            return None

    def fin(self) -> None:
        """Half-close."""
        self.writer.write_eof()

    def close(self) -> None:
        """Close."""
        self.writer.close()

    def reset(self) -> None:
        """Close with a reset."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
        self.writer.transport.abort()


def bound() -> socket.socket:
    """A listening socket on a free port."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen(64)
    return sock


def refusing() -> tuple[int, socket.socket]:
    """A port that refuses as long as the socket is kept."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return int(sock.getsockname()[1]), sock
