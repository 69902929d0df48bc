"""HTTP/2, what both sides of a connection share in reading: frames, heads, settings, and their rules.  Pure.

Bytes are handed in; what goes out is `outflow`.  The subclasses, server and client, know what a stream's first head
means.  Faults are `Http2Error`s inside, and reach the owner once, behind the GOAWAY
frame, as `connection_failed`.  Source: RFC 9113; where it leaves a choice, what Envoy's codec does.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any

from pyvoy.http.h2 import frames
from pyvoy.http.h2.floods import FloodError
from pyvoy.http.h2.frames import ErrorCode, frame_head, word_at
from pyvoy.http.h2.head_rules import (
    MESSAGING,
    NGHTTP2_ERROR,
    REMOTE_RESET,
    TOO_LARGE,
    Malformed,
    Oversized,
    Refused,
    trailer_map,
)
from pyvoy.http.h2.hpack import CODEC_ERROR, Field, HeaderDecoder, Http2Error
from pyvoy.http.h2.limits import (
    DEFAULT_FRAME_BYTES,
    DEFAULT_WINDOW,
    LARGEST_FRAME_BYTES,
    LARGEST_WINDOW,
    Http2Plan,
)
from pyvoy.http.h2.outflow import Outflow
from pyvoy.http.h2.stats import CodecStats
from pyvoy.http.h2.stream import CodecStream
from pyvoy.http.headers import header_map

_ID_MASK = 0x7FFFFFFF
_FIELD_OVERHEAD = 32
_SPARE_BYTES = 256 * 1024
"""So much of a head that is too large is still read, for the table's sake: what is larger ends the connection."""
_GAPS_REMEMBERED = 32


def _protocol_error(details: str = CODEC_ERROR) -> Http2Error:
    return Http2Error(ErrorCode.PROTOCOL_ERROR, details)


def _size_error() -> Http2Error:
    return Http2Error(ErrorCode.FRAME_SIZE_ERROR, CODEC_ERROR)


class Http2Connection(Outflow):
    """One connection's codec.  `streams` are those that are not closed, by id."""

    __slots__ = (
        "_acknowledged",
        "_block",
        "_block_end",
        "_block_size",
        "_block_stream",
        "_buffer",
        "_decoder",
        "_flood",
        "_gaps",
        "_handlers",
        "_settled",
        "heard",
    )

    def __init__(
        self, write: Callable[[bytes], None], plan: Http2Plan, stats: CodecStats, unwritten: Callable[[], int]
    ) -> None:
        super().__init__(write, plan, stats, unwritten)
        self.heard = False
        """Something has come since this was last set to False."""
        self._decoder = self._make_decoder()
        self._buffer = b""
        self._settled = False
        self._acknowledged = False
        """The peer has taken our settings, which are sent once."""
        self._block_stream = 0
        self._block: list[bytes] = []
        self._block_size = 0
        self._block_end = False
        self._flood: FloodError | None = None
        self._gaps: deque[tuple[int, int]] = deque(maxlen=_GAPS_REMEMBERED)
        self._handlers = (
            self._on_data,
            self._on_headers,
            self._on_priority,
            self._on_rst_stream,
            self._on_settings,
            self._on_push_promise,
            self._on_ping,
            self._on_goaway,
            self._on_window_update,
            self._on_continuation,
        )

    def _make_decoder(self) -> HeaderDecoder[object]:
        plan = self.plan
        limit_bytes = plan.head_limit_bytes + _FIELD_OVERHEAD * (plan.count_limit + 1)
        return HeaderDecoder(plan.hpack_table_bytes, limit_bytes + _SPARE_BYTES)

    # ---- the subclass's ----

    @abstractmethod
    def _own_settings(self) -> list[tuple[int, int]]:
        """What is announced at the start."""

    @abstractmethod
    def _on_head(self, stream_id: int, block: bytes, end: bool) -> None:
        """A whole header block has come."""

    @abstractmethod
    def _stream_reset(self, stream: CodecStream, code: int) -> None:
        """The peer has reset a stream, which is no longer among `streams`."""

    @abstractmethod
    def _stream_malformed(self, stream: CodecStream, details: str) -> None:
        """A stream was reset from here because of what the peer sent on it."""

    @abstractmethod
    def _trailers_counted(self) -> None:
        """Trailers have come."""

    @abstractmethod
    def _is_idle(self, stream_id: int) -> bool:
        """Whether a stream with this id has never been."""

    @abstractmethod
    def _peer_setting(self, identifier: int, value: int) -> None:
        """A setting that only one of the sides has."""

    @abstractmethod
    def _peer_goaway(self, last_stream_id: int, code: int) -> None:
        """The peer takes no more streams."""

    @abstractmethod
    def on_ping_answered(self, payload: bytes) -> None:
        """The answer to a PING of ours."""

    # ---- input ----

    def start(self, preface: bytes = b"") -> None:
        """Announce our settings, and the connection's window."""
        plan = self.plan
        first = preface + frames.settings(self._own_settings())
        if plan.connection_window_bytes > DEFAULT_WINDOW:
            first += frames.window_update(0, plan.connection_window_bytes - DEFAULT_WINDOW)
        self._emit(first)

    def feed(self, data: bytes) -> None:
        """Bytes from the peer."""
        if self.broken:
            return
        self.heard = True
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        self._depth += 1
        try:
            rest = self._read_frames(data)
            if self._flood is not None:
                raise self._flood
            if not self.broken:
                self._buffer = rest
        except Http2Error as error:
            self.fail(error)
        finally:
            self._depth -= 1
            self._flush()

    def _read_frames(self, data: bytes) -> bytes:
        """Work off whole frames; what is left of the last one.  Raises Http2Error."""
        at = 0
        size = len(data)
        unpack = frame_head.unpack_from
        handlers = self._handlers
        while size - at >= 9:
            high, low, kind, flags, stream_id = unpack(data, at)
            length = high << 8 | low
            if length > DEFAULT_FRAME_BYTES:
                raise _size_error()
            stop = at + 9 + length
            if stop > size:
                break
            payload = data[at + 9 : stop]
            at = stop
            stream_id &= _ID_MASK
            if not self._settled and (kind != frames.SETTINGS or flags & frames.ACK):
                raise _protocol_error()
            if self._block_stream and (kind != frames.CONTINUATION or stream_id != self._block_stream):
                raise _protocol_error()
            if kind < 10:
                handlers[kind](flags, stream_id, payload)
                if self.broken:
                    return b""
        return data[at:]

    def _without_padding(self, flags: int, payload: bytes) -> bytes:
        if not flags & frames.PADDED:
            return payload
        if not payload or payload[0] >= len(payload):
            raise _protocol_error()
        return payload[1 : len(payload) - payload[0]]

    def _closed_stream(self, stream_id: int) -> None:
        """A frame with content for a stream that is not there: ignored behind a reset of ours (RFC 9113 5.1)."""
        if not stream_id or self._is_idle(stream_id):
            raise _protocol_error()
        if stream_id not in self._resets:
            raise Http2Error(ErrorCode.STREAM_CLOSED, CODEC_ERROR)

    def _on_data(self, flags: int, stream_id: int, payload: bytes) -> None:
        size = len(payload)
        end = bool(flags & frames.END_STREAM)
        data = self._without_padding(flags, payload) if flags & frames.PADDED else payload
        self._guard.note_payload(not data and not end)
        self._receive_left -= size
        if self._receive_left < 0:
            raise Http2Error(ErrorCode.FLOW_CONTROL_ERROR, CODEC_ERROR)
        stream = self.streams.get(stream_id)
        if stream is None:
            self._closed_stream(stream_id)
            self._give_back(size)
        elif stream.remote_ended:
            raise Http2Error(ErrorCode.STREAM_CLOSED, CODEC_ERROR)
        elif not stream.final:
            self._give_back(size)
            self._data_without_head(stream)
        else:
            self._take_data(stream, data, size, end)

    def _data_without_head(self, stream: CodecStream) -> None:
        """A body before the head that it belongs to."""
        raise _protocol_error(MESSAGING)

    def _take_data(self, stream: CodecStream, data: bytes, size: int, end: bool) -> None:
        """A piece of a body; `size` counts its padding too."""
        if stream.meter is not None:
            self._meter_received(stream.meter, size)
        stream.receive_left -= size
        stream.received += len(data)
        if stream.receive_left < 0:
            self._give_back(size)
            self._reset_stream(stream, ErrorCode.FLOW_CONTROL_ERROR)
            self._stream_malformed(stream, CODEC_ERROR)
            return
        if self._wrong_length(stream, end):
            self._give_back(size)
            self._malformed_body(stream)
            return
        if stream.paused and not end:
            stream.held_bytes += size
        else:
            self._consume(stream, size, end)
        if end:
            self._remote_end(stream)
        elif not data:
            return
        if stream.sink is not None:
            stream.sink.on_data(data, end)

    @staticmethod
    def _wrong_length(stream: CodecStream, end: bool) -> bool:
        """Whether the body is not (or cannot become) as long as announced (RFC 9113 8.1.1)."""
        expected, received = stream.expected, stream.received
        if expected < 0 or (stream.headless and not received):
            return False
        return received > expected or (end and received != expected)

    def _malformed_body(self, stream: CodecStream) -> None:
        """A body that is not as long as announced: that ends the stream (nghttp2 resets it)."""
        self._reset_stream(stream, ErrorCode.PROTOCOL_ERROR)
        self._stream_malformed(stream, REMOTE_RESET)

    def _on_headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        block = self._without_padding(flags, payload) if flags & frames.PADDED else payload
        end = bool(flags & frames.END_STREAM)
        if flags & frames.HAS_PRIORITY:
            if len(block) < 5:
                raise _size_error()
            self._check_dependency(stream_id, block)
            block = block[5:]
        if not stream_id:
            raise _protocol_error()
        if flags & frames.END_HEADERS:
            self._guard.note_payload(not block and not end)
            self._on_head(stream_id, block, end)
            return
        self._guard.note_payload(not block)
        self._block_stream = stream_id
        self._block = [block]
        self._block_size = len(block)
        self._block_end = end

    def _on_continuation(self, flags: int, stream_id: int, payload: bytes) -> None:
        if not self._block_stream:
            raise _protocol_error()
        last = bool(flags & frames.END_HEADERS)
        self._guard.note_payload(not payload)
        self._block.append(payload)
        self._block_size += len(payload)
        if self._block_size > self.plan.head_limit_bytes:
            self._block_too_long()
        if last:
            block, self._block = b"".join(self._block), []
            self._block_stream = 0
            self._on_head(stream_id, block, self._block_end)

    def _block_too_long(self) -> None:
        """A head that is too large before it is whole: as in Envoy, that ends its stream alone."""
        plan = self.plan
        beyond = self._block_size - plan.head_limit_bytes
        if beyond > _SPARE_BYTES:
            raise Http2Error(ErrorCode.ENHANCE_YOUR_CALM, TOO_LARGE)
        stream = self.streams.get(self._block_stream)
        if stream is not None and beyond > _FIELD_OVERHEAD * (plan.count_limit + 1):
            self.stats.header_list_size_too_large.inc()
            self._reset_stream(stream, ErrorCode.INTERNAL_ERROR)
            self._stream_malformed(stream, TOO_LARGE)

    def _on_priority(self, flags: int, stream_id: int, payload: bytes) -> None:
        if len(payload) != 5:
            raise _protocol_error() if not stream_id else _size_error()
        self._check_dependency(stream_id, payload)
        self._guard.note_priority()

    def _check_dependency(self, stream_id: int, payload: bytes) -> None:
        """What a frame says of priority: a stream cannot depend on itself, and 0 is none (RFC 7540 5.3.1, 6.3)."""
        if not stream_id or word_at(payload)[0] & _ID_MASK == stream_id:
            raise _protocol_error()

    def _on_rst_stream(self, flags: int, stream_id: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise _size_error()
        if not stream_id or self._is_idle(stream_id):
            raise _protocol_error()
        stream = self.streams.pop(stream_id, None)
        if stream is None:
            return
        self.stats.rx_reset.inc()
        self._gone(stream)
        self._stream_reset(stream, word_at(payload)[0])

    def _on_settings(self, flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id:
            raise _protocol_error()
        if flags & frames.ACK:
            if payload:
                raise _size_error()
            if self._acknowledged:
                raise _protocol_error()
            self._acknowledged = True
            return
        if len(payload) % 6:
            raise _size_error()
        self._settled = True
        for identifier, value in frames.settings_of(payload):
            self._apply_setting(identifier, value)
        self._acknowledge(frames.frame(frames.SETTINGS, frames.ACK, 0))
        self._send_waiting()

    def _apply_setting(self, identifier: int, value: int) -> None:
        if identifier == frames.HEADER_TABLE_SIZE:
            self._encoder.resize(value)
        elif identifier == frames.INITIAL_WINDOW_SIZE:
            if value > LARGEST_WINDOW:
                raise Http2Error(ErrorCode.FLOW_CONTROL_ERROR, CODEC_ERROR)
            change = value - self._peer_window
            self._peer_window = value
            for stream in self.streams.values():
                stream.send_window += change
                if stream.send_window > LARGEST_WINDOW:
                    raise Http2Error(ErrorCode.FLOW_CONTROL_ERROR, CODEC_ERROR)
        elif identifier == frames.MAX_FRAME_SIZE:
            if not DEFAULT_FRAME_BYTES <= value <= LARGEST_FRAME_BYTES:
                raise _protocol_error()
            self._max_frame = min(value, 65536)
        elif identifier in (frames.ENABLE_PUSH, frames.ENABLE_CONNECT_PROTOCOL) and value > 1:
            raise _protocol_error()
        else:
            self._peer_setting(identifier, value)

    def _on_push_promise(self, flags: int, stream_id: int, payload: bytes) -> None:
        """Never allowed: clients do not push, and to servers we announce that we take none."""
        raise _protocol_error()

    def _on_ping(self, flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id:
            raise _protocol_error()
        if len(payload) != 8:
            raise _size_error()
        if flags & frames.ACK:
            self.on_ping_answered(payload)
            return
        self._acknowledge(frames.frame(frames.PING, frames.ACK, 0, payload))

    def _acknowledge(self, answer: bytes) -> None:
        """Answers that nobody reads are a flood: as in Envoy, the connection ends behind what was read with them."""
        if self._flood is not None:
            return
        try:
            self._guard.note_control()
        except FloodError as error:
            self._flood = error
            return
        self._emit(answer)

    def _on_goaway(self, flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id:
            raise _protocol_error()
        if len(payload) < 8:
            raise _size_error()
        self._peer_goaway(word_at(payload)[0] & _ID_MASK, word_at(payload, 4)[0])

    def _on_window_update(self, flags: int, stream_id: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise _size_error()
        self._guard.note_window_update()
        increment = word_at(payload)[0] & _ID_MASK
        if not increment:
            raise _protocol_error(NGHTTP2_ERROR if stream_id else CODEC_ERROR)
        if not stream_id:
            self._send_window += increment
            if self._send_window > LARGEST_WINDOW:
                raise Http2Error(ErrorCode.FLOW_CONTROL_ERROR, CODEC_ERROR)
            self._send_waiting()
            return
        stream = self.streams.get(stream_id)
        if stream is None:
            if self._is_idle(stream_id):
                raise _protocol_error()
            return
        stream.send_window += increment
        if stream.send_window > LARGEST_WINDOW:
            self._window_overrun(stream_id)
            raise Http2Error(ErrorCode.FLOW_CONTROL_ERROR, CODEC_ERROR)
        if stream.pending is not None:
            self._send_pending(stream)

    def _window_overrun(self, stream_id: int) -> None:
        """RFC 9113 6.9.1 asks for RST_STREAM; as in Envoy, the connection ends behind it."""
        self._emit(frames.rst_stream(stream_id, ErrorCode.FLOW_CONTROL_ERROR))

    # ---- heads ----

    def _decode(self, block: bytes) -> list[Field]:
        return self._decoder.decode(block)

    def _take_trailers(self, stream: CodecStream, block: bytes, end: bool) -> None:
        """A second head on a stream ends its message."""
        key = (block,)
        known: Any = self._decoder.recall(block, key)
        fields = self._decode(block) if known is None else []
        if stream.remote_ended:
            raise Http2Error(ErrorCode.STREAM_CLOSED, NGHTTP2_ERROR)
        try:
            if not end:
                raise Malformed(MESSAGING)
            if known is not None:
                trailers = header_map(dict(known))
            else:
                trailers = trailer_map(fields, self.plan)
                if trailers.pairs is None:
                    self._decoder.keep(block, dict(trailers.map), key)
            if not stream.headless and stream.expected >= 0 and stream.received != stream.expected:
                raise Malformed(MESSAGING)
        except Malformed as fault:
            self._refuse_message(stream, fault)
            return
        self._trailers_counted()
        if stream.meter is not None:
            self._meter_received(stream.meter, len(block), head=True)
        self._remote_end(stream)
        if stream.sink is not None:
            stream.sink.on_trailers(trailers)

    def _refuse_message(self, stream: CodecStream, fault: Malformed) -> None:
        """A malformed message ends its stream or, unless configured otherwise, the connection.  Raises Http2Error."""
        if isinstance(fault, Oversized):
            overflow = (
                self.stats.header_list_size_too_large if fault.details == TOO_LARGE else self.stats.header_overflow
            )
            overflow.inc()
            code = ErrorCode.INTERNAL_ERROR
        elif isinstance(fault, Refused):
            self.stats.requests_rejected_with_underscores_in_headers.inc()
            code = ErrorCode.INTERNAL_ERROR
        else:
            self.stats.rx_messaging_error.inc()
            if not self.plan.stream_errors:
                raise _protocol_error(fault.details)
            code = ErrorCode.PROTOCOL_ERROR
        self._reset_stream(stream, code)
        self._stream_malformed(stream, fault.details)

    # ---- the end ----

    def release(self) -> None:
        """The connection is gone: let go of the others, so that the collector has no circle to find."""
        super().release()
        self._handlers = ()  # type: ignore[assignment]
        self.stats.streams_active.sub(len(self.streams))
        self.streams.clear()
        self._waiting.clear()
