"""Zipkin: contexts in B3 headers (W3C's beside them where that is wanted), spans as JSON of the v2 API.

Source: the Zipkin v2 API and Envoy's Zipkin tracer; spans and headers compared with Envoy 1.40's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from pyvoy.tracing import b3, w3c
from pyvoy.tracing.span import Kind, Span, call_span, new_id

if TYPE_CHECKING:
    from pyvoy.http.headers import HeaderMap
    from pyvoy.stats.counters import Counter
    from pyvoy.tracing.batch import Batch
    from pyvoy.tracing.collector import Collector

_ACCEPTED = 202
_MICROS = 1_000_000
_LAST = {Kind.SERVER: "ss", Kind.CLIENT: "cr"}
"""What the end of a span is called."""


@dataclass(slots=True, frozen=True, eq=False)
class Reports:
    """Counters `tracing.zipkin.`."""

    spans_sent: Counter
    reports_sent: Counter
    reports_dropped: Counter
    reports_skipped_no_cluster: Counter


@dataclass(slots=True, frozen=True)
class ZipkinPlan:
    """`wide`: trace ids have 128 bits; `shared`: this side of a call has the id of the client's span; `w3c`: W3C
    contexts are understood and told besides.  `endpoint` is what spans say of this proxy."""

    wide: bool
    shared: bool
    w3c: bool
    endpoint: dict[str, Any]


class ZipkinTracer:
    """Owned by a TracingPlan."""

    def __init__(self, plan: ZipkinPlan, collector: Collector, reports: Reports, random: Random) -> None:
        self._plan = plan
        self._collector = collector
        self._reports = reports
        self._random = random
        self.batch: Batch
        """Set by whoever makes the tracer."""

    def start(self, headers: HeaderMap, traced: bool, kind: Kind, name: str, start_s: float) -> Span | None:
        """The span of a request: in the client's trace, if there is one."""
        try:
            context = b3.extract(headers)
        except b3.BadContext:
            return None
        if self._plan.w3c and not context.trace_id and not context.single_header:
            other = w3c.extract(headers)
            if other is not None:
                context = b3.Context(other.trace_id, other.span_id, 0, other.sampled)
        sampled = traced if context.sampled is None else context.sampled
        host = headers.map.get(b":authority", b"").decode("utf-8", "replace")
        shared = self._plan.shared and kind is Kind.SERVER
        trace_id, span_id, parent_id = context.trace_id, context.span_id, context.parent_id
        if not trace_id:
            span_id = trace_id = new_id(self._random)
            if self._plan.wide:
                trace_id |= new_id(self._random) << 64
        elif not shared:
            span_id, parent_id = new_id(self._random), context.span_id
        span = Span(trace_id, span_id, parent_id, sampled, kind, host, start_s)
        span.single_header = context.single_header
        span.shared = shared
        return span

    def ids(self, span: Span) -> tuple[str, str]:
        """The trace alone, as in Envoy."""
        return b3.trace_digits(span.trace_id), ""

    def child(self, span: Span, name: str, start_s: float) -> Span:
        """The span of the call upstream."""
        return call_span(span, new_id(self._random), name, start_s)

    def inject(self, span: Span, headers: HeaderMap) -> None:
        """Tell the upstream."""
        b3.inject(span, headers)
        if self._plan.w3c:
            w3c.inject(span, headers)

    def report(self, span: Span) -> None:
        """Send it with others."""
        self.batch.add(span)

    def send(self, spans: list[Span]) -> None:
        """Post spans."""
        body = json.dumps([self.encode(span) for span in spans], separators=(",", ":")).encode()
        self._reports.spans_sent.inc(len(spans))
        self._collector.post(b"application/json", body, self._posted)

    def _posted(self, status: int | None) -> None:
        reports = self._reports
        if status is None:
            reports.reports_skipped_no_cluster.inc()
        elif status == _ACCEPTED:
            reports.reports_sent.inc()
        else:
            reports.reports_dropped.inc()

    def encode(self, span: Span) -> dict[str, Any]:
        """A span as the v2 API has it."""
        annotations = [
            {"timestamp": int(time_s * _MICROS), "value": name} for name, time_s in (*span.events, self._end(span))
        ]
        told: dict[str, Any] = {
            "traceId": b3.trace_digits(span.trace_id),
            "id": f"{span.span_id:016x}",
            "name": span.name,
            "kind": span.kind.name,
            "timestamp": int(span.start_s * _MICROS),
            "duration": max(1, int((span.end_s - span.start_s) * _MICROS)),
            "localEndpoint": self._plan.endpoint,
            "annotations": annotations,
            "tags": {name: value for name, value in span.tags.items() if value},
        }
        if span.parent_id:
            told["parentId"] = f"{span.parent_id:016x}"
        if span.shared:
            told["shared"] = True
        return told

    @staticmethod
    def _end(span: Span) -> tuple[str, float]:
        return _LAST[span.kind], span.end_s
