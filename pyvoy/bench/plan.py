"""How long a run measures what: chosen before it begins, from the number of contenders and the time it may take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

START_S = {"pyvoy": 0.8, "envoy": 0.3}
"""About how long a start takes, stop included; what the progress bar and the budget reckon with."""
RELOAD_S = {"pyvoy": 0.1, "envoy": 0.05}
OVERHEAD_S = 0.1
"""What a load takes beside its seconds, at saturation."""
RATE_OVERHEAD_S = 0.5
"""The same at a fixed rate: the embedded generator starts a process of its own."""
CHAIN_LENGTHS = (1, 4, 8, 16)
WORKERS = (1, 2)
INSTANCES = 9
"""The chain whose memory is set beside that of a chain of one."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Rounds and seconds of every measurement.

    `rounds` loads at saturation of `seconds` each; `rate_rounds` loads at `rate` requests a second of `rate_seconds`
    each; `starts` cold starts (and as many cached ones), `reloads`; `scale_rounds` rounds (0: none) for chains and
    workers; `isolation`: whether the experiments with misbehaving filters run.
    """

    rounds: int = 6
    seconds: float = 0.4
    rate: float = 1000.0
    rate_rounds: int = 3
    rate_seconds: float = 1.0
    starts: int = 3
    reloads: int = 3
    scale_rounds: int = 5
    isolation: bool = True

    def contender_s(self, peer: str) -> float:
        """Planned seconds of all that is measured on one contender."""
        loads = self.rounds * (self.seconds + OVERHEAD_S) + self.rate_rounds * (self.rate_seconds + RATE_OVERHEAD_S)
        return loads + (2 * self.starts + 2) * START_S[peer] + self.reloads * RELOAD_S[peer]


FULL = Plan()
QUICK = Plan(
    rounds=3, seconds=0.25, rate_rounds=2, rate_seconds=0.3, starts=1, reloads=1, scale_rounds=0, isolation=False
)
_LADDER = ((12, 3, 3), (10, 3, 3), (8, 3, 3), (7, 3, 2), (6, 2, 2), (5, 2, 2), (4, 2, 2), (3, 2, 2), (3, 1, 1))
"""Rounds, rounds at a fixed rate, starts: from the best that a long time allows to the least that has an interval."""


def fitted(plan: Plan, peers: Sequence[str], budget_s: float) -> Plan:
    """The plan with as many rounds as the budget allows; `peers` has the proxy of each contender."""
    for rounds, rate_rounds, starts in _LADDER:
        plan = replace(plan, rounds=rounds, rate_rounds=rate_rounds, starts=starts)
        if sum(plan.contender_s(peer) for peer in peers) <= budget_s:
            break
    return plan
