"""LEAST_REQUEST: the least busy of the drawn hosts, full scan, weights with bias."""

from collections import Counter
from random import Random

import pytest

from pyvoy.stats.store import memory_store
from pyvoy.upstream.balancing.least_request import least_request_factory
from pyvoy.upstream.balancing.picker import Rotation
from pyvoy.upstream.balancing.plans import LeastRequestPlan
from tests.unit.upstream.hosts import host, last


class Drawn(Random):
    """Draws what it is told to."""

    def __init__(self, *indexes):
        super().__init__(0)
        self.indexes = list(indexes)

    def random(self):
        return (self.indexes.pop(0) + 0.5) / 3


def hosts(*active, weights=()):
    root = memory_store().root
    found = []
    for number, count in enumerate(active, 1):
        one = host(number, weight=weights[number - 1] if weights else 1, root=root)
        one.active = count
        found.append(one)
    return tuple(found)


def picker(plan, some, random):
    return least_request_factory(plan)(some, Rotation(), random)


@pytest.mark.parametrize(
    ("active", "drawn", "chosen"),
    [
        ((5, 3, 0), (0, 1), "2"),
        ((5, 3, 0), (1, 0), "2"),
        ((5, 3, 0), (0, 0), "1"),
        ((2, 2, 2), (2, 0), "3"),
        ((1, 0, 9), (2, 1), "2"),
    ],
)
def test_the_less_busy_of_two(active, drawn, chosen):
    assert last(picker(LeastRequestPlan(), hosts(*active), Drawn(*drawn)).pick()) == chosen


def test_more_choices_find_the_least_busy():
    plan = LeastRequestPlan(choice_count=3)
    assert last(picker(plan, hosts(4, 3, 2), Drawn(0, 1, 2)).pick()) == "3"


def test_full_scan_always_finds_it_and_spreads_ties():
    found = Counter(last(picker(LeastRequestPlan(full_scan=True), hosts(4, 1, 1), Random(n)).pick()) for n in range(50))
    assert set(found) == {"2", "3"}


def test_no_host():
    assert picker(LeastRequestPlan(), (), Random(1)).pick() is None
    assert picker(LeastRequestPlan(full_scan=True), (), Random(1)).pick() is None


@pytest.mark.parametrize(
    ("bias", "active", "share"),
    [(1.0, (0, 0), 0.75), (1.0, (0, 2), 0.5), (2.0, (0, 2), 0.25), (0.0, (0, 100), 0.75)],
)
def test_weights_shrink_with_active_requests_by_the_bias(bias, active, share):
    some = hosts(*active, weights=(1, 3))
    chooser = picker(LeastRequestPlan(active_request_bias=bias), some, Random(1))
    found = Counter(last(chooser.pick()) for _ in range(400))
    assert found["2"] / 400 == pytest.approx(share, abs=0.01)
