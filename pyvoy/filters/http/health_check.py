"""Health check: answer the health checks of others, here (by the state of clusters) or through the upstream.

Requests that the header matchers recognize are not counted in the request statistics.  With `cache_time` an answer of
the upstream is kept by each worker until the time is over.
Source: Envoy, HTTP filter "Health check" (statistics, details and headers observed on Envoy 1.40).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import http_filter, supports
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, STOP, HttpFilter, Stream, Verdict
from pyvoy.observe import details
from pyvoy.observe.details import Flag

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.stats.counters import Counter
    from pyvoy.stats.store import Scope

TYPE = "envoy.extensions.filters.http.health_check.v3.HealthCheck"

supports(TYPE, "pass_through_mode cache_time cluster_min_healthy_percentages headers")

CLUSTER_NOT_FOUND = "health_check_failed_no_cluster_found"
CLUSTER_EMPTY = "health_check_failed_cluster_empty"
_CHECKED_CLUSTER = b"x-envoy-upstream-healthchecked-cluster"
_DEGRADED = b"x-envoy-degraded"


class HealthCheckStats:
    """`http.<stat_prefix>.health_check.`"""

    __slots__ = (
        "cached_response",
        "degraded",
        "failed",
        "failed_cluster_empty",
        "failed_cluster_not_found",
        "failed_cluster_unhealthy",
        "ok",
        "request_total",
    )
    cached_response: Counter
    degraded: Counter
    failed: Counter
    failed_cluster_empty: Counter
    failed_cluster_not_found: Counter
    failed_cluster_unhealthy: Counter
    ok: Counter
    request_total: Counter

    def __init__(self, scope: Scope) -> None:
        for name in self.__slots__:
            setattr(self, name, scope.counter(name))


class Cache:
    """The last answer of the upstream; owned by the plan, so each worker keeps its own."""

    __slots__ = ("_lasts_s", "_until_s", "degraded", "status")

    def __init__(self, lasts_s: float) -> None:
        self._lasts_s = lasts_s
        self._until_s = 0.0
        self.status = 200
        self.degraded = False

    def holds(self, now_s: float) -> bool:
        """Whether the answer may still be given."""
        return now_s < self._until_s

    def keep(self, status: int, degraded: bool, now_s: float) -> None:
        """A new answer has come."""
        self.status = status
        self.degraded = degraded
        self._until_s = now_s + self._lasts_s


@dataclass(slots=True, frozen=True, eq=False)
class HealthCheckPlan:
    """`minimums`: percentage of hosts that must be available, by cluster."""

    matches: Callable[[HeaderMap], bool]
    pass_through: bool
    cache: Cache | None
    minimums: tuple[tuple[str, int], ...]
    local_cluster: bytes
    stats: HealthCheckStats
    not_traced: Counter
    """`http.<stat_prefix>.tracing.health_check`: health checks are never traced."""


@http_filter(name="envoy.filters.http.health_check", type_url=TYPE, posture="robust_to_untrusted_downstream")
class HealthCheck(HttpFilter):
    """One per stream."""

    __slots__ = ("_answering", "_plan", "_recognized")

    @staticmethod
    def build(message: Any, context: Context) -> HealthCheckPlan:
        """The plan of a HealthCheck message."""
        pass_through = bool(context.wrapped(message, "pass_through_mode", False))
        lasts_s = context.duration_s(message, "cache_time", 0.0) or 0.0
        if lasts_s and not pass_through:
            context.error("cache_time", "cache_time_ms must not be set when path_through_mode is disabled")
        percentages = message.cluster_min_healthy_percentages
        return HealthCheckPlan(
            context.header_matchers(message, "headers"),
            pass_through,
            Cache(lasts_s) if lasts_s else None,
            tuple((name, int(percentages[name].value)) for name in sorted(percentages)),
            context.node.cluster.encode() if context.node is not None else b"",
            HealthCheckStats(context.scope.scope("health_check")),
            context.scope.counter("tracing.health_check"),
        )

    def __init__(self, plan: HealthCheckPlan) -> None:
        self._plan = plan
        self._recognized = False
        self._answering = False

    def request_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
        """Recognize a health check, and decide who answers it."""
        plan = self._plan
        if not plan.matches(headers):
            return CONTINUE
        self._recognized = stream.health_check = True
        plan.not_traced.inc()
        cache = plan.cache
        services = stream.services
        if plan.pass_through and not services.health_failed() and not (cache and cache.holds(services.clock())):
            return CONTINUE
        self._answering = True
        if end:
            self._answer(stream)
        return STOP

    def request_data(self, stream: Stream, data: bytes, end: bool) -> Verdict:
        """The body of a health check that is answered here goes nowhere."""
        if not self._answering:
            return CONTINUE
        if end:
            self._answer(stream)
        return STOP

    def request_trailers(self, stream: Stream, trailers: HeaderMap) -> Verdict:
        """The end of such a body."""
        if not self._answering:
            return CONTINUE
        self._answer(stream)
        return STOP

    def response_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Say who was checked, or tell clients that this proxy fails its health checks."""
        plan = self._plan
        if self._recognized:
            if plan.cache is not None and not self._answering:
                plan.cache.keep(int(headers.map[b":status"]), _DEGRADED in headers.map, stream.services.clock())
            headers.set(_CHECKED_CLUSTER, plan.local_cluster)
        elif stream.services.health_failed():
            headers.set(b"x-envoy-immediate-health-check-fail", b"true")
        return CONTINUE

    def _answer(self, stream: Stream) -> None:
        plan = self._plan
        stats = plan.stats
        stats.request_total.inc()
        degraded = False
        if stream.services.health_failed():
            status, detail = 503, details.HEALTH_CHECK_FAILED
        elif plan.cache is not None:
            status, degraded, detail = plan.cache.status, plan.cache.degraded, details.HEALTH_CHECK_CACHED
            stats.cached_response.inc()
        else:
            status, detail = self._clusters_say(stream)
        (stats.ok if 200 <= status < 300 else stats.failed).inc()
        if degraded:
            stats.degraded.inc()
        stream.send_local_reply(
            status,
            details=detail,
            flags=0 if 200 <= status < 300 else Flag.FAILED_LOCAL_HEALTH_CHECK,
            headers=((_DEGRADED, b""),) if degraded else (),
        )

    def _clusters_say(self, stream: Stream) -> tuple[int, str]:
        """Status and details by the hosts of the clusters that the configuration names."""
        detail = details.HEALTH_CHECK_OK
        stats = self._plan.stats
        for name, minimum in self._plan.minimums:
            detail = details.HEALTH_CHECK_CLUSTER_HEALTHY
            cluster = stream.services.clusters.get(name)
            if cluster is None:
                stats.failed_cluster_not_found.inc()
                return 503, CLUSTER_NOT_FOUND
            sets = cluster.priority_set
            total = sum([len(hosts.hosts) for hosts in sets])
            if not total:
                if not minimum:
                    continue
                stats.failed_cluster_empty.inc()
                return 503, CLUSTER_EMPTY
            available = sum([len(hosts.healthy) + len(hosts.degraded) for hosts in sets])
            if 100 * available < total * minimum:
                stats.failed_cluster_unhealthy.inc()
                return 503, details.HEALTH_CHECK_CLUSTER_UNHEALTHY
        return 200, detail


_: type[HttpFilter] = HealthCheck
