"""Picker: chooses among a fixed tuple of hosts; made anew when the hosts or their health change.

Which hosts a picker is given (priority, panic, locality) is `balancer.py`'s matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Protocol

from pyvoy.upstream.endpoint import Host


class Picker(Protocol):
    """Chooses one host."""

    def pick(self) -> Host | None:
        """A host; None when there is none."""


class Rotation:
    """The place in a rotation; outlives the pickers that use it.  It starts at a random place, so that the workers
    of a proxy (and the proxies of a fleet) do not all begin with the same host."""

    __slots__ = ("index",)

    def __init__(self, index: int = 0) -> None:
        self.index = index


PickerFactory = Callable[[tuple[Host, ...], Rotation, Random], Picker]


def weights_differ(hosts: Sequence[Host]) -> bool:
    """True when a weighted scheduler is needed."""
    return len(hosts) > 1 and any(host.weight != hosts[0].weight for host in hosts)


def starting_picks(random: Random) -> int:
    """A random number of picks that a weighted scheduler takes as already made (32 bits, as in Envoy)."""
    return random.getrandbits(32)
