"""The body of a response, from gRPC messages to JSON: one object, or an array, lines or events of them."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from pyvoy.filters.http.grpc_json_transcoder.errors import PrintError, TranscodingError
from pyvoy.filters.http.grpc_json_transcoder.schema import UnknownTypeError
from pyvoy.filters.http.grpc_json_transcoder.wire import WireError
from pyvoy.http.grpc_frames import PREFIX_BYTES, FrameReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyvoy.filters.http.grpc_json_transcoder.json_printer import JsonPrinter
    from pyvoy.filters.http.grpc_json_transcoder.schema import MessageType


class Delimiting(Enum):
    """How the messages of a stream follow each other: as (start, between, end of each) texts."""

    ARRAY = (b"[", b",", b"")
    LINES = (b"", b"", b"\n")
    EVENTS = (b"data: ", b"data: ", b"\n\n")


def _broken(text: str) -> TranscodingError:
    return TranscodingError(text, "INTERNAL", 502)


def _check_end(frames: FrameReader) -> None:
    """There is no more of the body.  Raises TranscodingError if a message is not complete."""
    if not frames.held_bytes:
        return
    head = frames.head()
    if head is None:
        raise _broken("Incomplete gRPC frame header received")
    raise _broken(f"Incomplete gRPC frame expected size: {head[1]} actual size: {frames.held_bytes - PREFIX_BYTES}")


class ResponseTranslation:
    """The messages of one response.  `delimiting` is None for a response that is one message: the first counts."""

    __slots__ = ("_delimiting", "_first", "_frames", "_message", "_printer", "done")

    def __init__(self, printer: JsonPrinter, message: MessageType, delimiting: Delimiting | None) -> None:
        self._printer = printer
        self._message = message
        self._delimiting = delimiting
        self._frames = FrameReader()
        self._first = True
        self.done = False
        """The one message is there; what follows is not looked at."""

    @property
    def held_bytes(self) -> int:
        """What is kept of a message that is not complete."""
        return 0 if self.done else self._frames.held_bytes

    def feed(self, data: bytes) -> bytes:
        """JSON of the messages that are complete.  Raises TranscodingError."""
        if self.done:
            return b""
        out = []
        for message in self._messages(data):
            text = self._text(message)
            if self._delimiting is None:
                self.done = True
                return text
            start, between, end = self._delimiting.value
            out.append((start if self._first else between) + text + end)
            self._first = False
        return b"".join(out)

    def _messages(self, data: bytes) -> Iterator[bytes]:
        """The messages that are complete with this piece; compressed ones are refused."""
        frames = self._frames
        frames.feed(data)
        while (head := frames.head()) is not None:
            if head[0]:
                raise _broken(f"Unsupported gRPC frame flag: {head[0]}")
            message = frames.message()
            if message is None:
                return
            yield message

    def finish(self) -> bytes:
        """What ends the text.  Raises TranscodingError."""
        if self.done:
            return b""
        _check_end(self._frames)
        self.done = True
        if self._delimiting is Delimiting.ARRAY:
            return b"[]" if self._first else b"]"
        return b""

    def _text(self, message: bytes) -> bytes:
        try:
            return self._printer.text(self._message, message)
        except (WireError, PrintError) as error:
            raise TranscodingError(str(error), status=502) from None
        except UnknownTypeError as error:
            raise TranscodingError(str(error), error.code, 502) from None
