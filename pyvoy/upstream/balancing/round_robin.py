"""ROUND_ROBIN: hosts in turn, by earliest deadline first when their weights differ.

Source of behaviour: Envoy, RoundRobinLoadBalancer over EdfLoadBalancerBase: equal weights need no scheduler, and the
place in the rotation survives a change of the hosts.
"""

from __future__ import annotations

from random import Random

from pyvoy.upstream.balancing.edf import EdfScheduler
from pyvoy.upstream.balancing.picker import Picker, Rotation, starting_picks, weights_differ
from pyvoy.upstream.endpoint import Host


class RoundRobin:
    """Equal weights: a rotating index."""

    __slots__ = ("_hosts", "_rotation")

    def __init__(self, hosts: tuple[Host, ...], rotation: Rotation) -> None:
        self._hosts = hosts
        self._rotation = rotation

    def pick(self) -> Host | None:
        hosts = self._hosts
        if not hosts:
            return None
        rotation = self._rotation
        index = rotation.index
        rotation.index = index + 1
        return hosts[index % len(hosts)]


def weighted_host(host: Host) -> float:
    """The weight that stands in the configuration."""
    return host.weight


def make_round_robin(hosts: tuple[Host, ...], rotation: Rotation, random: Random) -> Picker:
    """The picker for these hosts."""
    if weights_differ(hosts):
        return EdfScheduler(hosts, weighted_host, starting_picks(random))
    return RoundRobin(hosts, rotation)
