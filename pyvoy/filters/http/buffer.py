"""Buffer: hold a request until it is whole; 413 when it outgrows the limit.

A request that came without content-length gets one.  Holds at most `max_request_bytes` per stream.
Source: Envoy, HTTP filter "Buffer".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import http_filter, supports
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, STOP, STOP_AND_BUFFER, HttpFilter, Stream, Verdict

if TYPE_CHECKING:
    from pyvoy.config.context import Context

TYPE = "envoy.extensions.filters.http.buffer.v3.Buffer"
ROUTE_TYPE = "envoy.extensions.filters.http.buffer.v3.BufferPerRoute"

supports(TYPE, "max_request_bytes")
supports(ROUTE_TYPE, "disabled buffer")


@dataclass(slots=True, frozen=True)
class BufferPlan:
    """`limit_bytes` 0: a route has switched the filter off."""

    limit_bytes: int


@http_filter(
    name="envoy.filters.http.buffer", type_url=TYPE, route_type_url=ROUTE_TYPE, posture="robust_to_untrusted_downstream"
)
class Buffer(HttpFilter):
    """One per stream."""

    __slots__ = ("_headers", "_plan", "_size_bytes")

    @staticmethod
    def build(message: Any, context: Context) -> BufferPlan:
        """The plan of a Buffer message."""
        return BufferPlan(context.require(message, "max_request_bytes", at_least=1))

    @staticmethod
    def build_route(message: Any, context: Context) -> BufferPlan:
        """The plan of a BufferPerRoute message."""
        return BufferPlan(0) if message.disabled else Buffer.build(message.buffer, context.at("buffer"))

    def __init__(self, plan: BufferPlan) -> None:
        self._plan = plan
        self._headers: HeaderMap | None = None
        self._size_bytes = 0

    def request_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Hold the head of a request that has a body."""
        if end:
            return CONTINUE
        plan = stream.route_plan(self) or self._plan
        if not plan.limit_bytes:
            return CONTINUE
        self._headers = headers
        stream.set_request_buffer_limit(plan.limit_bytes)
        return STOP

    def request_data(self, stream: Stream, data: bytes, end: bool) -> Verdict:
        """Hold the body; the last piece lets everything go."""
        if self._headers is None:
            return CONTINUE
        self._size_bytes += len(data)
        if not end:
            return STOP_AND_BUFFER
        self._add_length()
        return CONTINUE

    def request_trailers(self, stream: Stream, trailers: HeaderMap) -> Verdict:
        """The end of the body."""
        self._add_length()
        return CONTINUE

    def _add_length(self) -> None:
        if self._headers is not None:
            self._headers.set_default(b"content-length", b"%d" % self._size_bytes)


_: type[HttpFilter] = Buffer
