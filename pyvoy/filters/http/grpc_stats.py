"""gRPC statistics: counts the calls, messages and statuses of gRPC requests below their cluster.

Source: Envoy, HTTP filter "gRPC Statistics" (GrpcStatsFilter).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import http_filter, supports
from pyvoy.http.grpc import charge_status, cluster_scope, is_grpc_request, is_grpc_response, method_of
from pyvoy.http.grpc_frames import MessageCounter
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, HttpFilter, Stream, Verdict

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.stats.store import Scope

TYPE = "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig"
STATE = "envoy.filters.http.grpc_stats"

supports(
    TYPE,
    "emit_filter_state individual_method_stats_allowlist stats_for_all_methods enable_upstream_stats "
    "replace_dots_in_grpc_service_name",
)
supports("envoy.config.core.v3.GrpcMethodList", "services")
supports("envoy.config.core.v3.GrpcMethodList.Service", "name method_names")


@dataclass(slots=True, frozen=True)
class GrpcStatsPlan:
    """`methods` None counts every method under its own name, else those alone."""

    emit_filter_state: bool
    methods: frozenset[tuple[str, str]] | None
    upstream_times: bool
    replace_dots: bool


class GrpcCounts:
    """The filter state object: messages so far."""

    __slots__ = ("request_message_count", "response_message_count")

    def __init__(self) -> None:
        self.request_message_count = 0
        self.response_message_count = 0

    def as_json(self) -> dict[str, str]:
        """As Envoy's FilterObject: 64-bit numbers are texts, and zeros are left out."""
        counts = {
            "requestMessageCount": self.request_message_count,
            "responseMessageCount": self.response_message_count,
        }
        return {name: str(count) for name, count in counts.items() if count}

    def __str__(self) -> str:
        return f"{self.request_message_count},{self.response_message_count}"


@http_filter(name="envoy.filters.http.grpc_stats", type_url=TYPE, posture="robust_to_untrusted_downstream")
class GrpcStats(HttpFilter):
    """One per stream."""

    __slots__ = ("_counts", "_names", "_plan", "_requests", "_responses", "_scope")

    @staticmethod
    def build(message: Any, context: Context) -> GrpcStatsPlan:
        """The plan of a FilterConfig message."""
        methods: frozenset[tuple[str, str]] | None = frozenset()
        if message.HasField("individual_method_stats_allowlist"):
            services = message.individual_method_stats_allowlist.services
            methods = frozenset((service.name, name) for service in services for name in service.method_names)
        elif context.wrapped(message, "stats_for_all_methods", False):
            methods = None
        return GrpcStatsPlan(
            message.emit_filter_state,
            methods,
            message.enable_upstream_stats,
            message.replace_dots_in_grpc_service_name,
        )

    def __init__(self, plan: GrpcStatsPlan) -> None:
        self._plan = plan
        self._scope: Scope | None = None
        self._names = ""
        self._requests: MessageCounter | None = None
        self._responses: MessageCounter | None = None
        self._counts = GrpcCounts()

    def request_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Find out whose statistics a gRPC call is."""
        if is_grpc_request(headers):
            self._requests = MessageCounter()
            names = method_of(headers.map[b":path"])
            if names is not None:  # a path of another shape is counted nowhere
                self._scope = cluster_scope(stream)
                self._names = self._prefix(names)
        return CONTINUE

    def _prefix(self, names: tuple[str, str]) -> str:
        methods = self._plan.methods
        if methods is not None and names not in methods:
            return "grpc."
        service = names[0].replace(".", "_") if self._plan.replace_dots else names[0]
        return f"grpc.{service}.{names[1]}."

    def request_data(self, stream: Stream, data: bytes, end: bool) -> Verdict:
        """Count the messages of the request."""
        if self._requests is not None:
            self._count(stream, self._requests.take(data), "request_message_count")
        return CONTINUE

    def response_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """A head without a body brings the status."""
        if self._requests is not None and is_grpc_response(headers, end):
            self._responses = MessageCounter()
            if end:
                self._charge(stream, headers)
        return CONTINUE

    def response_data(self, stream: Stream, data: bytes, end: bool) -> Verdict:
        """Count the messages of the response."""
        if self._responses is not None:
            self._count(stream, self._responses.take(data), "response_message_count")
        return CONTINUE

    def response_trailers(self, stream: Stream, trailers: HeaderMap) -> Verdict:
        """The status."""
        if self._responses is not None:
            self._charge(stream, trailers)
        return CONTINUE

    def _count(self, stream: Stream, messages: int, name: str) -> None:
        if not messages:
            return
        if self._scope is not None:
            self._scope.counter(self._names + name).inc(messages)
        if self._plan.emit_filter_state:
            counts = self._counts
            setattr(counts, name, getattr(counts, name) + messages)
            stream.info.filter_state[STATE] = counts

    def _charge(self, stream: Stream, fields: HeaderMap) -> None:
        scope = self._scope
        if scope is None:
            return
        charge_status(scope, self._names, fields.map.get(b"grpc-status"))
        info = stream.info
        if self._plan.upstream_times and info.last_downstream_rx_s is not None:
            took_s = stream.services.clock() - info.last_downstream_rx_s
            scope.histogram(self._names + "upstream_rq_time").record(int(took_s * 1000))


_: type[HttpFilter] = GrpcStats
