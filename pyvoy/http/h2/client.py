"""HTTP/2, client side: many requests out, their responses in.  Pure: bytes are handed in, output goes to `write`.

Implements the `ClientCodec` interface.  A stream's sink gets `on_gone` before the last event when the stream is closed.
Sources: RFC 9113, RFC 8441; Envoy's http2 codec.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from pyvoy.http.codec import CodecError, ResponseSink
from pyvoy.http.h2 import frames
from pyvoy.http.h2.connection import Http2Connection
from pyvoy.http.h2.frames import ErrorCode
from pyvoy.http.h2.head_rules import (
    MESSAGING,
    NGHTTP2_ERROR,
    TOO_LARGE,
    TOO_MANY,
    Malformed,
    content_length,
    request_fields,
    response_headers,
)
from pyvoy.http.h2.hpack import CODEC_ERROR, Http2Error
from pyvoy.http.h2.limits import Http2Plan
from pyvoy.http.h2.stats import CodecStats
from pyvoy.http.h2.stream import CodecStream
from pyvoy.http.headers import HeaderMap, header_map
from pyvoy.observe.details import Reset

_NO_BODY = (b"204", b"304")
_LAST_ID = 0x7FFFFFFF
_REQUEST_ID = b"x-request-id"
_REQUEST_ID_NAME = b"\x00%c%b" % (len(_REQUEST_ID), _REQUEST_ID)
"""A literal field without indexing (RFC 7541 6.2.2), up to its value."""
_LONG = 0x7F
"""Lengths from here on need more than an octet."""


class KnownResponse:
    """What a header block became that leaves the table alone: upstreams answer alike most of the time."""

    __slots__ = ("expected", "values")

    def __init__(self, values: dict[bytes, bytes], expected: int) -> None:
        """`expected` is the announced length of the body, -1 for none."""
        self.values = values
        self.expected = expected


class StreamSink(ResponseSink, Protocol):
    """Receives the response on one stream."""

    def on_gone(self) -> None:
        """The stream is closed."""


class Http2ClientSink(Protocol):
    """The pool's connection."""

    def on_settings(self) -> None:
        """The upstream's limits may have changed."""

    def on_goaway(self) -> None:
        """The upstream takes no more streams on this connection."""

    def on_connection_error(self, error: CodecError) -> None:
        """The upstream broke the protocol; GOAWAY is written."""

    def on_ping_answered(self, payload: bytes) -> None:
        """The upstream has answered a PING of ours."""


class Http2ClientCodec(Http2Connection):
    """One upstream connection.  Owned by the pool's connection."""

    __slots__ = (
        "_informed",
        "_last_taken",
        "_next_id",
        "client",
        "going_away",
        "may_connect",
        "stream_limit",
    )

    def __init__(
        self,
        client: Http2ClientSink,
        write: Callable[[bytes], None],
        plan: Http2Plan,
        stats: CodecStats,
        unwritten: Callable[[], int],
    ) -> None:
        super().__init__(write, plan, stats, unwritten)
        self.client = client
        self.stream_limit = plan.max_concurrent_streams
        """How many streams may be open: the configuration's limit, and the upstream's once it has told it."""
        self.may_connect = False
        """The upstream knows extended CONNECT (RFC 8441)."""
        self.going_away = False
        self._next_id = 1
        self._last_taken = _LAST_ID
        """The last stream that the upstream takes, by its newest GOAWAY."""
        self._informed: set[int] = set()
        """Streams on which a 1xx head has come, and no other."""

    def _own_settings(self) -> list[tuple[int, int]]:
        plan = self.plan
        values = [(frames.ENABLE_PUSH, 0), (frames.INITIAL_WINDOW_SIZE, plan.stream_window_bytes)]
        if plan.hpack_table_bytes != 4096:
            values.append((frames.HEADER_TABLE_SIZE, plan.hpack_table_bytes))
        if plan.allow_connect:
            values.append((frames.ENABLE_CONNECT_PROTOCOL, 1))
        return [*values, *plan.custom_settings]

    @property
    def exhausted(self) -> bool:
        """Whether this connection's stream ids are used up."""
        return self._next_id > _LAST_ID

    # ---- requests ----

    def new_stream(self, sink: ResponseSink) -> int:
        """Begin a request; returns its stream id."""
        stream_id = self._next_id
        self._next_id += 2
        self.streams[stream_id] = CodecStream(stream_id, sink, self._peer_window, self.plan.stream_window_bytes)
        self._guard.opened += 1
        self.stats.streams_active.inc()
        return stream_id

    def meter(self, stream_id: int, meter: Any) -> None:
        """Count the stream's bytes there (a StreamInfo)."""
        stream = self.streams.get(stream_id)
        if stream is not None:
            stream.meter = meter

    def send_headers(self, stream_id: int, headers: HeaderMap, end: bool) -> None:
        """The request head; an upgrade goes out as extended CONNECT."""
        stream = self.streams.get(stream_id)
        if stream is None:
            return
        values = headers.map
        stream.headless = values[b":method"] == b"HEAD"
        stream.connect = values[b":method"] == b"CONNECT"
        if not stream.connect and b"upgrade" in values:
            stream.upgrade = values[b"upgrade"]
        elif headers.pairs is None and not stream.connect:
            self._send_ordinary(stream, values, end)
            return
        self._send_head(stream, request_fields(headers), end and not stream.connect and not stream.upgrade)

    def _send_ordinary(self, stream: CodecStream, values: dict[bytes, bytes], end: bool) -> None:
        """A head of which nothing but the request id is new, most likely: the rest is remembered, the id goes behind it
        as a literal that enters no table."""
        request_id = values.get(_REQUEST_ID)
        rest = tuple(values.items())
        if request_id is not None:
            rest = tuple([pair for pair in rest if pair[0] != _REQUEST_ID])
        block = self._encoder.known.get(rest)
        if block is None:
            block = self._encoder.encode(request_fields(header_map(dict(rest))), rest)
        if request_id is not None:
            size = len(request_id)
            if size < _LONG:
                block = b"%b%c%b" % (block + _REQUEST_ID_NAME, size, request_id)
            else:
                block += self._encoder.encode([(_REQUEST_ID, request_id, True)])
        self._send_block(stream, block, end)

    # ---- responses ----

    def _is_idle(self, stream_id: int) -> bool:
        return stream_id >= self._next_id or not stream_id & 1

    def _closed_stream(self, stream_id: int) -> None:
        """A frame for a stream that is not there: as in Envoy, ignored unless there never was one."""
        if self._is_idle(stream_id):
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, CODEC_ERROR)

    def _check_dependency(self, stream_id: int, payload: bytes) -> None:
        """As in Envoy, what an upstream says of priority does not matter."""

    def _window_overrun(self, stream_id: int) -> None:
        """As in Envoy, the end of the connection says it all."""

    def _data_without_head(self, stream: CodecStream) -> None:
        """Behind a 1xx head that ends the stream; before any head, the connection."""
        if stream.stream_id not in self._informed:
            super()._data_without_head(stream)
        self._malformed_body(stream)

    def _on_head(self, stream_id: int, block: bytes, end: bool) -> None:
        stream = self.streams.get(stream_id)
        if stream is None:
            self._closed_stream(stream_id)
            self._decode(block)
            return
        if stream.final:
            self._take_trailers(stream, block, end)
            return
        if stream.remote_ended:
            raise Http2Error(ErrorCode.STREAM_CLOSED, NGHTTP2_ERROR)
        known: Any = self._decoder.recall(block)
        fields = self._decode(block) if known is None else []
        if stream.meter is not None:
            self._meter_received(stream.meter, len(block), head=True)
        try:
            if known is None:
                headers = response_headers(fields, self.plan)
                if headers.map[b":status"][:1] == b"1":
                    if end or b"content-length" in headers.map:
                        raise Malformed(MESSAGING)
                    self._informed.add(stream_id)
                    stream.sink.on_informational(headers)
                    return
                expected = _announced(headers)
                if headers.pairs is None:
                    self._decoder.keep(block, KnownResponse(dict(headers.map), expected))
            else:
                headers = header_map(dict(known.values))
                expected = known.expected
            self._expect_body(stream, headers, expected, end)
        except Malformed as fault:
            self._refuse_message(stream, fault)
            return
        self._take_response(stream, headers, end)

    @staticmethod
    def _expect_body(stream: CodecStream, headers: HeaderMap, expected: int, end: bool) -> None:
        status = headers.map[b":status"]
        if (stream.connect or stream.upgrade) and status[:1] == b"2":  # a tunnel, whatever it says (RFC 9110 9.3.6)
            headers.remove(b"content-length")
            return
        if stream.headless or status in _NO_BODY:
            stream.headless = True
            stream.expected = 0
            return
        stream.expected = expected
        if end and expected > 0:
            raise Malformed(MESSAGING)

    def _take_response(self, stream: CodecStream, headers: HeaderMap, end: bool) -> None:
        stream.final = True
        if stream.upgrade and headers.map[b":status"] == b"200":
            headers.set(b":status", b"101")
            headers.set(b"upgrade", stream.upgrade)
            headers.set(b"connection", b"upgrade")
        if end:
            self._remote_end(stream)
        stream.sink.on_headers(headers, end)

    def _stream_reset(self, stream: CodecStream, code: int) -> None:
        stream.sink.on_reset(_reset_reason(code), "")

    def _stream_malformed(self, stream: CodecStream, details: str) -> None:
        oversized = details in (TOO_MANY, TOO_LARGE)
        stream.sink.on_reset(Reset.REMOTE_RESET if oversized else Reset.PROTOCOL_ERROR, "")

    def _watermark(self, stream: CodecStream, high: bool) -> None:
        if high:
            stream.sink.on_high_watermark()
        else:
            stream.sink.on_low_watermark()

    def _gone(self, stream: CodecStream) -> None:
        super()._gone(stream)
        if self._informed:
            self._informed.discard(stream.stream_id)
        stream.sink.on_gone()

    # ---- the connection ----

    def _trailers_counted(self) -> None:
        """As in Envoy, only a client's are."""

    def _peer_setting(self, identifier: int, value: int) -> None:
        if identifier == frames.MAX_CONCURRENT_STREAMS:
            self.stream_limit = min(value, self.plan.max_concurrent_streams)
        elif identifier == frames.ENABLE_CONNECT_PROTOCOL:
            if self.may_connect and not value:  # RFC 8441 3
                raise Http2Error(ErrorCode.PROTOCOL_ERROR, CODEC_ERROR)
            self.may_connect = bool(value)
        elif identifier == frames.ENABLE_PUSH and value:  # RFC 9113 6.5.2: a server has nothing to allow
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, CODEC_ERROR)

    def _on_settings(self, flags: int, stream_id: int, payload: bytes) -> None:
        super()._on_settings(flags, stream_id, payload)
        if not flags & frames.ACK:
            self.client.on_settings()

    def _peer_goaway(self, last_stream_id: int, code: int) -> None:
        """No more streams; those that the upstream has not taken are over (and may be tried elsewhere)."""
        if last_stream_id > self._last_taken or (last_stream_id and not last_stream_id & 1):
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, CODEC_ERROR)
        self._last_taken = last_stream_id
        first = not self.going_away
        self.going_away = True
        if first:
            self.client.on_goaway()
        for stream_id in [one for one in self.streams if one > last_stream_id]:
            stream = self.streams.pop(stream_id)
            self._gone(stream)
            stream.sink.on_reset(Reset.REMOTE_REFUSED_STREAM_RESET, "")

    def on_ping_answered(self, payload: bytes) -> None:
        """The upstream has answered a PING."""
        self.client.on_ping_answered(payload)

    def connection_failed(self, error: Http2Error) -> None:
        """The upstream broke the protocol."""
        self.client.on_connection_error(error)

    def _meter_received(self, meter: Any, size: int, *, head: bool = False) -> None:
        meter.upstream_wire_bytes_received += size + frames.HEADER_BYTES
        if head:
            meter.upstream_header_bytes_received += size + frames.HEADER_BYTES

    def _meter_sent(self, meter: Any, size: int, *, head: bool = False) -> None:
        meter.upstream_wire_bytes_sent += size + frames.HEADER_BYTES
        if head:
            meter.upstream_header_bytes_sent += size + frames.HEADER_BYTES


def _reset_reason(code: int) -> str:
    if code == ErrorCode.REFUSED_STREAM:
        return Reset.REMOTE_REFUSED_STREAM_RESET
    if code == ErrorCode.CONNECT_ERROR:
        return Reset.CONNECT_ERROR
    return Reset.REMOTE_RESET


def _announced(headers: HeaderMap) -> int:
    """The body's length, -1 if it is not told; a 204 has none, it may say so (RFC 9110 8.6).  Raises Malformed."""
    length = content_length(headers)
    if length >= 0 and headers.map[b":status"] == b"204":
        if headers.joined(b"content-length") != b"0":
            raise Malformed(MESSAGING)
        headers.remove(b"content-length")
    return length
