"""Aggregate clusters: which member's host is taken, whose it is, and what happens when members change."""

from random import Random

import pytest

from pyvoy.upstream.aggregate import AggregateHosts, AggregatePlan
from pyvoy.upstream.balancing.context import LoadBalancerContext
from pyvoy.upstream.cluster_plan import ClusterPlan, Discovery
from tests.unit.upstream.hosts import assignment, cluster, endpoint, last, static


def members(**endpoints):
    """Static clusters by name; values are lists of endpoints."""
    return {name: cluster(static(*listed, name=name)) for name, listed in endpoints.items()}


def aggregate(found, *names, panic_percent=50):
    return AggregateHosts(AggregatePlan(names or tuple(found), panic_percent), found.get, Random(1))


def picks(hosts, count=20, context=None):
    return {last(hosts.choose(None, None, context)) for _ in range(count)}


@pytest.mark.parametrize(
    ("first", "second", "chosen"),
    [
        ([endpoint(1)], [endpoint(2)], {"1"}),
        ([], [endpoint(2)], {"2"}),
        ([endpoint(1, "sick")], [endpoint(2)], {"2"}),
        ([endpoint(1, "degraded")], [endpoint(2)], {"2"}),
        ([endpoint(1, "degraded")], [], {"1"}),
        ([endpoint(1, "sick"), endpoint(3)], [endpoint(2)], {"3", "2"}),
        ([], [], {"-"}),
    ],
)
def test_members_are_priorities(first, second, chosen):
    assert picks(aggregate(members(a=first, b=second)), 200) == chosen


def test_a_member_that_nobody_defines_is_left_out():
    assert picks(aggregate(members(a=[endpoint(1)]), "gone", "a")) == {"1"}


def test_an_aggregate_in_an_aggregate_has_no_hosts():
    found = members(b=[endpoint(2)])
    plan = ClusterPlan("a", Discovery.AGGREGATE, aggregate=AggregatePlan(("b",), 50))
    found["a"] = cluster(plan, get=found.get)
    assert last(found["a"].choose_host()) == "2"
    assert picks(aggregate(found, "a")) == {"-"}


def test_hosts_that_change_are_noticed():
    found = members(a=[endpoint(1)], b=[endpoint(2)])
    hosts = aggregate(found)
    assert picks(hosts) == {"1"}
    found["a"].set_hosts(assignment())
    assert picks(hosts) == {"2"}
    found["a"] = cluster(static(endpoint(3), name="a"))
    assert picks(hosts) == {"3"}


def test_the_owner_of_a_host_is_the_member():
    found = members(a=[endpoint(1)], b=[endpoint(2)])
    found["up"] = cluster(
        ClusterPlan("up", Discovery.AGGREGATE, aggregate=AggregatePlan(("a", "b"), 50)), get=found.get
    )
    up = found["up"]
    assert up.owner(up.choose_host()) is found["a"]
    assert found["a"].owner(next(found["a"].hosts())) is found["a"]


def test_no_host_is_counted_in_the_aggregate():
    up = cluster(ClusterPlan("up", Discovery.AGGREGATE, aggregate=AggregatePlan(("a",), 50)))
    assert up.choose_host() is None
    assert up.stats.upstream_cx_none_healthy.value == 1


class Refusing(LoadBalancerContext):
    """Wants no host twice."""

    host_selection_retry_count = 5

    def should_skip(self, host):
        return last(host) == "1"


def test_the_wishes_of_a_request_reach_the_member():
    hosts = aggregate(members(a=[endpoint(1), endpoint(2)]))
    assert picks(hosts, 50, Refusing()) == {"2"}


class Elsewhere(LoadBalancerContext):
    """Wants the priority behind that of host 1."""

    steers = True

    def __init__(self, one):
        self.one = one

    def steer(self, sets, load, place):
        behind = place(self.one) + 1
        return type(load)(tuple(100 * (at == behind) for at in range(len(sets))), (0,) * len(sets), load.panic)


def test_a_retry_may_ask_for_another_priority():
    found = members(a=[endpoint(1)], b=[endpoint(2)])
    hosts = aggregate(found)
    one = hosts.choose(None, None, None)
    assert picks(hosts, context=Elsewhere(one)) == {"2"}
