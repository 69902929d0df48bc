"""Figures with their uncertainty: intervals over rounds, differences of pairs, straight lines.

Rounds are few (three to twelve), so the interval of a mean is Student's t; what has no such theory (percentiles,
ratios) is resampled (bootstrap) with a fixed seed.  Everything is at 95 % confidence.
Sources: NIST/SEMATECH e-Handbook 1.3.5.2 (t interval), 4.1.4.1 (least squares); Efron and Tibshirani, chapter 13.
"""

import math
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# 97.5 % quantiles of Student's distribution by degrees of freedom (NIST/SEMATECH e-Handbook 1.3.6.7.2).
_T_975 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
_RESAMPLES = 2000
_SEED = 20


@dataclass(frozen=True, slots=True)
class Figure:
    """A value and its 95 % interval, from these samples (one a round); a single sample has no interval."""

    value: float
    low: float
    high: float
    samples: tuple[float, ...] = ()

    @property
    def known(self) -> bool:
        """There is an interval: more than one sample."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def half(self) -> float:
        """Half the width of the interval; infinite for a single sample."""
        return (self.high - self.low) / 2 if self.known else math.inf

    def scaled(self, factor: float) -> "Figure":
        """The figure in another unit; `factor` is above 0."""
        samples = tuple(each * factor for each in self.samples)
        return Figure(self.value * factor, self.low * factor, self.high * factor, samples)


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line through points: y = intercept + slope * x, and how well it fits."""

    slope: Figure
    intercept: float
    r_squared: float

    def at(self, x: float) -> float:
        """The height of the line."""
        return self.intercept + self.slope.value * x


def t_quantile(freedom: int) -> float:
    """The 97.5 % quantile of Student's distribution with so many degrees of freedom (1 or more)."""
    if freedom <= len(_T_975):
        return _T_975[freedom - 1]
    z = statistics.NormalDist().inv_cdf(0.975)
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


def mean(samples: Sequence[float]) -> Figure:
    """The mean with its t interval.  Raises ValueError without samples."""
    if not samples:
        raise ValueError("a mean needs samples")
    centre = statistics.fmean(samples)
    if len(samples) == 1:
        return Figure(centre, -math.inf, math.inf, tuple(samples))
    half = t_quantile(len(samples) - 1) * statistics.stdev(samples) / math.sqrt(len(samples))
    return Figure(centre, centre - half, centre + half, tuple(samples))


def difference(samples: Sequence[float], base: Sequence[float]) -> Figure:
    """The mean of what is more in `samples` than in `base`, round by round: what all share in a round drops out."""
    return mean([mine - theirs for mine, theirs in zip(samples, base, strict=True)])


def resampled(samples: Sequence[float], statistic: Callable[[Sequence[float]], float] = statistics.median) -> Figure:
    """A statistic with its percentile bootstrap interval, by 2,000 resamples from a fixed seed."""
    if not samples:
        raise ValueError("a statistic needs samples")
    value = statistic(samples)
    if len(samples) == 1:
        return Figure(value, -math.inf, math.inf, tuple(samples))
    source = random.Random(_SEED)
    found = sorted(statistic(source.choices(samples, k=len(samples))) for _ in range(_RESAMPLES))
    low, high = found[int(0.025 * _RESAMPLES)], found[int(0.975 * _RESAMPLES) - 1]
    return Figure(value, low, high, tuple(samples))


def line(xs: Sequence[float], ys: Sequence[float], *, estimated: int = 0) -> Line:
    """The least-squares line through points, with the t interval of its slope.

    `estimated` figures were taken out of the points before.  Raises ValueError when fewer than 3 are left then."""
    freedom = len(xs) - 2 - estimated
    if freedom < 1:
        raise ValueError("a line with an interval needs three points")
    slope, intercept = statistics.linear_regression(xs, ys)
    rest = sum((y - intercept - slope * x) ** 2 for x, y in zip(xs, ys, strict=True))
    middle = statistics.fmean(xs)
    spread = sum((x - middle) ** 2 for x in xs)
    half = t_quantile(freedom) * math.sqrt(rest / freedom / spread)
    total = sum((y - statistics.fmean(ys)) ** 2 for y in ys)
    return Line(Figure(slope, slope - half, slope + half), intercept, 1 - rest / total if total else 1.0)


def change(before: Figure, after: Figure) -> Figure:
    """How much `after` is above `before`, two independent figures: their half widths add as squares."""
    moved = after.value - before.value
    half = math.hypot(before.half, after.half)
    return Figure(moved, moved - half, moved + half)


def beyond_noise(moved: Figure) -> bool:
    """Zero is outside the interval of a change."""
    return moved.known and not moved.low <= 0 <= moved.high
