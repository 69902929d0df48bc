"""MAGLEV: a table of prime size that hosts fill in turn, each along its own permutation of the places.

The table is Envoy's to the place: the same hosts and the same request hash give the same host.
Source of behaviour: Envoy, MaglevTable and OriginalMaglevTable (names hashed by xxHash64 with seeds 0 and 1, hosts in
the order of their names, weights as a share of the rounds); parity: table in
tests/unit/upstream/balancing/test_maglev.py, observed on Envoy 1.40.
"""

from __future__ import annotations

from collections.abc import Generator

import xxhash

from pyvoy.stats.counters import Gauge
from pyvoy.stats.store import Scope
from pyvoy.upstream.balancing.hashing import HashTable, WeightedHosts, hash_name
from pyvoy.upstream.balancing.plans import MaglevPlan
from pyvoy.upstream.endpoint import Host

_MASK = 0xFFFFFFFFFFFFFFFF
# Probes between two moments in which traffic may run (about 1 ms).
_SLICE = 16384


class MaglevTable:
    """Index of the host for each place of the table."""

    __slots__ = ("_hosts", "_size")

    def __init__(self, hosts: list[Host]) -> None:
        self._hosts = hosts
        self._size = len(hosts)

    def pick(self, key: int, attempt: int) -> Host | None:
        """The host at the hash's place; a later attempt flips most bits of the hash."""
        if attempt:
            key ^= _MASK - attempt + 1
        return self._hosts[key % self._size]


class _Entry:
    """A host on its way through the table: next place, step, weight and the target that lets it take part."""

    __slots__ = ("count", "host", "place", "skip", "target", "weight")

    def __init__(self, host: Host, name: bytes, weight: float, size: int) -> None:
        self.host = host
        self.place = xxhash.xxh64_intdigest(name) % size
        self.skip = xxhash.xxh64_intdigest(name, 1) % max(1, size - 1) + 1
        self.weight = weight
        self.target = 0.0
        self.count = 0


class MaglevBuilder:
    """Builds tables for one cluster; `scope` is the cluster's, None leaves the gauges alone."""

    __slots__ = ("_gauges", "_plan")

    def __init__(self, plan: MaglevPlan, scope: Scope | None) -> None:
        self._plan = plan
        self._gauges: tuple[Gauge, Gauge] | None = None
        if scope is not None:
            self._gauges = (
                scope.gauge("maglev_lb.min_entries_per_host"),
                scope.gauge("maglev_lb.max_entries_per_host"),
            )

    def build(self, hosts: WeightedHosts) -> Generator[None, None, HashTable]:
        """Rounds over the hosts until the table is full; a host of half the largest weight sits out every other."""
        # A lone host needs no table (Envoy shows one entry for it).
        size = self._plan.table_size if len(hosts) > 1 else 1
        named = [(hash_name(host, self._plan.use_hostname_for_hashing), host, weight) for host, weight in hosts]
        named.sort(key=lambda item: item[0])
        entries = [_Entry(host, name, weight, size) for name, host, weight in named]
        table = yield from _fill(entries, size, max(weight for _, weight in hosts))
        if self._gauges is not None:
            counts = [entry.count for entry in entries]
            self._gauges[0].set(min(counts))
            self._gauges[1].set(max(counts))
        return MaglevTable(table)


def _fill(entries: list[_Entry], size: int, heaviest: float) -> Generator[None, None, list[Host]]:
    table: list[Host | None] = [None] * size
    left = size
    probes = 0
    rounds = 0
    while True:
        rounds += 1
        for entry in entries:
            if rounds * entry.weight < entry.target:
                continue
            entry.target += heaviest
            place = entry.place
            skip = entry.skip
            while table[place] is not None:
                place += skip
                if place >= size:
                    place -= size
                probes += 1
            table[place] = entry.host
            place += skip
            entry.place = place - size if place >= size else place
            entry.count += 1
            probes += 1
            left -= 1
            if not left:
                return [host for host in table if host is not None]
            if probes > _SLICE:
                probes = 0
                yield
