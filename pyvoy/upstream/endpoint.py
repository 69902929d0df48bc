"""Upstream hosts, the sets they form per priority, and what makes a host eligible for traffic.

A host is one address of a cluster with its weight, place, health flags and counters; one object per worker, kept while
the address stays in the cluster, because its connection pools hang on it.  Choosing between hosts is `balancing`'s.
Source of behaviour: Envoy, Upstream::HostImpl, HostSetImpl, PrioritySetImpl.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Any, Protocol

from pyvoy.network.address import Address
from pyvoy.stats.counters import Counter, Gauge
from pyvoy.stats.store import Scope
from pyvoy.upstream.health.plan import CHECKED_AS_IT_IS, CheckTarget


class Health(IntEnum):
    """What load balancing sees of a host; a bigger number is better."""

    UNHEALTHY = 0
    DEGRADED = 1
    HEALTHY = 2


class HealthFlag(IntFlag):
    """Why a host is not simply healthy.  The names are those of `/clusters` (`/failed_eds_health`, ...)."""

    FAILED_ACTIVE_HC = 0x1
    FAILED_OUTLIER_CHECK = 0x2
    FAILED_EDS_HEALTH = 0x4
    DEGRADED_ACTIVE_HC = 0x8
    DEGRADED_EDS_HEALTH = 0x10
    PENDING_DYNAMIC_REMOVAL = 0x20
    PENDING_ACTIVE_HC = 0x40
    EXCLUDED_VIA_IMMEDIATE_HC_FAIL = 0x80
    ACTIVE_HC_TIMEOUT = 0x100
    EDS_STATUS_DRAINING = 0x200


CHECKED_FLAGS = (
    HealthFlag.FAILED_ACTIVE_HC
    | HealthFlag.FAILED_OUTLIER_CHECK
    | HealthFlag.DEGRADED_ACTIVE_HC
    | HealthFlag.PENDING_ACTIVE_HC
    | HealthFlag.EXCLUDED_VIA_IMMEDIATE_HC_FAIL
    | HealthFlag.ACTIVE_HC_TIMEOUT
)
"""The flags that the main process finds out for all workers."""

_UNHEALTHY_FLAGS = (
    HealthFlag.FAILED_ACTIVE_HC
    | HealthFlag.FAILED_OUTLIER_CHECK
    | HealthFlag.FAILED_EDS_HEALTH
    | HealthFlag.EDS_STATUS_DRAINING
)
_DEGRADED_FLAGS = HealthFlag.DEGRADED_ACTIVE_HC | HealthFlag.DEGRADED_EDS_HEALTH
# Excluded hosts do not count in the total that health percentages refer to (draining: measured on Envoy 1.40).
_EXCLUDED_FLAGS = (
    HealthFlag.PENDING_ACTIVE_HC | HealthFlag.EXCLUDED_VIA_IMMEDIATE_HC_FAIL | HealthFlag.EDS_STATUS_DRAINING
)


@dataclass(slots=True, frozen=True)
class Locality:
    """Where a host stands; all empty when the configuration does not say."""

    region: str = ""
    zone: str = ""
    sub_zone: str = ""


NO_LOCALITY = Locality()
NO_FLAGS = HealthFlag(0)


class HostPool(Protocol):
    """What a host needs of the connection pools that hang on it."""

    def drain(self) -> None:
        """Take no new request; close idle connections now and busy ones when they are done."""


class HostStats:
    """Counters of one host under hidden names; the admin's `/clusters` shows them summed over the workers."""

    __slots__ = (
        "cx_active",
        "cx_connect_fail",
        "cx_total",
        "rq_active",
        "rq_error",
        "rq_pending_active",
        "rq_success",
        "rq_timeout",
        "rq_total",
    )

    cx_active: Gauge
    rq_active: Gauge
    rq_pending_active: Gauge
    cx_total: Counter
    cx_connect_fail: Counter
    rq_total: Counter
    rq_success: Counter
    rq_error: Counter
    rq_timeout: Counter

    def __init__(self, scope: Scope) -> None:
        for name in HOST_GAUGES:
            setattr(self, name, scope.gauge(name))
        for name in HOST_COUNTERS:
            setattr(self, name, scope.counter(name))


HOST_GAUGES = ("cx_active", "rq_active", "rq_pending_active")
HOST_COUNTERS = ("cx_connect_fail", "cx_total", "rq_error", "rq_success", "rq_timeout", "rq_total")


def host_scope(root: Scope, cluster_name: str, address: Address) -> Scope:
    """The hidden scope of a host's counters: NUL, "host", cluster, address."""
    return root.scope(f"\x00host.{cluster_name}.{address.text}")


@dataclass(slots=True, frozen=True)
class HostFacts:
    """What the configuration says about a host beside its address; two hosts that differ here are two hosts."""

    hostname: str = ""
    weight: int = 1
    priority: int = 0
    locality: Locality = NO_LOCALITY
    metadata: Mapping[str, Any] = field(default_factory=dict)
    canary: bool = False
    check: CheckTarget = CHECKED_AS_IT_IS
    locality_metadata: Mapping[str, Any] = field(default_factory=dict)


class Host:
    """One upstream host in one worker.

    `hostname` is the configured endpoint hostname, for DNS clusters the name that was resolved (auto_host_rewrite
    uses it).  `health` follows `flags`, which only `set_flag` changes.  `pools` belongs to the connection pools: key
    of their choice -> pool.  `address` changes for the single host of a LOGICAL_DNS cluster only.
    """

    __slots__ = (
        "active",
        "address",
        "canary",
        "check",
        "flags",
        "health",
        "hostname",
        "locality",
        "locality_metadata",
        "metadata",
        "pools",
        "priority",
        "stats",
        "weight",
    )

    def __init__(self, address: Address, stats: HostStats, facts: HostFacts, flags: HealthFlag = NO_FLAGS) -> None:
        self.address = address
        self.stats = stats
        self.hostname = facts.hostname
        self.weight = facts.weight
        self.priority = facts.priority
        self.locality = facts.locality
        self.metadata = facts.metadata
        self.canary = facts.canary
        self.check = facts.check
        self.locality_metadata = facts.locality_metadata
        self.flags = flags
        self.health = health_of(flags)
        self.pools: dict[Any, HostPool] = {}
        self.active = 0
        """Requests of this worker on the host; the gauge `rq_active` follows within a turn of the loop."""

    def set_flag(self, flag: HealthFlag, on: bool) -> bool:
        """Set or clear one reason; True when the host's health or exclusion changed by it."""
        old = self.flags
        self.flags = old | flag if on else old & ~flag
        self.health = health_of(self.flags)
        return self.health != health_of(old) or bool((old ^ self.flags) & _EXCLUDED_FLAGS)

    def take_checked(self, flags: HealthFlag) -> bool:
        """Put what the main process found out in place of what it said before; True when the health or exclusion
        changed by it."""
        old = self.flags
        self.flags = (old & ~CHECKED_FLAGS) | (flags & CHECKED_FLAGS)
        self.health = health_of(self.flags)
        return self.health != health_of(old) or bool((old ^ self.flags) & _EXCLUDED_FLAGS)

    @property
    def excluded(self) -> bool:
        """True when the host does not count in its priority's total."""
        return bool(self.flags & _EXCLUDED_FLAGS)

    @property
    def flags_text(self) -> str:
        """The form of `/clusters`: "healthy" or "/failed_eds_health/..."."""
        names = "".join(f"/{flag.name.lower()}" for flag in HealthFlag if flag & self.flags and flag.name)
        return names or "healthy"

    def facts(self) -> HostFacts:
        """What this host was made from beside its address and health."""
        place = (self.hostname, self.weight, self.priority, self.locality)
        return HostFacts(*place, self.metadata, self.canary, self.check, self.locality_metadata)

    def drain_pools(self) -> None:
        """The host has left its cluster: let its pools run dry."""
        for pool in list(self.pools.values()):
            pool.drain()

    def renew_pools(self) -> None:
        """The host has failed: what is connected runs dry, and whoever still comes connects anew."""
        pools, self.pools = self.pools, {}
        for pool in pools.values():
            pool.drain()

    def __repr__(self) -> str:
        return f"Host({self.address.text})"


def health_of(flags: HealthFlag) -> Health:
    """Unhealthy wins over degraded."""
    if flags & _UNHEALTHY_FLAGS:
        return Health.UNHEALTHY
    return Health.DEGRADED if flags & _DEGRADED_FLAGS else Health.HEALTHY


@dataclass(slots=True, frozen=True)
class LocalityHosts:
    """The hosts of one locality of a priority; `weight` is 0 where the configuration gives none."""

    locality: Locality
    weight: int
    hosts: tuple[Host, ...]
    healthy: tuple[Host, ...]
    degraded: tuple[Host, ...]
    excluded: int


@dataclass(slots=True, frozen=True)
class HostSet:
    """The hosts of one priority, split by what balancing asks for.  Immutable: a change makes a new set.

    `overprovisioning_factor` is in percent (140 by default).
    """

    priority: int
    hosts: tuple[Host, ...]
    healthy: tuple[Host, ...]
    degraded: tuple[Host, ...]
    excluded: tuple[Host, ...]
    localities: tuple[LocalityHosts, ...]
    overprovisioning_factor: int = 140
    weighted_priority_health: bool = False


def make_host_set(
    priority: int,
    hosts: Sequence[Host],
    locality_weights: Mapping[Locality, int],
    *,
    overprovisioning_factor: int = 140,
    weighted_priority_health: bool = False,
) -> HostSet:
    """A host set; hosts stay in the order of the configuration, localities are sorted by name as Envoy's are."""
    places = sorted({host.locality for host in hosts}, key=_locality_key)
    return HostSet(
        priority,
        tuple(hosts),
        _with_health(hosts, Health.HEALTHY),
        _with_health(hosts, Health.DEGRADED),
        tuple(host for host in hosts if host.excluded),
        tuple(_locality_hosts(place, hosts, locality_weights.get(place, 0)) for place in places),
        overprovisioning_factor,
        weighted_priority_health,
    )


def refreshed(host_set: HostSet) -> HostSet:
    """The same hosts, split again: some host's health has changed."""
    return make_host_set(
        host_set.priority,
        host_set.hosts,
        {group.locality: group.weight for group in host_set.localities},
        overprovisioning_factor=host_set.overprovisioning_factor,
        weighted_priority_health=host_set.weighted_priority_health,
    )


PrioritySet = tuple[HostSet, ...]
"""One host set per priority, index = priority; never empty (priority 0 exists even without hosts)."""


def _locality_key(locality: Locality) -> tuple[str, str, str]:
    return locality.region, locality.zone, locality.sub_zone


def _locality_hosts(place: Locality, hosts: Iterable[Host], weight: int) -> LocalityHosts:
    there = tuple(host for host in hosts if host.locality == place)
    return LocalityHosts(
        place,
        weight,
        there,
        _with_health(there, Health.HEALTHY),
        _with_health(there, Health.DEGRADED),
        sum(host.excluded for host in there),
    )


def _with_health(hosts: Iterable[Host], health: Health) -> tuple[Host, ...]:
    return tuple(host for host in hosts if host.health is health)
