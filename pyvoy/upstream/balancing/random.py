"""RANDOM: any eligible host; weights do not count.

Source of behaviour: Envoy, RandomLoadBalancer.
"""

from __future__ import annotations

from random import Random

from pyvoy.upstream.balancing.picker import Picker, Rotation
from pyvoy.upstream.endpoint import Host


class RandomPicker:
    """One throw of the dice a pick."""

    __slots__ = ("_choice", "_hosts")

    def __init__(self, hosts: tuple[Host, ...], random: Random) -> None:
        self._hosts = hosts
        self._choice = random.choice

    def pick(self) -> Host | None:
        return self._choice(self._hosts) if self._hosts else None


def make_random(hosts: tuple[Host, ...], rotation: Rotation, random: Random) -> Picker:
    """The picker for these hosts."""
    return RandomPicker(hosts, random)
