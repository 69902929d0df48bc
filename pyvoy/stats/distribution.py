"""What a reader says of a histogram: quantiles, buckets, count and sum, from merged bins.

Bins are a dict from bin number to count.  The arithmetic is that of Envoy's histogram library, so that the same
values give the same digits; every rule here was measured on Envoy 1.40.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pyvoy.stats.bins import bounds

Bins = dict[int, int]

QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.90, 0.95, 0.99, 0.995, 0.999, 1.0)
DEFAULT_BUCKETS: tuple[float, ...] = (
    0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000,
)  # fmt: skip

# Percentages are recorded in millionths.
_EXPONENTS = {"percent": -6}


@dataclass(slots=True, frozen=True)
class Distribution:
    """Recorded values of one histogram, in the unit's own scale."""

    bins: Bins
    exponent: int = 0

    @classmethod
    def of(cls, bins: Bins, unit: str) -> Distribution:
        """The distribution of bins that were recorded in `unit`."""
        return cls(dict(sorted(bins.items())), _EXPONENTS.get(unit, 0))

    @property
    def count(self) -> int:
        """Number of recorded values."""
        return sum(self.bins.values())

    @property
    def sum(self) -> float:
        """Approximate sum: a value counts as the harmonic mean of its bin's ends, in Envoy's order of rounding."""
        total = 0.0
        for index, count in self.bins.items():
            low, width = bounds(index, self.exponent)
            if low:
                total += (low + width * (low / (low + low + width))) * count
        return total

    def details(self) -> list[tuple[float, float, int]]:
        """Lower bound, width and count of every bin in use, in order."""
        return [(*bounds(index, self.exponent), count) for index, count in self.bins.items()]

    def quantiles(self) -> list[float]:
        """Values at QUANTILES, NaN without values; n values in a bin lie at 1/(n+1), 2/(n+1), ... of its width."""
        total = self.count
        if not total:
            return [math.nan] * len(QUANTILES)
        found: list[float] = []
        details = iter(self.details())
        below = 0
        low, width, inside = next(details)
        for quantile in QUANTILES:
            rank = max(1, math.ceil(total * quantile))
            while below + inside < rank:
                below += inside
                low, width, inside = next(details)
            found.append(low + width * (rank - below) / (inside + 1))
        return found

    def cumulative_buckets(self, buckets: tuple[float, ...] = DEFAULT_BUCKETS) -> list[int]:
        """For each bucket, how many values lie in bins that begin at or below it."""
        found: list[int] = []
        details = self.details()
        running, position = 0, 0
        for bucket in buckets:
            while position < len(details) and details[position][0] <= bucket:
                running += details[position][2]
                position += 1
            found.append(running)
        return found

    def disjoint_buckets(self, buckets: tuple[float, ...] = DEFAULT_BUCKETS) -> list[int]:
        """For each bucket, the values that lie in it and in none before."""
        cumulative = self.cumulative_buckets(buckets)
        return [value - before for value, before in zip(cumulative, [0, *cumulative], strict=False)]
