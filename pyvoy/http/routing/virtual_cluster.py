"""Stats of a slice of traffic: a virtual cluster (`vhost.V.vcluster.C.`) or a route with a stat_prefix.

The router counts; this file only makes the counters and finds the virtual cluster of a request.
Source of behaviour: Envoy's VirtualClusterStats, RouteStats and CodeStatsImpl (names).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pyvoy.http.headers import HeaderMap
from pyvoy.stats.counters import Counter
from pyvoy.stats.histograms import Histogram
from pyvoy.stats.store import Scope


class RouteStats:
    """Counters of one slice.  Counters per status code and the histogram appear with the first
    response, as Envoy's do."""

    __slots__ = (
        "_codes",
        "_scope",
        "_time",
        "name",
        "retry",
        "retry_limit_exceeded",
        "retry_overflow",
        "retry_success",
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
        self._scope = scope
        self._codes: dict[int, tuple[Counter, Counter, Counter]] = {}
        self._time: Histogram | None = None

    def count_response(self, status: int) -> None:
        """Count a response by its code and class."""
        counters = self._codes.get(status)
        if counters is None:
            counter = self._scope.counter
            counters = self._codes[status] = (
                counter("upstream_rq_completed"),
                counter(f"upstream_rq_{status // 100}xx"),
                counter(f"upstream_rq_{status}"),
            )
        for each in counters:
            each.inc()

    @property
    def time(self) -> Histogram:
        """Milliseconds that the upstream took."""
        if self._time is None:
            self._time = self._scope.histogram("upstream_rq_time")
        return self._time


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
