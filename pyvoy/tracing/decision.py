"""Whether a request is traced, and why: asked for, forced, or drawn by lot from its id.

Source: Envoy's mutateTracingRequestHeader and TracerUtility::shouldTraceRequest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyvoy.http.request_id import TraceReason, reason_of, with_reason

if TYPE_CHECKING:
    from random import Random

    from pyvoy.config.runtime import Runtime
    from pyvoy.http.headers import HeaderMap
    from pyvoy.stats.counters import Counter

Fraction = tuple[int, int]
REQUEST_ID = b"x-request-id"
CLIENT_TRACE_ID = b"x-client-trace-id"
_FORCE = b"x-envoy-force-trace"
_CLIENT_KEY, _RANDOM_KEY, _OVERALL_KEY = "tracing.client_enabled", "tracing.random_sampling", "tracing.global_enabled"
_ID_LENGTH = 36
_DRAW = 10_000


@dataclass(slots=True, frozen=True)
class Sampling:
    """Of how many requests that ask for it (`client`), that do not (`random`), and of all those (`overall`)."""

    client: Fraction = (100, 100)
    random: Fraction = (10_000, 10_000)
    overall: Fraction = (10_000, 10_000)


@dataclass(slots=True, frozen=True, eq=False)
class Decider:
    """`packs` says that request ids carry the reason."""

    sampling: Sampling
    packs: bool
    runtime: Runtime
    random: Random
    counters: dict[TraceReason, Counter]

    def decide(self, headers: HeaderMap, own: Sampling | None) -> TraceReason:
        """The reason, which the request id then carries; `own` is the route's sampling."""
        reason = self._decide(headers, own or self.sampling)
        self.counters[reason].inc()
        return reason

    def _decide(self, headers: HeaderMap, sampling: Sampling) -> TraceReason:
        request_id = headers.map.get(REQUEST_ID, b"")
        draw = _number(request_id)
        if draw is None:
            return TraceReason.NOT_TRACEABLE
        reason = before = reason_of(request_id) if self.packs else TraceReason.NOT_TRACEABLE
        if reason is TraceReason.NOT_TRACEABLE:
            reason = self._reason(headers, sampling, draw)
        enabled = self.runtime.fraction_enabled
        if reason is not TraceReason.NOT_TRACEABLE and not enabled(_OVERALL_KEY, *sampling.overall, draw):
            reason = TraceReason.NOT_TRACEABLE
        if reason is not before and self.packs:
            headers.set(REQUEST_ID, with_reason(request_id, reason))
        return reason

    def _reason(self, headers: HeaderMap, sampling: Sampling, draw: int) -> TraceReason:
        values, enabled = headers.map, self.runtime.fraction_enabled
        if CLIENT_TRACE_ID in values and enabled(_CLIENT_KEY, *sampling.client, int(self.random.random() * _DRAW)):
            return TraceReason.CLIENT_FORCED
        if _FORCE in values:
            return TraceReason.SERVICE_FORCED
        if enabled(_RANDOM_KEY, *sampling.random, draw):
            return TraceReason.SAMPLED
        return TraceReason.NOT_TRACEABLE


def _number(request_id: bytes) -> int | None:
    """What is drawn for a request: the beginning of its id, so that all proxies draw the same."""
    if len(request_id) != _ID_LENGTH:
        return None
    try:
        return int(request_id[:8], 16) % _DRAW
    except ValueError:
        return None
