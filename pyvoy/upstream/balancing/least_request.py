"""LEAST_REQUEST: the least busy of a few random hosts; by earliest deadline first when weights differ.

Active requests are this worker's own count (Envoy: the process').
Source of behaviour: Envoy, LeastRequestLoadBalancer (power of `choice_count` choices; full scan; active_request_bias).
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from pyvoy.upstream.balancing.edf import EdfScheduler
from pyvoy.upstream.balancing.picker import Picker, PickerFactory, Rotation, starting_picks, weights_differ
from pyvoy.upstream.balancing.plans import LeastRequestPlan
from pyvoy.upstream.endpoint import Host


class LeastOfChoices:
    """The least busy of `choice_count` hosts drawn with replacement; the first drawn wins a tie."""

    __slots__ = ("_count", "_hosts", "_more", "_random")

    def __init__(self, hosts: tuple[Host, ...], choice_count: int, random: Random) -> None:
        self._hosts = hosts
        self._count = len(hosts)
        self._more = range(choice_count - 1)
        self._random = random.random

    def pick(self) -> Host | None:
        count = self._count
        if not count:
            return None
        random = self._random
        hosts = self._hosts
        best = hosts[int(random() * count)]
        for _ in self._more:
            other = hosts[int(random() * count)]
            if other.active < best.active:
                best = other
        return best


class LeastOfAll:
    """The least busy host of all; chance decides between equals."""

    __slots__ = ("_hosts", "_random")

    def __init__(self, hosts: tuple[Host, ...], random: Random) -> None:
        self._hosts = hosts
        self._random = random

    def pick(self) -> Host | None:
        if not self._hosts:
            return None
        least = min(host.active for host in self._hosts)
        return self._random.choice([host for host in self._hosts if host.active == least])


def _weight_with_bias(bias: float) -> Callable[[Host], float]:
    def weight(host: Host) -> float:
        active = host.active
        return host.weight / (active + 1) ** bias if active > 0 else host.weight

    return weight


def least_request_factory(plan: LeastRequestPlan) -> PickerFactory:
    """The maker of pickers for this plan."""
    weight_of = _weight_with_bias(plan.active_request_bias)

    def make_least_request(hosts: tuple[Host, ...], rotation: Rotation, random: Random) -> Picker:
        if weights_differ(hosts):
            return EdfScheduler(hosts, weight_of, starting_picks(random))
        if plan.full_scan:
            return LeastOfAll(hosts, random)
        return LeastOfChoices(hosts, plan.choice_count, random)

    return make_least_request
