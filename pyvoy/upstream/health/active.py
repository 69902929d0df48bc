"""Active health checks of all clusters, in the main process: sessions for hosts that come and go.

Flags are set on the main process' own hosts; `publish(cluster)` takes them to the workers.
Source of behaviour: Envoy, HealthCheckerImplBase.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from random import Random

from pyvoy.stats.store import Scope
from pyvoy.upstream.cluster import Cluster
from pyvoy.upstream.endpoint import HealthFlag, Host
from pyvoy.upstream.health.plan import HealthCheckPlan
from pyvoy.upstream.health.probes import Spawn, make_probe
from pyvoy.upstream.health.session import HealthCheckStats, HealthSession, Probe

Publish = Callable[[Cluster], None]
"""Called when some flag of some host of a cluster has changed."""
MakeProbe = Callable[[HealthSession, HealthCheckPlan, asyncio.AbstractEventLoop, Spawn], Probe]


class HealthChecks:
    """Owns the checks of the proxy.  `has_traffic(cluster name)` tells whether a cluster has ever had a connection;
    `passed(cluster, host)` is told of every check that a healthy host passes."""

    def __init__(
        self,
        root_scope: Scope,
        loop: asyncio.AbstractEventLoop,
        publish: Publish,
        spawn: Spawn,
        random: Random,
        *,
        has_traffic: Callable[[str], bool],
        passed: Callable[[Cluster, Host], None],
        prober: MakeProbe = make_probe,
    ) -> None:
        self._root_scope = root_scope
        self._loop = loop
        self._publish = publish
        self._spawn = spawn
        self._random = random
        self._has_traffic = has_traffic
        self._passed = passed
        self._prober = prober
        self._clusters: dict[str, _ClusterChecks] = {}

    def apply(self, clusters: Iterable[Cluster]) -> None:
        """Check exactly these clusters; those that are the same objects as before go on undisturbed."""
        old = self._clusters
        self._clusters = {}
        for cluster in clusters:
            if cluster.plan.health_check is None:
                continue
            before = old.get(cluster.name)
            if before is not None and before.cluster is cluster:
                self._clusters[cluster.name] = old.pop(cluster.name)
            else:
                self._clusters[cluster.name] = _ClusterChecks(cluster, self)
        for gone in old.values():
            gone.stop()
        for name in self._clusters:
            self.hosts_changed(name)

    def hosts_changed(self, name: str) -> None:
        """Discovery has given a cluster other hosts."""
        checks = self._clusters.get(name)
        if checks is not None:
            checks.follow()

    async def first_results(self, timeout_s: float) -> None:
        """Wait until every host has been checked once, but no longer than that."""
        waits = [session.tried.wait() for checks in self._clusters.values() for session in checks.sessions.values()]
        if waits:
            try:
                async with asyncio.timeout(timeout_s):
                    await asyncio.gather(*waits)
            except TimeoutError:
                return

    def session(self, cluster: Cluster, plan: HealthCheckPlan, stats: HealthCheckStats, host: Host) -> HealthSession:
        """The checks of one host."""
        return HealthSession(
            host,
            plan,
            stats,
            self._loop,
            self._random,
            make_probe=lambda session: self._prober(session, plan, self._loop, self._spawn),
            changed=lambda host: self._changed(cluster),
            passed=lambda host: self._passed(cluster, host),
            has_traffic=lambda: self._has_traffic(cluster.plan.observability_name),
        )

    def cluster_scope(self, cluster: Cluster) -> Scope:
        """Where a cluster's statistics are."""
        return self._root_scope.scope(f"cluster.{cluster.plan.observability_name}")

    def _changed(self, cluster: Cluster) -> None:
        checks = self._clusters.get(cluster.name)
        if checks is not None and checks.cluster is cluster:
            checks.count()
        self._publish(cluster)


class _ClusterChecks:
    """The sessions of one cluster."""

    def __init__(self, cluster: Cluster, owner: HealthChecks) -> None:
        assert cluster.plan.health_check is not None
        self.cluster = cluster
        self.sessions: dict[Host, HealthSession] = {}
        self._plan = cluster.plan.health_check
        self._owner = owner
        self._stats = HealthCheckStats(owner.cluster_scope(cluster))

    def follow(self) -> None:
        """Check the hosts that the cluster has now."""
        hosts = {host for host in self.cluster.hosts() if not host.check.disabled}
        for host in [host for host in self.sessions if host not in hosts]:
            self.sessions.pop(host).stop()
        new = [host for host in self.cluster.hosts() if host in hosts and host not in self.sessions]
        for host in new:
            self.sessions[host] = self._owner.session(self.cluster, self._plan, self._stats, host)
        for host in new:
            self.sessions[host].start()
        self.count()

    def stop(self) -> None:
        """The cluster is gone."""
        for session in self.sessions.values():
            session.stop()

    def count(self) -> None:
        """The two gauges."""
        flags = [host.flags for host in self.sessions]
        healthy = sum(not flag & HealthFlag.FAILED_ACTIVE_HC for flag in flags)
        degraded = sum(bool(flag & HealthFlag.DEGRADED_ACTIVE_HC) for flag in flags)
        for gauge, value in ((self._stats.healthy, healthy), (self._stats.degraded, degraded)):
            if gauge.value != value:
                gauge.set(value)
