"""Stats of a slice of traffic: a virtual cluster (`vhost.V.vcluster.C.`) or a route with a stat_prefix.

The router counts into one object per request; this file makes it, and finds it for a request.
Source of behaviour: Envoy's VirtualClusterStats, RouteStats and CodeStatsImpl (names).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from pyvoy.http.headers import HeaderMap
from pyvoy.stats.counters import Counter
from pyvoy.stats.histograms import Histogram
from pyvoy.stats.store import Scope


class Counting(Protocol):
    """A counter, or several."""

    def inc(self, n: int = 1) -> None: ...


class Recording(Protocol):
    """A histogram, or several."""

    def record(self, value: int) -> None: ...


class TrafficStats(Protocol):
    """What the router counts for a slice of traffic.  `name` is that of the virtual cluster, "" for none."""

    @property
    def name(self) -> str: ...
    @property
    def total(self) -> Counting: ...
    @property
    def timeout(self) -> Counting: ...
    @property
    def retry(self) -> Counting: ...
    @property
    def retry_success(self) -> Counting: ...
    @property
    def retry_overflow(self) -> Counting: ...
    @property
    def retry_limit_exceeded(self) -> Counting: ...
    @property
    def time(self) -> Recording:
        """Milliseconds that the upstream took."""

    def count_response(self, status: int) -> None:
        """Count a response by its code and class."""


StatsFinder = Callable[[HeaderMap], TrafficStats]


class RouteStats:
    """Counters of one slice.  Those per status code and the histogram appear with the first response, as Envoy's do."""

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
    entries: Sequence[tuple[Callable[[HeaderMap], bool], TrafficStats]], other: TrafficStats
) -> StatsFinder:
    """The first virtual cluster whose headers match, else `other`."""
    wanted = tuple(entries)

    def find(headers: HeaderMap) -> TrafficStats:
        for matches, stats in wanted:
            if matches(headers):
                return stats
        return other

    return find


class CounterPair:
    """Two counters that move together."""

    __slots__ = ("_first", "_second")

    def __init__(self, first: Counting, second: Counting) -> None:
        self._first = first
        self._second = second

    def inc(self, n: int = 1) -> None:
        self._first.inc(n)
        self._second.inc(n)


class PairedStats:
    """A virtual cluster and a route that count the same request; the name is the virtual cluster's."""

    __slots__ = (
        "_cluster",
        "_route",
        "name",
        "retry",
        "retry_limit_exceeded",
        "retry_overflow",
        "retry_success",
        "timeout",
        "total",
    )

    def __init__(self, cluster: TrafficStats, route: TrafficStats) -> None:
        self._cluster = cluster
        self._route = route
        self.name = cluster.name
        self.total = CounterPair(cluster.total, route.total)
        self.timeout = CounterPair(cluster.timeout, route.timeout)
        self.retry = CounterPair(cluster.retry, route.retry)
        self.retry_success = CounterPair(cluster.retry_success, route.retry_success)
        self.retry_overflow = CounterPair(cluster.retry_overflow, route.retry_overflow)
        self.retry_limit_exceeded = CounterPair(cluster.retry_limit_exceeded, route.retry_limit_exceeded)

    @property
    def time(self) -> Recording:
        """Both histograms."""
        return self

    def record(self, value: int) -> None:
        self._cluster.time.record(value)
        self._route.time.record(value)

    def count_response(self, status: int) -> None:
        self._cluster.count_response(status)
        self._route.count_response(status)


def with_route_stats(find: StatsFinder | None, slices: Sequence[TrafficStats], route: TrafficStats) -> StatsFinder:
    """The finder of a route that has stats of its own; `slices` are all that `find` may answer."""
    if find is None:
        return lambda _headers: route
    chosen = find
    pairs = {id(stats): PairedStats(stats, route) for stats in slices}
    return lambda headers: pairs[id(chosen(headers))]
