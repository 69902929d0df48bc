"""Stand-ins for what surrounds a stream: the worker's services, a connection, a codec, the upstream behind the chain.

Each fake writes what reaches it into one `Record`, in order; the playbook compares that with what a test expects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from types import SimpleNamespace
from typing import Any

from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, HttpFilter, Verdict
from pyvoy.network.address import Address
from pyvoy.network.network_filter import CloseType
from pyvoy.observe.stream_info import ConnectionInfo
from pyvoy.server.arena import Arena, local_arena
from pyvoy.server.services import Services
from pyvoy.stats.layout import GAUGE, HEADER_BYTES, WORD_NAMES_USED, decode
from pyvoy.stats.store import Scope, Store, memory_store
from pyvoy.stats.tally import TallyBoard
from pyvoy.testing.clock import FakeClock, FakeLoop, FakeTimers
from pyvoy.testing.recorder import Record
from pyvoy.upstream.cluster_plan import DnsLookupFamily
from pyvoy.upstream.dns_resolver import RESOLVER, Answer, ResolutionError

CLIENT = Address("127.0.0.1", 40000)
LOCAL = Address("127.0.0.1", 10000)


class FakeClusters:
    """A cluster manager that knows the clusters it was given by name."""

    def __init__(self, **clusters: Any) -> None:
        self._clusters: dict[str, Any] = clusters
        self.get: Callable[..., Any] = self._clusters.get

    def add(self, name: str, *, hosts: int = 1, healthy: int | None = None, degraded: int = 0) -> None:
        """A cluster with so many hosts, of which so many are healthy (by default all) and degraded."""
        healthy = hosts if healthy is None else healthy
        host_set = SimpleNamespace(
            hosts=[object()] * hosts, healthy=[object()] * healthy, degraded=[object()] * degraded
        )
        self._clusters[name] = SimpleNamespace(name=name, priority_set=(host_set,))


class FakeServices:
    """A worker's services on fake time, and everything a test wants to look at.

    `services` is what rooms are given; `clock`, `loop`, `timers`, `store` and `arena` are behind it."""

    def __init__(self, *, seed: int = 1) -> None:
        self.clock = FakeClock()
        self.loop = FakeLoop(self.clock)
        self.timers = FakeTimers(self.loop, self.clock)
        self.store: Store = memory_store()
        self.scope: Scope = self.store.root
        self.arena: Arena = local_arena(self.clock)
        self.clusters = FakeClusters()
        self.services = Services(
            loop=self.loop.as_loop,
            timers=self.timers,
            root_scope=self.scope,
            arena=self.arena,
            clusters=self.clusters,  # type: ignore[arg-type]  # the part of a cluster manager that filters use
            clock=self.clock,
            wall=self.clock.wall,
            random=Random(seed),
        )
        self.names: dict[str, tuple[str, ...]] = {}
        """IP addresses by name; every other name cannot be resolved."""
        self.services.shared[RESOLVER] = FakeResolver(self.names)
        self.services.tallies = TallyBoard(self.loop.as_loop, delay_s=0)

    def counter(self, name: str) -> int:
        """The value of a counter by its full name."""
        return self.scope.counter(name).value

    def gauge(self, name: str) -> int:
        """The value of a gauge by its full name."""
        return self.scope.gauge(name).value

    def gauges(self) -> dict[str, int]:
        """All gauges that are not zero."""
        directory = self.store.file.read(HEADER_BYTES, self.store.header[WORD_NAMES_USED])
        names = [entry.name for entry in decode(directory)[0] if entry.kind == GAUGE]
        return {name: value for name in names if (value := self.scope.gauge(name).value)}


class FakeResolver:
    """DNS without a net: names out of a table."""

    def __init__(self, names: Mapping[str, tuple[str, ...]]) -> None:
        self._names = names

    async def resolve(self, name: str, family: DnsLookupFamily) -> Answer:
        """The addresses of a name, of whatever family.  Raises ResolutionError."""
        if name not in self._names:
            raise ResolutionError(f"no {name}")
        return Answer(self._names[name], 60)

    def close(self) -> None:
        """There is nothing to give up."""


class FakeConnection:
    """A downstream connection without a socket, as far as a connection manager and network filters use it.

    `written` is what was sent to the client, `closed` how the connection was closed, `read_disabled` how often
    reading is switched off now."""

    runner = None
    ended_by_peer = False
    end_is_stopped = False

    def __init__(
        self, services: Services, record: Record, *, buffer_limit_bytes: int = 1 << 20, number: int = 1
    ) -> None:
        self.services = services
        self.record = record
        self.buffer_limit_bytes = buffer_limit_bytes
        self.chain = SimpleNamespace(delayed_close_timeout_s=1.0, name="")
        self.written = bytearray()
        self.closed: CloseType | None = None
        self.read_disabled = 0
        self.resumed: list[Any] = []
        self.info = info = ConnectionInfo()
        info.connection_id = number
        info.remote = info.direct_remote = CLIENT
        info.local = info.direct_local = LOCAL
        info.start_s = services.clock()
        info.start_wall_s = services.wall()
        info.listener_name = "test"

    @property
    def is_open(self) -> bool:
        """False once it was closed."""
        return self.closed is None

    @property
    def closed_locally(self) -> bool:
        """True once it was closed from here."""
        return self.closed is not None

    def writer(self, data: bytes) -> None:
        """Straight to the client."""
        self.written += data

    def write(self, data: bytes) -> None:
        """To the client."""
        self.written += data

    def write_end(self) -> None:
        """Half-close."""
        self.record.note("write_end")

    def close(self, kind: CloseType = CloseType.FLUSH, details: str = "") -> None:
        """Closed once; later calls change nothing."""
        if self.closed is None:
            self.closed = kind
            self.info.termination_details = self.info.termination_details or details

    def read_disable(self, disable: bool) -> None:
        """Only what changes anything is recorded."""
        before = self.read_disabled
        self.read_disabled += 1 if disable else -1
        assert self.read_disabled >= 0, "reading was resumed more often than paused"
        if not before and self.read_disabled:
            self.record.note("paused")
        elif before and not self.read_disabled:
            self.record.note("resumed")

    def hold_back(self, hold: bool) -> None:
        """What is kept is not read by anybody."""
        self.read_disable(hold)

    def continue_reading(self, filter_: Any) -> None:
        """A network filter that held the connection lets go."""
        self.resumed.append(filter_)
        self.record.note("continued")


class RecordingCodec:
    """A server codec that writes down what would go to the client, and refuses what breaks HTTP's order."""

    protocol = "HTTP/1.1"
    must_close = False
    special = False
    is_http_10 = False
    corked = False
    """What is sent is noted at once: how it is put into writes is the real codec's."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._state = "head"

    def uncork(self) -> None:
        """No more output for now."""
        self.corked = False

    def feed(self, data: bytes) -> None:
        """Nothing is ever fed: events come from the playbook."""

    def send_informational(self, stream_id: int, headers: HeaderMap) -> None:
        """A 1xx response."""
        assert self._state == "head", f"1xx after the {self._state}"
        self._record.note("informational", headers=headers)

    def send_headers(self, stream_id: int, headers: HeaderMap, end: bool) -> None:
        """The response head."""
        assert self._state == "head", f"response headers after the {self._state}"
        self._state = "end" if end else "body"
        self._record.note("sent", headers=headers, end=end)

    def send_data(self, stream_id: int, data: bytes, end: bool) -> None:
        """A piece of the body."""
        assert self._state == "body", f"response data in the state {self._state!r}"
        if end:
            self._state = "end"
        if data or end:
            self._record.note("sent_data", data=data, end=end)

    def send_response(self, stream_id: int, headers: HeaderMap, body: bytes) -> None:
        """A whole response at once."""
        self.send_headers(0, headers, not body)
        if body:
            self.send_data(0, body, True)

    def send_trailers(self, stream_id: int, trailers: HeaderMap) -> None:
        """The trailers."""
        assert self._state == "body", f"response trailers in the state {self._state!r}"
        self._state = "end"
        self._record.note("sent_trailers", headers=trailers, end=True)

    def reset(self, stream_id: int, reason: str) -> None:
        """The stream is cut."""
        self._state = "end"
        self._record.note("reset")

    def release(self) -> None:
        """The connection is gone."""

    def finish(self, stream_id: int) -> bool:
        """Ready for the next request of this connection; none waits."""
        self._state = "head"
        return False


class FakeUpstream(HttpFilter):
    """The terminal filter of a playbook's chain: writes down what arrives, and refuses what breaks HTTP's order.

    Its plan is the stage (see `stage.py`), which answers in its name."""

    __slots__ = ("_stage", "_state", "_stream")

    terminal = True

    def __init__(self, plan: Any) -> None:
        self._stage = plan
        self._state = "head"
        self._stream: Any = None
        plan.upstream = self

    @property
    def state(self) -> str:
        """head, body or end: what has arrived of the request."""
        return self._state

    def request_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
        """The request head has passed every filter."""
        assert self._state == "head", f"request headers after the {self._state}"
        self._stream = stream
        stream.source = self
        self._state = "end" if end else "body"
        self._stage.record.note("forwarded", headers=headers, end=end)
        return CONTINUE

    def request_data(self, stream: Any, data: bytes, end: bool) -> Verdict:
        """A piece of the body."""
        assert self._state == "body", f"request data in the state {self._state!r}"
        if end:
            self._state = "end"
        if data or end:
            self._stage.record.note("forwarded_data", data=data, end=end)
        return CONTINUE

    def request_trailers(self, stream: Any, trailers: HeaderMap) -> Verdict:
        """The trailers."""
        assert self._state == "body", f"request trailers in the state {self._state!r}"
        self._state = "end"
        self._stage.record.note("forwarded_trailers", headers=trailers, end=True)
        return CONTINUE

    def pause_response(self, pause: bool) -> None:
        """ResponseSource: reading from the upstream stops or goes on."""
        self._stage.record.note("upstream_paused" if pause else "upstream_resumed")

    def on_destroy(self, stream: Any) -> None:
        """A request that was not answered to its end is cut."""
        if self._stream is not None and not self._stage.answered:
            self._stage.record.note("upstream_reset")
