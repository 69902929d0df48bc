"""The balancer of the hashing policies: one table per priority, and the request's hash picks from it.

Tables are built when hosts change, in slices so that a large one does not hold up traffic; the old tables answer until
the new ones are whole.  What a table is, `ring_hash.py` and `maglev.py` say.
Source of behaviour: Envoy, ThreadAwareLoadBalancerBase (priority by the same hash, weights normalized to a sum of 1,
a random hash where the request has none).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Protocol

from pyvoy.stats.counters import Counter
from pyvoy.upstream.balancing.balancer import Defer, priority_of
from pyvoy.upstream.balancing.context import LoadBalancerContext
from pyvoy.upstream.balancing.load import PriorityLoad, priority_load
from pyvoy.upstream.balancing.plans import BalancePlan
from pyvoy.upstream.endpoint import Host, HostSet, PrioritySet

WeightedHosts = Sequence[tuple[Host, float]]
ENVOY_LB = "envoy.lb"


class HashTable(Protocol):
    """Maps a hash to a host."""

    def pick(self, key: int, attempt: int) -> Host | None:
        """The host for a 64-bit hash; a later attempt gives another place of the table."""


class TableBuilder(Protocol):
    """Builds tables, giving way with every `yield` after a millisecond or two of work."""

    def build(self, hosts: WeightedHosts) -> Generator[None, None, HashTable]:
        """The table of these hosts; weights are normalized."""


@dataclass(slots=True, frozen=True)
class _State:
    sets: PrioritySet
    load: PriorityLoad
    tables: tuple[HashTable, ...]


class HashBalancer:
    """One per cluster and worker.

    `defer` runs a slice later; None builds at once.  `healthy_panic` is the counter `lb_healthy_panic`.
    """

    __slots__ = ("_builder", "_building", "_defer", "_healthy_panic", "_plan", "_random", "_state")

    def __init__(
        self, plan: BalancePlan, builder: TableBuilder, random: Random, healthy_panic: Counter, defer: Defer | None
    ) -> None:
        self._plan = plan
        self._builder = builder
        self._random = random
        self._healthy_panic = healthy_panic
        self._defer = defer
        self._state: _State | None = None
        self._building: Generator[None, None, None] | None = None

    def update(self, sets: PrioritySet) -> None:
        """Build tables for these hosts; an unfinished build of earlier ones is dropped."""
        self._building = self._build(sets)
        if self._defer is None:
            self._finish()
        else:
            self._defer(self._slice)

    @property
    def pick_any(self) -> Callable[[], Host | None]:
        """A host by a random hash."""
        return partial(self.choose, None)

    def choose(self, context: LoadBalancerContext | None) -> Host | None:
        """The host of the request's hash; a host that the context refuses is passed over on the table."""
        state = self._state
        if state is None:
            state = self._finish()
        key = context.hash_key() if context is not None else None
        if key is None:
            key = self._random.getrandbits(64)
        load = state.load
        if context is not None and context.steers:
            load = context.steer(state.sets, load, priority_of)
        priority, _ = load.choose(key)
        if state.load.panic[priority]:
            self._healthy_panic.inc()
        table = state.tables[priority]
        host = table.pick(key, 0)
        if context is None:
            return host
        for attempt in range(1, context.host_selection_retry_count + 1):
            if host is None or not context.should_skip(host):
                return host
            host = table.pick(key, attempt)
        return host

    def _slice(self) -> None:
        if self._building is None or self._defer is None:
            return
        try:
            next(self._building)
        except StopIteration:
            self._building = None
        else:
            self._defer(self._slice)

    def _finish(self) -> _State:
        """The first request must not wait for slices: do the rest now."""
        if self._building is not None:
            for _ in self._building:
                pass
            self._building = None
        if self._state is None:
            self._state = _State((), PriorityLoad((100,), (0,), (False,)), (_EMPTY,))
        return self._state

    def _build(self, sets: PrioritySet) -> Generator[None, None, None]:
        load = priority_load(sets, self._plan.panic_percent)
        tables = []
        for host_set, panic in zip(sets, load.panic, strict=True):
            hosts = normalized_weights(host_set, panic, self._plan.locality_weighted)
            tables.append((yield from self._builder.build(hosts)) if hosts else _EMPTY)
        self._state = _State(sets, load, tuple(tables))


class _EmptyTable:
    def pick(self, key: int, attempt: int) -> Host | None:
        return None


_EMPTY: HashTable = _EmptyTable()


def normalized_weights(host_set: HostSet, panic: bool, locality_weighted: bool) -> WeightedHosts:
    """The hosts a table is made of with weights that sum up to 1: the healthy ones, all of them in panic.

    With locality weights each locality's share is divided among its hosts.
    """
    if locality_weighted and any(group.weight for group in host_set.localities):
        total = sum(group.weight for group in host_set.localities)
        weighted: list[tuple[Host, float]] = []
        for group in host_set.localities:
            if group.weight:
                weighted += _normalized(group.hosts if panic else group.healthy, group.weight / total)
        return weighted
    return _normalized(host_set.hosts if panic else host_set.healthy, 1.0)


def _normalized(hosts: Sequence[Host], share: float) -> list[tuple[Host, float]]:
    total = sum(host.weight for host in hosts)
    return [(host, host.weight * share / total) for host in hosts]


def hash_name(host: Host, use_hostname: bool) -> bytes:
    """What stands for the host in the hash: metadata `envoy.lb` `hash_key`, else its hostname or its address."""
    own = host.metadata.get(ENVOY_LB, {}).get("hash_key")
    if isinstance(own, str) and own:
        return own.encode()
    return (host.hostname if use_hostname else host.address.text).encode()
