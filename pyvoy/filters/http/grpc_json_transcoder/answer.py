"""The response to a transcoded call: what its head, body and status become.

Source: observed on Envoy 1.40.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from pyvoy.filters.http.grpc_json_transcoder.errors import PrintError, TranscodingError
from pyvoy.filters.http.grpc_json_transcoder.http_body import read_http_body
from pyvoy.filters.http.grpc_json_transcoder.response_translation import Delimiting, ResponseTranslation
from pyvoy.filters.http.grpc_json_transcoder.schema import UnknownTypeError
from pyvoy.filters.http.grpc_json_transcoder.wire import WireError, delimited, read_message, varint
from pyvoy.http.grpc import http_status_of
from pyvoy.http.grpc_frames import FrameReader

if TYPE_CHECKING:
    from pyvoy.filters.http.grpc_json_transcoder.plan import Method, TranscoderPlan
    from pyvoy.filters.http.grpc_json_transcoder.schema import MessageType
    from pyvoy.http.headers import HeaderMap

JSON: Final = b"application/json"
EVENTS: Final = b"text/event-stream"
_TOO_LARGE: Final = (
    "Response not transcoded because the transcoder's internal buffer size exceeds the configured limit."
)
_STATUS_HEADERS: Final = (b"grpc-status", b"grpc-message", b"grpc-status-details-bin")


class Answer:
    """One response.  `held`: its head waits, because the status or the content type is not known yet."""

    __slots__ = ("_frames", "_head", "_method", "_plan", "_seen_body", "_text", "_translation", "held")

    def __init__(self, plan: TranscoderPlan, method: Method, head: HeaderMap) -> None:
        assert plan.printer is not None
        self._plan = plan
        self._method = method
        self._head = head
        self._seen_body = False
        self._text = b""
        self._frames = FrameReader()
        delimiting = plan.delimiting if method.server_streaming else None
        self._translation = ResponseTranslation(plan.printer, method.response, delimiting)
        self.held = not method.server_streaming or method.raw_response

    @property
    def raw(self) -> bool:
        """The messages are google.api.HttpBody."""
        return self._method.raw_response

    @property
    def held_bytes(self) -> int:
        """What is held back of the body."""
        return self._translation.held_bytes + len(self._text)

    def set_content_type(self, end: bool) -> None:
        """Say what the body will be; a status alone keeps its type unless it becomes the end of a stream."""
        streaming = self._method.server_streaming
        if end and not streaming:
            return
        events = streaming and self._plan.delimiting is Delimiting.EVENTS
        self._head.set(b"content-type", EVENTS if events else JSON)
        if streaming:
            self._head.remove(b"content-length")

    # ---- body ----

    def feed(self, data: bytes, limit_bytes: int) -> bytes:
        """The JSON that may go out with this piece.  Raises TranscodingError."""
        self._seen_body = True
        if self.held_bytes + len(data) > limit_bytes:
            raise TranscodingError(_TOO_LARGE, "response_buffer_size_limit_reached", 500)
        text = self._translation.feed(data)
        if not self.held:
            return text
        self._text += text
        return b""

    def feed_raw(self, data: bytes) -> bytes:
        """What the HttpBody messages of this piece hold; the first one tells the content type.

        Raises TranscodingError for a message that cannot be read."""
        self._seen_body = True
        bodies = []
        self._frames.feed(data)
        for message in list(iter(self._frames.message, None)):
            if not message:
                continue
            content_type, body = read_http_body(message, self._method.raw_response_path)
            bodies.append(body)
            if not self._method.server_streaming:
                self._head.set(b"content-type", content_type)
                self._head.set(b"content-length", b"%d" % len(body))
                break
            if self.held:
                self._head.set(b"content-type", content_type)
                self.held = False
        return b"".join(bodies)

    def end(self) -> bytes:
        """What is still to be said when the body ends, with trailers or without.  Raises TranscodingError."""
        if self._method.raw_response:
            return b""
        text, self._text = self._text + self._translation.finish(), b""
        return text

    # ---- status ----

    def finish(self, fields: HeaderMap, http1: bool, buffered_bytes: int) -> bytes:
        """The end of the call: its status is in `fields` (trailers, or the head itself).  Returns what is added to the
        body, `buffered_bytes` of which the chain holds.  Raises TranscodingError."""
        head = self._head
        alone = fields is head
        value = fields.map.get(b"grpc-status")
        status = int(value) if value is not None and value.isdigit() else None
        if status:
            text = self._status_text(status, fields)
            if text:
                self._tell_status(status, text, alone, http1)
                return text
        text = self.end()
        streaming = self._method.server_streaming
        if streaming and not alone:
            return text
        head.set(b":status", b"503" if status is None else b"%d" % http_status_of(status))
        if not alone:
            if status is not None:
                head.set(b"grpc-status", b"%d" % status)
            message = fields.map.get(b"grpc-message")
            if message is not None:
                head.set(b"grpc-message", message)
        if http1:
            head.remove(b"trailer")
        if not streaming:
            head.set(b"content-length", b"%d" % (buffered_bytes + len(text)))
        return text

    def _tell_status(self, status: int, text: bytes, alone: bool, http1: bool) -> None:
        """The head of a response whose body is the status."""
        head = self._head
        head.set(b":status", b"%d" % http_status_of(status))
        if alone:
            for name in _STATUS_HEADERS:
                head.remove(name)
        if http1:
            head.remove(b"trailer")
        head.set(b"content-type", JSON)
        head.set(b"content-length", b"%d" % len(text))

    def _status_text(self, status: int, fields: HeaderMap) -> bytes:
        """A google.rpc.Status as JSON, if one is to be told: there was no body, and it can be read."""
        plan = self._plan
        if plan.status_type is None or self._seen_body:
            return b""
        assert plan.printer is not None
        details = _details(fields.map.get(b"grpc-status-details-bin"), plan.status_type)
        if details is None:
            details = b"\x08" + varint(status)
            message = fields.map.get(b"grpc-message")
            if message is not None:
                details += b"\x12" + delimited(unquote_to_bytes(message))
        try:
            return plan.printer.text(plan.status_type, details)
        except (WireError, PrintError, UnknownTypeError):
            return b""


def _details(value: bytes | None, status_type: MessageType) -> bytes | None:
    """The google.rpc.Status of grpc-status-details-bin; None without one, or if it is none."""
    if value is None:
        return None
    try:
        details = b64decode(value + b"=" * (-len(value) % 4), validate=True)
        read_message(status_type, details)
    except (Base64Error, WireError):
        return None
    return details
