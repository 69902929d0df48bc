"""ClusterManager: the clusters of one worker by name; reload and discovery go through it.

A reload hands in all plans: unchanged clusters keep their hosts, pools and counters, changed and removed ones let their
pools run dry while requests in flight finish.
Source of behaviour: Envoy, ClusterManagerImpl; statistics `cluster_manager.*`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from random import Random

from pyvoy.stats.store import Scope
from pyvoy.upstream.balancing.balancer import Defer
from pyvoy.upstream.cluster import Cluster, MakeOutcomes
from pyvoy.upstream.cluster_plan import ClusterPlan, Discovery, Resolved
from pyvoy.upstream.dns_cache import DnsCaches
from pyvoy.upstream.endpoint import HealthFlag
from pyvoy.upstream.limits import ResourceSource

_COUNTERS = (
    "cluster_added",
    "cluster_modified",
    "cluster_removed",
    "cluster_updated",
    "cluster_updated_via_merge",
    "update_merge_cancelled",
    "update_out_of_merge_window",
)


@dataclass(slots=True, frozen=True)
class Changes:
    """The names of what a reload did."""

    added: tuple[str, ...] = ()
    modified: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


class ClusterManager:
    """Owns the clusters of one worker (or of the main process, which shows and checks them).

    `get` is a dictionary's, so that a look-up costs nothing more.  `reports`: this process speaks for the whole proxy
    in statistics that are no sums (see Cluster).
    """

    __slots__ = (
        "_clusters",
        "_defer",
        "_dns_caches",
        "_make_outcomes",
        "_random",
        "_reports",
        "_resolved",
        "_resources",
        "_scope",
        "get",
    )

    def __init__(
        self,
        root_scope: Scope,
        resources: ResourceSource,
        random: Random,
        *,
        reports: bool = True,
        defer: Defer | None = None,
        make_outcomes: MakeOutcomes | None = None,
        dns_caches: DnsCaches | None = None,
    ) -> None:
        """`defer` (such as `loop.call_soon`) lets long table builds give way to traffic; without `make_outcomes` nobody
        hears of the results of hosts."""
        self._scope = root_scope
        self._resources = resources
        self._random = random
        self._reports = reports
        self._defer = defer
        self._make_outcomes = make_outcomes
        self._dns_caches = dns_caches
        self._clusters: dict[str, Cluster] = {}
        self._resolved: dict[str, dict[str, tuple[str, ...]]] = {}
        self.get = self._clusters.get
        scope = root_scope.scope("cluster_manager")
        for name in _COUNTERS:
            scope.counter(name)
        scope.gauge("active_clusters")
        scope.gauge("warming_clusters")

    def __iter__(self) -> Iterator[Cluster]:
        return iter(list(self._clusters.values()))

    def __contains__(self, name: str) -> bool:
        return name in self._clusters

    def __len__(self) -> int:
        return len(self._clusters)

    def apply(self, plans: Iterable[ClusterPlan], resolved: Mapping[str, Resolved] | None = None) -> Changes:
        """Have exactly these clusters; `resolved` is what DNS knows of them already (`DnsService.resolved`)."""
        for name, addresses in (resolved or {}).items():
            self._resolved.setdefault(name, {}).update(addresses)
        added: list[str] = []
        modified: list[str] = []
        names = set()
        for plan in plans:
            names.add(plan.name)
            known = self._clusters.get(plan.name)
            if known is not None and known.plan.fingerprint == plan.fingerprint:
                known.plan = plan  # the same, but with what the new configuration keeps alive (secrets)
                continue
            (added if known is None else modified).append(plan.name)
            self.put(plan)
        removed = [name for name in self._clusters if name not in names]
        for name in removed:
            self.remove(name)
        return Changes(tuple(added), tuple(modified), tuple(removed))

    def put(self, plan: ClusterPlan) -> Cluster:
        """Add a cluster or replace the one of that name."""
        old = self._clusters.get(plan.name)
        cluster = Cluster(
            plan,
            self._scope,
            self._resources,
            self._random,
            reports=self._reports,
            defer=self._defer,
            make_outcomes=self._make_outcomes,
            get=self.get,
            dns_caches=self._dns_caches,
        )
        if plan.discovery is not Discovery.STATIC:
            names = {endpoint.address.ip for endpoint in plan.assignment.endpoints}
            known = self._resolved.get(plan.name, {})
            self._resolved[plan.name] = known = {name: ips for name, ips in known.items() if name in names}
            if known:
                cluster.set_hosts(plan.assignment, known)
        self._clusters[plan.name] = cluster
        self._count("cluster_added" if old is None else "cluster_modified")
        if old is not None:
            old.drain()
        return cluster

    def remove(self, name: str) -> None:
        """Forget a cluster; unknown names are ignored."""
        cluster = self._clusters.pop(name, None)
        self._resolved.pop(name, None)
        if cluster is not None:
            self._count("cluster_removed")
            cluster.drain()

    def update_hosts(self, name: str, resolved: Resolved) -> bool:
        """Apply what DNS found for some of a cluster's names; True when hosts were added or removed.

        A cluster that is not here (any more) is ignored."""
        cluster = self._clusters.get(name)
        if cluster is None or cluster.plan.discovery is Discovery.STATIC:
            return False
        known = self._resolved.setdefault(name, {})
        known.update(resolved)
        return cluster.set_hosts(cluster.plan.assignment, known)

    def take_checked(self, name: str, flags: Mapping[str, int]) -> None:
        """Apply what the main process' checks say of a cluster's hosts, by address.

        A cluster that is not here (any more) is ignored."""
        cluster = self._clusters.get(name)
        if cluster is not None:
            cluster.take_checked({address: HealthFlag(value) for address, value in flags.items()})

    def refresh_gauges(self) -> None:
        """Work out the gauges that are no plain counts, in the process that `reports` and in no other (gauges are
        summed over processes)."""
        if not self._reports:
            return
        for cluster in self._clusters.values():
            cluster.refresh_gauges()

    def drain(self) -> None:
        """The worker ends: let all pools run dry."""
        for cluster in self._clusters.values():
            cluster.drain()

    def _count(self, name: str) -> None:
        if self._reports:
            scope = self._scope.scope("cluster_manager")
            scope.counter(name).inc()
            scope.gauge("active_clusters").set(len(self._clusters))
