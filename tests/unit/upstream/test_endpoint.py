"""Hosts and host sets: health from flags, the names of /clusters, the split that balancing uses."""

import pytest

from pyvoy.network.address import Address
from pyvoy.stats.store import memory_store
from pyvoy.upstream.endpoint import Health, HealthFlag, HostStats, health_of, host_scope, refreshed
from tests.unit.upstream.hosts import FakePool, host, host_set, zone


@pytest.mark.parametrize(
    ("flags", "health", "text"),
    [
        (HealthFlag(0), Health.HEALTHY, "healthy"),
        (HealthFlag.FAILED_ACTIVE_HC, Health.UNHEALTHY, "/failed_active_hc"),
        (HealthFlag.FAILED_OUTLIER_CHECK, Health.UNHEALTHY, "/failed_outlier_check"),
        (HealthFlag.FAILED_EDS_HEALTH, Health.UNHEALTHY, "/failed_eds_health"),
        (HealthFlag.EDS_STATUS_DRAINING, Health.UNHEALTHY, "/eds_status_draining"),
        (HealthFlag.DEGRADED_EDS_HEALTH, Health.DEGRADED, "/degraded_eds_health"),
        (HealthFlag.DEGRADED_ACTIVE_HC, Health.DEGRADED, "/degraded_active_hc"),
        (HealthFlag.PENDING_ACTIVE_HC, Health.HEALTHY, "/pending_active_hc"),
        (
            HealthFlag.FAILED_ACTIVE_HC | HealthFlag.DEGRADED_EDS_HEALTH,
            Health.UNHEALTHY,
            "/failed_active_hc/degraded_eds_health",
        ),
    ],
)
def test_health_follows_the_flags(flags, health, text):
    one = host(1)
    one.set_flag(flags, True)
    assert (health_of(flags), one.health, one.flags_text) == (health, health, text)


def test_a_flag_says_whether_balancing_must_know():
    one = host(1)
    assert one.set_flag(HealthFlag.FAILED_ACTIVE_HC, True)
    assert not one.set_flag(HealthFlag.FAILED_OUTLIER_CHECK, True)
    assert not one.set_flag(HealthFlag.FAILED_ACTIVE_HC, False)
    assert one.set_flag(HealthFlag.FAILED_OUTLIER_CHECK, False)
    assert one.set_flag(HealthFlag.PENDING_ACTIVE_HC, True)
    assert one.excluded


def test_a_set_is_split_by_health_and_by_locality_in_the_order_of_the_names():
    a, b = zone("a"), zone("b")
    hosts = [host(1, locality=b), host(2, "sick", locality=b), host(3, "degraded", locality=a), host(4, "draining")]
    found = host_set(*hosts, locality_weights={b: 3})
    assert found.hosts == tuple(hosts)
    assert found.healthy == (hosts[0],)
    assert found.degraded == (hosts[2],)
    assert found.excluded == (hosts[3],)
    assert [(group.locality.zone, group.weight, group.hosts) for group in found.localities] == [
        ("", 0, (hosts[3],)),
        ("a", 0, (hosts[2],)),
        ("b", 3, (hosts[0], hosts[1])),
    ]


def test_a_refreshed_set_sees_the_new_health():
    hosts = [host(1), host(2)]
    before = host_set(*hosts, locality_weights={hosts[0].locality: 2}, overprovisioning_factor=200)
    hosts[0].set_flag(HealthFlag.FAILED_ACTIVE_HC, True)
    after = refreshed(before)
    assert before.healthy == tuple(hosts)
    assert after.healthy == (hosts[1],)
    assert after.overprovisioning_factor == 200
    assert after.localities[0].weight == 2


def test_counters_of_a_host_are_hidden_and_survive_the_host():
    root = memory_store().root
    address = Address("10.0.0.1", 80)
    HostStats(host_scope(root, "books", address)).rq_total.inc()
    again = HostStats(host_scope(root, "books", address))
    again.cx_active.inc()
    assert again.rq_total.value == 1
    assert again.rq_total.name == "\x00host.books.10.0.0.1:80.rq_total"


def test_draining_reaches_every_pool_even_if_pools_vanish_meanwhile():
    class Vanishing(FakePool):
        def drain(self):
            super().drain()
            one.pools.clear()

    one = host(1)
    pools = [Vanishing(), Vanishing()]
    one.pools.update(enumerate(pools))
    one.drain_pools()
    assert [pool.drained for pool in pools] == [1, 1]
