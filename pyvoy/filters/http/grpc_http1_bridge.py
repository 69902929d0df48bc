"""gRPC HTTP/1.1 bridge: an HTTP/1 client that cannot read trailers gets the gRPC status in the response head.

The response is held until it is whole (up to the stream's buffer limit).  With `upgrade_protobuf_to_grpc` the bodies
of such clients are plain protobuf, framed on the way to the upstream and unframed on the way back.
Source: Envoy, HTTP filter "gRPC HTTP/1.1 bridge".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import http_filter, supports
from pyvoy.http.grpc import GRPC, is_grpc_request
from pyvoy.http.grpc_frames import PREFIX_BYTES
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, STOP, STOP_AND_BUFFER, HttpFilter, Stream, Verdict

if TYPE_CHECKING:
    from pyvoy.config.context import Context

TYPE = "envoy.extensions.filters.http.grpc_http1_bridge.v3.Config"

supports(TYPE, "upgrade_protobuf_to_grpc ignore_query_parameters")


@dataclass(slots=True, frozen=True)
class BridgePlan:
    """What the configuration says."""

    upgrade_protobuf: bool
    ignore_query: bool


@http_filter(name="envoy.filters.http.grpc_http1_bridge", type_url=TYPE, posture="robust_to_untrusted_downstream")
class GrpcHttp1Bridge(HttpFilter):
    """One per stream."""

    __slots__ = ("_bridging", "_framing", "_head", "_plan")

    @staticmethod
    def build(message: Any, context: Context) -> BridgePlan:
        """The plan of a Config message."""
        return BridgePlan(message.upgrade_protobuf_to_grpc, message.ignore_query_parameters)

    def __init__(self, plan: BridgePlan) -> None:
        self._plan = plan
        self._bridging = False
        self._framing = False
        self._head: HeaderMap | None = None

    def request_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """A gRPC request of an HTTP/1 client is bridged."""
        plan = self._plan
        content_type = headers.map.get(b"content-type", b"")
        if plan.upgrade_protobuf and content_type in (b"application/x-protobuf", b"application/protobuf"):
            self._framing = True
            stream.answers_grpc = False
            headers.set(b"content-type", GRPC)
            headers.remove(b"content-length")
        if plan.ignore_query and is_grpc_request(headers):
            headers.set(b":path", headers.map[b":path"].partition(b"?")[0])
        if is_grpc_request(headers) and not stream.info.protocol.startswith("HTTP/2"):
            self._bridging = True
        return STOP if self._framing and not end else CONTINUE

    def request_data(self, stream: Stream, data: bytes, end: bool) -> Verdict:
        """A protobuf body gets its prefix once it is whole."""
        if not self._framing:
            return CONTINUE
        if not end:
            return STOP_AND_BUFFER
        held = stream.request_body(self)
        framed = b"\0" + (len(held) + len(data)).to_bytes(4, "big")
        if held:
            stream.replace_request_body(self, framed + held)
        else:
            stream.replace_request_data(self, framed + data)
        return CONTINUE

    def response_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Hold the head until the status is known."""
        if not self._bridging or end:
            return CONTINUE
        self._head = headers
        return STOP

    def response_data(self, stream: Stream, data: bytes, end: bool) -> Verdict:
        """Hold the body with it."""
        return CONTINUE if self._head is None or end else STOP_AND_BUFFER

    def response_trailers(self, stream: Stream, trailers: HeaderMap) -> Verdict:
        """The status goes into the head: 503 for a failed call."""
        head = self._head
        if head is None:
            return CONTINUE
        status = trailers.map.get(b"grpc-status")
        if status is not None:
            if not status.isdigit() or int(status):
                head.set(b":status", b"503")
            head.set(b"grpc-status", status)
        message = trailers.map.get(b"grpc-message")
        if message is not None:
            head.set(b"grpc-message", message)
        body = stream.response_body(self)
        if self._framing:
            body = body[PREFIX_BYTES:]
            stream.replace_response_body(self, body)
        head.set(b"content-length", b"%d" % len(body))
        return CONTINUE


_: type[HttpFilter] = GrpcHttp1Bridge
