"""Stats of a slice of traffic: a virtual cluster (`vhost.V.vcluster.C.`) or a route with a stat_prefix.

The router counts; this file only makes the counters and finds the virtual cluster of a request.
Source of behaviour: Envoy's VirtualClusterStats, RouteStats and CodeStatsImpl (names).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pyvoy.http.headers import HeaderMap
from pyvoy.stats.counters import Counter
from pyvoy.stats.store import Scope


class RouteStats:
    """Counters of one slice.  Counters per status code appear with the first response of that code."""

    __slots__ = (
        "_codes",
        "_scope",
        "completed",
        "name",
        "retry",
        "retry_limit_exceeded",
        "retry_overflow",
        "retry_success",
        "time",
        "timeout",
        "total",
    )

    def __init__(self, name: str, scope: Scope) -> None:
        self.name = name
        self.total = scope.counter("upstream_rq_total")
        self.timeout = scope.counter("upstream_rq_timeout")
        self.retry = scope.counter("upstream_rq_retry")
        self.retry_success = scope.counter("upstream_rq_retry_success")
        self.retry_overflow = scope.counter("upstream_rq_retry_overflow")
        self.retry_limit_exceeded = scope.counter("upstream_rq_retry_limit_exceeded")
        self.completed: Counter | None = None
        self.time = scope.histogram("upstream_rq_time")
        self._scope = scope
        self._codes: dict[int, tuple[Counter, Counter]] = {}

    def count_response(self, status: int) -> None:
        """Count a response by its code and class."""
        counters = self._codes.get(status)
        if counters is None:
            if self.completed is None:
                self.completed = self._scope.counter("upstream_rq_completed")
            counters = (
                self._scope.counter(f"upstream_rq_{status}"),
                self._scope.counter(f"upstream_rq_{status // 100}xx"),
            )
            self._codes[status] = counters
        if self.completed is not None:
            self.completed.inc()
        counters[0].inc()
        counters[1].inc()


def virtual_cluster_finder(
    entries: Sequence[tuple[Callable[[HeaderMap], bool], RouteStats]], other: RouteStats
) -> Callable[[HeaderMap], RouteStats]:
    """The first virtual cluster whose headers match, else `other`."""
    wanted = tuple(entries)

    def find(headers: HeaderMap) -> RouteStats:
        for matches, stats in wanted:
            if matches(headers):
                return stats
        return other

    return find
