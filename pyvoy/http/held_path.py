"""A direction of a stream from the first filter that stops on: who holds what, and how it goes on.

`HeldPath` runs events through the filters one by one, keeps what a filter holds back, and hands it on when the filter
resumes.  Source: Envoy's FilterManager (commonContinue, commonHandleAfter...Callback); each filter that stops has a
buffer of its own here, where Envoy shares one between all filters of a direction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, STOP, STOP_AND_WATERMARK, Verdict

if TYPE_CHECKING:
    from pyvoy.http.chain import ChainPlan, Entries
    from pyvoy.http.stream import HttpStream


class Direction(Protocol):
    """What a held path needs to know of its direction (see `stream.RequestSide`, `stream.ResponseSide`)."""

    def entries(self, chain: ChainPlan) -> tuple[Entries, Entries, Entries]:
        """Headers, data and trailers tuples."""

    def order(self, count: int) -> range:
        """Slots in the order of the direction."""

    def headers_out(self, stream: HttpStream, headers: HeaderMap, end: bool) -> None:
        """Headers that passed every filter."""

    def data_out(self, stream: HttpStream, data: bytes, end: bool) -> None:
        """Data that passed every filter."""

    def trailers_out(self, stream: HttpStream, trailers: HeaderMap) -> None:
        """Trailers that passed every filter."""

    def limit_bytes(self, stream: HttpStream) -> int:
        """The limit of a filter's buffer."""

    def ends_apart(self, stream: HttpStream) -> bool:
        """Whether Envoy's codec of the sender tells the end of a body apart from its last piece: HTTP/1 does."""

    def too_large(self, stream: HttpStream) -> None:
        """A filter that buffers has outgrown the limit."""

    def pause_source(self, stream: HttpStream, pause: bool) -> None:
        """Stop or resume reading from the peer that sends in this direction."""


class Hold:
    """What one filter holds back.

    `whole` means the filter sees nothing more until it resumes (STOP_AND_... from its headers callback, or a coroutine
    that is still running); of what is buffered it has then seen the first `seen_bytes`, and the end if `seen_end`; the
    piece that it is looking at begins at `piece_at`.
    `headers` are held with their end flag; `ended` says that the end of the stream is held too.
    """

    __slots__ = (
        "buffer",
        "ended",
        "headers",
        "paused",
        "piece_at",
        "seen_bytes",
        "seen_end",
        "size_bytes",
        "trailers",
        "watermark",
        "whole",
    )

    def __init__(self) -> None:
        self.whole = False
        self.seen_bytes = 0
        self.piece_at = 0
        self.seen_end = False
        self.headers: tuple[HeaderMap, bool] | None = None
        self.buffer: list[bytes] = []
        self.size_bytes = 0
        self.ended = False
        self.trailers: HeaderMap | None = None
        self.watermark = False
        self.paused = False

    def append(self, data: bytes, end: bool) -> None:
        """Buffer a piece."""
        if data:
            self.buffer.append(data)
            self.size_bytes += len(data)
        self.ended = self.ended or end

    def body(self) -> bytes:
        """What is buffered, joined once."""
        if len(self.buffer) > 1:
            self.buffer = [b"".join(self.buffer)]
        return self.buffer[0] if self.buffer else b""

    def replace(self, body: bytes) -> None:
        """Put other data in place of what is buffered."""
        self.buffer = [body] if body else []
        self.size_bytes = len(body)


_RAW = (bytes, bytearray, memoryview)


def no_bytes(data: object) -> TypeError:
    """What a filter is told that hands over something else: raised in its own call, before anything has it."""
    return TypeError(f"data is bytes on this level, not {type(data).__name__}")


class HeldPath:
    """One direction of one stream from the first stop on.  Owned by the stream, which breaks the cycle at its end."""

    __slots__ = (
        "_buffers",
        "_data",
        "_direction",
        "_headers",
        "_order",
        "_stream",
        "_trailers",
        "added",
        "awaited",
        "current",
        "holds",
        "new_trailers",
        "released",
        "replaced",
    )

    def __init__(self, stream: HttpStream, direction: Direction) -> None:
        self._stream = stream
        self._direction = direction
        self.follow(stream.chain)
        self._order = direction.order(len(stream.filters))
        self.holds: dict[int, Hold] = {}
        self.added: dict[int, bytes] = {}
        """Data that filters added from inside a callback, by slot."""
        self.replaced: dict[int, bytes] = {}
        """What filters put in place of the piece that their data callback was given, by slot."""
        self._buffers = False
        """A filter has asked for what it stopped at to be buffered."""
        self.current = -1
        self.awaited: set[int] = set()
        """Filters whose coroutine for this direction is running."""
        self.released = False
        """The data at hand was held by a filter: whether it ends the stream is known with it."""
        self.new_trailers: HeaderMap | None = None
        """Trailers that a filter has added from inside its last data callback."""

    def follow(self, chain: ChainPlan) -> None:
        """Run the events of this chain from now on."""
        headers, data, trailers = self._direction.entries(chain)
        self._headers = dict(headers)
        self._data = dict(data)
        self._trailers = dict(trailers)

    def _from(self, slot: int | None, *, own: bool) -> range:
        """The slots behind `slot`, with it (`own`), or all."""
        order = self._order
        if slot is None:
            return order
        return order[order.index(slot) + (not own) :]

    # ---- events ----

    def headers(self, headers: HeaderMap, end: bool, after: int | None = None) -> None:
        """Run the headers through the filters behind `after`."""
        stream = self._stream
        late: list[tuple[int, bytes]] = []
        for slot in self._from(after, own=False):
            handler = self._headers.get(slot)
            if handler is None:
                continue
            verdict = stream.call(handler, slot, headers, end and not late)
            if stream.over(self._direction):
                return
            added = self.added.pop(slot, None)
            if verdict is not CONTINUE:
                self.stopped_at_headers(slot, verdict, headers, end and not late, added or b"")
                break
            if added:
                late.append((slot, added))
        else:
            self._direction.headers_out(stream, headers, end and not late)
        for at, (slot, data) in enumerate(late):
            if not stream.over(self._direction):
                self.data(data, end and at == len(late) - 1, slot)
        stream.run_recorded()

    def stopped_at_headers(self, slot: int, verdict: Verdict, headers: HeaderMap, end: bool, added: bytes) -> None:
        """A filter held the headers back."""
        hold = self.holds[slot] = Hold()
        hold.headers = (headers, end)
        hold.whole = verdict is not STOP or slot not in self._data
        hold.watermark = verdict is STOP_AND_WATERMARK or (verdict is STOP and hold.whole)
        hold.append(added, end)
        self._check_limit(hold)

    def data(self, data: bytes, end: bool, after: int | None = None, *, own: bool = False) -> None:
        """Run a piece of the body through the filters behind `after` (or from it on, if it has not seen it: `own`)."""
        stream = self._stream
        added_at = after
        trailers = None
        if end and after is not None and self.new_trailers is not None:
            trailers, self.new_trailers, end = self.new_trailers, None, False
        for slot in self._from(after, own=own):
            hold = self.holds.get(slot)
            handler = self._data.get(slot)
            if hold is not None and (hold.whole or handler is None):
                hold.append(data, end)
                self._check_limit(hold)
                break
            if handler is None:
                continue
            verdict = stream.call(handler, slot, data, end)
            if stream.over(self._direction):
                return
            data = self.piece(slot, data)
            if verdict is not CONTINUE or hold is not None:
                self.after_data(slot, hold, verdict, data, end)
                break
            if end and self.new_trailers is not None:
                added_at, trailers, self.new_trailers, end = slot, self.new_trailers, None, False
        else:
            self._direction.data_out(stream, data, end)
        if trailers is not None and not stream.over(self._direction):
            # One that sees what came while it was not to be called sees the trailers that it adds then, too.
            self.trailers(trailers, added_at, own=own and added_at == after)
        stream.run_recorded()

    def piece(self, slot: int, data: bytes) -> bytes:
        """The piece as the filter's data callback has left it."""
        if self.replaced:
            data = self.replaced.pop(slot, data)
        return data + self.added.pop(slot) if slot in self.added else data

    def after_data(self, slot: int, hold: Hold | None, verdict: Verdict, data: bytes, end: bool) -> None:
        """A filter stops at data, or lets go of what it has held."""
        if hold is None:
            hold = self.holds[slot] = Hold()
        if end and self.new_trailers is not None:
            hold.trailers, self.new_trailers, end = self.new_trailers, None, False
        if verdict is CONTINUE:
            hold.append(data, end)
            if hold.watermark or self._fits(hold):
                self._release(slot, hold)
            else:
                self._direction.too_large(self._stream)
            return
        if verdict is STOP:
            hold.ended = hold.ended or end
            return
        hold.watermark = verdict is STOP_AND_WATERMARK
        self._buffers = not hold.watermark
        hold.piece_at = hold.size_bytes
        hold.append(data, end)
        if slot in self.awaited:
            hold.whole = True
            hold.seen_bytes = hold.size_bytes
            hold.seen_end = end
        self._check_limit(hold)

    def _fits(self, hold: Hold) -> bool:
        """Whether a body may go on that is whole with the piece a filter has just let go.

        Over the limit it may if no filter of this direction has asked for it to be buffered (Envoy:
        decoder_filters_streaming_): a body that is one piece, with its end.  HTTP/1 bodies never are."""
        side, stream = self._direction, self._stream
        if hold.size_bytes <= side.limit_bytes(stream):
            return True
        return not self._buffers and hold.ended and not side.ends_apart(stream)

    def trailers(self, trailers: HeaderMap, after: int | None = None, *, own: bool = False) -> None:
        """Run the trailers through the filters behind `after`, or from it on (`own`)."""
        stream = self._stream
        for slot in self._from(after, own=own):
            hold = self.holds.get(slot)
            if hold is not None and hold.whole:
                hold.trailers = trailers
                return
            handler = self._trailers.get(slot)
            verdict = CONTINUE
            if handler is not None:
                verdict = stream.call(handler, slot, trailers)
                if stream.over(self._direction):
                    return
            if hold is None and verdict is CONTINUE:
                added = self.added.pop(slot, None)
                if added:
                    self.data(added, False, slot)
                    if stream.over(self._direction):
                        return
                continue
            if hold is None:
                hold = self.holds[slot] = Hold()
            hold.append(self.added.pop(slot, b""), False)
            hold.trailers = trailers
            if verdict is CONTINUE:
                self._release(slot, hold)
            stream.run_recorded()
            return
        self._direction.trailers_out(stream, trailers)

    # ---- resuming ----

    def resume(self, slot: int) -> None:
        """The filter lets go; without effect when it holds nothing."""
        hold = self.holds.get(slot)
        if hold is not None:
            self._release(slot, hold)

    def _release(self, slot: int, hold: Hold) -> None:
        """Hand on what the filter held: headers, then data, then trailers (Envoy: commonContinue).

        What came while the filter was not to be called passes through its own callbacks now (Envoy: StopAll...).
        """
        stream = self._stream
        side = self._direction
        del self.holds[slot]
        if hold.paused:
            side.pause_source(stream, False)
        trailers = hold.trailers
        whole = hold.whole
        body = hold.body()
        seen, unseen = (body[: hold.seen_bytes], body[hold.seen_bytes :]) if whole else (body, b"")
        end_seen = hold.ended and trailers is None and (hold.seen_end or not whole)
        end_unseen = hold.ended and trailers is None and not end_seen
        if hold.headers is not None:
            ends = hold.ended and not body and trailers is None
            self.headers(hold.headers[0], ends, slot)
            if ends:
                return
        outer, self.released = self.released, True
        if not stream.over(side) and (seen or end_seen):
            self.data(seen, end_seen, slot)
        if not stream.over(side) and (unseen or end_unseen):
            self.data(unseen, end_unseen, slot, own=True)
        self.released = outer
        if not stream.over(side) and trailers is not None:
            self.trailers(trailers, slot, own=whole)

    def answered(self, slot: int, verdict: Verdict) -> None:
        """A coroutine has ended with a verdict other than CONTINUE: what came meanwhile is the filter's to see now."""
        hold = self.holds.get(slot)
        if hold is None or slot not in self._data or (hold.headers is not None and verdict is not STOP):
            return
        body, ended, trailers = hold.body(), hold.ended, hold.trailers
        seen = body[: hold.seen_bytes] if verdict is not STOP else b""
        unseen = body[hold.seen_bytes :]
        hold.whole = False
        hold.replace(seen)
        hold.trailers = None
        head_only = hold.headers is not None and hold.headers[1]
        end_unseen = ended and not hold.seen_end and not head_only
        hold.ended = ended and not end_unseen
        if unseen or end_unseen:
            self.data(unseen, end_unseen and trailers is None, slot, own=True)
        if trailers is not None and not self._stream.over(self._direction):
            self.trailers(trailers, slot, own=True)

    def _check_limit(self, hold: Hold) -> None:
        limit = self._direction.limit_bytes(self._stream)
        if hold.size_bytes <= limit:
            return
        if not hold.watermark:
            self._direction.too_large(self._stream)
        elif not hold.paused:
            hold.paused = True
            self._direction.pause_source(self._stream, True)

    # ---- what filters ask for ----

    def add(self, slot: int, data: bytes) -> None:
        """Data behind what the filter holds; inside its own callback it follows what is being handed on."""
        if not isinstance(data, _RAW):
            raise no_bytes(data)
        hold = self.holds.get(slot)
        if hold is not None and self.current != slot:
            hold.append(data, False)
            self._check_limit(hold)
        else:
            self.added[slot] = self.added.get(slot, b"") + data

    def body(self, slot: int) -> bytes:
        """What the filter has buffered."""
        hold = self.holds.get(slot)
        return hold.body() if hold is not None else b""

    def replace_body(self, slot: int, body: bytes) -> None:
        """Change what the filter has buffered."""
        if not isinstance(body, _RAW):
            raise no_bytes(body)
        hold = self.holds.get(slot)
        if hold is not None:
            hold.replace(body)
            if slot in self.awaited:
                hold.seen_bytes = len(body)
                hold.seen_end = hold.ended

    def replace_piece(self, slot: int, data: bytes) -> None:
        """Put other data in place of the piece that the filter's data callback is looking at."""
        if not isinstance(data, _RAW):
            raise no_bytes(data)
        hold = self.holds.get(slot)
        if hold is None or slot not in self.awaited:
            self.replaced[slot] = data
            return
        body = hold.body()
        hold.replace(body[: hold.piece_at] + data + body[hold.seen_bytes :])
        hold.seen_bytes = hold.piece_at + len(data)

    def inject(self, slot: int, data: bytes, end: bool) -> None:
        """Hand data to the filters behind, releasing the headers first when they are still held."""
        if not isinstance(data, _RAW):
            raise no_bytes(data)
        hold = self.holds.get(slot)
        if hold is not None and hold.headers is not None:
            headers, _ = hold.headers
            hold.headers = None
            self.headers(headers, False, slot)
        if not self._stream.over(self._direction):
            outer, self.released = self.released, True
            self.data(data, end, slot)
            self.released = outer
