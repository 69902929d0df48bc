"""HTTP inspector: learns from plain text whether it is HTTP/1.0, HTTP/1.1 or HTTP/2, for the filter chain match.

It looks at the request line only and leaves the bytes; a connection already known as TLS is passed on.
Source: Envoy, listener filter "HTTP Inspector" (observed on Envoy 1.40).  Looks at no more than 64 KiB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import listener_filter, supports
from pyvoy.network.http_sniff import HttpSniff, sniff
from pyvoy.network.listener_filter import Accepted, ListenerFilter, ListenerVerdict

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.stats.counters import Counter
    from pyvoy.stats.store import Scope

TYPE = "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector"

supports(TYPE)

_COUNTERS = {
    HttpSniff.HTTP10: "http10_found",
    HttpSniff.HTTP11: "http11_found",
    HttpSniff.HTTP2: "http2_found",
    HttpSniff.NOT_HTTP: "http_not_found",
    HttpSniff.TOO_LARGE: "read_error",
}


@dataclass(slots=True, frozen=True)
class HttpInspectorPlan:
    """The counter of each outcome."""

    counters: dict[HttpSniff, Counter]


def http_inspector_plan(root: Scope) -> HttpInspectorPlan:
    """A plan with its counters at `http_inspector.`, shared by all listeners."""
    scope = root.scope("http_inspector")
    return HttpInspectorPlan({outcome: scope.counter(name) for outcome, name in _COUNTERS.items()})


@listener_filter(
    name="envoy.filters.listener.http_inspector", type_url=TYPE, posture="requires_trusted_downstream_and_upstream"
)
class HttpInspector(ListenerFilter):
    """One per connection."""

    __slots__ = ("plan",)
    needs_bytes = True

    @staticmethod
    def build(message: Any, context: Context) -> HttpInspectorPlan:
        """The plan; the message has no fields."""
        return http_inspector_plan(context.root_scope)

    def __init__(self, plan: HttpInspectorPlan) -> None:
        self.plan = plan

    def on_accept(self, accepted: Accepted) -> ListenerVerdict:
        """Wait for bytes, unless an earlier filter found something else than plain text."""
        plain = accepted.info.transport_protocol in ("", "raw_buffer")
        return ListenerVerdict.MORE if plain else ListenerVerdict.CONTINUE

    def on_data(self, accepted: Accepted, end: bool) -> ListenerVerdict:
        """Judge all bytes so far."""
        if not accepted.buffer:
            return ListenerVerdict.MORE
        found = sniff(accepted.buffer)
        if found is HttpSniff.NEED_MORE:
            return ListenerVerdict.MORE
        self.plan.counters[found].inc()
        if found is HttpSniff.TOO_LARGE:
            return ListenerVerdict.CLOSE
        if found is not HttpSniff.NOT_HTTP:
            accepted.info.application_protocols = (found.value,)
        return ListenerVerdict.CONTINUE


_: type[ListenerFilter] = HttpInspector
