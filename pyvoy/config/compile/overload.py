"""The overload manager, as far as it decides about traffic at all times: how many connections the proxy may have.

Every other resource (memory, CPU) only matters when it runs short; those monitors, and the actions that they trigger,
are accepted and change nothing.  Source: Envoy's overload manager and its downstream connections monitor, and the
deprecated runtime key for the same (what counts and what is refused checked on Envoy 1.40).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyvoy.config.context import Context
from pyvoy.config.registry import extension, supports

MONITOR = "resource_monitor"
_PACKAGE = "envoy.extensions.resource_monitors."
_RUNTIME_KEY = "overload.global_downstream_max_connections"
NO_LIMIT = 1 << 62

supports("envoy.config.bootstrap.v3.Bootstrap", "overload_manager")
supports(
    "envoy.config.overload.v3.OverloadManager",
    "resource_monitors",
    tuning="refresh_interval actions loadshed_points buffer_factory_config",
)
supports("envoy.config.overload.v3.ResourceMonitor", "name typed_config")
supports(_PACKAGE + "downstream_connections.v3.DownstreamConnectionsConfig", "max_active_downstream_connections")
supports(_PACKAGE + "fixed_heap.v3.FixedHeapConfig", tuning="max_heap_size_bytes")
supports(_PACKAGE + "injected_resource.v3.InjectedResourceConfig", tuning="filename")
supports(_PACKAGE + "cgroup_memory.v3.CgroupMemoryConfig", tuning="max_memory_bytes")
supports(_PACKAGE + "cpu_utilization.v3.CpuUtilizationConfig", tuning="mode")


@extension(
    MONITOR,
    name="envoy.resource_monitors.global_downstream_max_connections",
    type_url=_PACKAGE + "downstream_connections.v3.DownstreamConnectionsConfig",
    posture="robust_to_untrusted_downstream",
)
class DownstreamConnections:
    """How many connections all listeners may have together."""

    @staticmethod
    def build(message: Any, _context: Context) -> int:
        """The limit."""
        return int(message.max_active_downstream_connections)


class _Unwatched:
    @staticmethod
    def build(_message: Any, _context: Context) -> None:
        """Nothing is watched."""


@extension(MONITOR, name="envoy.resource_monitors.fixed_heap", type_url=_PACKAGE + "fixed_heap.v3.FixedHeapConfig")
class FixedHeap(_Unwatched):
    """The size of the heap."""


@extension(
    MONITOR,
    name="envoy.resource_monitors.injected_resource",
    type_url=_PACKAGE + "injected_resource.v3.InjectedResourceConfig",
)
class InjectedResource(_Unwatched):
    """A number in a file."""


@extension(
    MONITOR, name="envoy.resource_monitors.cgroup_memory", type_url=_PACKAGE + "cgroup_memory.v3.CgroupMemoryConfig"
)
class CgroupMemory(_Unwatched):
    """The memory of the control group."""


@extension(
    MONITOR,
    name="envoy.resource_monitors.cpu_utilization",
    type_url=_PACKAGE + "cpu_utilization.v3.CpuUtilizationConfig",
)
class CpuUtilization(_Unwatched):
    """The CPU."""


@dataclass(slots=True, frozen=True)
class ProxyLimit:
    """How many connections the proxy may have.  `counts_ignoring`: those of listeners that ignore the limit count."""

    connections: int
    counts_ignoring: bool

    def for_listener(self, *, ignores: bool) -> int | None:
        """The limit that a listener's connections are counted under; None where they are not."""
        if not ignores:
            return self.connections
        return NO_LIMIT if self.counts_ignoring else None


def proxy_limit(bootstrap: Any, context: Context) -> ProxyLimit | None:
    """The limit of a bootstrap; `context` stands at it.  The monitor wins over the runtime key."""
    found = None
    at = context.at("overload_manager")
    for index, monitor in enumerate(bootstrap.overload_manager.resource_monitors):
        limit = at.extension(MONITOR, monitor, f"resource_monitors[{index}]")
        if limit is not None:
            found = ProxyLimit(limit, counts_ignoring=False)
    if found is None:
        limit = context.runtime.integer(_RUNTIME_KEY, NO_LIMIT)
        found = None if limit == NO_LIMIT else ProxyLimit(limit, counts_ignoring=True)
    return found
