"""HTTP/2 requests of the embedded generator: one slot is one stream, a link the connection of several slots.

The frames are the work of pyvoy's own codec for upstreams.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, cast

from pyvoy.bench.load.client import Client
from pyvoy.bench.load.result import PROTOCOL, RESET, TIMEOUT
from pyvoy.http.h2.client import Http2ClientCodec
from pyvoy.http.h2.frames import PREFACE, ErrorCode
from pyvoy.http.h2.limits import LARGEST_WINDOW, Http2Plan
from pyvoy.http.h2.stats import CodecStats
from pyvoy.http.headers import HeaderMap
from pyvoy.observe.details import Reset
from pyvoy.stats.store import memory_store

if TYPE_CHECKING:
    from pyvoy.bench.load.plan import LoadPlan
    from pyvoy.http.codec import CodecError
    from pyvoy.http.h1.heads import ResponseHead

_PLAN = Http2Plan(
    head_limit_bytes=1 << 20,
    count_limit=10_000,
    stream_window_bytes=LARGEST_WINDOW >> 1,
    connection_window_bytes=LARGEST_WINDOW >> 1,
    max_outbound_frames=1 << 30,
)
"""Nothing that a target may send is refused but for breaking the protocol."""


class RequestHeaders:
    """The head of each request: made once but for the number behind the path."""

    __slots__ = ("_map", "_number", "_path", "_unique")

    def __init__(self, plan: LoadPlan, first_number: int) -> None:
        target = plan.target
        given = [(name.lower().encode(), value.encode()) for name, value in plan.headers]
        hosts = [value for name, value in given if name == b"host"]
        pairs = [
            (b":method", plan.method.encode()),
            (b":scheme", b"https" if target.secure else b"http"),
            (b":authority", hosts[0] if hosts else target.authority.encode()),
            (b":path", target.path.encode()),
            *[(name, value) for name, value in given if name != b"host"],
        ]
        if plan.body and b"content-length" not in dict(given):
            pairs.append((b"content-length", str(len(plan.body)).encode()))
        self._map = HeaderMap(pairs)
        self._path = target.path.encode()
        self._unique = plan.unique_paths
        self._number = first_number

    def next(self) -> HeaderMap:
        """The next request's."""
        if self._unique:
            self._number += 1
            self._map.set(b":path", b"%b%d" % (self._path, self._number))
        return self._map


class Http2Slot:
    """One request at a time on a link that others use too.  Implements the driver's Slot and the codec's StreamSink."""

    __slots__ = ("_client", "_due_s", "_link", "_sent_s", "_status", "busy", "stream_id")

    def __init__(self, client: Client, link: Http2Link) -> None:
        self._client = client
        self._link = link
        self.busy = False
        self.stream_id = 0
        """0: the request waits for the connection."""
        self._due_s = 0.0
        self._sent_s = 0.0
        self._status = 0

    def send(self, due_s: float, now_s: float) -> None:
        """Ask, as soon as there is a connection."""
        self.busy = True
        self._due_s = due_s
        self._sent_s = now_s
        self._status = 0
        self.stream_id = 0
        self._link.ask(self)

    def failed(self, kind: str, *, later: bool = False) -> None:
        """There will be no answer."""
        if self.busy:
            self.busy = False
            self.stream_id = 0
            self._client.driver.failed(self._due_s, kind)
            if later:
                self._client.free_later(lambda: self._link.free(self))
            else:
                self._link.free(self)

    def sweep(self, now_s: float) -> None:
        """Give up a request that is due for longer than the time-out."""
        if self.busy and now_s - self._due_s > self._client.plan.timeout_s:
            self._link.give_up(self)
            self.failed(TIMEOUT)

    def _answered(self) -> None:
        if self.busy:
            self.busy = False
            self.stream_id = 0
            self._client.driver.answered(self._due_s, self._sent_s, self._status)
            self._link.free(self)

    # ---- StreamSink ----

    def on_informational(self, headers: HeaderMap) -> None:
        """A 1xx answer is none."""

    def on_response(self, head: ResponseHead, body: bytes) -> None:
        """Of HTTP/1 alone."""

    def on_headers(self, headers: HeaderMap, end: bool) -> None:
        self._status = int(headers.map[b":status"])
        if end:
            self._answered()

    def on_data(self, data: bytes, end: bool) -> None:
        if end:
            self._answered()

    def on_trailers(self, trailers: HeaderMap) -> None:
        self._answered()

    def on_reset(self, reason: str, detail: str) -> None:
        if reason == Reset.REMOTE_REFUSED_STREAM_RESET and self._link.going_away:
            self.stream_id = 0
            self._link.ask(self)  # it was not taken (RFC 9113 6.8): the next connection's, and no error
            return
        self.failed(PROTOCOL if reason == Reset.PROTOCOL_ERROR else RESET)

    def on_high_watermark(self) -> None:
        """Bodies wait in the codec."""

    def on_low_watermark(self) -> None:
        """Bodies wait in the codec."""

    def on_gone(self) -> None:
        """The end of the stream is told by the other events."""


class Http2Link:
    """One connection at a time, its slots, and those of them that wait for it or for room on it."""

    def __init__(self, client: Client, requests: RequestHeaders, streams: int) -> None:
        self._client = client
        self._requests = requests
        self._stats = CodecStats(memory_store().root)
        self._dialling = False
        self._waiting: deque[Http2Slot] = deque()
        self.slots = [Http2Slot(client, self) for _ in range(streams)]
        self.connection: Http2LoadConnection | None = None

    @property
    def going_away(self) -> bool:
        """The target has said that it takes no more on this connection."""
        return self.connection is not None and self.connection.codec.going_away

    def ask(self, slot: Http2Slot) -> None:
        """Send a slot's request as soon as the connection can take it."""
        self._waiting.append(slot)
        if self.connection is not None:
            self.pump(self.connection)
        elif not self._dialling:
            self._dialling = True
            self._client.dial(self)

    def pump(self, connection: Http2LoadConnection) -> None:
        """Begin what waits while the target takes more."""
        while self._waiting and connection.has_room:
            slot = self._waiting.popleft()
            slot.stream_id = connection.begin(slot, self._requests.next(), self._client.plan.body)
        connection.end_if_drained()

    def free(self, slot: Http2Slot) -> None:
        """A slot has nothing to do; there is room for one that waits."""
        if self.connection is not None:
            self.pump(self.connection)
        self._client.driver.free(slot)

    def give_up(self, slot: Http2Slot) -> None:
        """A slot no longer waits for its answer."""
        if not slot.stream_id:
            self._waiting.remove(slot)
        elif self.connection is not None:
            self.connection.codec.reset_code(slot.stream_id, ErrorCode.CANCEL)

    # ---- the connection ----

    def make_protocol(self) -> Http2LoadConnection:
        """A connection that is ours once it is made."""
        return Http2LoadConnection(self, self._client, self._stats)

    def connected(self, connection: Http2LoadConnection) -> None:
        """The connection is there."""
        self._dialling = False
        self.connection = connection
        self.pump(connection)

    def dial_failed(self, kind: str) -> None:
        """There is no connection: whoever waits is told."""
        self._dialling = False
        self._fail_waiting(kind)

    def lost(self, kind: str) -> None:
        """The connection is gone; the requests on it go with it, and one that waits makes the next."""
        self.connection = None
        for slot in self.slots:
            if slot.stream_id:
                slot.failed(kind)
        if self._waiting and not self._dialling:
            self._dialling = True
            self._client.dial(self)

    def drop(self) -> None:
        """Close the connection."""
        if self.connection is not None:
            self.connection.detach()
            self.connection = None

    def sweep(self, now_s: float) -> None:
        """Give up what has taken too long."""
        if not self._dialling:
            for slot in self.slots:
                slot.sweep(now_s)

    def _fail_waiting(self, kind: str) -> None:
        waiting, self._waiting = self._waiting, deque()
        for slot in waiting:
            slot.failed(kind, later=True)


class Http2LoadConnection(asyncio.Protocol):
    """One connection.  Implements the codec's Http2ClientSink."""

    def __init__(self, link: Http2Link, client: Client, stats: CodecStats) -> None:
        self._link: Http2Link | None = link
        self._client = client
        self._transport: asyncio.Transport | None = None
        self._settled: asyncio.Future[None] = client.loop.create_future()
        """Done when the target has told its limits; until then nothing is asked."""
        self.codec = Http2ClientCodec(self, self._write, _PLAN, stats, lambda: 0)

    @property
    def has_room(self) -> bool:
        """Whether the target's limits allow another stream."""
        codec = self.codec
        return not codec.going_away and len(codec.streams) < codec.stream_limit

    async def ready(self) -> None:
        """Wait for the target's settings."""
        await self._settled

    def end_if_drained(self) -> None:
        """Close a connection that takes no more requests when its last one is over."""
        if self.codec.going_away and not self.codec.streams:
            self._end(RESET)

    def begin(self, slot: Http2Slot, headers: HeaderMap, body: bytes) -> int:
        """Send a request; returns its stream."""
        codec = self.codec
        stream_id = codec.new_stream(slot)
        codec.send_headers(stream_id, headers, not body)
        if body:
            codec.send_data(stream_id, body, True)
        return stream_id

    def detach(self) -> None:
        """Close; nothing that comes counts any more."""
        self._link = None
        if self._transport is not None:
            self._transport.abort()

    # ---- asyncio.Protocol ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports are of no asyncio class
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() != "h2":
            self._end(PROTOCOL)
        else:
            self.codec.start(PREFACE)

    def data_received(self, data: bytes) -> None:
        self._client.bytes_received += len(data)
        if self._link is not None:
            self.codec.feed(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(RESET)
        self.codec.release()

    # ---- Http2ClientSink ----

    def on_settings(self) -> None:
        if self._link is None:
            return
        self._client.note_stream_limit(self.codec.stream_limit)
        if self._settled.done():
            self._link.pump(self)
        else:
            self._settled.set_result(None)
            self._link.connected(self)

    def on_goaway(self) -> None:
        """What waits has another connection when the streams of this one have ended."""
        self.end_if_drained()

    def on_connection_error(self, error: CodecError) -> None:
        self._end(PROTOCOL)

    def on_ping_answered(self, payload: bytes) -> None:
        """No ping is sent."""

    def _end(self, kind: str) -> None:
        link = self._link
        if link is None:
            return
        self.detach()
        if self._settled.done():
            link.lost(kind)
        else:
            self._settled.set_exception(ConnectionError("the target does not speak HTTP/2"))

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)
