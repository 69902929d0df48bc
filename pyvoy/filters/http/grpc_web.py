"""gRPC-Web: lets browsers call gRPC services; base64 bodies, and trailers as the last frame of the body.

Holds at most one message of a response (for a client that wants text) and three octets of a request.
Source: Envoy, HTTP filter "gRPC-Web" (GrpcWebFilter); the gRPC-Web protocol.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import http_filter, supports
from pyvoy.http.grpc import GRPC, charge_status, cluster_scope, method_of
from pyvoy.http.grpc_frames import FrameReader
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, STOP, STOP_AND_BUFFER, HttpFilter, Stream, Verdict
from pyvoy.http.local_reply import percent_encode

if TYPE_CHECKING:
    from pyvoy.config.context import Context

TYPE = "envoy.extensions.filters.http.grpc_web.v3.GrpcWeb"

supports(TYPE)

_WEB = (b"application/grpc-web", b"application/grpc-web+proto")
_TEXT = (b"application/grpc-web-text", b"application/grpc-web-text+proto")
_TRAILER_FLAG = 0x80
_INVALID = b"Bad gRPC-web request, invalid base64 data."


@http_filter(name="envoy.filters.http.grpc_web", type_url=TYPE, posture="robust_to_untrusted_downstream")
class GrpcWeb(HttpFilter):
    """One per stream."""

    __slots__ = ("_frames", "_head", "_held", "_names", "_scope", "_text_request", "_text_response", "_web")

    @staticmethod
    def build(message: Any, context: Context) -> None:
        """A GrpcWeb message says nothing."""

    def __init__(self, plan: None) -> None:
        self._web = False
        self._text_request = False
        self._text_response = False
        self._held = b""
        self._frames = FrameReader()
        self._names = ""
        self._scope: Any = None
        self._head: HeaderMap | None = None

    def request_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """A gRPC-Web request becomes a gRPC one."""
        values = headers.map
        content_type = values.get(b"content-type", b"")
        if content_type not in _WEB and content_type not in _TEXT:
            return CONTINUE
        self._web = True
        stream.answers_grpc = False
        names = method_of(values.get(b":path", b""))
        if names is not None:
            self._scope = cluster_scope(stream)
            self._names = f"grpc-web.{names[0]}.{names[1]}."
        self._text_request = content_type in _TEXT
        self._text_response = values.get(b"accept", b"") in _TEXT
        headers.remove(b"content-length")
        headers.set(b"content-type", GRPC)
        headers.set(b"te", b"trailers")
        headers.set(b"grpc-accept-encoding", b"identity")
        return CONTINUE

    def request_data(self, stream: Stream, data: bytes, end: bool) -> Verdict:
        """Decode base64, four octets at a time."""
        if not self._text_request:
            return CONTINUE
        held = self._held + data
        if end and len(held) % 4:
            stream.send_local_reply(400, _INVALID, details="grpc_base_64_decode_failed_bad_size")
            return STOP
        size = len(held) // 4 * 4
        self._held = held[size:]
        if not size:
            return CONTINUE if end else STOP
        try:
            decoded = b64decode(held[:size], validate=True)
        except binascii.Error:
            stream.send_local_reply(400, _INVALID, details="grpc_base_64_decode_failed")
            return STOP
        stream.replace_request_data(self, decoded)
        return CONTINUE

    def response_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Say which form the body has."""
        if not self._web:
            return CONTINUE
        if end:
            self._charge(headers)
        content_type = b"application/grpc-web-text+proto" if self._text_response else b"application/grpc-web+proto"
        if not end and not _is_grpc(headers):
            self._head = headers
            headers.set(b"content-type", content_type)
            return STOP
        headers.set(b"content-type", content_type)
        return CONTINUE

    def response_data(self, stream: Stream, data: bytes, end: bool) -> Verdict:
        """Encode whole messages for a client that wants text; the body of an answer that is not gRPC becomes the
        status message."""
        if self._head is not None:
            if not end:
                return STOP_AND_BUFFER
            self._tell_error(stream, self._head, stream.response_body(self) + data)
            return CONTINUE
        if not self._text_response:
            return CONTINUE
        frames = self._frames
        frames.feed(data)
        text = b"".join([b64encode(whole) for whole in iter(frames.frame, None)])
        if not text and not end:
            return STOP
        stream.replace_response_data(self, text)
        return CONTINUE

    def _tell_error(self, stream: Stream, head: HeaderMap, body: bytes) -> None:
        status = int(head.map.get(b":status", b"500"))
        head.set(b"grpc-status", b"%d" % _GRPC_STATUS.get(status, 2))
        head.set(b"grpc-message", percent_encode(body))
        head.set(b"content-length", b"0")
        stream.replace_response_body(self, b"")
        stream.replace_response_data(self, b"")

    def response_trailers(self, stream: Stream, trailers: HeaderMap) -> Verdict:
        """Trailers go behind the body, as a frame of their own."""
        if not self._web:
            return CONTINUE
        self._charge(trailers)
        lines = b"".join([b"%b:%b\r\n" % pair for pair in trailers.items()])
        frame = bytes((_TRAILER_FLAG,)) + len(lines).to_bytes(4, "big") + lines
        stream.add_response_data(self, b64encode(frame) if self._text_response else frame)
        for name in list(trailers.map):
            trailers.remove(name)
        return CONTINUE

    def _charge(self, fields: HeaderMap) -> None:
        if self._scope is not None:
            charge_status(self._scope, self._names, fields.map.get(b"grpc-status"))


_GRPC_STATUS = {400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14}


def _is_grpc(headers: HeaderMap) -> bool:
    return headers.map.get(b"content-type", b"").startswith(GRPC) and headers.map.get(b":status") == b"200"


_: type[HttpFilter] = GrpcWeb
