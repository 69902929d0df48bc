"""MAGLEV: the hosts that Envoy 1.40 chose and the entries it reported."""

import pytest

from pyvoy.stats.store import memory_store
from pyvoy.upstream.balancing.maglev import MaglevTable
from pyvoy.upstream.balancing.plans import BalancePlan, MaglevPlan
from tests.unit.upstream.balancing.observed import MAGLEV
from tests.unit.upstream.balancing.placements import balanced, chosen, placed
from tests.unit.upstream.hosts import host, host_set, last, values

PLANS = {
    "251": MaglevPlan(251),
    "weighted, 1009": MaglevPlan(1009),
    "weighted, 503": MaglevPlan(503),
    "named": MaglevPlan(use_hostname_for_hashing=True),
}


def plan_of(name):
    return BalancePlan(PLANS.get(name, MaglevPlan()), locality_weighted=name == "zones")


@pytest.mark.parametrize("name", MAGLEV)
def test_the_hosts_that_envoy_chose(name):
    assert chosen(balanced(placed(name), plan_of(name))) == MAGLEV[name]


@pytest.mark.parametrize(
    ("name", "entries"),
    [
        ("251", (50, 51)),
        ("weighted, 1009", (84, 420)),
        ("weighted, 503", (42, 209)),
        ("zones", (10923, 21845)),
        ("two", (32768, 32769)),
    ],
)
def test_the_gauges_show_the_table(name, entries):
    store = memory_store()
    balanced(placed(name), plan_of(name), store=store)
    found = values(store)
    prefix = "cluster.c.maglev_lb."
    assert (found[prefix + "min_entries_per_host"], found[prefix + "max_entries_per_host"]) == entries


def test_a_lone_host_has_one_entry():
    store = memory_store()
    balancer = balanced((host_set(host(7)),), BalancePlan(MaglevPlan()), store=store)
    assert set(chosen(balancer)) == {"7"}
    assert values(store)["cluster.c.maglev_lb.max_entries_per_host"] == 1


def test_a_retry_flips_the_hash():
    table = MaglevTable([host(number) for number in range(1, 8)])
    key = 12345
    flipped = [key ^ (2**64 - 1), key ^ (2**64 - 2)]
    assert last(table.pick(key, 0)) == str(key % 7 + 1)
    assert [last(table.pick(key, attempt)) for attempt in (1, 2)] == [str(each % 7 + 1) for each in flipped]
