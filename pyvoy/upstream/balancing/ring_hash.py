"""RING_HASH: each host has places on a ring of 64-bit hashes; a request goes to the next place at or after its hash.

The ring is Envoy's to the bit: the same hosts and the same request hash give the same host.
Source of behaviour: Envoy, RingHashLoadBalancer::Ring (ketama; xxHash64 of "<address>_<i>", or MurmurHash2 with the
seed of libstdc++); parity: table in tests/unit/upstream/balancing/test_ring_hash.py, observed on Envoy 1.40.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Generator

import xxhash

from pyvoy.stats.counters import Gauge
from pyvoy.stats.store import Scope
from pyvoy.upstream.balancing.hashing import HashTable, WeightedHosts, hash_name
from pyvoy.upstream.balancing.plans import RingHashPlan
from pyvoy.upstream.endpoint import Host

_MASK = 0xFFFFFFFFFFFFFFFF
_MURMUR_MULTIPLIER = 0xC6A4A7935BD1E995
_MURMUR_SEED = 0xC70F6907
# Places hashed between two moments in which traffic may run (about 0.5 ms).
_SLICE = 1024
_INDEX_BITS = 32
_INDEX_MASK = (1 << _INDEX_BITS) - 1


class Ring:
    """Sorted hashes and the hosts that belong to them."""

    __slots__ = ("_hashes", "_hosts")

    def __init__(self, hashes: list[int], hosts: list[Host]) -> None:
        self._hashes = hashes
        self._hosts = hosts

    def pick(self, key: int, attempt: int) -> Host | None:
        """The host at the first place not before `key`; attempt n takes the nth place after it."""
        hosts = self._hosts
        count = len(hosts)
        index = bisect_left(self._hashes, key)
        if index == count:
            index = 0
        return hosts[(index + attempt) % count]


class RingBuilder:
    """Builds rings for one cluster; `scope` is the cluster's, None keeps the gauges alone."""

    __slots__ = ("_gauges", "_hash", "_plan")

    def __init__(self, plan: RingHashPlan, scope: Scope | None) -> None:
        self._plan = plan
        self._hash: Callable[[bytes], int] = murmur_hash_2 if plan.murmur_hash_2 else xxhash.xxh64_intdigest
        self._gauges: tuple[Gauge, Gauge, Gauge] | None = None
        if scope is not None:
            self._gauges = (
                scope.gauge("ring_hash_lb.size"),
                scope.gauge("ring_hash_lb.min_hashes_per_host"),
                scope.gauge("ring_hash_lb.max_hashes_per_host"),
            )

    def build(self, hosts: WeightedHosts) -> Generator[None, None, HashTable]:
        """A ring in which the lightest host has a whole number of places, as long as the maximum size allows it."""
        plan = self._plan
        lightest = min(weight for _, weight in hosts)
        scale = min(math.ceil(lightest * plan.minimum_ring_size) / lightest, float(plan.maximum_ring_size))
        # A place is one number, its hash and the host's index, because plain numbers sort fastest; each slice is
        # sorted at once, so that the sort of all only merges.
        places: list[int] = []
        piece: list[int] = []
        counts = []
        count = 0
        target = 0.0
        for index, (host, weight) in enumerate(hosts):
            target += scale * weight
            start = count
            prefix = hash_name(host, plan.use_hostname_for_hashing) + b"_"
            while count < target:
                piece.append(self._hash(prefix + str(count - start).encode()) << _INDEX_BITS | index)
                count += 1
                if len(piece) == _SLICE:
                    places += sorted(piece)
                    piece.clear()
                    yield
            counts.append(count - start)
        places += sorted(piece)
        places.sort()
        yield
        hashes = [place >> _INDEX_BITS for place in places]
        yield
        ring = Ring(hashes, [hosts[place & _INDEX_MASK][0] for place in places])
        if self._gauges is not None:
            size = math.ceil(scale)
            for gauge, value in zip(self._gauges, (size, min(size, *counts), max(0, *counts)), strict=True):
                gauge.set(value)
        return ring


def murmur_hash_2(data: bytes) -> int:
    """64-bit MurmurHash2 as libstdc++'s std::hash computes it."""
    whole = len(data) & ~7
    value = _MURMUR_SEED ^ (len(data) * _MURMUR_MULTIPLIER & _MASK)
    for offset in range(0, whole, 8):
        word = int.from_bytes(data[offset : offset + 8], "little") * _MURMUR_MULTIPLIER & _MASK
        word = (word ^ word >> 47) * _MURMUR_MULTIPLIER & _MASK
        value = (value ^ word) * _MURMUR_MULTIPLIER & _MASK
    if whole != len(data):
        value = (value ^ int.from_bytes(data[whole:], "little")) * _MURMUR_MULTIPLIER & _MASK
    value = (value ^ value >> 47) * _MURMUR_MULTIPLIER & _MASK
    return value ^ value >> 47
