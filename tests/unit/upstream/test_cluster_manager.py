"""Clusters by name: reloads keep what has not changed, DNS answers reach their clusters, statistics."""

import time
from random import Random

from pyvoy.server.arena import local_arena
from pyvoy.stats.store import memory_store
from pyvoy.upstream.balancing.plans import BalancePlan, MaglevPlan
from pyvoy.upstream.cluster_manager import Changes, ClusterManager
from pyvoy.upstream.cluster_plan import ClusterPlan, Discovery, ThresholdsPlan
from tests.unit.upstream.hosts import FakePool, assignment, endpoint, last, named, static, values


def manager(store=None, **options):
    return ClusterManager((store or memory_store()).root, local_arena(time.monotonic), Random(1), **options)


def plan(name, *endpoints, fingerprint="1", **options):
    return static(*(endpoints or (endpoint(1),)), name=name, fingerprint=fingerprint, **options)


def dns_plan(name, *names, fingerprint="1", discovery=Discovery.STRICT_DNS):
    return ClusterPlan(name, discovery, assignment=assignment(*map(named, names)), fingerprint=fingerprint)


def counted(store):
    prefix = "cluster_manager."
    return {name[len(prefix) :]: value for name, value in values(store).items() if name.startswith(prefix) and value}


def pooled(cluster):
    (host,) = cluster.hosts()
    pool = host.pools["h1"] = FakePool()
    return pool


def test_clusters_are_found_by_name():
    found = manager()
    found.apply([plan("a"), plan("b")])
    get = found.get
    assert get("a").name == "a"
    assert get("c") is None
    assert "b" in found
    assert [cluster.name for cluster in found] == ["a", "b"]
    assert len(found) == 2


def test_a_reload_touches_only_what_has_changed():
    store = memory_store()
    found = manager(store)
    get = found.get
    assert found.apply([plan("same"), plan("other"), plan("gone")]) == Changes(("same", "other", "gone"))
    same = get("same")
    pools = {name: pooled(get(name)) for name in ("same", "other", "gone")}
    changes = found.apply([plan("new"), plan("same"), plan("other", fingerprint="2")])
    assert changes == Changes(("new",), ("other",), ("gone",))
    assert get("same") is same
    assert get("gone") is None
    assert {name: pool.drained for name, pool in pools.items()} == {"same": 0, "other": 1, "gone": 1}
    assert counted(store) == {"cluster_added": 4, "cluster_modified": 1, "cluster_removed": 1, "active_clusters": 3}


def test_only_one_process_counts_clusters():
    store = memory_store()
    manager(store, reports=False).apply([plan("a")])
    assert counted(store) == {}


def test_answers_reach_their_cluster():
    found = manager()
    found.apply([dns_plan("a", "one", "two")])
    assert found.update_hosts("a", {"one": ("10.0.0.1",)})
    assert found.update_hosts("a", {"two": ("10.0.0.2",)})
    assert [host.address.ip for host in found.get("a").hosts()] == ["10.0.0.1", "10.0.0.2"]
    assert not found.update_hosts("a", {"two": ("10.0.0.2",)})


def test_answers_for_strangers_are_ignored():
    found = manager()
    found.apply([plan("a")])
    assert not found.update_hosts("a", {"one": ("10.0.0.1",)})
    assert not found.update_hosts("b", {"one": ("10.0.0.1",)})
    assert [last(host) for host in found.get("a").hosts()] == ["1"]


def test_a_new_worker_starts_with_what_dns_knows():
    found = manager()
    found.apply([dns_plan("a", "one")], {"a": {"one": ("10.0.0.1",)}, "b": {"one": ("10.0.0.2",)}})
    assert [host.address.ip for host in found.get("a").hosts()] == ["10.0.0.1"]


def test_a_changed_dns_cluster_keeps_the_addresses_of_its_names():
    found = manager()
    found.apply([dns_plan("a", "one", "two")])
    found.update_hosts("a", {"one": ("10.0.0.1",), "two": ("10.0.0.2",)})
    found.apply([dns_plan("a", "two", "three", fingerprint="2")])
    assert [host.address.ip for host in found.get("a").hosts()] == ["10.0.0.2"]


def test_a_cluster_may_be_added_and_removed_alone():
    found = manager()
    assert found.put(plan("a")) is found.get("a")
    found.remove("a")
    found.remove("a")
    assert len(found) == 0


def test_gauges_of_all_clusters_are_refreshed():
    store = memory_store()
    found = manager(store)
    found.apply([plan("a", thresholds=(ThresholdsPlan(max_connections=1), ThresholdsPlan()))])
    found.get("a").resources().connections.inc()
    found.refresh_gauges()
    assert values(store)["cluster.a.circuit_breakers.default.cx_open"] == 1


def test_draining_reaches_all_clusters():
    found = manager()
    found.apply([plan("a"), plan("b")])
    pools = [pooled(cluster) for cluster in found]
    found.drain()
    assert [pool.drained for pool in pools] == [1, 1]


def test_long_builds_are_deferred():
    deferred = []
    found = manager(defer=deferred.append)
    found.apply([plan("a", endpoint(1), endpoint(2), balance=BalancePlan(MaglevPlan()))])
    assert deferred
    assert found.get("a").choose_host() is not None
