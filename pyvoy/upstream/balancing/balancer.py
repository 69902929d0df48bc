"""From a cluster's host sets to one host: priority, panic, locality, then the policy's picker.

The balancer of ROUND_ROBIN, LEAST_REQUEST and RANDOM; the hashing policies have theirs in `hashing.py`.  With one
healthy priority and no locality weights, a choice is a single call of the policy's picker.
Source of behaviour: Envoy, ZoneAwareLoadBalancerBase::hostSourceToUse and chooseHost (zone awareness itself needs a
local cluster and is not implemented; the configuration says so).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Protocol

from pyvoy.stats.counters import Counter
from pyvoy.upstream.balancing.context import LoadBalancerContext
from pyvoy.upstream.balancing.edf import EdfScheduler
from pyvoy.upstream.balancing.load import PriorityLoad, priority_load
from pyvoy.upstream.balancing.picker import Picker, PickerFactory, Rotation, starting_picks
from pyvoy.upstream.balancing.plans import BalancePlan
from pyvoy.upstream.endpoint import Host, HostSet, LocalityHosts, PrioritySet


class Balancer(Protocol):
    """What a cluster asks of its policy."""

    def update(self, sets: PrioritySet) -> None:
        """The hosts or their health have changed."""

    @property
    def pick_any(self) -> Callable[[], Host | None]:
        """The shortest way to a host for a request without wishes; asked for anew after each `update`."""

    def choose(self, context: LoadBalancerContext | None) -> Host | None:
        """A host for one request; None when no host may be used."""


class PickerBalancer:
    """One per cluster and worker.

    `healthy_panic` is the counter `lb_healthy_panic`.  Pickers are made on first use and forgotten when hosts change;
    rotations stay.
    """

    __slots__ = (
        "_fast",
        "_healthy_panic",
        "_load",
        "_localities",
        "_make_picker",
        "_pickers",
        "_plan",
        "_random",
        "_rotations",
        "_sets",
    )

    def __init__(self, plan: BalancePlan, make_picker: PickerFactory, random: Random, healthy_panic: Counter) -> None:
        self._plan = plan
        self._make_picker = make_picker
        self._random = random
        self._healthy_panic = healthy_panic
        self._sets: PrioritySet = ()
        self._load = PriorityLoad((100,), (0,), (False,))
        self._pickers: dict[tuple[int, str, int], Picker] = {}
        self._localities: dict[tuple[int, bool], EdfScheduler[int] | None] = {}
        self._rotations: dict[tuple[int, str, int], Rotation] = {}
        self._fast: Picker | None = None

    def update(self, sets: PrioritySet) -> None:
        """Work out shares and panic anew; pickers of the old hosts are dropped."""
        self._load = load = priority_load(sets, self._plan.panic_percent)
        self._sets = sets
        self._pickers = {}
        self._localities = {}
        self._fast = None
        if load.healthy[0] == 100 and not load.panic[0] and self._locality_scheduler(0, degraded=False) is None:
            self._fast = self._picker(0, "healthy", 0, sets[0].healthy)

    @property
    def pick_any(self) -> Callable[[], Host | None]:
        """The picker itself where only one can be meant."""
        return self._fast.pick if self._fast is not None else self._choose_once

    def choose(self, context: LoadBalancerContext | None) -> Host | None:
        """A host that the context does not refuse, in at most `host_selection_retry_count` further attempts; the last
        one drawn otherwise."""
        fast = self._fast
        pick = fast.pick if fast is not None else self._choose_once
        if context is not None and context.steers:
            load = context.steer(self._sets, self._load, priority_of)
            pick = partial(self._choose_once, load)
        host = pick()
        if context is None or host is None or not context.host_selection_retry_count:
            return host
        for _ in range(context.host_selection_retry_count):
            if not context.should_skip(host):
                return host
            again = pick()
            if again is None:
                return None
            host = again
        return host

    def _choose_once(self, load: PriorityLoad | None = None) -> Host | None:
        priority, degraded = (load or self._load).choose(self._random.getrandbits(32))
        host_set = self._sets[priority]
        if self._load.panic[priority]:
            self._healthy_panic.inc()
            if self._plan.fail_traffic_on_panic:
                return None
            return self._picker(priority, "all", 0, host_set.hosts).pick()
        kind = "degraded" if degraded else "healthy"
        scheduler = self._locality_scheduler(priority, degraded)
        index = scheduler.pick() if scheduler is not None else None
        if index is not None:
            group = host_set.localities[index]
            return self._picker(priority, kind, index + 1, group.degraded if degraded else group.healthy).pick()
        return self._picker(priority, kind, 0, host_set.degraded if degraded else host_set.healthy).pick()

    def _picker(self, priority: int, kind: str, place: int, hosts: tuple[Host, ...]) -> Picker:
        """The picker of one source; `place` is 0 for the whole priority, else the locality's index plus one."""
        key = (priority, kind, place)
        picker = self._pickers.get(key)
        if picker is None:
            rotation = self._rotations.get(key)
            if rotation is None:
                rotation = self._rotations[key] = Rotation(self._random.getrandbits(32))
            picker = self._pickers[key] = self._make_picker(hosts, rotation, self._random)
        return picker

    def _locality_scheduler(self, priority: int, degraded: bool) -> EdfScheduler[int] | None:
        if not self._plan.locality_weighted:
            return None
        key = (priority, degraded)
        if key not in self._localities:
            self._localities[key] = _locality_scheduler(self._sets[priority], degraded, self._random)
        return self._localities[key]


def _locality_scheduler(host_set: HostSet, degraded: bool, random: Random) -> EdfScheduler[int] | None:
    """A scheduler of locality indexes by effective weight; None when no locality has any."""
    weights = [effective_weight(group, host_set.overprovisioning_factor, degraded) for group in host_set.localities]
    usable = [index for index, weight in enumerate(weights) if weight > 0]
    if not usable:
        return None
    return EdfScheduler(usable, weights.__getitem__, starting_picks(random))


def effective_weight(group: LocalityHosts, overprovisioning_factor: int, degraded: bool) -> float:
    """A locality's weight times the share of its hosts that are eligible, overprovisioned and at most 1."""
    count = len(group.hosts) - group.excluded
    if count <= 0:
        return 0.0
    eligible = len(group.degraded if degraded else group.healthy)
    return group.weight * min(1.0, overprovisioning_factor / 100.0 * eligible / count)


def priority_of(host: Host) -> int:
    """Where a host stands among the sets of its own cluster."""
    return host.priority


Defer = Callable[[Callable[[], None]], None]
"""Runs a callback soon, on the worker's loop: how long builds give way to traffic."""
