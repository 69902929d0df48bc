"""The balancer of the hashing policies: slices, old tables meanwhile, requests without a hash, refusals, weights."""

from collections import Counter

import pytest

from pyvoy.stats.store import memory_store
from pyvoy.upstream.balancing.hashing import hash_name, normalized_weights
from pyvoy.upstream.balancing.plans import BalancePlan, MaglevPlan, RingHashPlan
from tests.unit.upstream.balancing.observed import MAGLEV, RING
from tests.unit.upstream.balancing.placements import Hashed, balanced, chosen, placed
from tests.unit.upstream.hosts import host, host_set, last, values, zone

RING_PLAN = BalancePlan(RingHashPlan())
MAGLEV_PLAN = BalancePlan(MaglevPlan())


class Later:
    """Collects what was deferred."""

    def __init__(self):
        self.calls = []

    def __call__(self, callback):
        self.calls.append(callback)

    def run(self):
        slices = 0
        while self.calls:
            self.calls.pop(0)()
            slices += 1
        return slices


def test_a_table_is_built_in_slices():
    later = Later()
    balancer = balanced(placed("plain"), MAGLEV_PLAN, defer=later)
    assert later.run() > 5
    assert chosen(balancer) == MAGLEV["plain"]


def test_the_first_request_does_not_wait_for_slices():
    later = Later()
    balancer = balanced(placed("plain"), MAGLEV_PLAN, defer=later)
    assert chosen(balancer) == MAGLEV["plain"]
    later.run()
    assert chosen(balancer) == MAGLEV["plain"]


def test_the_old_table_answers_until_the_new_one_is_whole():
    later = Later()
    balancer = balanced(placed("plain"), RING_PLAN, defer=later)
    later.run()
    balancer.update(placed("sick"))
    later.calls.pop(0)()
    assert chosen(balancer) == RING["plain"]
    later.run()
    assert chosen(balancer) == RING["sick"]


def test_a_newer_change_replaces_an_unfinished_build():
    later = Later()
    balancer = balanced(placed("plain"), MAGLEV_PLAN, defer=later)
    later.run()
    balancer.update(placed("two"))
    balancer.update(placed("sick"))
    later.run()
    assert chosen(balancer) == MAGLEV["sick"]


@pytest.mark.parametrize("plan", [RING_PLAN, MAGLEV_PLAN])
def test_no_hosts_no_host_but_panic(plan):
    store = memory_store()
    balancer = balanced((host_set(),), plan, store=store)
    assert balancer.choose(Hashed(1)) is None
    assert values(store)["lb_healthy_panic"] == 1


def test_a_request_without_hash_goes_anywhere():
    balancer = balanced(placed("plain"), RING_PLAN)
    assert set(Counter(last(balancer.choose(None)) for _ in range(200))) == set("12345")
    assert set(Counter(last(balancer.choose(Hashed(None))) for _ in range(200))) == set("12345")


@pytest.mark.parametrize("plan", [RING_PLAN, MAGLEV_PLAN])
def test_a_refused_host_is_passed_over(plan):
    balancer = balanced(placed("plain"), plan)
    first = last(balancer.choose(Hashed(99)))
    assert last(balancer.choose(Hashed(99, refused=(first,), attempts=10))) != first
    assert balancer.choose(Hashed(99, refused="12345", attempts=2)) is not None


def test_weights_sum_up_to_one():
    a, b = zone("a"), zone("b")
    hosts = [host(1, weight=1, locality=a), host(2, weight=3, locality=a), host(3, locality=b)]
    sets = host_set(*hosts, locality_weights={a: 1, b: 3})
    assert [weight for _, weight in normalized_weights(sets, False, False)] == [0.2, 0.6, 0.2]
    assert [weight for _, weight in normalized_weights(sets, False, True)] == [0.0625, 0.1875, 0.75]


@pytest.mark.parametrize(
    ("options", "by_hostname", "name"),
    [
        ({}, False, b"127.0.0.1:18201"),
        ({"hostname": "one"}, False, b"127.0.0.1:18201"),
        ({"hostname": "one"}, True, b"one"),
        ({"hostname": "one", "metadata": {"envoy.lb": {"hash_key": "own"}}}, True, b"own"),
        ({"metadata": {"envoy.lb": {"hash_key": "own"}}}, False, b"own"),
        ({"metadata": {"envoy.lb": {"hash_key": ""}}}, False, b"127.0.0.1:18201"),
        ({"metadata": {"envoy.lb": {"hash_key": 7.0}}}, False, b"127.0.0.1:18201"),
    ],
)
def test_what_stands_for_a_host(options, by_hostname, name):
    assert hash_name(host(1, **options), by_hostname) == name
