"""A body as a module sees it: piece by piece, or all that it has kept so far, and what it makes of that.

One view for each direction of a stream that has a body.  Source: Envoy's Wasm Context (observed on 1.40): its HTTP/1
codec tells the end of a body apart from its last piece, so that there is one callback more, with nothing in it; what a
filter has held and lets go comes whole, with its end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from pyvoy.http.http_filter import CONTINUE, STOP, STOP_AND_BUFFER, STOP_AND_WATERMARK, Stream, Verdict

if TYPE_CHECKING:
    from pyvoy.extensions.wasm.http_context import HttpContext

VERDICTS = (CONTINUE, STOP_AND_BUFFER, STOP_AND_WATERMARK, STOP)
"""What the results of body callbacks mean."""

_CONTINUE = 0
_BUFFER = 1
_DROP = 3
FAILED = -1


class Way(Protocol):
    """A direction: where its body is and what may be done to it."""

    looks_before: bool
    """Whether a buffer that outgrows its limit is found before the callback is run, not behind it."""

    def callback(self, context: HttpContext) -> Any:
        """The module's callback, None if it has none."""

    def ends_apart(self, stream: Stream) -> bool:
        """Whether the end of the body is told apart from its last piece."""

    def limit_bytes(self, stream: Stream) -> int:
        """The limit of the buffer."""

    def buffered(self, stream: Stream, context: HttpContext) -> bytes:
        """What the chain keeps for this filter."""

    def replace_buffered(self, stream: Stream, context: HttpContext, data: bytes) -> None:
        """Put other data in its place."""

    def replace_piece(self, stream: Stream, context: HttpContext, data: bytes) -> None:
        """Hand on other data than the piece of the running event."""

    def inject(self, stream: Stream, context: HttpContext, data: bytes) -> None:
        """Hand data to the filters behind this one, now."""

    def note_held(self, stream: Stream) -> None:
        """Tell the filters behind this one that the piece was held before its end was seen."""


class RequestWay:
    """The request."""

    looks_before = False

    def callback(self, context: HttpContext) -> Any:
        """See Way."""
        return context.vm.on_request_body

    def ends_apart(self, stream: Stream) -> bool:
        """See Way."""
        return stream.info.protocol != "HTTP/2" and not stream.was_held(request=True)

    def limit_bytes(self, stream: Stream) -> int:
        """See Way."""
        return stream.request_buffer_limit_bytes

    def buffered(self, stream: Stream, context: HttpContext) -> bytes:
        """See Way."""
        return stream.request_body(context)

    def replace_buffered(self, stream: Stream, context: HttpContext, data: bytes) -> None:
        """See Way."""
        stream.replace_request_body(context, data)

    def replace_piece(self, stream: Stream, context: HttpContext, data: bytes) -> None:
        """See Way."""
        stream.replace_request_data(context, data)

    def inject(self, stream: Stream, context: HttpContext, data: bytes) -> None:
        """See Way."""
        stream.inject_request_data(context, data, False)

    def note_held(self, stream: Stream) -> None:
        """See Way."""
        stream.note_held(request=True)


class ResponseWay:
    """The response."""

    looks_before = True

    def callback(self, context: HttpContext) -> Any:
        """See Way."""
        return context.vm.on_response_body

    def ends_apart(self, stream: Stream) -> bool:
        """A reply of the proxy's own comes in one piece with its end, and so does one of HTTP/2."""
        whole = stream.local_replied or stream.info.upstream_protocol == "HTTP/2" or stream.was_held(request=False)
        return not whole

    def limit_bytes(self, stream: Stream) -> int:
        """See Way."""
        return stream.response_buffer_limit_bytes

    def buffered(self, stream: Stream, context: HttpContext) -> bytes:
        """See Way."""
        return stream.response_body(context)

    def replace_buffered(self, stream: Stream, context: HttpContext, data: bytes) -> None:
        """See Way."""
        stream.replace_response_body(context, data)

    def replace_piece(self, stream: Stream, context: HttpContext, data: bytes) -> None:
        """See Way."""
        stream.replace_response_data(context, data)

    def inject(self, stream: Stream, context: HttpContext, data: bytes) -> None:
        """See Way."""
        stream.inject_response_data(context, data, False)

    def note_held(self, stream: Stream) -> None:
        """See Way."""
        stream.note_held(request=False)


REQUEST = RequestWay()
RESPONSE = ResponseWay()


class BodyView:
    """One body of one stream.  Owned by the stream's context."""

    __slots__ = ("_context", "_kept", "_way", "end", "piece")

    def __init__(self, context: HttpContext, way: Way) -> None:
        self._context = context
        self._way = way
        self._kept = False
        """The last result was "stop and buffer": the next callback sees everything kept so far."""
        self.piece: bytes | None = None
        """What is at hand while a callback runs."""
        self.end = False

    def read(self) -> bytes:
        """What the module sees now."""
        piece = self.piece or b""
        return self._way.buffered(self._context.stream, self._context) + piece if self._kept else piece

    def write(self, data: bytes) -> bool:
        """Put other data in its place; False when there is nothing to change."""
        context, way = self._context, self._way
        if self._kept and way.buffered(context.stream, context):
            way.replace_buffered(context.stream, context, data)
            data = b""
        elif self.piece is None:
            return False
        if self.piece is not None:
            self.piece = data
        return True

    def show(self, stream: Stream, data: bytes, end: bool) -> Verdict:
        """Run the callback, twice where the end is told apart; what becomes of the piece."""
        way = self._way
        if way.looks_before and self._kept and self._outgrows(stream, data):
            return STOP_AND_BUFFER
        self.piece = data
        ahead = b""
        first = _CONTINUE
        if end and data and way.ends_apart(stream):
            first = self._ask(stream, end=False)
            if first == FAILED or self._context.replied:
                return self._leave(stream, data, first)
            if first == _BUFFER:
                if self._outgrows(stream, self.piece):
                    return self._leave(stream, data, first)
            else:
                ahead = self.piece if first != _DROP else b""
                self.piece = b""
        result = self._ask(stream, end=end)
        if ahead and first == _CONTINUE and result > _CONTINUE:
            self._let_go(stream, ahead)
            ahead = b""
        elif first == _BUFFER and result == _CONTINUE:
            way.note_held(stream)
        self.piece = ahead + self.piece
        return self._leave(stream, data, result)

    def _outgrows(self, stream: Stream, data: bytes) -> bool:
        way = self._way
        return len(way.buffered(stream, self._context)) + len(data) > way.limit_bytes(stream)

    def _ask(self, stream: Stream, *, end: bool) -> int:
        """Run the callback on what it is to see; its result."""
        self.end = end
        context, way = self._context, self._way
        kept = len(way.buffered(stream, context)) if self._kept else 0
        result = context.run_callback(way.callback(context), kept + len(self.piece or b""), end)
        self._kept = result == _BUFFER
        return result

    def _let_go(self, stream: Stream, data: bytes) -> None:
        """The module has passed the last piece, and stops at the end behind it."""
        context, way = self._context, self._way
        kept = way.buffered(stream, context)
        if kept:
            way.replace_buffered(stream, context, b"")
        way.inject(stream, context, kept + data)

    def _leave(self, stream: Stream, data: bytes, result: int) -> Verdict:
        piece, self.piece = self.piece or b"", None
        if piece is not data:
            self._way.replace_piece(stream, self._context, piece)
        return self._context.verdict(result, VERDICTS)
