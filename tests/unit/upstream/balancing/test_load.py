"""Shares of priorities: Envoy's documented tables, its rounding, and panic."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyvoy.upstream.balancing.load import priority_load
from tests.unit.upstream.hosts import host, host_set


def hosts_of(healthy, total, degraded=0, weight=1):
    kinds = [""] * healthy + ["degraded"] * degraded + ["sick"] * (total - healthy - degraded)
    return [host(number, kind, weight=weight) for number, kind in enumerate(kinds, 1)]


def sets_of(*counts, **options):
    return [host_set(*hosts_of(*count), priority=priority, **options) for priority, count in enumerate(counts)]


@pytest.mark.parametrize(
    ("counts", "healthy", "degraded"),
    [
        # Envoy's documentation of priority levels: per cent healthy -> per cent of the traffic.
        ([(100, 100), (100, 100)], (100, 0), (0, 0)),
        ([(72, 100), (72, 100)], (100, 0), (0, 0)),
        ([(71, 100), (71, 100)], (99, 1), (0, 0)),
        ([(50, 100), (50, 100)], (70, 30), (0, 0)),
        ([(25, 100), (100, 100)], (35, 65), (0, 0)),
        ([(25, 100), (25, 100)], (50, 50), (0, 0)),
        ([(100, 100), (100, 100), (100, 100)], (100, 0, 0), (0, 0, 0)),
        ([(25, 100), (25, 100), (25, 100)], (35, 35, 30), (0, 0, 0)),
        ([(25, 100), (0, 100), (25, 100)], (50, 0, 50), (0, 0, 0)),
        # Degraded hosts take what healthy ones leave.
        ([(3, 5, 1)], (84,), (16,)),
        ([(0, 4, 4)], (0,), (100,)),
        ([(1, 5, 1), (5, 5)], (28, 72), (0, 0)),
    ],
)
def test_shares(counts, healthy, degraded):
    found = priority_load(sets_of(*counts), 0)
    assert (found.healthy, found.degraded) == (healthy, degraded)


@pytest.mark.parametrize(
    ("counts", "threshold", "panic", "healthy"),
    [
        ([(2, 5)], 50, (True,), (100,)),
        ([(3, 5)], 50, (False,), (100,)),
        ([(2, 5)], 30, (False,), (100,)),
        ([(0, 0)], 50, (True,), (100,)),
        ([(0, 3)], 0, (False,), (100,)),
        # Enough hosts elsewhere: no priority panics.
        ([(1, 5), (5, 5)], 50, (False, False), (28, 72)),
        # All panic: traffic follows the number of hosts.
        ([(1, 5), (1, 3)], 50, (True, True), (63, 37)),
        ([(0, 1), (0, 1), (0, 1)], 50, (True, True, True), (34, 33, 33)),
        ([(0, 0), (0, 2)], 50, (True, True), (0, 100)),
        # One of two panics.
        ([(2, 10), (5, 10)], 40, (True, False), (29, 71)),
    ],
)
def test_panic(counts, threshold, panic, healthy):
    found = priority_load(sets_of(*counts), threshold)
    assert (found.panic, found.healthy) == (panic, healthy)


def test_draining_hosts_do_not_count_in_the_total():
    draining = host_set(host(1), host(2, "draining"), host(3, "draining"))
    assert priority_load([draining], 50).panic == (False,)


def test_the_overprovisioning_factor_is_the_sets_own():
    assert priority_load(sets_of((50, 100), (100, 100), overprovisioning_factor=100), 0).healthy == (50, 50)
    assert priority_load(sets_of((50, 100), (100, 100), overprovisioning_factor=200), 0).healthy == (100, 0)


def test_health_may_be_weighed():
    hosts = [host(1, weight=1), host(2, "sick", weight=3)]
    plain = [host_set(*hosts), host_set(host(3), priority=1)]
    weighed = [host_set(*hosts, weighted_priority_health=True), host_set(host(3), priority=1)]
    assert priority_load(plain, 0).healthy == (70, 30)
    assert priority_load(weighed, 0).healthy == (35, 65)


@pytest.mark.parametrize(
    ("value", "chosen"), [(0, (0, False)), (27, (0, False)), (28, (1, False)), (99, (1, False)), (128, (1, False))]
)
def test_a_hash_chooses_the_priority(value, chosen):
    assert priority_load(sets_of((1, 5), (5, 5)), 50).choose(value) == chosen


def test_degraded_hosts_come_after_all_healthy_ones():
    found = priority_load(sets_of((3, 5, 1)), 50)
    assert [found.choose(value) for value in (83, 84, 99)] == [(0, False), (0, True), (0, True)]


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=4),
    st.integers(0, 100),
)
def test_all_traffic_goes_somewhere(counts, threshold):
    sets = sets_of(*((healthy, healthy + sick + degraded, degraded) for healthy, sick, degraded in counts))
    found = priority_load(sets, threshold)
    assert sum(found.healthy) + sum(found.degraded) == 100
