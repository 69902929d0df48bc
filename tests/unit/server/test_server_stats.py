"""The statistics of the process itself."""

from pyvoy.server.server_stats import ServerStats, WatchdogStats
from pyvoy.stats.store import memory_store
from tests.unit.server.admin_proxy import BOOTSTRAP, Bench


def test_a_reload_counts_what_it_changed():
    bench = Bench()
    stats = ServerStats(bench.store.root)
    stats.loaded(bench.proxy)
    changed = Bench(
        BOOTSTRAP.replace("127.0.0.1, port_value: 8080", "127.0.0.1, port_value: 8081").replace(
            "- name: egress", "- name: new"
        )
    )
    bench.proxy.bootstrap = changed.loaded.message
    stats.loaded(bench.proxy)
    found = bench.proxy.snapshot()
    names = ("added", "modified", "removed", "create_success")
    assert [found.counters[f"listener_manager.listener_{name}"] for name in names] == [3, 1, 1, 8]
    assert found.gauges["listener_manager.total_listeners_active"] == 2
    assert found.gauges["runtime.num_layers"] == 2
    assert found.gauges["runtime.num_keys"] == 3


def test_gauges_follow_the_state():
    bench = Bench()
    stats = ServerStats(bench.store.root)
    stats.refresh(bench.proxy, 7)
    gauges = bench.proxy.snapshot().gauges
    assert [gauges[f"server.{name}"] for name in ("live", "state", "concurrency", "total_connections")] == [1, 0, 2, 7]
    assert gauges["server.memory_physical_size"] > 1 << 20
    bench.proxy.draining = True
    stats.refresh(bench.proxy, 0)
    gauges = bench.proxy.snapshot().gauges
    assert [gauges[f"server.{name}"] for name in ("live", "state")] == [0, 1]


def test_late_loops_are_counted_under_both_names():
    store = memory_store()
    watchdog = WatchdogStats(store.root, "workers", "server.worker_0")
    for late_s in (0.3, 1.5):
        watchdog.late(late_s)
    for prefix in ("workers", "server.worker_0"):
        assert store.root.counter(f"{prefix}.watchdog_miss").value == 2
        assert store.root.counter(f"{prefix}.watchdog_mega_miss").value == 1
