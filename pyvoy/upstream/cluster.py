"""Cluster: the live state of one upstream cluster in one worker: hosts, balancer, circuit breakers, statistics.

The router and tcp_proxy ask it for a host; discovery (`dns.py`, through the cluster manager) gives it hosts.  It opens
no connection: pools are kept in `host.pools` by `pool/`.
Source of behaviour: Envoy, ClusterImplBase, BaseDynamicClusterImpl::updateDynamicHostList, LogicalDnsCluster and
ClusterManagerImpl::...::ClusterEntry::chooseHost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING

from pyvoy.network.address import Address
from pyvoy.stats.store import Scope
from pyvoy.upstream.aggregate import AggregateHosts
from pyvoy.upstream.balancing.balancer import Balancer, Defer
from pyvoy.upstream.balancing.context import LoadBalancerContext
from pyvoy.upstream.balancing.factory import make_balancer
from pyvoy.upstream.balancing.subset import SubsetBalancer, SubsetStats
from pyvoy.upstream.chooser import HostChooser
from pyvoy.upstream.cluster_plan import (
    AssignmentPlan,
    ClusterPlan,
    Discovery,
    EndpointPlan,
    LocalityPlan,
    Resolved,
    RoutingPriority,
)
from pyvoy.upstream.cluster_stats import ClusterStats
from pyvoy.upstream.dns_cache import DnsCaches
from pyvoy.upstream.endpoint import (
    NO_FLAGS,
    Health,
    HealthFlag,
    Host,
    HostFacts,
    HostSet,
    HostStats,
    PrioritySet,
    host_scope,
    make_host_set,
    refreshed,
)
from pyvoy.upstream.forward_proxy import ForwardProxyHosts
from pyvoy.upstream.health.outcomes import Outcomes
from pyvoy.upstream.limits import BreakerGauges, Resources, ResourceSource
from pyvoy.upstream.original_dst import OriginalDstHosts

if TYPE_CHECKING:
    from pyvoy.http.headers import HeaderMap
    from pyvoy.observe.stream_info import ConnectionInfo

__all__ = ["Cluster", "ClusterPlan"]

_EDS_FLAGS = HealthFlag.FAILED_EDS_HEALTH | HealthFlag.DEGRADED_EDS_HEALTH | HealthFlag.EDS_STATUS_DRAINING
_HEALTH_NAMES = {Health.HEALTHY: "HEALTHY", Health.DEGRADED: "DEGRADED", Health.UNHEALTHY: "UNHEALTHY"}

NOTHING_RESOLVED: Resolved = MappingProxyType({})

MakeOutcomes = Callable[[ClusterPlan], Outcomes]
"""Makes what a cluster with outlier detection tells its hosts' results to."""

HostKey = tuple[int, str, str, int]
"""What makes a host the same host: priority, address, hostname, and which of several such it is."""


class Cluster:
    """One cluster of one worker.

    `reports`: this process speaks for the whole proxy, so it alone keeps the membership and breaker gauges.
    `defer` lets long table builds give way to traffic; None builds at once.
    """

    __slots__ = (
        "_by_address",
        "_checked",
        "_gauges",
        "_hosts",
        "_reports",
        "_resources",
        "_root_scope",
        "balancer",
        "chooser",
        "name",
        "pick_any",
        "plan",
        "priority_set",
        "results",
        "scope",
        "stats",
    )

    def __init__(
        self,
        plan: ClusterPlan,
        root_scope: Scope,
        resources: ResourceSource,
        random: Random,
        *,
        reports: bool = True,
        defer: Defer | None = None,
        make_outcomes: MakeOutcomes | None = None,
        get: Callable[[str], Cluster | None] = lambda _name: None,
        dns_caches: DnsCaches | None = None,
    ) -> None:
        """`get` finds other clusters by name; without `dns_caches` a dynamic forward proxy has no hosts."""
        self.plan = plan
        self.name = plan.name
        self._root_scope = root_scope
        self.scope = root_scope.scope(f"cluster.{plan.observability_name}")
        self.stats = ClusterStats(self.scope)
        self.scope.gauge("warming_state").set(0)
        self._reports = reports
        self._resources = tuple(
            Resources(resources, plan.name, priority, plan.thresholds[priority]) for priority in RoutingPriority
        )
        self._gauges = [
            BreakerGauges(self.scope, priority, plan.thresholds[priority], self._resources[priority])
            for priority in RoutingPriority
        ]
        tables = self.scope if reports else None

        def balancer() -> Balancer:
            return make_balancer(plan.balance, random, self.stats.lb_healthy_panic, tables, defer)

        if plan.subsets is None:
            self.balancer: Balancer = balancer()
        else:
            self.balancer = SubsetBalancer(plan.subsets, balancer, SubsetStats(self.scope))
        self.results = make_outcomes(plan) if plan.outlier is not None and make_outcomes is not None else None
        """Whoever uses a host says here what came of it; None when nobody wants to know."""
        self._hosts: dict[HostKey, Host] = {}
        self._checked: Mapping[str, HealthFlag] = {}
        self._by_address: dict[str, Host] = {}
        self.priority_set: PrioritySet = (make_host_set(0, (), {}),)
        self.balancer.update(self.priority_set)
        self.pick_any = self.balancer.pick_any
        """Chooses a host for a request without wishes; None when there is none (not counted)."""
        self.chooser: HostChooser | None = None
        """Chooses hosts in place of the balancer, which then has nothing to choose from."""
        if plan.original_dst is not None:
            invalid = self.scope.counter("original_dst_host_invalid")
            self.chooser = OriginalDstHosts(plan.original_dst, self._original_host, self._install_hosts, invalid)
        elif plan.dns_cache is not None and dns_caches is not None:
            port = 80 if plan.transport_sockets is None else 443
            cache = dns_caches.get(plan.dns_cache)
            self.chooser = ForwardProxyHosts(cache, port, self._original_host, self._install_hosts)
        elif plan.aggregate is not None:
            self.chooser = AggregateHosts(plan.aggregate, get, random)
        if plan.discovery is Discovery.STATIC:
            self.set_hosts(plan.assignment)

    # --- choosing

    def choose_host(
        self,
        context: LoadBalancerContext | None = None,
        connection: ConnectionInfo | None = None,
        headers: HeaderMap | None = None,
    ) -> Host | None:
        """The host for one request; None (and `upstream_cx_none_healthy`) when none may be used."""
        if context is not None and context.override_host is not None:
            host, final = self._overridden(context.override_host)
            if final:
                if host is None:
                    self.stats.upstream_cx_none_healthy.inc()
                return host
        if self.chooser is not None:
            host = self.chooser.choose(connection, headers, context)
        else:
            host = self.balancer.choose(context)
        if host is None:
            self.stats.upstream_cx_none_healthy.inc()
        return host

    @property
    def told(self) -> bool:
        """Whether what comes of a request has to be told host by host, or counted elsewhere than with its pool."""
        return self.results is not None or self.plan.aggregate is not None

    def owner(self, host: Host) -> Cluster:
        """The cluster whose pool the host's connections are of."""
        return self if self.chooser is None else self.chooser.owner(host) or self

    def _overridden(self, override: tuple[str, bool]) -> tuple[Host | None, bool]:
        """(host, whether that is the last word) for a host that the request insists on."""
        text, strict = override
        host = self._by_address.get(text)
        if host is not None and _HEALTH_NAMES[host.health] in self.plan.override_host_healths:
            return host, True
        return None, strict

    def resources(self, priority: int = RoutingPriority.DEFAULT) -> Resources:
        """The circuit breakers of a routing priority (0 default, 1 high)."""
        return self._resources[priority]

    def hosts(self) -> Iterator[Host]:
        """All hosts, by priority."""
        for host_set in self.priority_set:
            yield from host_set.hosts

    # --- membership

    def set_hosts(self, assignment: AssignmentPlan, resolved: Resolved = NOTHING_RESOLVED) -> bool:
        """Take the hosts of an assignment; `resolved` has the IP addresses of a DNS cluster's names.

        Hosts whose priority, address and hostname stay are kept with their pools; the pools of hosts that left are
        drained.  True when a host was added or removed.
        """
        if self.plan.discovery is Discovery.LOGICAL_DNS and self._hosts and resolved:
            return self._move_logical_host(assignment, resolved)
        old = self._hosts
        self._hosts = {}
        sets = []
        changed = []
        for priority in range(1 + max((group.priority for group in assignment.localities), default=0)):
            hosts = self._take(assignment, priority, resolved, old)
            weights = {group.locality: group.weight for group in assignment.localities if group.priority == priority}
            changed.append(_differ(hosts, self.priority_set[priority : priority + 1]))
            sets.append(
                make_host_set(
                    priority,
                    hosts,
                    weights,
                    overprovisioning_factor=assignment.overprovisioning_factor,
                    weighted_priority_health=assignment.weighted_priority_health,
                )
            )
        gone = [host for key, host in old.items() if self._hosts.get(key) is not host]
        self._by_address = {host.address.text: host for host in self._hosts.values()}
        self._install(tuple(sets))
        changes = max(sum(changed), bool(gone))
        if self._reports and changes:
            self.stats.membership_change.inc(changes)
        for host in gone:
            host.drain_pools()
        if changes and self.plan.close_connections_on_host_set_change:
            self.drain()
        return changes > 0

    def _take(
        self, assignment: AssignmentPlan, priority: int, resolved: Resolved, old: dict[HostKey, Host]
    ) -> list[Host]:
        hosts: list[Host] = []
        for group in assignment.localities:
            if group.priority == priority:
                for endpoint in group.endpoints:
                    for address in self._addresses(endpoint, resolved):
                        hosts.append(self._host(address, group, endpoint, old))
        return hosts

    def _addresses(self, endpoint: EndpointPlan, resolved: Resolved) -> list[Address]:
        if self.plan.discovery is Discovery.STATIC:
            return [endpoint.address]
        ips = resolved.get(endpoint.address.ip, ())
        if self.plan.discovery is Discovery.LOGICAL_DNS:
            ips = ips[:1]
        return [Address(ip, endpoint.address.port) for ip in dict.fromkeys(ips)]

    def _host(self, address: Address, group: LocalityPlan, endpoint: EndpointPlan, old: dict[HostKey, Host]) -> Host:
        hostname = endpoint.hostname
        if not hostname and self.plan.discovery is not Discovery.STATIC:
            hostname = endpoint.address.ip
        key = (group.priority, address.text, hostname, 0)
        while key in self._hosts:
            key = (*key[:3], key[3] + 1)
        place = (hostname, endpoint.weight, group.priority, group.locality)
        facts = HostFacts(*place, endpoint.metadata, endpoint.canary, endpoint.check, group.metadata)
        host = old.get(key)
        if host is None or host.locality != group.locality:
            stats = HostStats(host_scope(self._root_scope, self.name, address))
            host = Host(address, stats, facts, endpoint.flags)
            host.take_checked(self._checked_flags(host))
            if self._reports and self.plan.discovery is Discovery.STATIC:
                sockets = self.plan.transport_sockets
                matched = "default" if sockets is None else sockets.of(host).name
                self.scope.counter(f"{matched}.total_match_count").inc()
        else:
            host.weight = endpoint.weight
            host.metadata = endpoint.metadata
            host.locality_metadata = group.metadata
            host.canary = endpoint.canary
            for flag in _EDS_FLAGS:
                host.set_flag(flag, bool(endpoint.flags & flag))
        self._hosts[key] = host
        return host

    def _original_host(self, address: Address, hostname: str = "") -> Host:
        host = Host(address, HostStats(host_scope(self._root_scope, self.name, address)), HostFacts(hostname))
        if self._reports:
            self.scope.counter("default.total_match_count").inc()
        return host

    def _install_hosts(self, hosts: list[Host]) -> None:
        self._hosts = {(0, host.address.text, "", 0): host for host in hosts}
        self._install((make_host_set(0, hosts, {}),))
        if self._reports:
            self.stats.membership_change.inc()

    def _move_logical_host(self, assignment: AssignmentPlan, resolved: Resolved) -> bool:
        """The one host of a LOGICAL_DNS cluster stays; new connections go to the new first address."""
        ips = resolved.get(assignment.endpoints[0].address.ip)
        host = next(iter(self._hosts.values()))
        if ips and ips[0] != host.address.ip:
            host.address = Address(ips[0], host.address.port)
            self._by_address = {host.address.text: host}
        return False

    def _checked_flags(self, host: Host) -> HealthFlag:
        """What checks have found of a host; a host that is checked counts as failed until its first result."""
        unchecked = NO_FLAGS
        if self.plan.health_check is not None and not host.check.disabled:
            unchecked = HealthFlag.FAILED_ACTIVE_HC
        return self._checked.get(host.address.text, unchecked)

    def take_checked(self, flags: Mapping[str, HealthFlag]) -> None:
        """What the main process' checks say of the hosts, by address; what it said before is void.

        As in Envoy, the idle connections of a host that fails are closed, and busy ones behind their request."""
        self._checked = flags
        changed = False
        for host in self.hosts():
            was = host.health
            changed |= host.take_checked(self._checked_flags(host))
            if host.health is Health.UNHEALTHY and was is not Health.UNHEALTHY:
                host.renew_pools()
        if changed:
            self.health_changed()

    def health_changed(self) -> None:
        """Some host's flags have changed: split the sets again and tell the balancer."""
        self._install(tuple(refreshed(host_set) for host_set in self.priority_set))

    def _install(self, sets: tuple[HostSet, ...]) -> None:
        self.priority_set = sets
        self.balancer.update(sets)
        self.pick_any = self.balancer.pick_any
        if not self._reports:
            return
        stats = self.stats
        stats.membership_total.set(sum(len(host_set.hosts) for host_set in sets))
        stats.membership_healthy.set(sum(len(host_set.healthy) for host_set in sets))
        stats.membership_degraded.set(sum(len(host_set.degraded) for host_set in sets))
        stats.membership_excluded.set(sum(len(host_set.excluded) for host_set in sets))
        if self.plan.discovery is Discovery.STRICT_DNS:
            # From the first update on, as Envoy does; the empty set of the start does not count.
            weights = [host.weight for host_set in sets for host in host_set.hosts]
            stats.max_host_weight.set(max(weights, default=stats.max_host_weight.value))

    def refresh_gauges(self) -> None:
        """Work out the circuit breaker gauges; called before statistics are read, by the process that reads them."""
        for gauges in self._gauges:
            gauges.refresh()

    def drain(self) -> None:
        """The cluster is gone: its pools run dry."""
        for host in self.hosts():
            host.drain_pools()


def _differ(hosts: list[Host], before: PrioritySet) -> bool:
    """Whether a priority has got other hosts."""
    known = before[0].hosts if before else ()
    return len(known) != len(hosts) or set(known) != set(hosts)
