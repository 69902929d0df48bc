"""HTTP/2, what both sides of a connection share in writing: output, windows, resets, the end.  Pure.

Output goes to `write`, gathered while one read is worked off; a body goes out as far as the peer's windows allow, and
its producer is told when too much waits.  Source: RFC 9113 5.2, 6.9; Envoy's codec for what is told to whom.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any

from pyvoy.http.h2 import frames
from pyvoy.http.h2.floods import FloodGuard
from pyvoy.http.h2.frames import ErrorCode
from pyvoy.http.h2.head_rules import response_fields
from pyvoy.http.h2.hpack import Field, HeaderEncoder, Http2Error
from pyvoy.http.h2.limits import DEFAULT_FRAME_BYTES, DEFAULT_WINDOW, Http2Plan
from pyvoy.http.h2.stats import CodecStats
from pyvoy.http.h2.stream import CodecStream
from pyvoy.http.headers import HeaderMap

_RESETS_REMEMBERED = 2048


def _discard(data: bytes) -> None:
    """Output of a connection that is gone."""


class Outflow(ABC):
    """One connection's output, and the streams that are not closed, by id."""

    __slots__ = (
        "_depth",
        "_encoder",
        "_guard",
        "_last_seen",
        "_max_frame",
        "_out",
        "_peer_window",
        "_receive_left",
        "_resets",
        "_send_window",
        "_unacked",
        "_waiting",
        "_write",
        "broken",
        "pending_limit_bytes",
        "plan",
        "protocol",
        "stats",
        "streams",
    )

    def __init__(
        self, write: Callable[[bytes], None], plan: Http2Plan, stats: CodecStats, unwritten: Callable[[], int]
    ) -> None:
        self.plan = plan
        self.stats = stats
        self.protocol = "HTTP/2"
        self.broken = False
        """After a fault or the end: nothing is read or written any more."""
        self.streams: dict[int, CodecStream] = {}
        self.pending_limit_bytes = 256 * 1024
        """Body of one stream that may wait for the peer's window before its producer is told to wait."""
        self._write = write
        self._encoder = HeaderEncoder()
        self._out: list[bytes] = []
        self._guard = FloodGuard(plan, stats, self._out, unwritten)
        self._depth = 0
        self._last_seen = 0
        self._resets: dict[int, None] = {}
        self._max_frame = DEFAULT_FRAME_BYTES
        self._peer_window = DEFAULT_WINDOW
        self._send_window = DEFAULT_WINDOW
        self._receive_left = max(plan.connection_window_bytes, DEFAULT_WINDOW)
        self._unacked = 0
        self._waiting: dict[int, CodecStream] = {}

    # ---- the subclass's ----

    @abstractmethod
    def _watermark(self, stream: CodecStream, high: bool) -> None:
        """The peer's window is shut and too much waits (True), or has opened again."""

    @abstractmethod
    def connection_failed(self, error: Http2Error) -> None:
        """The peer broke the protocol; GOAWAY has been written.  Called once."""

    # ---- output ----

    def _emit(self, data: bytes) -> None:
        if self._depth:
            self._out.append(data)
        else:
            self._guard.sent_bytes += len(data)
            self._write(data)

    def _flush(self) -> None:
        if self._out and not self._depth:
            data = b"".join(self._out)
            self._out.clear()
            self._guard.sent_bytes += len(data)
            self._write(data)

    @property
    def corked(self) -> bool:
        """True while output is gathered because more is about to come."""
        return self._depth > 0

    @corked.setter
    def corked(self, value: bool) -> None:
        if value:
            self._depth += 1

    def uncork(self) -> None:
        """No more output for now: let go what was gathered."""
        self._depth -= 1
        self._flush()

    def _send_head(self, stream: CodecStream, fields: list[Field], end: bool, key: object = None) -> None:
        block = self._encoder.known.get(key) if key is not None else None
        if block is None:
            block = self._encoder.encode(fields, key)
        self._send_block(stream, block, end)

    def _send_block(self, stream: CodecStream, block: bytes, end: bool) -> None:
        """A head that is encoded already."""
        if stream.meter is not None:
            self._meter_sent(stream.meter, len(block), head=True)
        self._note_frame()
        self._emit(frames.header_frames(stream.stream_id, block, end, self._max_frame))
        if end:
            self._local_end(stream)

    def _note_frame(self) -> None:
        try:
            self._guard.note_frame()
        except Http2Error as error:
            self.fail(error)

    def send_data(self, stream_id: int, data: bytes, end: bool) -> None:
        """A piece of the body, as far as the peer's windows allow; the rest waits."""
        stream = self.streams.get(stream_id)
        if stream is None or stream.local_ended or stream.pending_end:
            return
        size = len(data)
        if (
            stream.pending is None
            and size <= stream.send_window
            and size <= self._send_window
            and size <= self._max_frame
        ):
            if size or end:
                stream.send_window -= size
                self._send_window -= size
                self._emit_data(stream, data, end)
            return
        if stream.pending is None:
            stream.pending = deque()
            self._waiting[stream_id] = stream
        if size:
            stream.pending.append(data)
            stream.pending_bytes += size
        stream.pending_end = end
        self._send_pending(stream)

    def send_trailers(self, stream_id: int, trailers: HeaderMap) -> None:
        """Trailers, behind what waits of the body; the end."""
        stream = self.streams.get(stream_id)
        if stream is None or stream.local_ended or stream.pending_end:
            return
        if stream.pending is not None:
            stream.pending_trailers = trailers
            stream.pending_end = True
            self._send_pending(stream)
            return
        self._emit_trailers(stream, trailers)

    def _emit_trailers(self, stream: CodecStream, trailers: HeaderMap) -> None:
        if len(trailers):
            self._send_head(stream, response_fields(trailers), True)
        else:
            self._emit_data(stream, b"", True)

    def _emit_data(self, stream: CodecStream, data: bytes, end: bool) -> None:
        self._guard.data_sent += 1
        self._note_frame()
        self._emit(frames.data_frame(stream.stream_id, data, end))
        if stream.meter is not None:
            self._meter_sent(stream.meter, len(data))
        if end:
            self._local_end(stream)

    def _send_waiting(self) -> None:
        """The windows have grown: every stream that waits gets its turn, a frame at a time."""
        while self._waiting and self._send_window > 0 and not self.broken:
            before = self._send_window
            for stream in list(self._waiting.values()):
                self._send_pending(stream, 1)
            if self._send_window == before:
                return

    def _send_pending(self, stream: CodecStream, count: int = 1 << 30) -> None:
        """Send what waits of a stream, at most `count` frames."""
        pending = stream.pending
        if pending is None:
            return
        while pending and count and not self.broken:
            room = min(stream.send_window, self._send_window, self._max_frame)
            if room <= 0:
                break
            piece = pending.popleft()
            if len(piece) > room:
                pending.appendleft(piece[room:])
                piece = piece[:room]
            size = len(piece)
            stream.pending_bytes -= size
            stream.send_window -= size
            self._send_window -= size
            count -= 1
            last = (
                not pending and stream.pending_end and stream.pending_trailers is None and stream.pending_reset is None
            )
            self._emit_data(stream, piece, last)
        if not pending:
            self._pending_sent(stream)
        self._tell_watermark(stream)

    def _pending_sent(self, stream: CodecStream) -> None:
        stream.pending = None
        self._waiting.pop(stream.stream_id, None)
        if stream.pending_reset is not None:
            self._reset_stream(stream, stream.pending_reset)
        elif stream.pending_end and not stream.local_ended:
            if stream.pending_trailers is not None:
                self._emit_trailers(stream, stream.pending_trailers)
            else:
                self._emit_data(stream, b"", True)

    def _tell_watermark(self, stream: CodecStream) -> None:
        if not stream.blocked and stream.pending_bytes > self.pending_limit_bytes:
            stream.blocked = True
            self._watermark(stream, True)
        elif stream.blocked and stream.pending_bytes <= self.pending_limit_bytes // 2:
            stream.blocked = False
            self._watermark(stream, False)

    # ---- receiving windows ----

    def pause(self, stream_id: int, pause: bool) -> None:
        """Give the peer no more credit on a stream, or again; calls nest."""
        stream = self.streams.get(stream_id)
        if stream is None:
            return
        stream.paused += 1 if pause else -1
        if not stream.paused and stream.held_bytes:
            held, stream.held_bytes = stream.held_bytes, 0
            self._consume(stream, held, stream.remote_ended)

    def _consume(self, stream: CodecStream, size: int, ended: bool) -> None:
        """Bytes have found their reader: give the credit back, half a window at a time."""
        self._give_back(size)
        if ended:
            return
        stream.unacked += size
        if stream.unacked * 2 >= self.plan.stream_window_bytes:
            stream.receive_left += stream.unacked
            self._emit(frames.window_update(stream.stream_id, stream.unacked))
            stream.unacked = 0

    def _give_back(self, size: int) -> None:
        self._unacked += size
        if self._unacked * 2 >= self.plan.connection_window_bytes:
            self._receive_left += self._unacked
            self._emit(frames.window_update(0, self._unacked))
            self._unacked = 0

    # ---- ends ----

    def _remote_end(self, stream: CodecStream) -> None:
        stream.remote_ended = True
        if stream.local_ended:
            self._close(stream)

    def _local_end(self, stream: CodecStream) -> None:
        stream.local_ended = True
        if stream.remote_ended:
            self._close(stream)

    def _close(self, stream: CodecStream) -> None:
        """Both sides are done."""
        if self.streams.pop(stream.stream_id, None) is not None:
            self._gone(stream)

    def _gone(self, stream: CodecStream) -> None:
        """A stream is no longer among those that are open."""
        self._waiting.pop(stream.stream_id, None)
        self.stats.streams_active.dec()
        if stream.held_bytes:
            held, stream.held_bytes = stream.held_bytes, 0
            self._give_back(held)
        stream.pending = None

    def _reset_stream(self, stream: CodecStream, code: int) -> None:
        """RST_STREAM, and nothing more of this stream."""
        if self.streams.pop(stream.stream_id, None) is None:
            return
        self._gone(stream)
        self._emit_reset(stream.stream_id, code)

    def _emit_reset(self, stream_id: int, code: int) -> None:
        resets = self._resets
        if len(resets) >= _RESETS_REMEMBERED:
            del resets[next(iter(resets))]
        resets[stream_id] = None
        self.stats.tx_reset.inc()
        try:
            self._guard.note_control()
        except Http2Error as error:
            self.fail(error)
            return
        self._emit(frames.rst_stream(stream_id, code))

    def reset_code(self, stream_id: int, code: int) -> None:
        """Reset a stream; nothing when it is closed."""
        stream = self.streams.get(stream_id)
        if stream is not None:
            self._reset_stream(stream, code)

    def reset_behind(self, stream_id: int, code: int) -> None:
        """Reset a stream behind what waits of its body."""
        stream = self.streams.get(stream_id)
        if stream is not None and stream.pending is not None:
            stream.pending_end, stream.pending_reset = True, code
        elif stream is not None:
            self._reset_stream(stream, code)

    def ping(self, payload: bytes) -> None:
        """Ask for a sign of life; `payload` has eight bytes."""
        if not self.broken:
            self._emit(frames.frame(frames.PING, 0, 0, payload))

    def goaway(self, last_stream_id: int, code: int = ErrorCode.NO_ERROR, debug: bytes = b"") -> None:
        """Announce the end."""
        if not self.broken:
            self.stats.goaway_sent.inc()
            self._emit(frames.goaway(last_stream_id, code, debug))

    @property
    def last_stream_id(self) -> int:
        """The newest stream of the peer's that was taken."""
        return self._last_seen

    def fail(self, error: Http2Error) -> None:
        """Write GOAWAY, tell the owner, and stop."""
        if self.broken:
            return
        self._emit(frames.goaway(self._last_seen, error.code, error.details.encode()))
        self.broken = True
        if self._out:
            data = b"".join(self._out)
            self._out.clear()
            self._write(data)
        self.connection_failed(error)

    def release(self) -> None:
        """The connection is gone: nothing is written any more."""
        self.broken = True
        self._write = _discard

    # ---- meters ----

    @abstractmethod
    def _meter_received(self, meter: Any, size: int, *, head: bool = False) -> None:
        """Count a frame of the peer's, with its header; `head`: it carries fields."""

    @abstractmethod
    def _meter_sent(self, meter: Any, size: int, *, head: bool = False) -> None:
        """Count a frame of ours."""
