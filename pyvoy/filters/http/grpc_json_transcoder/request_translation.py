"""The body of a request, from JSON to gRPC messages: one message, or one for each element of an array.

What is complete goes out at once.  A body that comes whole is read by the quick reader; the patient one takes pieces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from pyvoy.filters.http.grpc_json_transcoder.binding import Weave
from pyvoy.filters.http.grpc_json_transcoder.errors import TranscodingError
from pyvoy.filters.http.grpc_json_transcoder.faults import Faults
from pyvoy.filters.http.grpc_json_transcoder.json_reader import JsonError, JsonReader
from pyvoy.filters.http.grpc_json_transcoder.json_values import Elements, Tree, read_whole
from pyvoy.filters.http.grpc_json_transcoder.message_writer import MessageWriter
from pyvoy.http.grpc_frames import frame

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyvoy.filters.http.grpc_json_transcoder.binding import Binding
    from pyvoy.filters.http.grpc_json_transcoder.schema import MessageType

_CLOSING: Final = b'}]"'
"""What a text ends with that no further piece could change."""


class Body:
    """What becomes of one JSON value: it is put below `prefix`, the bindings are woven in, and it is written."""

    __slots__ = ("_message", "_prefix", "_report", "_weave", "_writer")

    def __init__(
        self,
        writer: MessageWriter,
        message: MessageType,
        prefix: tuple[str, ...],
        bindings: Iterable[Binding],
        report_collisions: bool,
    ) -> None:
        self._writer = writer
        self._message = message
        self._prefix = prefix
        self._weave: Weave | None = Weave(bindings)
        self._report = report_collisions

    def write(self, value: Any) -> bytes:
        """The framed message; the bindings go into the first one.  Raises TranscodingError."""
        faults: Faults = []
        for name in reversed(self._prefix):
            value = ((name, value),)
        weave, self._weave = self._weave, None
        try:
            if weave is not None and type(value) is tuple:
                value = weave.into(value, faults if self._report else None)
            message = self._writer.write(self._message, value, faults)
        except RecursionError:
            raise TranscodingError("Message too deep.") from None
        if faults:
            raise TranscodingError(str(faults[-1]))
        return frame(message)


class RequestTranslation(Protocol):
    """The body of a request, piece by piece."""

    def feed(self, piece: bytes) -> bytes:
        """The messages that are complete with this piece.  Raises TranscodingError."""

    def finish(self) -> bytes:
        """The messages that are complete at the end.  Raises TranscodingError."""


class OneMessage:
    """A JSON value as one message; what follows it is not looked at."""

    __slots__ = ("_body", "_done", "_reader", "_tree")

    def __init__(self, body: Body) -> None:
        self._body = body
        self._tree = Tree()
        self._reader: JsonReader | None = None
        self._done = False

    def feed(self, piece: bytes) -> bytes:
        """Nothing, or the message."""
        if self._done or not piece:
            return b""
        if self._reader is None and piece.rstrip()[-1:] in _CLOSING and (value := _quickly(piece)) is not None:
            self._done = True
            return self._body.write(value)
        if self._reader is None:
            self._reader = JsonReader(self._tree)
        _read(self._reader, piece)
        return self._written()

    def finish(self) -> bytes:
        """The message, if it was not complete before; no body at all stands for an empty object."""
        if self._done:
            return b""
        if self._reader is None:
            self._done = True
            return self._body.write(())
        _read(self._reader, None)
        return self._written()

    def _written(self) -> bytes:
        if not self._tree.done:
            return b""
        self._done = True
        return self._body.write(self._tree.result)


class ManyMessages:
    """The elements of a JSON array as messages."""

    __slots__ = ("_body", "_elements", "_error", "_reader", "_ready")

    def __init__(self, body: Body) -> None:
        self._body = body
        self._elements = Elements(self._take)
        self._reader: JsonReader | None = None
        self._ready: list[bytes] = []
        self._error: TranscodingError | None = None

    def _take(self, value: Any) -> None:
        if self._error is None:
            try:
                self._ready.append(self._body.write(value))
            except TranscodingError as error:
                self._error = error

    def feed(self, piece: bytes) -> bytes:
        """The elements that are complete."""
        if not piece or self._elements.done:
            return b""
        if self._reader is None:
            value = _quickly(piece) if piece.rstrip()[-1:] == b"]" else None
            if type(value) is list:
                self._elements.done = True
                for each in value:
                    self._take(each)
                return self._given()
            self._reader = JsonReader(self._elements)
        _read(self._reader, piece)
        return self._given()

    def finish(self) -> bytes:
        """The end of the array; no body at all stands for an empty object, which is none."""
        if self._elements.done:
            return b""
        if self._reader is None:
            self._reader = JsonReader(self._elements)
            _read(self._reader, b"{}")
        _read(self._reader, None)
        return self._given()

    def _given(self) -> bytes:
        if self._error is not None:
            raise self._error
        if self._elements.error:
            raise TranscodingError(self._elements.error)
        ready, self._ready = self._ready, []
        return b"".join(ready)


def _quickly(piece: bytes) -> Any:
    """The value of a text that is whole and strict; None when the patient reader has to look at it."""
    try:
        return read_whole(piece)
    except ValueError:
        return None


def _read(reader: JsonReader, piece: bytes | None) -> None:
    """Feed a piece, or the end (None)."""
    try:
        if piece is None:
            reader.finish()
        else:
            reader.feed(piece)
    except JsonError as error:
        raise TranscodingError(str(error)) from None
