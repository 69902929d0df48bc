"""How many connections a proxy may have: the monitor, the runtime key, and listeners that ignore both."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyvoy.config.load import load
from pyvoy.server.local_arena import LocalArena
from pyvoy.server.plans import try_build
from pyvoy.stats.store import memory_store

ECHO = "{'@type': type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo}"
LISTENERS = f"""
static_resources:
  listeners:
  - name: web
    address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}
    filter_chains: [{{filters: [{{name: envoy.filters.network.echo, typed_config: {ECHO}}}]}}]
  - name: free
    ignore_global_conn_limit: true
    address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}
    filter_chains: [{{filters: [{{name: envoy.filters.network.echo, typed_config: {ECHO}}}]}}]
"""
MONITORS = "type.googleapis.com/envoy.extensions.resource_monitors."
MONITOR = f"""
overload_manager:
  resource_monitors:
  - name: envoy.resource_monitors.global_downstream_max_connections
    typed_config:
      "@type": {MONITORS}downstream_connections.v3.DownstreamConnectionsConfig
      max_active_downstream_connections: 2
"""
KEY = "layered_runtime: {layers: [{name: s, static_layer: {overload: {global_downstream_max_connections: 5}}}]}\n"


def limits(text: str) -> list[int | None]:
    from pyvoy.config.compile.listeners import build_listeners

    loaded = load(config_yaml=LISTENERS + text)
    context = loaded.context(memory_store().root, LocalArena(lambda: 0.0))
    plans = build_listeners(loaded.message.static_resources.listeners, context.at("static_resources"))
    return [plan.proxy_limit for plan in plans]


@pytest.mark.parametrize(
    ("text", "web", "free_counts"),
    [("", None, False), (MONITOR, 2, False), (KEY, 5, True), (MONITOR + KEY, 2, False)],
    ids=["none", "monitor", "runtime key", "both"],
)
def test_limits_of_listeners(text: str, web: int | None, free_counts: bool) -> None:
    ours, free = limits(text)
    assert ours == web
    assert (free is not None) == free_counts
    if free is not None:
        assert free > 1 << 60


def test_other_monitors_and_actions_are_told_to_do_nothing(tmp_path: Path) -> None:
    monitor = (
        f"{{name: envoy.resource_monitors.fixed_heap, typed_config: {{'@type': {MONITORS}fixed_heap.v3.FixedHeapConfig"
    )
    monitor += ", max_heap_size_bytes: 1}}"
    action = "{name: envoy.overload_actions.shrink_heap, triggers: [{name: envoy.resource_monitors.fixed_heap, "
    action += "threshold: {value: 0.95}}]}"
    loaded = load(config_yaml=f"overload_manager: {{resource_monitors: [{monitor}], actions: [{action}]}}")
    assert [problem.path for problem in loaded.warnings] == [
        "overload_manager.resource_monitors[0].typed_config.max_heap_size_bytes",
        "overload_manager.actions",
    ]
    assert not any(problem.is_error for problem in try_build(loaded))
