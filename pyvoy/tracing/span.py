"""One span: an operation of a trace, as both providers keep it until it is told."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from random import Random
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pyvoy.http.headers import HeaderMap


class Kind(Enum):
    """Whose view of the call a span is: its numbers are OpenTelemetry's."""

    SERVER = 2
    CLIENT = 3


@dataclass(slots=True, eq=False)
class Span:
    """`trace_id` has 64 or 128 bits, `span_id` 64, `parent_id` 0 without a parent.  Times are seconds since the epoch.

    `single_header` says that the context came, and goes on, in one `b3` header; `shared` that client and server use the
    span's id both (Zipkin); `state` is the W3C trace state.  `tags` and `events` (name, time) are told in this order.
    """

    trace_id: int
    span_id: int
    parent_id: int
    sampled: bool
    kind: Kind
    name: str
    start_s: float
    end_s: float = 0.0
    single_header: bool = False
    shared: bool = False
    state: bytes = b""
    tags: dict[str, str] = field(default_factory=dict)
    events: list[tuple[str, float]] = field(default_factory=list)


def call_span(span: Span, span_id: int, name: str, start_s: float) -> Span:
    """The span of the call upstream that a span's operation makes."""
    return replace(
        span,
        span_id=span_id,
        parent_id=span.span_id,
        kind=Kind.CLIENT,
        name=name,
        start_s=start_s,
        shared=False,
        tags={},
        events=[],
    )


def new_id(random: Random) -> int:
    """An id of 64 bits; 0 is none."""
    return random.getrandbits(64) or 1


class Tracer(Protocol):
    """A provider."""

    def start(self, headers: HeaderMap, traced: bool, kind: Kind, name: str, start_s: float) -> Span | None:
        """The span of a request with these headers; `traced` is the proxy's own decision, which a context in the
        headers overrides; `name` is the operation's, if the provider has no better one.  None when that context cannot
        be understood: then the request is not part of a trace."""

    def ids(self, span: Span) -> tuple[str, str]:
        """Trace and span as access logs show them."""

    def child(self, span: Span, name: str, start_s: float) -> Span:
        """The span of the call upstream."""

    def inject(self, span: Span, headers: HeaderMap) -> None:
        """Tell the upstream of the span."""

    def report(self, span: Span) -> None:
        """The span has ended; it is sampled."""
