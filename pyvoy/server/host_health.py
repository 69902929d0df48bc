"""The health of upstream hosts as the main process finds it out, and its way to the workers.

Checks and detectors set flags on the main process' own hosts; whenever one changes, all flags of that cluster go to
every worker in one frame.  Source: ARCHITECTURE, rule 8 (what Envoy keeps per process is kept per proxy).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from random import Random
from typing import Any

from pyvoy.stats.merge import Snapshot
from pyvoy.stats.store import Scope
from pyvoy.upstream.cluster import Cluster
from pyvoy.upstream.cluster_manager import ClusterManager
from pyvoy.upstream.endpoint import CHECKED_FLAGS
from pyvoy.upstream.health.active import HealthChecks
from pyvoy.upstream.health.probes import Spawn

_LOOK_S = 0.25
"""How old the view may be that tells whether a cluster has had traffic."""


class HostHealth:
    """Owner of the checks.  `to_workers(kind, fields)` sends a frame to all workers, `view()` is the proxy's
    statistics."""

    def __init__(
        self,
        root_scope: Scope,
        loop: asyncio.AbstractEventLoop,
        clusters: ClusterManager,
        to_workers: Callable[[str, dict[str, Any]], None],
        spawn: Spawn,
        random: Random,
        view: Callable[[], Snapshot],
    ) -> None:
        self._clusters = clusters
        self._to_workers = to_workers
        self._view = view
        self._used: set[str] = set()
        self._looked_s = 0.0
        self.checks = HealthChecks(root_scope, loop, self._publish, spawn, random, has_traffic=self._has_traffic)

    def apply(self) -> None:
        """The clusters may be others than before."""
        self.checks.apply(self._clusters)

    def hosts_changed(self, name: str) -> None:
        """Discovery has given a cluster other hosts."""
        self.checks.hosts_changed(name)

    def resend(self) -> None:
        """A worker has taken a configuration: say again what is known."""
        for cluster in self._clusters:
            if cluster.plan.health_check is not None:
                self._send(cluster)

    def _publish(self, cluster: Cluster) -> None:
        cluster.health_changed()
        self._send(cluster)

    def _send(self, cluster: Cluster) -> None:
        flags = {host.address.text: int(host.flags & CHECKED_FLAGS) for host in cluster.hosts()}
        self._to_workers("checked", {"cluster": cluster.name, "flags": flags})

    def _has_traffic(self, observability_name: str) -> bool:
        """Whether any worker has ever connected to a host of the cluster."""
        name = f"cluster.{observability_name}.upstream_cx_total"
        now_s = time.monotonic()
        if name not in self._used and now_s - self._looked_s > _LOOK_S:
            self._looked_s = now_s
            self._used = self._view().used_counters
        return name in self._used
