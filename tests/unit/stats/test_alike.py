"""A cluster of three members has three, however many workers count them."""

import pytest

from pyvoy.stats.alike import is_counted_alike


@pytest.mark.parametrize(
    "name",
    [
        "cluster.a.membership_total",
        "cluster.a.b.circuit_breakers.default.rq_open",
        "cluster.a.update_success",
        "cluster_manager.active_clusters",
        "listener_manager.total_listeners_active",
        "server.live",
        "server.concurrency",
    ],
)
def test_counted_alike(name):
    assert is_counted_alike(name)


@pytest.mark.parametrize(
    "name",
    [
        "cluster.a.upstream_cx_total",
        "cluster.membership_total.upstream_rq_active",
        "http.size",
        "listener.127.0.0.1_80.downstream_cx_active",
        "listener_manager.listener_create_success",
        "server.total_connections",
    ],
)
def test_a_share_of_each(name):
    assert not is_counted_alike(name)
