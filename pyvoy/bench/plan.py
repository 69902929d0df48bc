"""How long a run measures what: chosen before it begins, from the number of contenders and the time it may take."""

from __future__ import annotations

from dataclasses import dataclass, replace

START_S = {"pyvoy": 0.7, "envoy": 0.3}
"""About how long a start takes, stop included; what the progress bar and the budget reckon with."""
RELOAD_S = {"pyvoy": 0.5, "envoy": 0.1}
LEAST_ROUNDS, MOST_ROUNDS = 3, 12
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
        loads = self.rounds * self.seconds + self.seconds + self.rate_rounds * self.rate_seconds
        starts = (2 + 2 * self.starts) * START_S[peer]
        return loads + starts + self.reloads * RELOAD_S[peer]


QUICK = Plan(
    rounds=3, seconds=0.3, rate_rounds=2, rate_seconds=0.4, starts=1, reloads=1, scale_rounds=0, isolation=False
)
FULL = Plan()


def fitted(plan: Plan, contenders: list[str], budget_s: float) -> Plan:
    """The plan with as many rounds as the budget allows; `contenders` are the peers of all that will be measured."""
    for rounds in range(MOST_ROUNDS, LEAST_ROUNDS, -1):
        tried = replace(plan, rounds=rounds)
        if sum(tried.contender_s(peer) for peer in contenders) <= budget_s:
            return tried
    return replace(plan, rounds=LEAST_ROUNDS)
