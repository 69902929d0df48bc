"""Subset load balancing: requests that ask for metadata are balanced over the hosts that have it.

Hosts are split by the values of each selector's keys; every subset has a balancer of the cluster's own policy.  What no
subset answers goes by the selector's fallback, else the cluster's.
Source of behaviour: Envoy, SubsetLoadBalancer (metadata in the namespace envoy.lb; counters observed on 1.40).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from pyvoy.upstream.balancing.context import LoadBalancerContext
from pyvoy.upstream.balancing.hashing import ENVOY_LB
from pyvoy.upstream.endpoint import Host, HostSet, PrioritySet, make_host_set

if TYPE_CHECKING:
    from pyvoy.stats.store import Scope
    from pyvoy.upstream.balancing.balancer import Balancer

_KNOWN_WISHES = 1024
Key = tuple[tuple[str, str], ...]
"""Names and values (as JSON) of a subset, sorted by name."""


class Fallback(Enum):
    """What is done for a request that no subset answers."""

    NOT_DEFINED = 0
    NO_FALLBACK = 1
    ANY_ENDPOINT = 2
    DEFAULT_SUBSET = 3
    KEYS_SUBSET = 4


@dataclass(slots=True, frozen=True)
class SelectorPlan:
    """One selector: its keys in order, and what to do when none of its subsets answers."""

    keys: tuple[str, ...]
    fallback: Fallback = Fallback.NOT_DEFINED
    fallback_keys: frozenset[str] = frozenset()


@dataclass(slots=True, frozen=True)
class SubsetPlan:
    """Cluster.LbSubsetConfig.  `panic_mode_any`: when the fallback finds no host either, any host will do."""

    fallback: Fallback = Fallback.NO_FALLBACK
    default_subset: Mapping[str, Any] = field(default_factory=dict)
    selectors: tuple[SelectorPlan, ...] = ()
    panic_mode_any: bool = False


class SubsetStats:
    """The counters of the cluster.  As in Envoy, where each thread has its balancer, every process counts its own
    subsets: with one worker there are two of each."""

    __slots__ = ("active", "created", "fallback", "fallback_panic", "removed", "selected")

    def __init__(self, scope: Scope) -> None:
        self.selected = scope.counter("lb_subsets_selected")
        self.fallback = scope.counter("lb_subsets_fallback")
        self.fallback_panic = scope.counter("lb_subsets_fallback_panic")
        self.created = scope.counter("lb_subsets_created")
        self.removed = scope.counter("lb_subsets_removed")
        self.active = scope.gauge("lb_subsets_active")


class _Wishes(LoadBalancerContext):
    """The same wishes with fewer keys (KEYS_SUBSET)."""

    __slots__ = ("_inner", "host_selection_retry_count", "metadata_match", "override_host")

    def __init__(self, inner: LoadBalancerContext, match: Mapping[str, Any]) -> None:
        self._inner = inner
        self.metadata_match = match
        self.override_host = inner.override_host
        self.host_selection_retry_count = inner.host_selection_retry_count

    def hash_key(self) -> int | None:
        return self._inner.hash_key()

    def should_skip(self, host: Host) -> bool:
        return self._inner.should_skip(host)


class SubsetBalancer:
    """The balancer of a cluster with subsets.  `make` makes one balancer of the cluster's policy."""

    def __init__(self, plan: SubsetPlan, make: Callable[[], Balancer], stats: SubsetStats) -> None:
        self._plan = plan
        self._make = make
        self._stats = stats
        self._subsets: dict[Key, Balancer] = {}
        self._selectors = {selector.keys: selector for selector in plan.selectors}
        self._any = make()
        self._default = make()
        self._wishes: dict[int, tuple[Mapping[str, Any], Key]] = {}

    def update(self, sets: PrioritySet) -> None:
        """The hosts or their health have changed: split them again."""
        self._any.update(sets)
        wanted = self._plan.default_subset
        self._default.update(_filtered(sets, lambda host: _has(host, wanted)))
        keys = self._keys_of(host for host_set in sets for host in host_set.hosts)
        old = self._subsets
        self._subsets = {key: old.get(key) or self._make() for key in keys}
        for key, balancer in self._subsets.items():
            balancer.update(_filtered(sets, lambda host, key=key: _has_key(host, key)))  # type: ignore[misc]  # mypy cannot infer a default
        self._stats.created.inc(len(keys - old.keys()))
        self._stats.removed.inc(len(old.keys() - keys))
        self._stats.active.set(len(keys))

    def _keys_of(self, hosts: Iterable[Host]) -> set[Key]:
        found = set()
        for host in hosts:
            metadata = host.metadata.get(ENVOY_LB, {})
            for selector in self._plan.selectors:
                if all(name in metadata for name in selector.keys):
                    found.add(tuple((name, _text(metadata[name])) for name in selector.keys))
        return found

    @property
    def pick_any(self) -> Callable[[], Host | None]:
        """A request that asks for nothing goes by the fallback."""
        return self._pick_fallback

    def _pick_fallback(self) -> Host | None:
        return self._fall_back(None)

    def choose(self, context: LoadBalancerContext | None) -> Host | None:
        """A host of the subset that the request asks for, else by the fallbacks."""
        match = context.metadata_match if context is not None else None
        if context is None or match is None:
            return self._fall_back(context)
        key = self._key(match)
        subset = self._subsets.get(key)
        if subset is not None:
            self._stats.selected.inc()
            return subset.choose(context)
        selector = self._selectors.get(tuple(name for name, _ in key))
        if selector is None or selector.fallback is Fallback.NOT_DEFINED:
            return self._fall_back(context)
        return self._by_selector(selector, context, match)

    def _by_selector(
        self, selector: SelectorPlan, context: LoadBalancerContext, match: Mapping[str, Any]
    ) -> Host | None:
        if selector.fallback is Fallback.ANY_ENDPOINT:
            return self._any.choose(context)
        if selector.fallback is Fallback.DEFAULT_SUBSET:
            return self._default.choose(context)
        if selector.fallback is Fallback.KEYS_SUBSET:
            kept = {name: value for name, value in match.items() if name in selector.fallback_keys}
            return self.choose(_Wishes(context, kept))
        return None

    def _fall_back(self, context: LoadBalancerContext | None) -> Host | None:
        """The cluster's fallback policy."""
        plan = self._plan
        host = None
        if plan.fallback is Fallback.ANY_ENDPOINT:
            host = self._any.choose(context)
        elif plan.fallback is Fallback.DEFAULT_SUBSET:
            host = self._default.choose(context)
        if host is not None:
            self._stats.fallback.inc()
            return host
        if plan.panic_mode_any and plan.fallback is not Fallback.NO_FALLBACK:
            host = self._any.choose(context)
            if host is not None:
                self._stats.fallback_panic.inc()
        return host

    def _key(self, match: Mapping[str, Any]) -> Key:
        """The key of what a request asks for; routes ask with the same object again and again."""
        known = self._wishes.get(id(match))
        if known is not None and known[0] is match:
            return known[1]
        key = tuple((name, _text(match[name])) for name in sorted(match))
        if len(self._wishes) >= _KNOWN_WISHES:
            self._wishes.clear()
        self._wishes[id(match)] = match, key
        return key


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _has(host: Host, wanted: Mapping[str, Any]) -> bool:
    metadata = host.metadata.get(ENVOY_LB, {})
    return all(name in metadata and metadata[name] == value for name, value in wanted.items())


def _has_key(host: Host, key: Key) -> bool:
    metadata = host.metadata.get(ENVOY_LB, {})
    return all(name in metadata and _text(metadata[name]) == value for name, value in key)


def _filtered(sets: PrioritySet, wanted: Callable[[Host], bool]) -> PrioritySet:
    """The same priorities with some of the hosts."""
    return tuple(_filtered_set(host_set, wanted) for host_set in sets)


def _filtered_set(host_set: HostSet, wanted: Callable[[Host], bool]) -> HostSet:
    return make_host_set(
        host_set.priority,
        [host for host in host_set.hosts if wanted(host)],
        {group.locality: group.weight for group in host_set.localities},
        overprovisioning_factor=host_set.overprovisioning_factor,
        weighted_priority_health=host_set.weighted_priority_health,
    )
