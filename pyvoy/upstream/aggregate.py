"""Aggregate clusters: the hosts of other clusters, one cluster after the other as if these were priorities.

Health decides as among the priorities of one cluster; the cluster that is chosen then picks by its own policy.  The
connections are counted there, the answers in the aggregate.
Source of behaviour: Envoy, AggregateClusterLoadBalancer (observed on 1.40: clusters that nobody defined are left out,
and so are priorities without hosts, which an aggregate in an aggregate has none but).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

from pyvoy.upstream.balancing.context import LoadBalancerContext
from pyvoy.upstream.balancing.load import PriorityLoad, priority_load

if TYPE_CHECKING:
    from pyvoy.http.headers import HeaderMap
    from pyvoy.observe.stream_info import ConnectionInfo
    from pyvoy.upstream.cluster import Cluster
    from pyvoy.upstream.endpoint import Host, HostSet, PrioritySet


@dataclass(slots=True, frozen=True)
class AggregatePlan:
    """The names of the clusters, first choice first; `panic_percent` as in BalancePlan."""

    clusters: tuple[str, ...]
    panic_percent: int


class _OnePriority(LoadBalancerContext):
    """A request's wishes, with all load on one priority of the cluster that was chosen."""

    __slots__ = ("_degraded", "_inner", "_priority", "host_selection_retry_count", "metadata_match")

    steers = True

    def __init__(self, inner: LoadBalancerContext, priority: int, *, degraded: bool) -> None:
        self._inner = inner
        self._priority = priority
        self._degraded = degraded
        self.metadata_match = inner.metadata_match
        self.host_selection_retry_count = inner.host_selection_retry_count

    def hash_key(self) -> int | None:
        return self._inner.hash_key()

    def should_skip(self, host: Host) -> bool:
        return self._inner.should_skip(host)

    def steer(self, sets: PrioritySet, load: PriorityLoad, _place: Callable[[Host], int | None]) -> PriorityLoad:
        nothing = (0,) * len(sets)
        everything = (*nothing[: self._priority], 100, *nothing[self._priority + 1 :])
        if self._degraded:
            return replace(load, healthy=nothing, degraded=everything)
        return replace(load, healthy=everything, degraded=nothing)


NO_WISHES = LoadBalancerContext()


class AggregateHosts:
    """Chooses for one aggregate in one worker; the list of priorities is made anew when a member's hosts change."""

    __slots__ = ("_get", "_load", "_owners", "_places", "_plan", "_random", "_seen", "_sets")

    def __init__(self, plan: AggregatePlan, get: Callable[[str], Cluster | None], random: Random) -> None:
        """`get` finds a cluster by its name."""
        self._plan = plan
        self._get = get
        self._random = random
        self._seen: list[PrioritySet] = []
        self._sets: list[HostSet] = []
        self._places: list[tuple[Cluster, int]] = []
        self._owners: dict[Host, tuple[Cluster, int]] = {}
        self._load: PriorityLoad | None = None

    def choose(
        self, _connection: ConnectionInfo | None, _headers: HeaderMap | None, context: LoadBalancerContext | None
    ) -> Host | None:
        """A host of the first cluster that has healthy ones, as among priorities."""
        members = [cluster for name in self._plan.clusters if (cluster := self._get(name)) is not None]
        seen = [cluster.priority_set for cluster in members]
        if self._load is None or len(seen) != len(self._seen) or any(map(_differ, seen, self._seen)):
            self._line_up(members, seen)
        load = self._load
        if load is None or not self._sets:
            return None
        wishes = context or NO_WISHES
        if wishes.steers:
            load = wishes.steer(tuple(self._sets), load, self._place)
        chosen, degraded = load.choose(self._random.getrandbits(32))
        cluster, priority = self._places[chosen]
        return cluster.balancer.choose(_OnePriority(wishes, priority, degraded=degraded))

    def owner(self, host: Host) -> Cluster | None:
        """The cluster that the host is of."""
        found = self._owners.get(host)
        return None if found is None else found[0]

    def _place(self, host: Host) -> int | None:
        """The host's priority in the line."""
        found = self._owners.get(host)
        return None if found is None else found[1]

    def _line_up(self, members: list[Cluster], seen: list[PrioritySet]) -> None:
        self._seen = seen
        self._sets, self._places, self._owners = [], [], {}
        for cluster, sets in zip(members, seen, strict=True):
            for priority, host_set in enumerate(sets):
                if host_set.hosts:
                    line = len(self._sets)
                    self._sets.append(host_set)
                    self._places.append((cluster, priority))
                    self._owners.update(dict.fromkeys(host_set.hosts, (cluster, line)))
        self._load = priority_load(self._sets, self._plan.panic_percent) if self._sets else None


def _differ(one: PrioritySet, other: PrioritySet) -> bool:
    return one is not other
