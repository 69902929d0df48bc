"""OpenTelemetry: contexts in W3C headers, spans by OTLP over gRPC or HTTP.

Source: the OTLP specification and Envoy's OpenTelemetry tracer; spans and headers compared with Envoy 1.40's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from pyvoy.tracing import w3c
from pyvoy.tracing.span import Kind, Span, call_span, new_id
from pyvoy.tracing.tags import STATUS

if TYPE_CHECKING:
    from pyvoy.http.headers import HeaderMap
    from pyvoy.stats.counters import Counter
    from pyvoy.tracing.batch import Batch

Export = Callable[[bytes], None]
"""Sends a serialized ExportTraceServiceRequest."""

_PACKAGE = "opentelemetry.proto.collector.trace.v1"
_NANOS = 1_000_000_000
_ERROR = 2
_FAILS_FROM = {Kind.SERVER: 500, Kind.CLIENT: 400}
"""The statuses that are errors to each side."""


@dataclass(slots=True, frozen=True, eq=False)
class OtelPlan:
    """`resource` are the attributes of this proxy, `version` its own."""

    resource: Mapping[str, str]
    version: str
    spans_sent: Counter


class OpenTelemetryTracer:
    """Owned by a TracingPlan."""

    def __init__(self, plan: OtelPlan, export: Export, random: Random) -> None:
        self._plan = plan
        self._export = export
        self._random = random
        self.batch: Batch
        """Set by whoever makes the tracer."""

    def start(self, headers: HeaderMap, traced: bool, kind: Kind, name: str, start_s: float) -> Span | None:
        """The span of a request: in the client's trace, if there is one."""
        if w3c.PARENT not in headers.map:
            trace_id = new_id(self._random) << 64 | new_id(self._random)
            return Span(trace_id, new_id(self._random), 0, traced, kind, name, start_s)
        context = w3c.extract(headers)
        if context is None:
            return None
        return Span(
            context.trace_id,
            new_id(self._random),
            context.span_id,
            context.sampled,
            kind,
            name,
            start_s,
            state=context.state,
        )

    def ids(self, span: Span) -> tuple[str, str]:
        """Both, as W3C's headers have them."""
        return f"{span.trace_id:032x}", f"{span.span_id:016x}"

    def child(self, span: Span, name: str, start_s: float) -> Span:
        """The span of the call upstream."""
        return call_span(span, new_id(self._random), name, start_s)

    def inject(self, span: Span, headers: HeaderMap) -> None:
        """Tell the upstream."""
        w3c.inject(span, headers)
        headers.set(w3c.STATE, span.state)

    def report(self, span: Span) -> None:
        """Send it with others."""
        self.batch.add(span)

    def send(self, spans: list[Span]) -> None:
        """Export spans."""
        self._plan.spans_sent.inc(len(spans))
        self._export(self.encode(spans).SerializeToString())

    def encode(self, spans: list[Span]) -> Any:
        """Spans as an ExportTraceServiceRequest."""
        from pyvoy.config.message_types import message_class

        plan = self._plan
        request = message_class(f"{_PACKAGE}.ExportTraceServiceRequest")()
        told = request.resource_spans.add()
        _fill(told.resource.attributes, plan.resource)
        # The field was renamed to scope_spans (with the same number) after the messages at hand were made.
        library = told.instrumentation_library_spans.add()
        library.instrumentation_library.name = "envoy"
        library.instrumentation_library.version = plan.version
        for span in spans:
            _fill_span(library.spans.add(), span)
        return request


def _fill(attributes: Any, values: Mapping[str, str]) -> None:
    for name, value in values.items():
        attributes.add(key=name).value.string_value = value


def _fill_span(told: Any, span: Span) -> None:
    told.trace_id = span.trace_id.to_bytes(16, "big")
    told.span_id = span.span_id.to_bytes(8, "big")
    if span.parent_id:
        told.parent_span_id = span.parent_id.to_bytes(8, "big")
    told.trace_state = span.state.decode("utf-8", "replace")
    told.name = span.name
    told.kind = span.kind.value
    told.start_time_unix_nano = int(span.start_s * _NANOS)
    told.end_time_unix_nano = int(span.end_s * _NANOS)
    _fill(told.attributes, span.tags)
    for name, time_s in span.events:
        told.events.add(name=name, time_unix_nano=int(time_s * _NANOS))
    if int(span.tags.get(STATUS, 0)) >= _FAILS_FROM[span.kind]:
        told.status.code = _ERROR
