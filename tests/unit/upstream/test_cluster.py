"""A live cluster: hosts from plans and from DNS, choices, statistics of membership, pools of hosts that leave."""

import pytest

from pyvoy.stats.store import memory_store
from pyvoy.upstream.balancing.context import LoadBalancerContext
from pyvoy.upstream.balancing.plans import BalancePlan, RandomPlan
from pyvoy.upstream.cluster_plan import AssignmentPlan, ClusterPlan, Discovery, LocalityPlan, ThresholdsPlan
from pyvoy.upstream.endpoint import HealthFlag
from tests.unit.upstream.hosts import FakePool, assignment, cluster, endpoint, last, named, static, values


class Insisting(LoadBalancerContext):
    def __init__(self, text, strict=False):
        self.override_host = (text, strict)


def membership(store):
    found = values(store)
    return {
        name: found[f"cluster.c.membership_{name}"]
        for name in ("change", "total", "healthy", "degraded", "excluded")
        if found[f"cluster.c.membership_{name}"]
    }


def dns(discovery, *endpoints, **options):
    return ClusterPlan("c", discovery, assignment=assignment(*endpoints), **options)


def texts(found):
    return [host.address.text for host in found.hosts()]


def test_a_static_cluster_has_its_hosts_at_once():
    found = cluster(static(endpoint(1), endpoint(2)))
    assert {last(found.choose_host()) for _ in range(2)} == {"1", "2"}


def test_membership_is_reported():
    # The figures of Envoy 1.40 for these four health states.
    store = memory_store()
    cluster(static(endpoint(1), endpoint(2, "sick"), endpoint(3, "draining"), endpoint(4, "degraded")), store)
    assert membership(store) == {"change": 1, "total": 4, "healthy": 1, "degraded": 1, "excluded": 1}


def test_only_one_process_reports_membership():
    store = memory_store()
    cluster(static(endpoint(1)), store, reports=False)
    assert membership(store) == {}


def test_each_priority_is_a_change_of_its_own():
    store = memory_store()
    groups = (LocalityPlan((endpoint(1),)), LocalityPlan((endpoint(2),), priority=2))
    found = cluster(ClusterPlan("c", assignment=AssignmentPlan(groups)), store)
    assert membership(store)["change"] == 2
    assert [len(host_set.hosts) for host_set in found.priority_set] == [1, 0, 1]


def test_no_host_is_counted():
    store = memory_store()
    found = cluster(static(), store)
    assert found.choose_host() is None
    assert values(store)["cluster.c.upstream_cx_none_healthy"] == 1
    assert values(store)["cluster.c.lb_healthy_panic"] == 1


def test_the_same_endpoint_twice_is_two_hosts():
    found = cluster(static(endpoint(1), endpoint(1)))
    hosts = list(found.hosts())
    assert len({id(host) for host in hosts}) == 2
    found.set_hosts(found.plan.assignment)
    assert list(found.hosts()) == hosts


@pytest.mark.parametrize(
    ("text", "strict", "health", "chosen"),
    [
        ("127.0.0.2:18201", False, "", "2"),
        ("127.0.0.2:18201", True, "degraded", "2"),
        ("127.0.0.2:18201", True, "sick", "-"),
        ("127.0.0.2:18201", False, "sick", "1"),
        ("127.0.0.9:18201", True, "", "-"),
    ],
)
def test_a_request_may_insist_on_a_host(text, strict, health, chosen):
    found = cluster(static(endpoint(1), endpoint(2, health)))
    assert {last(found.choose_host(Insisting(text, strict))) for _ in range(4)} == {chosen}


def test_a_host_that_is_not_there_leaves_the_choice_to_the_policy():
    found = cluster(static(endpoint(1)))
    assert last(found.choose_host(Insisting("127.0.0.9:18201"))) == "1"


def test_which_health_a_host_must_have_to_be_insisted_on_is_configured():
    plan = static(endpoint(1), endpoint(2, "sick"), override_host_healths=frozenset(("UNHEALTHY",)))
    assert last(cluster(plan).choose_host(Insisting("127.0.0.2:18201"))) == "2"


def test_breakers_are_per_priority():
    plan = static(endpoint(1), thresholds=(ThresholdsPlan(max_requests=7), ThresholdsPlan(max_requests=9)))
    found = cluster(plan)
    assert found.resources().requests.maximum == 7
    assert found.resources(1).requests.maximum == 9


def test_breaker_gauges_are_worked_out_when_asked_for():
    store = memory_store()
    found = cluster(static(endpoint(1), thresholds=(ThresholdsPlan(max_requests=1), ThresholdsPlan())), store)
    found.resources().requests.inc()
    assert values(store)["cluster.c.circuit_breakers.default.rq_open"] == 0
    found.refresh_gauges()
    assert values(store)["cluster.c.circuit_breakers.default.rq_open"] == 1


# --- DNS


def test_strict_dns_makes_every_address_a_host():
    store = memory_store()
    found = cluster(dns(Discovery.STRICT_DNS, named("books", 80), named("more", 81, weight=3)), store)
    assert found.choose_host() is None
    assert found.set_hosts(found.plan.assignment, {"books": ("10.0.0.1", "::5"), "more": ("10.0.0.1",)})
    assert texts(found) == ["10.0.0.1:80", "[::5]:80", "10.0.0.1:81"]
    assert [host.hostname for host in found.hosts()] == ["books", "books", "more"]
    assert [host.weight for host in found.hosts()] == [1, 1, 3]
    assert values(store)["cluster.c.max_host_weight"] == 3


def test_a_configured_hostname_wins_over_the_name_that_was_resolved():
    found = cluster(dns(Discovery.STRICT_DNS, named("books", hostname="books.example")))
    found.set_hosts(found.plan.assignment, {"books": ("10.0.0.1",)})
    assert [host.hostname for host in found.hosts()] == ["books.example"]


def test_hosts_that_stay_keep_their_pools_and_those_that_go_are_drained():
    store = memory_store()
    found = cluster(dns(Discovery.STRICT_DNS, named("books")), store)
    found.set_hosts(found.plan.assignment, {"books": ("10.0.0.1", "10.0.0.2")})
    stays, goes = found.hosts()
    kept, drained = FakePool(), FakePool()
    stays.pools["h1"], goes.pools["h1"] = kept, drained
    assert found.set_hosts(found.plan.assignment, {"books": ("10.0.0.3", "10.0.0.1")})
    assert (kept.drained, drained.drained) == (0, 1)
    assert stays in found.hosts()
    assert membership(store) == {"change": 2, "total": 2, "healthy": 2}


def test_the_same_answer_in_another_order_changes_nothing():
    store = memory_store()
    found = cluster(dns(Discovery.STRICT_DNS, named("books")), store)
    found.set_hosts(found.plan.assignment, {"books": ("10.0.0.1", "10.0.0.2")})
    assert not found.set_hosts(found.plan.assignment, {"books": ("10.0.0.2", "10.0.0.1")})
    assert membership(store)["change"] == 1


def test_an_answer_without_addresses_empties_a_strict_dns_cluster():
    found = cluster(dns(Discovery.STRICT_DNS, named("books")))
    found.set_hosts(found.plan.assignment, {"books": ("10.0.0.1",)})
    assert found.set_hosts(found.plan.assignment, {"books": ()})
    assert found.choose_host() is None


def test_logical_dns_has_one_host_that_moves():
    store = memory_store()
    found = cluster(dns(Discovery.LOGICAL_DNS, named("books", 80)), store)
    found.set_hosts(found.plan.assignment, {"books": ("10.0.0.1", "10.0.0.2")})
    (host,) = found.hosts()
    pool = host.pools["h1"] = FakePool()
    assert texts(found) == ["10.0.0.1:80"]
    assert not found.set_hosts(found.plan.assignment, {"books": ("10.0.0.9",)})
    assert texts(found) == ["10.0.0.9:80"]
    assert list(found.hosts()) == [host]
    assert pool.drained == 0
    assert found.choose_host(Insisting("10.0.0.9:80", strict=True)) is host
    assert membership(store)["change"] == 1


def test_a_change_of_hosts_may_close_all_connections():
    found = cluster(dns(Discovery.STRICT_DNS, named("books"), close_connections_on_host_set_change=True))
    found.set_hosts(found.plan.assignment, {"books": ("10.0.0.1",)})
    (host,) = found.hosts()
    pool = host.pools["h1"] = FakePool()
    found.set_hosts(found.plan.assignment, {"books": ("10.0.0.1", "10.0.0.2")})
    assert pool.drained == 1


# --- health and end


def test_a_host_that_falls_ill_gets_no_more_traffic():
    store = memory_store()
    found = cluster(static(endpoint(1), endpoint(2), endpoint(3), balance=BalancePlan(RandomPlan())), store)
    sick = next(found.hosts())
    assert sick.set_flag(HealthFlag.FAILED_ACTIVE_HC, True)
    found.health_changed()
    assert "1" not in {last(found.choose_host()) for _ in range(50)}
    assert membership(store) == {"change": 1, "total": 3, "healthy": 2}


def test_new_facts_of_a_host_keep_the_host():
    found = cluster(static(endpoint(1), endpoint(2)))
    before = list(found.hosts())
    found.set_hosts(assignment(endpoint(1, weight=5, metadata={"a": {"b": 1}}, canary=True), endpoint(2, "sick")))
    assert list(found.hosts()) == before
    assert (before[0].weight, before[0].metadata, before[0].canary) == (5, {"a": {"b": 1}}, True)
    assert before[1].flags_text == "/failed_eds_health"


def test_a_cluster_that_ends_drains_all_pools():
    found = cluster(static(endpoint(1), endpoint(2)))
    pools = []
    for host in found.hosts():
        pools.append(FakePool())
        host.pools["h1"] = pools[-1]
    found.drain()
    assert [pool.drained for pool in pools] == [1, 1]
