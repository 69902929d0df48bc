"""RANDOM: any eligible host; weights do not count.

Source of behaviour: Envoy, RandomLoadBalancer.
"""

from __future__ import annotations

from random import Random

from pyvoy.upstream.balancing.picker import Picker, Rotation
from pyvoy.upstream.endpoint import Host


class RandomPicker:
    """One throw of the dice a pick."""

    __slots__ = ("_count", "_hosts", "_random")

    def __init__(self, hosts: tuple[Host, ...], random: Random) -> None:
        self._hosts = hosts
        self._count = len(hosts)
        # Cheaper than `choice`, and as even for any number of hosts that there will ever be.
        self._random = random.random

    def pick(self) -> Host | None:
        return self._hosts[int(self._random() * self._count)] if self._count else None


def make_random(hosts: tuple[Host, ...], rotation: Rotation, random: Random) -> Picker:
    """The picker for these hosts."""
    return RandomPicker(hosts, random)
