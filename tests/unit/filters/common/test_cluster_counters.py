"""Counters of a filter for the cluster of a route."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from pyvoy.filters.common.cluster_counters import ClusterCounters
from pyvoy.stats.store import memory_store


class Charges:
    """Notes what is charged as an answer."""

    def __init__(self) -> None:
        self.charged: list[tuple[int, bool]] = []

    def charge_response(self, status: int, internal: bool, _canary: bool) -> None:
        self.charged.append((status, internal))


def stream(cluster: Any, route: Any) -> Any:
    return SimpleNamespace(route=route, services=SimpleNamespace(clusters={"c": cluster}))


def test_a_route_s_cluster_is_counted_for() -> None:
    store = memory_store()
    cluster = SimpleNamespace(scope=store.root.scope("cluster.c"), stats=Charges())
    counters = ClusterCounters("ratelimit", "p")
    asking = stream(cluster, SimpleNamespace(cluster="c"))
    counters.count(asking, "ok")
    counters.count(asking, "ok")
    counters.count(asking, "over_limit", charge=429)
    assert store.root.counter("cluster.c.ratelimit.p.ok").value == 2
    assert store.root.counter("cluster.c.ratelimit.p.over_limit").value == 1
    assert cluster.stats.charged == [(429, True)]


def test_without_a_route_or_a_cluster_nothing_is_counted() -> None:
    counters = ClusterCounters("ratelimit", "")
    counters.count(stream(None, None), "ok")
    counters.count(stream(None, SimpleNamespace(cluster="c")), "ok")
