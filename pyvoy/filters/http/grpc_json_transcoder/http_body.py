"""google.api.HttpBody: a body that is passed on as it is, in the envelope of a message.

Source: google/api/httpbody.proto; observed on Envoy 1.40.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyvoy.filters.http.grpc_json_transcoder import kinds
from pyvoy.filters.http.grpc_json_transcoder.errors import TranscodingError
from pyvoy.filters.http.grpc_json_transcoder.scalars import raw_text
from pyvoy.filters.http.grpc_json_transcoder.wire import WireError, delimited, read_varint, tag
from pyvoy.http.grpc_frames import frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyvoy.filters.http.grpc_json_transcoder.binding import FieldPath

PIECE_BYTES: Final = 1 << 20
"""The longest piece of a streamed body in one message."""

_CONTENT_TYPE, _DATA, _EXTENSIONS = (tag(number, kinds.BYTES) for number in (1, 2, 3))
_UNKNOWN_URL: Final = b"type.googleapis.com/envoy.extensions.filters.http.grpc_json_transcoder.v3.UnknownQueryParams"


class HttpBodyRequest:
    """The messages of a request whose body is an HttpBody at `path`.

    The first one carries the fields from URL (`fields`, serialized), the content type and the unknown parameters."""

    __slots__ = ("_content_type", "_fields", "_held", "_path", "_unknown", "held_bytes", "sent")

    def __init__(self, path: FieldPath, fields: bytes, content_type: bytes, unknown: dict[str, list[str]]) -> None:
        self._path = path
        self._fields = fields
        self._content_type = content_type
        self._unknown = unknown_parameters(unknown) if unknown else b""
        self._held: list[bytes] = []
        self.held_bytes = 0
        """What is held for the next message."""
        self.sent = False

    def hold(self, piece: bytes) -> None:
        """A piece of the body, for the next message."""
        if piece:
            self._held.append(piece)
            self.held_bytes += len(piece)

    def _taken(self) -> bytes:
        body = b"".join(self._held)
        self._held.clear()
        self.held_bytes = 0
        return body

    def messages(self) -> bytes:
        """What is held, as messages of at most a mebibyte; at least the first one."""
        body = self._taken()
        if not body:
            return b"" if self.sent else self._message(b"")
        pieces = [body[at : at + PIECE_BYTES] for at in range(0, len(body), PIECE_BYTES)]
        return b"".join([self._message(piece) for piece in pieces])

    def message(self) -> bytes:
        """What is held, as one message; nothing if there is no more to say."""
        body = self._taken()
        return b"" if self.sent and not body else self._message(body)

    def _message(self, body: bytes) -> bytes:
        envelope = b""
        if self._content_type:
            envelope += _CONTENT_TYPE + delimited(self._content_type)
        envelope += self._unknown_at_its_place() + _DATA + delimited(body)
        for field in reversed(self._path):
            envelope = field.tag + delimited(envelope)
        fields, self._fields = self._fields, b""
        self._content_type = b""
        self.sent = True
        return frame(fields + envelope)

    def _unknown_at_its_place(self) -> bytes:
        return _EXTENSIONS + delimited(self._unknown) if self._unknown else b""


def unknown_parameters(found: dict[str, list[str]]) -> bytes:
    """Query parameters as an Any of UnknownQueryParams."""
    entries = []
    for key, values in found.items():
        inner = b"".join([b"\x0a" + delimited(raw_text(value)) for value in values])
        entry = b"\x0a" + delimited(raw_text(key)) + b"\x12" + delimited(inner)
        entries.append(b"\x0a" + delimited(entry))
    return b"\x0a" + delimited(_UNKNOWN_URL) + b"\x12" + delimited(b"".join(entries))


def read_http_body(message: bytes, path: FieldPath) -> tuple[bytes, bytes]:
    """(content type, body) of the HttpBody at `path` of a message.  Raises TranscodingError."""
    content_type = body = b""
    try:
        for inner in _bodies(message, path):
            for key, value in _delimited_fields(inner):
                if key == _CONTENT_TYPE:
                    content_type = value
                elif key == _DATA:
                    body = value
    except WireError as error:
        raise TranscodingError(str(error), status=502) from None
    return content_type, body


def _bodies(message: bytes, path: FieldPath) -> Iterator[bytes]:
    if not path:
        yield message
        return
    for key, value in _delimited_fields(message):
        if key == path[0].tag:
            yield from _bodies(value, path[1:])


def _delimited_fields(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(tag, value) of the length-delimited fields of a message.  Raises WireError."""
    at, end = 0, len(data)
    while at < end:
        start = at
        key, at = read_varint(data, at, end)
        wire = key & 7
        if wire == 0:
            at = read_varint(data, at, end)[1]
        elif wire == 2:
            size, begin = read_varint(data, at, end)
            tag_octets, at = data[start:at], begin + size
            if at > end:
                raise WireError("unexpected EOF")
            yield tag_octets, data[begin:at]
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        else:
            raise WireError(f"unknown wire type: {wire}")
        if at > end:
            raise WireError("unexpected EOF")
