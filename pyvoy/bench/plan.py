"""How long a run measures what: the least that has an interval, and more rounds for as long as there is time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

START_S = {"pyvoy": 0.65, "envoy": 0.25}
"""About how long a start takes, stop included; what the progress bar and the budget reckon with."""
STOP_S = 0.1
RELOAD_S = {"pyvoy": 0.1, "envoy": 0.05}
OVERHEAD_S = 0.1
"""What a load takes beside its seconds, at saturation."""
RATE_OVERHEAD_S = 0.3
"""The same at a fixed rate: the embedded generator starts a process of its own."""
CHAIN_LENGTHS = (1, 4, 8, 16)
WORKERS = (1, 2)
INSTANCES = 9
"""The chain whose memory is set beside that of a chain of one."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Rounds and seconds of every measurement.

    `rounds` loads at saturation of `seconds` each, up to `most_rounds` while there is time; `rate_rounds` loads at
    `rate` requests a second of `rate_seconds` each; `starts` cold starts (and as many cached ones), `reloads`;
    `scale_rounds` rounds (0: none) for chains and workers; `isolation`: whether filters misbehave.
    """

    rounds: int = 3
    most_rounds: int = 12
    seconds: float = 0.4
    rate: float = 1000.0
    rate_rounds: int = 2
    rate_seconds: float = 0.8
    starts: int = 2
    reloads: int = 3
    scale_rounds: int = 3
    isolation: bool = True

    def contender_s(self, peer: str) -> float:
        """Planned seconds of all that is measured on one contender."""
        loads = self.rounds * (self.seconds + OVERHEAD_S) + self.rate_rounds * (self.rate_seconds + RATE_OVERHEAD_S)
        return loads + (2 * self.starts + 1) * START_S[peer] + self.reloads * RELOAD_S[peer]

    def least_s(self, peers: Sequence[str]) -> float:
        """Planned seconds of contenders in these proxies."""
        return sum(self.contender_s(peer) for peer in peers)

    def leaner(self) -> Plan:
        """The same with the least of everything that still has an interval where a request is measured."""
        return replace(
            self,
            seconds=min(self.seconds, 0.3),
            rate_seconds=min(self.rate_seconds, 0.5),
            starts=1,
            reloads=min(self.reloads, 2),
            scale_rounds=min(self.scale_rounds, 2),
        )


FULL = Plan()
QUICK = Plan(
    most_rounds=8,
    seconds=0.25,
    rate_seconds=0.4,
    starts=1,
    reloads=2,
    scale_rounds=0,
    isolation=False,
)


def share_s(left_s: float, contenders: int, contenders_left: int) -> float:
    """The part of the time that is left which falls to a filter, by the number of its contenders; never below 0."""
    return max(0.0, left_s) * contenders / contenders_left
