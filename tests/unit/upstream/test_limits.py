"""Circuit breakers: limits, shared counts, retry budgets and the gauges of the reporting process."""

import time

import pytest

from pyvoy.server.arena import create_arena, local_arena
from pyvoy.stats.store import memory_store
from pyvoy.upstream.cluster_plan import RetryBudgetPlan, RoutingPriority, ThresholdsPlan
from pyvoy.upstream.limits import UNLIMITED, BreakerGauges, Resources
from tests.unit.upstream.hosts import values


def resources(**thresholds):
    return Resources(local_arena(time.monotonic), "c", RoutingPriority.DEFAULT, ThresholdsPlan(**thresholds))


@pytest.mark.parametrize(
    ("attribute", "threshold"),
    [
        ("connections", "max_connections"),
        ("pending_requests", "max_pending_requests"),
        ("requests", "max_requests"),
        ("retries", "max_retries"),
    ],
)
def test_the_limit_is_reached_and_left_again(attribute, threshold):
    breaker = getattr(resources(**{threshold: 2}), attribute)
    assert breaker.can_create()
    breaker.inc()
    assert breaker.can_create()
    breaker.inc()
    assert (breaker.can_create(), breaker.count, breaker.remaining()) == (False, 2, 0)
    breaker.dec()
    assert breaker.can_create()


def test_a_limit_of_nothing_refuses_everything():
    assert not resources(max_requests=0).requests.can_create()


def test_priorities_and_clusters_do_not_share_counts():
    arena = local_arena(time.monotonic)
    plan = ThresholdsPlan(max_connections=1)
    first = Resources(arena, "a", RoutingPriority.DEFAULT, plan)
    first.connections.inc()
    assert not first.connections.can_create()
    assert Resources(arena, "a", RoutingPriority.HIGH, plan).connections.can_create()
    assert Resources(arena, "b", RoutingPriority.DEFAULT, plan).connections.can_create()


def test_a_replaced_cluster_goes_on_counting():
    arena = local_arena(time.monotonic)
    Resources(arena, "a", RoutingPriority.DEFAULT, ThresholdsPlan()).connections.inc()
    assert Resources(arena, "a", RoutingPriority.DEFAULT, ThresholdsPlan(max_connections=1)).connections.count == 1


def test_workers_share_a_limit():
    arena = create_arena(2, time.monotonic)
    plan = ThresholdsPlan(max_requests=3)
    arena.attach(0)
    first = Resources(arena, "a", RoutingPriority.DEFAULT, plan).requests
    first.inc()
    first.inc()
    arena.attach(1)
    second = Resources(arena, "a", RoutingPriority.DEFAULT, plan).requests
    assert second.can_create()
    second.inc()
    assert not first.can_create()
    assert not second.can_create()


@pytest.mark.parametrize(
    ("active", "pending", "retries", "allowed"),
    [(0, 0, 2, True), (0, 0, 3, False), (10, 0, 3, False), (20, 0, 3, True), (10, 10, 3, True), (20, 0, 4, False)],
)
def test_a_retry_budget_follows_the_traffic_but_not_below_its_minimum(active, pending, retries, allowed):
    found = resources(retry_budget=RetryBudgetPlan())
    for breaker, count in ((found.requests, active), (found.pending_requests, pending), (found.retries, retries)):
        for _ in range(count):
            breaker.inc()
    assert found.retries.can_create() is allowed


def test_gauges_show_open_breakers_and_what_remains():
    store = memory_store()
    plan = ThresholdsPlan(max_connections=1, max_requests=4, track_remaining=True)
    found = Resources(local_arena(time.monotonic), "c", RoutingPriority.HIGH, plan)
    gauges = BreakerGauges(store.root.scope("cluster.c"), RoutingPriority.HIGH, plan, found)
    found.connections.inc()
    found.requests.inc()
    gauges.refresh()
    prefix = "cluster.c.circuit_breakers.high."
    assert values(store) == {
        prefix + "cx_open": 1,
        prefix + "cx_pool_open": 0,
        prefix + "rq_open": 0,
        prefix + "rq_pending_open": 0,
        prefix + "rq_retry_open": 0,
        prefix + "remaining_cx": 0,
        prefix + "remaining_cx_pools": UNLIMITED,
        prefix + "remaining_pending": 1024,
        prefix + "remaining_retries": 3,
        prefix + "remaining_rq": 3,
    }
    found.connections.dec()
    gauges.refresh()
    assert values(store)[prefix + "cx_open"] == 0


def test_what_remains_is_shown_only_when_asked_for():
    store = memory_store()
    plan = ThresholdsPlan()
    found = Resources(local_arena(time.monotonic), "c", RoutingPriority.DEFAULT, plan)
    BreakerGauges(store.root.scope("cluster.c"), RoutingPriority.DEFAULT, plan, found).refresh()
    assert not [name for name in values(store) if "remaining" in name]


def test_a_limit_of_nothing_shows_as_open_only_once_it_was_overstepped():
    store = memory_store()
    plan = ThresholdsPlan(max_connections=0)
    found = resources(max_connections=0)
    gauges = BreakerGauges(store.root.scope("cluster.c"), RoutingPriority.DEFAULT, plan, found)
    gauges.refresh()
    assert values(store)["cluster.c.circuit_breakers.default.cx_open"] == 0
    found.connections.inc()
    found.connections.dec()
    gauges.refresh()
    assert values(store)["cluster.c.circuit_breakers.default.cx_open"] == 1
