"""Fault injection: delay requests, abort them, and slow their responses down, as configured or as request headers ask.

A delay may be followed by an abort.  At most `max_active_faults` requests of the proxy are under a fault at a time.
Source: Envoy, HTTP filter "Fault Injection" (statistics and answers observed on Envoy 1.40).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import http_filter
from pyvoy.filters.http.fault.plan import TYPE, FaultPlan, build_plan
from pyvoy.filters.http.fault.rate_limiter import RateLimiter
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, STOP, STOP_AND_WATERMARK, HttpFilter, Stream, Verdict
from pyvoy.observe.details import FAULT_FILTER_ABORT, Flag

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.network.timers import Timer
    from pyvoy.server.arena import SharedGauge
    from pyvoy.stats.counters import Counter, Gauge
    from pyvoy.stats.store import Scope

NAME = "envoy.filters.http.fault"


class FaultStats:
    """`http.<stat_prefix>.fault.`; `active` is the level over all workers."""

    __slots__ = (
        "aborts_injected",
        "active",
        "active_faults",
        "delays_injected",
        "faults_overflow",
        "response_rl_injected",
        "scope",
    )
    aborts_injected: Counter
    delays_injected: Counter
    faults_overflow: Counter
    response_rl_injected: Counter
    active_faults: Gauge
    active: SharedGauge

    def __init__(self, context: Context) -> None:
        self.scope: Scope = context.scope.scope("fault")
        for name in ("aborts_injected", "delays_injected", "faults_overflow", "response_rl_injected"):
            setattr(self, name, self.scope.counter(name))
        self.active_faults = self.scope.gauge("active_faults")
        self.active = context.arena.resource(self.scope.name("active_faults"))


@dataclass(slots=True, frozen=True, eq=False)
class FaultFilterPlan:
    """The filter's own faults and its statistics, which those of routes share."""

    faults: FaultPlan
    stats: FaultStats


@http_filter(name=NAME, type_url=TYPE, route_type_url=TYPE, posture="robust_to_untrusted_downstream")
class Fault(HttpFilter):
    """One per stream: its timer, and whether it counts as an active fault."""

    __slots__ = ("_active", "_cluster", "_limiter", "_plan", "_stats", "_timer")

    @staticmethod
    def build(message: Any, context: Context) -> FaultFilterPlan:
        """The plan of a HTTPFault message."""
        return FaultFilterPlan(build_plan(message, context), FaultStats(context))

    @staticmethod
    def build_route(message: Any, context: Context) -> FaultPlan:
        """The same message on a route: it takes the place of the filter's own."""
        return build_plan(message, context)

    def __init__(self, plan: FaultFilterPlan) -> None:
        self._plan = plan.faults
        self._stats = plan.stats
        self._timer: Timer | None = None
        self._limiter: RateLimiter | None = None
        self._active = False
        self._cluster = ""

    # ---- the request ----

    def request_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Decide which faults this request meets."""
        plan = self._plan = stream.route_plan(self) or self._plan
        if self._stats.active.total() >= plan.max_active:
            self._stats.faults_overflow.inc()
            return CONTINUE
        if not self._applies(stream, headers):
            return CONTINUE
        if plan.cluster_stats:
            self._cluster = headers.map.get(b"x-envoy-downstream-service-cluster", b"").decode("latin-1")
        if plan.rate is not None:
            self._limit_rate(stream, headers)
        seconds = plan.delay.seconds(headers) if plan.delay is not None else 0.0
        if seconds:
            self._delay(stream, headers, seconds)
            return STOP_AND_WATERMARK
        return STOP if self._aborted(stream, headers) else CONTINUE

    def _applies(self, stream: Stream, headers: HeaderMap) -> bool:
        plan = self._plan
        if plan.upstream_cluster:
            route = stream.route
            if route is None or route.cluster != plan.upstream_cluster:
                return False
        if plan.nodes and headers.map.get(b"x-envoy-downstream-service-node") not in plan.nodes:
            return False
        return plan.matches(headers)

    def _delay(self, stream: Stream, headers: HeaderMap, seconds: float) -> None:
        self._activate()
        self._count("delays_injected")
        stream.info.response_flags |= Flag.DELAY_INJECTED
        if self._plan.metadata:
            stream.info.dynamic_metadata.setdefault(NAME, {}).update(self._plan.metadata)
        self._timer = stream.services.timers.call_later(seconds, lambda: self._delayed(stream, headers))

    def _delayed(self, stream: Stream, headers: HeaderMap) -> None:
        self._timer = None
        if not self._aborted(stream, headers):
            stream.continue_request(self)

    def _aborted(self, stream: Stream, headers: HeaderMap) -> bool:
        plan = self._plan
        status = plan.abort.status(headers) if plan.abort is not None else None
        if status is None:
            return False
        self._activate()
        self._count("aborts_injected")
        if plan.metadata:
            stream.info.dynamic_metadata.setdefault(NAME, {}).update(plan.metadata)
        stream.send_local_reply(
            status[0],
            b"fault filter abort",
            details=FAULT_FILTER_ABORT,
            flags=Flag.FAULT_INJECTED,
            grpc_status=status[1],
        )
        return True

    # ---- the response ----

    def _limit_rate(self, stream: Any, headers: HeaderMap) -> None:
        plan = self._plan
        kilobytes = plan.rate.kilobytes(headers) if plan.rate is not None else 0
        if not kilobytes:
            return
        self._activate()
        self._stats.response_rl_injected.inc()
        self._limiter = RateLimiter(
            stream.services,
            kilobytes,
            stream.response_buffer_limit_bytes,
            write=lambda data, end: stream.inject_response_data(self, data, end),
            resume=lambda: stream.continue_response(self),
            pause=stream.pause_response,
        )

    def response_data(self, stream: Stream, data: bytes, end: bool) -> Verdict:
        """Pace the body."""
        if self._limiter is None:
            return CONTINUE
        self._limiter.data(data, end)
        return STOP

    def response_trailers(self, stream: Stream, trailers: HeaderMap) -> Verdict:
        """Trailers wait for the data before them."""
        return STOP if self._limiter is not None and self._limiter.trailers() else CONTINUE

    # ---- counting ----

    def _activate(self) -> None:
        if not self._active:
            self._active = True
            self._stats.active.inc()
            self._stats.active_faults.inc()

    def _count(self, name: str) -> None:
        stats = self._stats
        (stats.aborts_injected if name == "aborts_injected" else stats.delays_injected).inc()
        if self._cluster:
            stats.scope.scope(self._cluster).counter(name).inc()

    def on_destroy(self, stream: Stream) -> None:
        """Take everything back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._limiter is not None:
            self._limiter.stop()
        if self._active:
            self._active = False
            self._stats.active.dec()
            self._stats.active_faults.dec()


_: type[HttpFilter] = Fault
