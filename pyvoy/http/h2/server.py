"""HTTP/2, server side: requests in, responses out.  Pure: bytes are handed in, output goes to `write`.

Implements the `ServerCodec` interface; a stream's id is HTTP/2's own.  A request that is a head and nothing else goes
to `on_request` with a head that is remembered as long as the client's header table stands still.
Sources: RFC 9113, RFC 8441; Envoy's http2 codec for details and what ends a stream or the connection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from pyvoy.http.codec import CodecError, RequestSink
from pyvoy.http.h1.heads import RequestHead, ResponseHead
from pyvoy.http.h1.pipeline import GET_MODE
from pyvoy.http.h2 import frames
from pyvoy.http.h2.connection import Http2Connection
from pyvoy.http.h2.frames import ErrorCode, frame_head
from pyvoy.http.h2.head_rules import Malformed, content_length, request_headers, response_fields
from pyvoy.http.h2.hpack import CODEC_ERROR, Http2Error
from pyvoy.http.h2.limits import DEFAULT_FRAME_BYTES, Http2Plan
from pyvoy.http.h2.stats import CodecStats
from pyvoy.http.h2.stream import CodecStream
from pyvoy.http.headers import HeaderMap

SERVICE_TIME = b"x-envoy-upstream-service-time"
_END_BOTH = frames.END_HEADERS | frames.END_STREAM
_TIME_NAME = b"\x00%c%b" % (len(SERVICE_TIME), SERVICE_TIME)
"""A literal field without indexing with a new name (RFC 7541 6.2.2); the value follows."""
_NO_LAST_STREAM = 0x7FFFFFFF
"""In the first GOAWAY of a graceful end (RFC 9113 6.8)."""


class Http2ServerSink(Protocol):
    """The connection manager's side."""

    def new_stream(self, stream_id: int) -> RequestSink:
        """A request begins."""

    def on_request(self, stream_id: int, head: RequestHead, body: bytes) -> None:
        """A whole request."""

    def on_stream_reset(self, stream_id: int, code: int) -> None:
        """The client has reset a stream."""

    def on_stream_error(self, stream_id: int, details: str) -> None:
        """A stream has been reset because its request is malformed."""

    def on_stream_watermark(self, stream_id: int, high: bool) -> None:
        """The client's window for a stream is shut, or has opened again."""

    def on_stream_closed(self, stream_id: int) -> None:
        """Everything of a response is written that waited behind the end of its stream."""

    def on_connection_error(self, error: CodecError) -> None:
        """The client broke the protocol; GOAWAY is written."""

    def on_ping_answered(self, payload: bytes) -> None:
        """The client has answered a PING of ours."""

    def on_early_answer(self, stream_id: int) -> None:
        """The response is whole, the manager done with it, and the request still coming: it has to be told to stop
        (RFC 9113 8.1)."""

    def on_partial_head(self, stream: RequestSink) -> None:
        """A request's head has begun and is not whole."""

    def on_head_complete(self, stream: RequestSink) -> None:
        """It is whole now."""


class Http2ServerCodec(Http2Connection):
    """One downstream connection.  Owned by the connection manager."""

    __slots__ = ("_answers_second", "_early", "_meters", "_preface_left", "refusing", "server")

    must_close = False
    special = False
    is_http_10 = False

    def __init__(
        self,
        server: Http2ServerSink,
        write: Callable[[bytes], None],
        plan: Http2Plan,
        stats: CodecStats,
        unwritten: Callable[[], int],
        *,
        meters: bool = False,
    ) -> None:
        """`meters`: the bytes of each stream are counted."""
        super().__init__(write, plan, stats, unwritten)
        self.server = server
        self._meters = meters
        self._preface_left = frames.PREFACE
        self._early: RequestSink | None = None
        self.refusing = False
        """No stream is taken any more."""
        self._answers_second = 0

    # ---- input ----

    def feed(self, data: bytes) -> None:
        """Bytes from the client, the preface first."""
        if self._preface_left:
            expected = self._preface_left
            size = min(len(expected), len(data))
            if data[:size] != expected[:size]:
                self.broken = True
                self.connection_failed(Http2Error(ErrorCode.PROTOCOL_ERROR, CODEC_ERROR))
                return
            self._preface_left = expected[size:]
            data = data[size:]
            if self._preface_left:
                return
            self.start()
        super().feed(data)

    def _own_settings(self) -> list[tuple[int, int]]:
        plan = self.plan
        values = [
            (frames.MAX_CONCURRENT_STREAMS, plan.max_concurrent_streams),
            (frames.INITIAL_WINDOW_SIZE, plan.stream_window_bytes),
        ]
        if plan.hpack_table_bytes != 4096:
            values.insert(0, (frames.HEADER_TABLE_SIZE, plan.hpack_table_bytes))
        if plan.allow_connect:
            values.append((frames.ENABLE_CONNECT_PROTOCOL, 1))
        return [*values, *plan.custom_settings]

    def _is_idle(self, stream_id: int) -> bool:
        return stream_id > self._last_seen or not stream_id & 1 or self._in_gap(stream_id)

    def _in_gap(self, stream_id: int) -> bool:
        """Skipped by the client: closed without ever having been open (RFC 9113 5.1.1)."""
        return any(low <= stream_id <= high for low, high in self._gaps)

    def _on_headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        super()._on_headers(flags, stream_id, payload)
        if self._block_stream and stream_id > self._last_seen and stream_id & 1:
            if len(self.streams) >= self.plan.max_concurrent_streams:
                return
            self._take_id(stream_id)
            stream = self._open(stream_id)
            self._early = stream.sink = self.server.new_stream(stream_id)
            self.server.on_partial_head(self._early)

    def _block_too_long(self) -> None:
        super()._block_too_long()
        if self._block_stream not in self.streams:
            self._early = None

    def _on_head(self, stream_id: int, block: bytes, end: bool) -> None:
        stream = self.streams.get(stream_id)
        if stream is not None and self._early is None:
            self._take_trailers(stream, block, end)
            return
        if stream is None and stream_id <= self._last_seen:
            if stream_id & 1 and not self._in_gap(stream_id):
                self._decode(block)
                self._closed_stream(stream_id)
                return
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, CODEC_ERROR)
        if not stream_id & 1:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, CODEC_ERROR)
        if stream is None:
            self._take_id(stream_id)
            if len(self.streams) >= self.plan.max_concurrent_streams or self.refusing:
                self._decode(block)
                self.stats.stream_refused_errors.inc()
                self._emit_reset(stream_id, ErrorCode.REFUSED_STREAM)
                return
            stream = self._open(stream_id)
        self._take_request(stream, block, end)

    def _take_id(self, stream_id: int) -> None:
        if stream_id > self._last_seen + 2:
            self._gaps.append((self._last_seen + 1, stream_id - 1))
        self._last_seen = stream_id

    def _open(self, stream_id: int) -> CodecStream:
        stream = CodecStream(stream_id, None, self._peer_window, self.plan.stream_window_bytes)
        self.streams[stream_id] = stream
        self._guard.opened += 1
        self.stats.streams_active.inc()
        return stream

    def _take_request(self, stream: CodecStream, block: bytes, end: bool) -> None:
        """A request's head: from memory, or decoded and judged."""
        known: Any = self._decoder.known.get(block)
        if known is not None and (not end or not known.length_bytes):
            self._begin_request(stream, known, end, len(block))
            return
        try:
            fields = self._decode(block)
        except Http2Error:
            if stream.sink is None:
                stream.sink = self.server.new_stream(stream.stream_id)  # as in Envoy, it is counted and logged
            raise
        try:
            headers = request_headers(fields, self.plan)
            expected = content_length(headers)
            if end and expected > 0:
                raise Malformed("http2.violation.of.messaging.rule")
        except Malformed as fault:
            self._refuse_request(stream, fault)
            return
        values = headers.map
        if headers.pairs is None and b"upgrade" not in values and values[b":method"] != b"CONNECT":
            head = RequestHead(values, GET_MODE)
            self._decoder.keep(block, head)
            self._begin_request(stream, head, end, len(block))
            return
        stream.upgrade = values.get(b"upgrade", b"")
        stream.connect = values[b":method"] == b"CONNECT"
        stream.expected = expected
        self._begin_stream(stream, headers, end, len(block))

    def _refuse_request(self, stream: CodecStream, fault: Malformed) -> None:
        """The connection manager hears of the stream even so: it is counted and logged."""
        if stream.sink is None:
            stream.sink = self.server.new_stream(stream.stream_id)
        self._early = None
        self._refuse_message(stream, fault)

    def _begin_request(self, stream: CodecStream, head: RequestHead, end: bool, size: int) -> None:
        values = head.values
        stream.headless = values[b":method"] == b"HEAD"
        if not end and b"content-length" in values:
            stream.expected = head.length_bytes
        if end and self._early is None and not self._meters:
            stream.final = stream.remote_ended = True
            self.server.on_request(stream.stream_id, head, b"")
            return
        self._begin_stream(stream, head.headers(), end, size)

    def _begin_stream(self, stream: CodecStream, headers: HeaderMap, end: bool, size: int) -> None:
        stream.final = True
        early, self._early = self._early, None
        sink = early
        if sink is None:
            sink = stream.sink = self.server.new_stream(stream.stream_id)
        else:
            self.server.on_head_complete(sink)
        if self._meters:
            stream.meter = getattr(sink, "info", None)
            self._meter_received(stream.meter, size, head=True)
        if end:
            stream.remote_ended = True
        sink.on_headers(headers, end)

    def _stream_reset(self, stream: CodecStream, code: int) -> None:
        self.server.on_stream_reset(stream.stream_id, code)

    def _stream_malformed(self, stream: CodecStream, details: str) -> None:
        self.server.on_stream_error(stream.stream_id, details)

    def _watermark(self, stream: CodecStream, high: bool) -> None:
        self.server.on_stream_watermark(stream.stream_id, high)

    def _gone(self, stream: CodecStream) -> None:
        super()._gone(stream)
        if stream.pending_end:
            self.server.on_stream_closed(stream.stream_id)

    def _pending_sent(self, stream: CodecStream) -> None:
        super()._pending_sent(stream)
        if stream.sink is None and stream.stream_id in self.streams and stream.local_ended:
            self.server.on_early_answer(stream.stream_id)

    def on_ping_answered(self, payload: bytes) -> None:
        """The client has answered a PING."""
        self.server.on_ping_answered(payload)

    def _trailers_counted(self) -> None:
        self.stats.trailers.inc()

    def _peer_setting(self, identifier: int, value: int) -> None:
        """A client's other settings concern pushes."""

    def _peer_goaway(self, last_stream_id: int, code: int) -> None:
        """A client pushes nothing that it could take back."""

    def _meter_received(self, meter: Any, size: int, *, head: bool = False) -> None:
        meter.downstream_wire_bytes_received += size + frames.HEADER_BYTES
        if head:
            meter.downstream_header_bytes_received += size + frames.HEADER_BYTES

    def _meter_sent(self, meter: Any, size: int, *, head: bool = False) -> None:
        meter.downstream_wire_bytes_sent += size + frames.HEADER_BYTES
        if head:
            meter.downstream_header_bytes_sent += size + frames.HEADER_BYTES

    def forget_heads(self) -> None:
        """Another plan decides what heads become."""
        self._decoder.known.clear()
        self._encoder.known.clear()

    def connection_failed(self, error: Http2Error) -> None:
        """The client broke the protocol."""
        self.server.on_connection_error(error)

    # ---- output ----

    def next_reason(self, phrase: bytes) -> None:
        """HTTP/2 has no reason phrases."""

    def send_informational(self, stream_id: int, headers: HeaderMap) -> None:
        """A 1xx head."""
        stream = self.streams.get(stream_id)
        if stream is not None and not stream.local_ended:
            self._send_head(stream, response_fields(headers), False)

    def send_headers(self, stream_id: int, headers: HeaderMap, end: bool) -> None:
        """The response head."""
        stream = self.streams.get(stream_id)
        if stream is None or stream.local_ended:
            return
        fields = response_fields(headers)
        if stream.connect or stream.upgrade:
            end = False if headers.map.get(b":status", b"")[:1] in (b"1", b"2") else end
        self._send_head(stream, fields, end)

    def send_response(self, stream_id: int, headers: HeaderMap, body: bytes) -> None:
        """A whole response."""
        self._depth += 1
        stream = self.streams.get(stream_id)
        if stream is not None:
            end = not body or stream.headless
            self._send_head(stream, response_fields(headers), end)
            if not end:
                self.send_data(stream_id, body, True)
        self._depth -= 1
        self._flush()

    def send_answer(self, stream_id: int, head: ResponseHead, took_ms: int, body: bytes, second: int) -> bool:
        """A whole response whose head has been written on this connection before, but for the service time.

        False when it has not, or the header table has changed since, or (`second` is the current one) the date."""
        if second != self._answers_second:
            self._answers_second = second
            self._encoder.known.clear()
        block = self._encoder.known.get(head)
        if block is None:
            return False
        stream = self.streams.get(stream_id)
        if stream is not None:
            self._write_answer(stream, block, took_ms, body)
        return True

    def send_new_answer(
        self, stream_id: int, head: ResponseHead, headers: HeaderMap, took_ms: int, body: bytes
    ) -> None:
        """The same for the first time: `headers` are what becomes of the head, without the service time."""
        block = self._encoder.encode(response_fields(headers), head if head.kept else None)
        stream = self.streams.get(stream_id)
        if stream is not None:
            self._write_answer(stream, block, took_ms, body)

    def _write_answer(self, stream: CodecStream, block: bytes, took_ms: int, body: bytes) -> None:
        digits = b"%d" % took_ms
        block = b"%b%b%c%b" % (block, _TIME_NAME, len(digits), digits)
        size = len(body)
        fits = size <= self._max_frame and size <= stream.send_window and size <= self._send_window
        if not fits or stream.local_ended or len(block) > DEFAULT_FRAME_BYTES:
            self._emit(frames.header_frames(stream.stream_id, block, not body, self._max_frame))
            if body:
                self.send_data(stream.stream_id, body, True)
            else:
                self._local_end(stream)
            return
        self._note_frame()
        self._note_frame()
        stream_id = stream.stream_id
        pack = frame_head.pack
        length = len(block)
        if not size:
            self._emit(pack(length >> 8, length & 255, frames.HEADERS, _END_BOTH, stream_id) + block)
        else:
            self._guard.data_sent += 1
            self._send_window -= size
            first = pack(length >> 8, length & 255, frames.HEADERS, frames.END_HEADERS, stream_id)
            second = pack(size >> 8, size & 255, frames.DATA, frames.END_STREAM, stream_id)
            self._emit(b"%b%b%b%b" % (first, block, second, body))
        self._local_end(stream)

    def send_data(self, stream_id: int, data: bytes, end: bool) -> None:
        """A piece of the response body; the answer to HEAD has none."""
        stream = self.streams.get(stream_id)
        if stream is not None and stream.headless:
            if end:
                super().send_data(stream_id, b"", True)
            return
        super().send_data(stream_id, data, end)

    def reset(self, stream_id: int, reason: str) -> None:
        """Give the stream up."""
        self.reset_code(stream_id, ErrorCode.INTERNAL_ERROR)

    def finish(self, stream_id: int) -> bool:
        """The connection manager is done with the stream; never is there another that waits for it (False).

        The owner hears of a request that is still coming; what waits of a response goes on."""
        stream = self.streams.get(stream_id)
        if stream is None:
            return False
        stream.sink = None
        if stream.local_ended:
            self.server.on_early_answer(stream_id)
        elif not stream.pending_end:
            self._reset_stream(stream, ErrorCode.INTERNAL_ERROR)
        return False

    def is_flushing(self, stream_id: int) -> bool:
        """Whether a response that is whole still waits for the client's window; `on_stream_closed` tells its end.

        A stream whose request alone is not over waits for nothing of ours."""
        stream = self.streams.get(stream_id)
        return stream is not None and stream.pending_end

    def deliver_next(self) -> None:
        """Nothing ever waits for its turn."""

    # ---- the end ----

    def announce_end(self) -> None:
        """The first step of a graceful end: no new streams, please; those that come are still served."""
        self.goaway(_NO_LAST_STREAM)

    def refuse_streams(self) -> None:
        """The second step: what comes from now on is refused."""
        self.refusing = True
        self.goaway(self._last_seen)
