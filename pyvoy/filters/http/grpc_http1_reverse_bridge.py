"""gRPC HTTP/1.1 reverse bridge: gRPC clients in front of a plain HTTP upstream that answers with protobuf bodies.

With `withhold_grpc_frames` the upstream sees and sends messages without gRPC's five octets in front of them; the
response is held until its size is known, unless the upstream tells the size in `response_size_header`.
Source: Envoy, HTTP filter "gRPC HTTP/1.1 reverse bridge" (texts and details observed on Envoy 1.40).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import http_filter, supports
from pyvoy.http.grpc import is_grpc_request
from pyvoy.http.grpc_frames import PREFIX_BYTES
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, STOP, STOP_AND_BUFFER, HttpFilter, LocalReply, Stream, Verdict
from pyvoy.http.local_reply import GRPC_STATUS

if TYPE_CHECKING:
    from pyvoy.config.context import Context

TYPE = "envoy.extensions.filters.http.grpc_http1_reverse_bridge.v3.FilterConfig"
ROUTE_TYPE = "envoy.extensions.filters.http.grpc_http1_reverse_bridge.v3.FilterConfigPerRoute"

supports(TYPE, "content_type withhold_grpc_frames response_size_header")
supports(ROUTE_TYPE, "disabled")

_UNKNOWN = 2
_INTERNAL = 13
_BRIDGE = "envoy reverse bridge: upstream"
_WRONG_TYPE = "grpc_bridge_content_type_wrong"


@dataclass(slots=True, frozen=True)
class ReverseBridgePlan:
    """What the configuration says; `size_header` is None where the upstream tells no size."""

    content_type: bytes
    withhold: bool
    size_header: bytes | None


@http_filter(
    name="envoy.filters.http.grpc_http1_reverse_bridge",
    type_url=TYPE,
    route_type_url=ROUTE_TYPE,
    posture="robust_to_untrusted_downstream_and_upstream",
)
class GrpcHttp1ReverseBridge(HttpFilter):
    """One per stream; `_content_type` is the client's, empty for a request that is left alone."""

    __slots__ = ("_content_type", "_framed", "_plan", "_seen_bytes", "_size_bytes", "_status", "_stripped")

    @staticmethod
    def build(message: Any, context: Context) -> ReverseBridgePlan:
        """The plan of a FilterConfig message."""
        content_type = context.require(message, "content_type").encode()
        header = message.response_size_header.lower().encode() or None
        return ReverseBridgePlan(content_type, message.withhold_grpc_frames, header)

    @staticmethod
    def build_route(message: Any, context: Context) -> bool:
        """Whether a route has switched the filter off."""
        return bool(message.disabled)

    def __init__(self, plan: ReverseBridgePlan) -> None:
        self._plan = plan
        self._content_type = b""
        self._stripped = False
        self._framed = False
        self._status = 0
        self._size_bytes = 0
        self._seen_bytes = 0

    # ---- request ----

    def request_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """A gRPC request becomes one of the upstream's content type."""
        if end or stream.route_plan(self) or not is_grpc_request(headers):
            return CONTINUE
        plan = self._plan
        self._content_type = headers.map[b"content-type"]
        stream.answers_grpc = True
        headers.set(b"content-type", plan.content_type)
        headers.set(b"accept", plan.content_type)
        if plan.withhold:
            _adjust_length(headers, lambda length: max(length - PREFIX_BYTES, 0))
        stream.clear_route_cache()
        return CONTINUE

    def request_data(self, stream: Stream, data: bytes, end: bool) -> Verdict:
        """Take the prefix away."""
        if not self._content_type or not self._plan.withhold or self._stripped:
            return CONTINUE
        if len(data) < PREFIX_BYTES:
            stream.send_local_reply(
                200, b"invalid request body", details="grpc_bridge_data_too_small", grpc_status=_UNKNOWN
            )
            return STOP
        self._stripped = True
        stream.replace_request_data(self, data[PREFIX_BYTES:])
        return CONTINUE

    # ---- response ----

    def response_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """The head of a gRPC response, with the status kept for the trailers."""
        if not self._content_type:
            return CONTINUE
        plan = self._plan
        content_type = headers.map.get(b"content-type")
        if content_type != plan.content_type:
            text = _unsupported(content_type, headers.map.get(b":status", b""))
            return self._refuse(stream, text, _WRONG_TYPE, _UNKNOWN)
        headers.set(b"content-type", self._content_type)
        if plan.withhold and not self._announce_length(headers):
            text = f"{_BRIDGE} did not set content length".encode()
            return self._refuse(stream, text, "grpc_bridge_content_length_missing", _INTERNAL)
        status = int(headers.map.get(b":status", b"500"))
        self._status = 0 if status == 200 else GRPC_STATUS.get(status, _UNKNOWN)
        headers.set(b":status", b"200")
        if end and plan.withhold:
            headers.set(b"content-length", b"%d" % PREFIX_BYTES)
            stream.add_response_data(self, bytes(PREFIX_BYTES))
            self._add_trailers(stream)
        return CONTINUE

    def _announce_length(self, headers: HeaderMap) -> bool:
        """Correct content-length by the prefix; False if the upstream should have told the size and has not."""
        header = self._plan.size_header
        if header is None:
            _adjust_length(headers, lambda length: length + PREFIX_BYTES)
            return True
        value = (headers.get(header) or b"").partition(b",")[0].strip()
        if not value.isdigit():
            return False
        self._size_bytes = int(value)
        headers.set(b"content-length", b"%d" % (self._size_bytes + PREFIX_BYTES))
        return True

    def _refuse(self, stream: Stream, text: bytes, detail: str, grpc_status: int) -> Verdict:
        self._content_type = b""
        stream.send_local_reply(200, text, details=detail, grpc_status=grpc_status)
        return STOP

    def on_local_reply(self, stream: Stream, reply: LocalReply) -> None:
        """A reply of the proxy is none of the upstream's content type: the client is told that, as in Envoy."""
        if self._content_type:
            self._content_type = b""
            reply.status, reply.grpc_status = 200, _UNKNOWN
            stream.info.response_code_details = _WRONG_TYPE
            reply.body = _unsupported(b"application/grpc", b"200")

    def response_data(self, stream: Stream, data: bytes, end: bool) -> Verdict:
        """Put the prefix in front of the body; it is held until its size is known."""
        if not self._content_type:
            return CONTINUE
        plan = self._plan
        self._seen_bytes += len(data)
        if plan.withhold and plan.size_header is not None:
            if end and self._seen_bytes != self._size_bytes:
                text = f"{_BRIDGE} set incorrect content length".encode()
                return self._refuse(stream, text, "grpc_bridge_content_length_wrong", _INTERNAL)
            if not self._framed:
                self._framed = True
                stream.replace_response_data(self, _prefix(self._size_bytes) + data)
        elif plan.withhold:
            if not end:
                return STOP_AND_BUFFER
            held = stream.response_body(self)
            stream.replace_response_body(self, b"")
            stream.replace_response_data(self, _prefix(len(held) + len(data)) + held + data)
        if end:
            self._add_trailers(stream)
        return CONTINUE

    def _add_trailers(self, stream: Stream) -> None:
        stream.add_response_trailers().set(b"grpc-status", b"%d" % self._status)

    def response_trailers(self, stream: Stream, trailers: HeaderMap) -> Verdict:
        """The upstream's own trailers get the status."""
        if not self._content_type:
            return CONTINUE
        trailers.set(b"grpc-status", b"%d" % self._status)
        if self._plan.withhold and self._plan.size_header is None:
            held = stream.response_body(self)
            stream.replace_response_body(self, _prefix(len(held)) + held)
        return CONTINUE


def _adjust_length(headers: HeaderMap, change: Callable[[int], int]) -> None:
    value = headers.map.get(b"content-length", b"")
    if value.isdigit() and int(value):
        headers.set(b"content-length", b"%d" % change(int(value)))


def _unsupported(content_type: bytes | None, status: bytes) -> bytes:
    """What a client is told of a response of another type."""
    if content_type is None:
        return _BRIDGE.encode() + b" responded with no content-type header, status code " + status
    return _BRIDGE.encode() + b" responded with unsupported content-type " + content_type + b", status code " + status


def _prefix(size_bytes: int) -> bytes:
    return b"\0" + size_bytes.to_bytes(4, "big")


_: type[HttpFilter] = GrpcHttp1ReverseBridge
