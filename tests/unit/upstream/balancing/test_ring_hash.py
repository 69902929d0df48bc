"""RING_HASH: the hosts that Envoy 1.40 chose, the sizes it reported, and MurmurHash2."""

import pytest

from pyvoy.stats.store import memory_store
from pyvoy.upstream.balancing.plans import BalancePlan, RingHashPlan
from pyvoy.upstream.balancing.ring_hash import Ring, murmur_hash_2
from tests.unit.upstream.balancing.observed import RING
from tests.unit.upstream.balancing.placements import balanced, chosen, placed
from tests.unit.upstream.hosts import host, last, values

PLANS = {
    "murmur": RingHashPlan(murmur_hash_2=True),
    "sizes 16 to 18": RingHashPlan(16, 18),
    "sizes 3 to 7": RingHashPlan(3, 7),
    "weighted, 100": RingHashPlan(100),
    "named": RingHashPlan(use_hostname_for_hashing=True),
    "weighted, murmur, 64": RingHashPlan(64, murmur_hash_2=True),
}


@pytest.mark.parametrize("name", RING)
def test_the_hosts_that_envoy_chose(name):
    plan = BalancePlan(PLANS.get(name, RingHashPlan()), locality_weighted=name == "zones")
    assert chosen(balanced(placed(name), plan)) == RING[name]


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        # size, least and most places of a host, as /stats showed them
        ("plain", (1025, 205, 205)),
        ("sizes 16 to 18", (18, 3, 4)),
        ("sizes 3 to 7", (5, 1, 1)),
        ("weighted, 100", (108, 9, 45)),
        ("weighted, murmur, 64", (72, 6, 30)),
        ("zones", (1026, 171, 342)),
        ("sick", (1026, 342, 342)),
        ("priorities", (1024, 512, 512)),
    ],
)
def test_the_gauges_show_the_ring(name, sizes):
    store = memory_store()
    plan = BalancePlan(PLANS.get(name, RingHashPlan()), locality_weighted=name == "zones")
    balanced(placed(name), plan, store=store)
    found = values(store)
    prefix = "cluster.c.ring_hash_lb."
    names = ("size", "min_hashes_per_host", "max_hashes_per_host")
    assert tuple(found[prefix + each] for each in names) == sizes


@pytest.mark.parametrize(
    ("key", "attempt", "number"),
    [(0, 0, "1"), (10, 0, "1"), (11, 0, "2"), (30, 0, "3"), (31, 0, "1"), (11, 1, "3"), (11, 2, "1"), (31, 4, "2")],
)
def test_a_key_goes_to_the_next_place_and_a_retry_further(key, attempt, number):
    ring = Ring([10, 20, 30], [host(1), host(2), host(3)])
    assert last(ring.pick(key, attempt)) == number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # std::hash<std::string> of libstdc++ on 64 bits.
        (b"", 6142509188972423790),
        (b"a", 4993892634952068459),
        (b"abc", 3663726644998027833),
        (b"hello world", 5577293430985752569),
    ],
)
def test_murmur_hash_2(text, value):
    assert murmur_hash_2(text) == value
