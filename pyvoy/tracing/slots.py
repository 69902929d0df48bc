"""The two places of the filter chain where a request is traced: before the filters, and before the router.

Filters see the headers as the client sent them, but for the request id; the upstream is told of the span.  The span is
kept in the stream's facts.  Source: Envoy's ActiveStream::traceRequest, its decorator headers, and Router.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pyvoy.http.http_filter import CONTINUE, HttpFilter, Stream, Verdict
from pyvoy.http.request_id import TraceReason
from pyvoy.tracing.decision import Decider, Sampling
from pyvoy.tracing.tags import TagReader, describe_call, describe_outcome, describe_request, text

if TYPE_CHECKING:
    from pyvoy.http.headers import HeaderMap
    from pyvoy.tracing.span import Kind, Span, Tracer

DECORATOR = b"x-envoy-decorator-operation"
_REASONS = {
    TraceReason.NOT_TRACEABLE: "",
    TraceReason.SAMPLED: "sampled",
    TraceReason.SERVICE_FORCED: "service_forced",
    TraceReason.CLIENT_FORCED: "client_forced",
}
Naming = Callable[[Any], bytes]


@dataclass(slots=True, frozen=True, eq=False)
class RouteTracing:
    """What a route says; `sampling`, `operation` and `upstream_operation` None: as the connection manager."""

    sampling: Sampling | None = None
    tags: Mapping[str, TagReader] = field(default_factory=dict)
    operation: Naming | None = None
    upstream_operation: Naming | None = None
    decorator: bytes = b""
    """The name of the operation; `propagates` tells it to the other side."""
    propagates: bool = True


AS_THE_MANAGER = RouteTracing()


@dataclass(slots=True, frozen=True, eq=False)
class TracingPlan:
    """A connection manager's Tracing message.  `tracer` None: requests are marked, and nobody is told.

    `kind` is what its spans are."""

    decider: Decider
    tracer: Tracer | None
    egress: bool
    spans_calls: bool
    kind: Kind
    verbose: bool
    max_path_bytes: int
    tags: Mapping[str, TagReader]
    operation: Naming | None
    upstream_operation: Naming | None
    node_id: str
    zone: str


@dataclass(slots=True, eq=False)
class Traced:
    """What a stream is traced with: its span, that of the call upstream, and the operation to tell the client."""

    span: Span | None = None
    """None where nobody is told, or the client's context cannot be understood."""
    call: Span | None = None
    told: bytes = b""

    def name(self, operation: bytes) -> None:
        """Give the operation its name."""
        if self.span is not None:
            self.span.name = text(operation)


def _of_route(stream: Stream) -> RouteTracing:
    route = stream.route
    return AS_THE_MANAGER if route is None or route.tracing is None else route.tracing


class TraceRequest(HttpFilter):
    """The first slot: decides, starts the span, and ends it."""

    __slots__ = ("_plan",)

    stateless = True

    def __init__(self, plan: TracingPlan) -> None:
        self._plan = plan

    def request_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Decide, and begin the span."""
        plan, own, info = self._plan, _of_route(stream), stream.info
        reason = plan.decider.decide(headers, own.sampling)
        info.trace_reason = _REASONS[reason]
        info.request_id = headers.map.get(b"x-request-id", b"")
        traced = info.traced = Traced()
        if plan.tracer is not None:
            name = f"egress {text(headers.map.get(b':authority'))}" if plan.egress else "ingress"
            asked = reason is not TraceReason.NOT_TRACEABLE
            span = traced.span = plan.tracer.start(headers, asked, plan.kind, name, info.start_wall_s)
            if span is not None:
                info.trace_id, info.span_id = plan.tracer.ids(span)
                span.tags["node_id"] = plan.node_id
                span.tags["zone"] = plan.zone
        traced.told = self._name(traced, stream, own, headers)
        return CONTINUE

    def _name(self, traced: Traced, stream: Stream, own: RouteTracing, headers: HeaderMap) -> bytes:
        """Name the operation; what the client has to be told of that."""
        operation = own.operation or self._plan.operation
        if operation is not None:
            traced.name(operation(stream))
            return b""
        if own.decorator:
            traced.name(own.decorator)
        told = own.decorator if own.propagates else b""
        if self._plan.egress:
            if told:
                headers.set(DECORATOR, told)
            return b""
        override = headers.map.get(DECORATOR)
        if override is None:
            return told
        headers.remove(DECORATOR)
        if not override:
            return told
        traced.name(override)
        return b""

    def response_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Tell the client the operation, or learn it from the upstream."""
        traced: Traced | None = stream.info.traced
        if traced is None:
            return CONTINUE
        if traced.told:
            headers.set(DECORATOR, traced.told)
        elif self._plan.egress and self._plan.operation is None:
            override = headers.map.get(DECORATOR)
            if override is not None:
                headers.remove(DECORATOR)
                if override:
                    traced.name(override)
        return CONTINUE

    def on_log(self, stream: Stream) -> None:
        """The stream is over: so are its spans."""
        traced: Traced | None = stream.info.traced
        plan = self._plan
        if traced is None or plan.tracer is None or traced.span is None or not traced.span.sampled:
            return
        info, own, span, call = stream.info, _of_route(stream), traced.span, traced.call
        tags = {**plan.tags, **own.tags} if own.tags else plan.tags
        ended_s = info.end_s if info.end_s is not None else stream.services.clock()
        span.end_s = ended_s + info.start_wall_s - info.start_s
        if call is not None:
            code = describe_call(call, info)
            describe_outcome(call, stream, code, tags, verbose=plan.verbose, upstream=True)
            last_s = info.last_upstream_rx_s
            call.end_s = span.end_s if last_s is None else last_s + info.start_wall_s - info.start_s
            plan.tracer.report(call)
        describe_request(span, stream, plan.max_path_bytes)
        describe_outcome(span, stream, info.response_code, tags, verbose=plan.verbose, upstream=False)
        plan.tracer.report(span)


class TellUpstream(HttpFilter):
    """The slot before the router: the upstream is told of the span, or of that of its call."""

    __slots__ = ("_plan",)

    stateless = True

    def __init__(self, plan: TracingPlan) -> None:
        self._plan = plan

    def request_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Tell the upstream, if there will be one."""
        traced: Traced | None = stream.info.traced
        plan, route = self._plan, stream.route
        if traced is None or traced.span is None or plan.tracer is None or route is None or route.action != "route":
            return CONTINUE
        span = traced.span
        if plan.spans_calls:
            info = stream.info
            name = _of_route(stream).upstream_operation or plan.upstream_operation
            wall_s = stream.services.clock() + info.start_wall_s - info.start_s
            called = f"router {route.cluster or ''} egress" if name is None else text(name(stream))
            span = traced.call = plan.tracer.child(span, called, wall_s)
        plan.tracer.inject(span, headers)
        return CONTINUE
