"""The statistics of the process itself: `server.`, `listener_manager.`, `runtime.`, `filesystem.`, watchdogs.

Main owns them; values that nobody increments are worked out when statistics are read.
Source: Envoy 1.40, names of /stats at rest.
"""

from __future__ import annotations

import time
from typing import Any

from pyvoy.observe.access_log.file import FileStats
from pyvoy.server.identity import version_number
from pyvoy.server.pages.page import Proxy
from pyvoy.server.pages.process import resident_bytes
from pyvoy.server.pages.runtime import layer_values
from pyvoy.server.watchdog import MEGAMISS_S
from pyvoy.stats.store import Scope

_STATES = {"LIVE": 0, "DRAINING": 1, "PRE_INITIALIZING": 2, "INITIALIZING": 3}
_SERVER_COUNTERS = (
    "debug_assertion_failures",
    "dropped_stat_flushes",
    "dynamic_unknown_fields",
    "envoy_bug_failures",
    "envoy_notifications",
    "static_unknown_fields",
    "wip_protos",
)
_LISTENER_COUNTERS = (
    "listener_added",
    "listener_create_failure",
    "listener_create_success",
    "listener_in_place_updated",
    "listener_modified",
    "listener_removed",
    "listener_stopped",
)
_LISTENER_GAUGES = (
    "total_filter_chains_draining",
    "total_listeners_active",
    "total_listeners_draining",
    "total_listeners_warming",
    "workers_pinned",
    "workers_started",
)
_RUNTIME_COUNTERS = (
    "deprecated_feature_use",
    "load_error",
    "load_success",
    "override_dir_exists",
    "override_dir_not_exists",
)
_RUNTIME_GAUGES = (
    "admin_overrides_active",
    "deprecated_feature_seen_since_process_start",
    "num_keys",
    "num_layers",
)
UNKNOWN_EXPIRY_DAYS = 4294967295


class ServerStats:
    """Owner: main."""

    def __init__(self, root: Scope) -> None:
        server = root.scope("server")
        manager = root.scope("listener_manager")
        runtime = root.scope("runtime")
        for name in _SERVER_COUNTERS:
            server.counter(name)
        for name in _RUNTIME_COUNTERS:
            runtime.counter(name)
        self._server = {
            name: server.gauge(name)
            for name in (
                "compilation_settings.fips_mode",
                "concurrency",
                "days_until_first_cert_expiring",
                "hot_restart_epoch",
                "live",
                "memory_allocated",
                "memory_heap_size",
                "memory_physical_size",
                "parent_connections",
                "seconds_until_first_ocsp_response_expiring",
                "state",
                "stats_recent_lookups",
                "total_connections",
                "uptime",
                "version",
            )
        }
        self._manager_counters = {name: manager.counter(name) for name in _LISTENER_COUNTERS}
        self._manager_gauges = {name: manager.gauge(name) for name in _LISTENER_GAUGES}
        self._runtime_gauges = {name: runtime.gauge(name) for name in _RUNTIME_GAUGES}
        self._runtime_success = runtime.counter("load_success")
        self._initialization_ms = server.histogram("initialization_time_ms")
        self._listeners: dict[str, bytes] = {}
        self._is_live = False
        WatchdogStats(root, "main_thread", "server.main_thread")
        FileStats(root)

    def loaded(self, proxy: Proxy) -> None:
        """A configuration is in force: count what it changed."""
        listeners = {listener.name: listener.SerializeToString() for listener in _listeners(proxy)}
        counters = self._manager_counters
        for name, data in listeners.items():
            before = self._listeners.get(name)
            if before is None:
                counters["listener_added"].inc()
            elif before != data:
                counters["listener_modified"].inc()
            if before != data:
                counters["listener_create_success"].inc(proxy.options.concurrency)
        gone = self._listeners.keys() - listeners.keys()
        counters["listener_removed"].inc(len(gone))
        counters["listener_stopped"].inc(len(gone))
        self._listeners = listeners
        self._manager_gauges["total_listeners_active"].set(len(listeners))
        layers = proxy.bootstrap.layered_runtime.layers
        self._runtime_gauges["num_layers"].set(len(layers))
        self._runtime_gauges["num_keys"].set(len({key for layer in layer_values(proxy.bootstrap) for key in layer}))
        self._runtime_success.inc()

    def refresh(self, proxy: Proxy, total_connections: int) -> None:
        """Work out the gauges; called before statistics are read."""
        server = self._server
        memory = resident_bytes()
        if proxy.live and not self._is_live:
            self._is_live = True
            self._initialization_ms.record(int((time.time() - proxy.started_wall_s) * 1000))
        server["concurrency"].set(proxy.options.concurrency)
        server["days_until_first_cert_expiring"].set(UNKNOWN_EXPIRY_DAYS)
        server["live"].set(int(proxy.state == "LIVE"))
        server["memory_allocated"].set(memory)
        server["memory_heap_size"].set(memory)
        server["memory_physical_size"].set(memory)
        server["state"].set(_STATES[proxy.state])
        server["total_connections"].set(total_connections)
        server["uptime"].set(int(time.time() - proxy.started_wall_s))
        server["version"].set(version_number())
        self._manager_gauges["workers_started"].set(int(proxy.live))


def _listeners(proxy: Proxy) -> list[Any]:
    return list(proxy.bootstrap.static_resources.listeners)


class WatchdogStats:
    """How often a loop was late, under both of Envoy's names."""

    __slots__ = ("_mega", "_miss")

    def __init__(self, root: Scope, *prefixes: str) -> None:
        scopes = [root.scope(prefix) for prefix in prefixes]
        self._miss = [scope.counter("watchdog_miss") for scope in scopes]
        self._mega = [scope.counter("watchdog_mega_miss") for scope in scopes]

    def late(self, late_s: float) -> None:
        """The loop was late by so much."""
        for counter in self._miss:
            counter.inc()
        if late_s >= MEGAMISS_S:
            for counter in self._mega:
                counter.inc()
