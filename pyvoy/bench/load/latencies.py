"""Latencies in an HDR histogram: microseconds from 1 to an hour, exact to three digits; mean and maximum are exact.

The histogram is the PyPI package `hdrhistogram`; its V2 encoding is what every HDR tool reads.
"""

from __future__ import annotations

import io
from typing import Any

from hdrh.histogram import HdrHistogram

LARGEST_US = 3_600_000_000
DIGITS = 3
PERCENTILES: tuple[tuple[str, float], ...] = (("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99.9", 99.9))


class Latencies:
    """How long things took."""

    __slots__ = ("_histogram", "_sum_us", "max_us")

    def __init__(self) -> None:
        self._histogram = HdrHistogram(1, LARGEST_US, DIGITS)
        self._sum_us = 0
        self.max_us = 0

    def record_us(self, took_us: int, count: int = 1) -> None:
        """Note so many that took so long; less than a microsecond counts as none, more than an hour as one."""
        took_us = min(max(took_us, 0), LARGEST_US)
        self.max_us = max(self.max_us, took_us)
        self._sum_us += took_us * count
        self._histogram.record_value(took_us, count)

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self._histogram.get_total_count())

    def percentile_us(self, percentile: float) -> int:
        """What so many percent were not above; 0 of none."""
        return min(int(self._histogram.get_value_at_percentile(percentile)), self.max_us) if self.count else 0

    def mean_us(self) -> float:
        """The mean; 0 of none."""
        return self._sum_us / self.count if self.count else 0.0

    def above(self, limit_us: int) -> int:
        """How many took longer, to the histogram's three digits."""
        entries = self._histogram.get_recorded_iterator()
        return sum(one.count_at_value_iterated_to for one in entries if one.value_iterated_to > limit_us)

    def add(self, other: Latencies) -> None:
        """Take over what another one has."""
        if other.count:
            self._histogram.add(other._histogram)
        self._sum_us += other._sum_us
        self.max_us = max(self.max_us, other.max_us)

    def as_json(self) -> dict[str, Any]:
        """Plain values: count, mean, percentiles and maximum in microseconds, and the whole as `hdr`."""
        figures = {f"{name.replace('.', '_')}_us": self.percentile_us(percent) for name, percent in PERCENTILES}
        head = {"count": self.count, "mean_us": round(self.mean_us(), 3)}
        return {**head, **figures, "max_us": self.max_us, "hdr": self._histogram.encode().decode("ascii")}

    @staticmethod
    def from_json(values: dict[str, Any]) -> Latencies:
        """What `as_json` was made of."""
        made = Latencies()
        if values["count"]:
            made._histogram.decode_and_add(values["hdr"])
        made._sum_us = round(values["mean_us"] * values["count"])
        made.max_us = values["max_us"]
        return made

    def distribution(self) -> str:
        """The whole distribution in milliseconds, in the text form that HDR plotters read."""
        out = io.BytesIO()
        self._histogram.output_percentile_distribution(out, 1000.0)
        return out.getvalue().decode("ascii")
