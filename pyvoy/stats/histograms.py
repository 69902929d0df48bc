"""Histogram: recording of one process' values into log-linear bins; no reading.

`record` is one table look-up and one increment for values below 1000.  Quantiles and buckets are computed by readers
(`distribution.py`) from the bins of all processes.
"""

from __future__ import annotations

from pyvoy.stats.bins import BIN_COUNT, MAX_VALUE, SMALL

UNITS = ("unspecified", "bytes", "us", "ms", "percent")


class Histogram:
    """A distribution of non-negative integers in `unit`; owns BIN_COUNT cells from `index` on."""

    __slots__ = ("cells", "index", "name", "unit")

    def __init__(self, name: str, unit: str, cells: memoryview, index: int) -> None:
        self.name = name
        self.unit = unit
        self.cells = cells
        self.index = index

    def record(self, value: int) -> None:
        """Count one value; negative ones count as 0."""
        if 0 <= value < 1000:
            self.cells[self.index + SMALL[value]] += 1
        elif value < 10_000:
            self.cells[self.index + (90 + SMALL[value // 10] if value > 0 else 0)] += 1
        else:
            self._record_large(value)

    def record_many(self, value: int, times: int) -> None:
        """Count a value that occurred several times."""
        if 0 <= value < 1000:
            self.cells[self.index + SMALL[value]] += times
            return
        for _ in range(times):
            self.record(value)

    def _record_large(self, value: int) -> None:
        if value > MAX_VALUE:
            self.cells[self.index + BIN_COUNT - 1] += 1
            return
        shift = 0
        while value >= 1000:
            value //= 10
            shift += 90
        self.cells[self.index + shift + SMALL[value]] += 1

    @property
    def count(self) -> int:
        """How many values this process has recorded."""
        return sum(self.cells[self.index : self.index + BIN_COUNT])
