"""Chains of filters as straight lines: what each further one costs, and whether the cost is linear."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from pyvoy.bench.intervals import Line, line
from pyvoy.bench.results import ScalePoint
from pyvoy.bench.text import PROXIES, form_name


@dataclass(frozen=True, slots=True)
class Chain:
    """The points of one mechanism in one proxy, chain of none included, and the line through their rounds."""

    peer: str
    mechanism: str
    form: str
    points: Sequence[ScalePoint]
    line: Line

    @property
    def name(self) -> str:
        """For people."""
        return f"{form_name(self.form)} in {PROXIES.get(self.peer, self.peer)}"


def fitted(points: Sequence[ScalePoint]) -> list[Chain]:
    """A chain for each mechanism and proxy that has at least three lengths.

    The line goes through the chains with filters; the one without is drawn, but the first filter also takes the
    request off the short way of a chain without any, which is a step and no slope.  The chains of a round are measured
    within seconds: what they share, the pace of the machine, is taken out.
    """
    found = []
    for peer, mechanism, form in dict.fromkeys(map(_key, points)):
        ours = [point for point in points if _key(point) == (peer, mechanism, form) and point.filters]
        none = [point for point in points if point.peer == peer and not point.filters]
        if len({point.filters for point in ours}) >= 3:
            found.append(Chain(peer, mechanism, form, [*none, *ours], _line(ours)))
    return found


def _line(points: Sequence[ScalePoint]) -> Line:
    """The line through all rounds of these chains, each round moved to the mean of all."""
    rounds = list(zip(*(point.cpu_us.samples for point in points), strict=False))  # one that was cut off counts nowhere
    level = statistics.fmean(sample for each in rounds for sample in each)
    xs = [float(point.filters) for point in points] * len(rounds)
    ys = [sample - statistics.fmean(each) + level for each in rounds for sample in each]
    return line(xs, ys, estimated=len(rounds) - 1)


def _key(point: ScalePoint) -> tuple[str, str, str]:
    return point.peer, point.mechanism, point.form
