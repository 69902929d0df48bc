"""How much of the load each priority gets, and which priorities are in panic.

Pure arithmetic over host sets; whole per cent with Envoy's rounding, so that the same hosts give the same shares.
Source of behaviour: Envoy, LoadBalancerBase::recalculatePerPriorityState, recalculatePerPriorityPanic,
recalculateLoadInTotalPanic and choosePriority.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from pyvoy.upstream.endpoint import HostSet


@dataclass(slots=True, frozen=True)
class PriorityLoad:
    """Per priority: per cent of the load for healthy and for degraded hosts, and whether the priority panics."""

    healthy: tuple[int, ...]
    degraded: tuple[int, ...]
    panic: tuple[bool, ...]

    def choose(self, value: int) -> tuple[int, bool]:
        """(priority, degraded) for a random number or a hash."""
        point = value % 100 + 1
        reached = 0
        for priority, share in enumerate(self.healthy):
            reached += share
            if point <= reached:
                return priority, False
        for priority, share in enumerate(self.degraded):
            reached += share
            if point <= reached:
                return priority, True
        return 0, False


def priority_load(sets: Sequence[HostSet], panic_percent: int) -> PriorityLoad:
    """The shares of these priorities; `panic_percent` as in BalancePlan."""
    health = [_availability(host_set, degraded=False) for host_set in sets]
    degraded_health = [_availability(host_set, degraded=True) for host_set in sets]
    total = min(100, sum(health) + sum(degraded_health))
    healthy = [0] * len(sets)
    degraded = [0] * len(sets)
    if total:
        _distribute(health, degraded_health, total, healthy, degraded)
    elif panic_percent == 0:
        healthy[0] = 100  # the shares must add up; no host will be found there
    panic = [False] * len(sets)
    if not (panic_percent == 0 and total == 0):
        panic = [total < 100 and _in_panic(host_set, panic_percent) for host_set in sets]
        if all(panic):
            healthy = _total_panic(sets)
            degraded = [0] * len(sets)
    return PriorityLoad(tuple(healthy), tuple(degraded), tuple(panic))


def load_without(sets: Sequence[HostSet], original: PriorityLoad, excluded: AbstractSet[int]) -> PriorityLoad | None:
    """The shares when some priorities get nothing; None when no other has a host that is up."""
    health = [0 if place in excluded else _availability(each, degraded=False) for place, each in enumerate(sets)]
    degraded_health = [
        0 if place in excluded else _availability(each, degraded=True) for place, each in enumerate(sets)
    ]
    total = min(100, sum(health) + sum(degraded_health))
    if not total:
        return None
    healthy = [0] * len(sets)
    degraded = [0] * len(sets)
    _distribute(health, degraded_health, total, healthy, degraded)
    return PriorityLoad(tuple(healthy), tuple(degraded), original.panic)


def _availability(host_set: HostSet, *, degraded: bool) -> int:
    """Per cent of the priority's hosts that are healthy (or degraded), times the overprovisioning factor."""
    eligible = host_set.degraded if degraded else host_set.healthy
    if len(host_set.hosts) == len(host_set.excluded):
        return 0
    if host_set.weighted_priority_health:
        total = sum(host.weight for host in host_set.hosts) - sum(host.weight for host in host_set.excluded)
        part = sum(host.weight for host in eligible)
    else:
        total = len(host_set.hosts) - len(host_set.excluded)
        part = len(eligible)
    return min(100, host_set.overprovisioning_factor * part // total)


def _distribute(
    health: list[int], degraded_health: list[int], total: int, healthy: list[int], degraded: list[int]
) -> None:
    left = 100
    for available, shares in ((health, healthy), (degraded_health, degraded)):
        for priority, percent in enumerate(available):
            shares[priority] = min(left, percent * 100 // total)
            left -= shares[priority]
    if not left:
        return
    # What remains is rounding: the first priority that has anything takes it, healthy before degraded.
    for available, shares in ((health, healthy), (degraded_health, degraded)):
        for priority, percent in enumerate(available):
            if percent:
                shares[priority] += left
                return


def _in_panic(host_set: HostSet, panic_percent: int) -> bool:
    count = len(host_set.hosts) - len(host_set.excluded)
    if count <= 0:
        return panic_percent > 0
    return 100.0 * len(host_set.healthy) / count + 100.0 * len(host_set.degraded) / count < panic_percent


def _total_panic(sets: Sequence[HostSet]) -> list[int]:
    """All priorities panic: the load follows the number of hosts, whatever their health."""
    total = sum(len(host_set.hosts) for host_set in sets)
    shares = [0] * len(sets)
    if total == 0:
        shares[0] = 100
        return shares
    for priority, host_set in enumerate(sets):
        shares[priority] = 100 * len(host_set.hosts) // total
    first = next(priority for priority, host_set in enumerate(sets) if host_set.hosts)
    shares[first] += 100 - sum(shares)
    return shares
