"""The health of upstream hosts as the main process finds it out, and its way to the workers.

Checks and detectors set flags on the main process' own hosts; whenever one changes, all flags of that cluster go to
every worker in one frame.  Source: ARCHITECTURE, rule 8 (what Envoy keeps per process is kept per proxy).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

from pyvoy.stats.merge import Snapshot
from pyvoy.stats.store import Scope
from pyvoy.upstream.cluster import Cluster
from pyvoy.upstream.cluster_manager import ClusterManager
from pyvoy.upstream.endpoint import CHECKED_FLAGS, Host
from pyvoy.upstream.health.active import HealthChecks
from pyvoy.upstream.health.outcomes import RATE_COUNTERS
from pyvoy.upstream.health.outlier import OutlierDetector, OutlierStats
from pyvoy.upstream.health.probes import Spawn

_LOOK_S = 0.25
"""How old the view may be that tells whether a cluster has had traffic."""
_SAME_LOOK_S = 0.02
"""Within this time one view serves for all hosts of a cluster."""


class HostHealth:
    """Owner of the checks and detectors.  `to_workers(kind, fields)` sends a frame to all workers, `view()` is the
    proxy's statistics."""

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
        self._root_scope = root_scope
        self._loop = loop
        self._clusters = clusters
        self._to_workers = to_workers
        self._random = random
        self._view = view
        self._seen = Snapshot()
        self._seen_s = 0.0
        self._detectors: dict[str, OutlierDetector] = {}
        self.checks = HealthChecks(
            root_scope, loop, self._publish, spawn, random, has_traffic=self._has_traffic, passed=self._passed
        )

    def apply(self) -> None:
        """The clusters may be others than before."""
        self.checks.apply(self._clusters)
        old = self._detectors
        self._detectors = {}
        for cluster in self._clusters:
            before = old.get(cluster.name)
            if before is not None and before.cluster is cluster:
                self._detectors[cluster.name] = old.pop(cluster.name)
        for gone in old.values():
            gone.stop()
        for cluster in self._clusters:
            if cluster.plan.outlier is not None and cluster.name not in self._detectors:
                self._detectors[cluster.name] = self._detector(cluster)

    def _detector(self, cluster: Cluster) -> OutlierDetector:
        assert cluster.plan.outlier is not None
        return OutlierDetector(
            cluster,
            cluster.plan.outlier,
            OutlierStats(self._root_scope.scope(f"cluster.{cluster.plan.observability_name}")),
            self._loop,
            self._random,
            changed=lambda: self._publish(cluster),
            rates=lambda host: self._rates(cluster, host),
        )

    def hosts_changed(self, name: str) -> None:
        """Discovery has given a cluster other hosts."""
        self.checks.hosts_changed(name)
        if name in self._detectors:
            self._detectors[name].follow()

    def take(self, name: str, results: Iterable[tuple[str, int]]) -> None:
        """What came of requests, from a worker: (address, result) pairs."""
        detector = self._detectors.get(name)
        if detector is not None:
            for address, result in results:
                detector.take(address, result)

    def resend(self) -> None:
        """A worker has taken a configuration: say again what is known."""
        for cluster in self._clusters:
            if cluster.plan.health_check is not None or cluster.plan.outlier is not None:
                self._send(cluster)

    def _passed(self, cluster: Cluster, host: Host) -> None:
        detector = self._detectors.get(cluster.name)
        if detector is not None:
            detector.passed_check(host)

    def _publish(self, cluster: Cluster) -> None:
        cluster.health_changed()
        self._send(cluster)

    def _send(self, cluster: Cluster) -> None:
        flags = {host.address.text: int(host.flags & CHECKED_FLAGS) for host in cluster.hosts()}
        self._to_workers("checked", {"cluster": cluster.name, "flags": flags})

    # --- what the statistics tell

    def _look(self, age_s: float) -> Snapshot:
        now_s = time.monotonic()
        if now_s - self._seen_s > age_s:
            self._seen, self._seen_s = self._view(), now_s
        return self._seen

    def _has_traffic(self, observability_name: str) -> bool:
        """Whether any worker has ever connected to a host of the cluster."""
        name = f"cluster.{observability_name}.upstream_cx_total"
        return name in self._seen.used_counters or name in self._look(_LOOK_S).used_counters

    def _rates(self, cluster: Cluster, host: Host) -> tuple[int, int, int, int]:
        """What has come of a host so far (see `RATE_COUNTERS`)."""
        counters = self._look(_SAME_LOOK_S).counters
        prefix = f"\x00host.{cluster.name}.{host.address.text}."
        good, total, reached, tried = (counters.get(prefix + name, 0) for name in RATE_COUNTERS)
        return good, total, reached, tried
