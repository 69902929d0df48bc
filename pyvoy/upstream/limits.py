"""Circuit breakers: how many connections, pending requests, requests and retries a cluster may have at once.

Counts are of the whole proxy: every worker counts in its own cell and reads the sum.  Breakers are checked and counted
by the pools and the router; what follows from a refusal is theirs.  The gauges are worked out when somebody reads
them, by one process (`BreakerGauges`), so that traffic pays for the count alone.
Source of behaviour: Envoy, ResourceManagerImpl (RetryBudgetImpl), `circuit_breakers.<default|high>.*`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from pyvoy.stats.counters import Gauge
from pyvoy.stats.store import Scope
from pyvoy.upstream.cluster_plan import RoutingPriority, ThresholdsPlan

# Envoy prints 2^64-1 for the unlimited connection pools; a cell has 63 bits.
UNLIMITED = (1 << 63) - 1

_PRIORITY_NAMES = ("default", "high")


class SharedGauge(Protocol):
    """A level summed over the workers (pyvoy.server.arena)."""

    def inc(self) -> None:
        """One more in this worker."""

    def dec(self) -> None:
        """One less in this worker."""

    def total(self) -> int:
        """The sum over all workers."""


class ResourceSource(Protocol):
    """Where shared levels come from: the arena."""

    def resource(self, name: str) -> SharedGauge:
        """The level of that name."""


class Resource:
    """One breaker: `can_create()` before, `inc()` and `dec()` around whatever is limited."""

    __slots__ = ("_total", "_used", "dec", "inc", "maximum")

    def __init__(self, shared: SharedGauge, maximum: int, used: SharedGauge | None = None) -> None:
        """`used` remembers, for a limit of 0, that something was made in spite of it."""
        self.maximum = maximum
        self._total = shared.total
        self._used = used
        self.inc = shared.inc if used is None else _both(shared.inc, used.inc)
        self.dec = shared.dec

    @property
    def count(self) -> int:
        """How many there are in all workers."""
        return self._total()

    def can_create(self) -> bool:
        """True while the limit is not reached."""
        return self._total() < self.maximum

    def is_open(self) -> bool:
        """What the gauge shows: the limit is reached.  As in Envoy, a limit of 0 shows that only once it was
        overstepped."""
        if self._used is not None and not self._used.total():
            return False
        return not self.can_create()

    def take(self) -> bool:
        """`can_create` and `inc` in one; False at the limit.  As in Envoy, workers that ask at the same moment may
        overshoot by one each."""
        if self._total() >= self.maximum:
            return False
        self.inc()
        return True

    def remaining(self) -> int:
        """How many more may be made."""
        return max(0, self.maximum - self._total())


def _both(first: Callable[[], None], second: Callable[[], None]) -> Callable[[], None]:
    def inc() -> None:
        first()
        second()

    return inc


class RetryBudget(Resource):
    """Retries limited by a share of the active and pending requests, never below the minimum."""

    __slots__ = ("_minimum", "_pending", "_requests", "_share")

    def __init__(self, shared: SharedGauge, share: float, minimum: int, requests: Resource, pending: Resource) -> None:
        """`share` is a fraction (0.2 for 20%)."""
        super().__init__(shared, 0)
        self._share = share
        self._minimum = minimum
        self._requests = requests
        self._pending = pending

    def can_create(self) -> bool:
        """True while the budget, which follows the traffic, is not used up."""
        return self._total() < self._limit()

    def _limit(self) -> int:
        return max(int(self._share * (self._requests.count + self._pending.count)), self._minimum)

    def remaining(self) -> int:
        """How many more retries the budget allows now."""
        return max(0, self._limit() - self._total())


class Resources:
    """The breakers of one cluster and routing priority, for one worker.  `used`: a connection was made under them."""

    __slots__ = ("connections", "pending_requests", "requests", "retries", "used")

    retries: Resource

    def __init__(self, source: ResourceSource, cluster_name: str, priority: int, plan: ThresholdsPlan) -> None:
        prefix = f"circuit_breakers.{cluster_name}.{_PRIORITY_NAMES[priority]}."

        def resource(name: str, maximum: int) -> Resource:
            used = None if maximum else source.resource(f"{prefix}{name}.used")
            return Resource(source.resource(prefix + name), maximum, used)

        self.used = False
        self.connections = resource("cx", plan.max_connections)
        self.pending_requests = resource("rq_pending", plan.max_pending_requests)
        self.requests = resource("rq", plan.max_requests)
        budget = plan.retry_budget
        if budget is None:
            self.retries = resource("rq_retry", plan.max_retries)
        else:
            self.retries = RetryBudget(
                source.resource(prefix + "rq_retry"),
                budget.budget_percent / 100.0,
                budget.min_retry_concurrency,
                self.requests,
                self.pending_requests,
            )


class BreakerGauges:
    """The gauges of one cluster and routing priority; only the process that reads statistics refreshes them."""

    __slots__ = ("_open", "_pools", "_remaining", "_resources")

    def __init__(self, scope: Scope, priority: RoutingPriority, plan: ThresholdsPlan, resources: Resources) -> None:
        """`scope` is the cluster's."""
        prefix = f"circuit_breakers.{_PRIORITY_NAMES[priority]}."
        scope.gauge(prefix + "cx_pool_open").set(0)
        self._resources = resources
        self._open: list[tuple[Gauge, Resource]] = [
            (scope.gauge(prefix + "cx_open"), resources.connections),
            (scope.gauge(prefix + "rq_pending_open"), resources.pending_requests),
            (scope.gauge(prefix + "rq_open"), resources.requests),
            (scope.gauge(prefix + "rq_retry_open"), resources.retries),
        ]
        self._remaining: list[tuple[Gauge, Resource]] = []
        self._pools: Gauge | None = None
        if plan.track_remaining:
            self._remaining = [
                (scope.gauge(prefix + "remaining_cx"), resources.connections),
                (scope.gauge(prefix + "remaining_pending"), resources.pending_requests),
                (scope.gauge(prefix + "remaining_rq"), resources.requests),
                (scope.gauge(prefix + "remaining_retries"), resources.retries),
            ]
            self._pools = scope.gauge(prefix + "remaining_cx_pools")

    def refresh(self) -> None:
        """Set every gauge to what holds now; one that never moved is left alone (see `usedonly`)."""
        retries = self._resources.retries
        for gauge, resource in self._open:
            now = int(resource.is_open())
            moves = resource.count > 0 if resource is retries else self._resources.used
            if now or moves or gauge.value:
                gauge.set(now)
        for gauge, resource in self._remaining:
            gauge.set(resource.remaining())
        if self._pools is not None:
            self._pools.set(UNLIMITED)
