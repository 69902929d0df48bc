"""The proxy's statistics: the files of all processes read and merged by name.

Counters are summed (and the baseline of the last reset taken off), gauges summed, histograms merged bin by bin; what
is marked "max" takes the largest process.  Histograms are merged at each flush, as in Envoy: `flush` is called every
stats_flush_interval (5 s) and a snapshot shows the state of the last one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from pyvoy.stats import layout as layouts
from pyvoy.stats.bins import BIN_COUNT
from pyvoy.stats.distribution import Bins, Distribution
from pyvoy.stats.files import StoreFile
from pyvoy.stats.histograms import UNITS
from pyvoy.stats.layout import HEADER_BYTES
from pyvoy.stats.store import Store

T = TypeVar("T")

# A fold takes a few milliseconds; whoever meets one waits for at most this many.
_FOLD_WAIT_MS = 200


@dataclass(slots=True, frozen=True)
class HistogramStat:
    """What was recorded in the last flush interval, and since the start."""

    unit: str
    interval: Distribution
    total: Distribution


@dataclass(slots=True)
class Snapshot:
    """Values by full name, hidden names included; `used_*` are the names that were ever written."""

    counters: dict[str, int] = field(default_factory=dict)
    gauges: dict[str, int] = field(default_factory=dict)
    histograms: dict[str, HistogramStat] = field(default_factory=dict)
    used_counters: set[str] = field(default_factory=set)
    used_gauges: set[str] = field(default_factory=set)


class Reader:
    """One process' file; keeps what it has read of the directory."""

    __slots__ = ("_generation", "_last_scalar", "_parsed", "counters", "file", "gauges", "histograms")

    def __init__(self, file: StoreFile) -> None:
        self.file = file
        self._generation = -1
        self._parsed = 0
        self._last_scalar = 0
        self.counters: list[layouts.Entry] = []
        self.gauges: list[layouts.Entry] = []
        self.histograms: list[layouts.Entry] = []

    def refresh(self) -> None:
        """Read the names that are new."""
        used, _, generation = self.file.words()
        if generation != self._generation or used < self._parsed:
            self._generation, self._parsed, self._last_scalar = generation, 0, 0
            self.counters, self.gauges, self.histograms = [], [], []
        if used == self._parsed:
            return
        entries, read = layouts.decode(self.file.read(HEADER_BYTES + self._parsed, used - self._parsed))
        self._parsed += read
        places = {
            layouts.COUNTER: self.counters,
            layouts.GAUGE: self.gauges,
            layouts.HISTOGRAM: self.histograms,
        }
        for entry in entries:
            places[entry.kind].append(entry)
            if entry.kind != layouts.HISTOGRAM and entry.index > self._last_scalar:
                self._last_scalar = entry.index

    def scalars(self) -> memoryview:
        """All scalar cells up to the last one that has a name."""
        return memoryview(self.file.read_cells(0, self._last_scalar + 2)).cast("q")

    def bins(self, entry: layouts.Entry) -> Bins:
        """Bins in use of one histogram."""
        raw = self.file.read_cells(entry.index, BIN_COUNT).rstrip(b"\0")
        if not raw:
            return {}
        cells = memoryview(raw.ljust(-(-len(raw) // 8) * 8, b"\0")).cast("q")
        return {index: count for index, count in enumerate(cells) if count}


class View:
    """Merges files.  `base` is the one that dead processes are folded into, `baseline` what the last reset took off."""

    def __init__(
        self, files: Sequence[StoreFile], base: StoreFile | None = None, baseline: Store | None = None
    ) -> None:
        self._readers = [Reader(file) for file in (*files, *([base] if base else []))]
        self._base = base
        self._baseline = baseline
        self._histograms: dict[str, HistogramStat] = {}
        self._seen_gauges: set[str] = set()

    def snapshot(self) -> Snapshot:
        """Counters and gauges as they are now, histograms as of the last flush."""
        found = self._stable(self._read_scalars)
        self._seen_gauges |= found.used_gauges
        found.used_gauges = self._seen_gauges & found.gauges.keys()
        if self._baseline is not None:
            for name in found.used_counters:
                found.counters[name] -= self._baseline.counter(name).value
        found.histograms = self._histograms
        return found

    def flush(self) -> None:
        """End of a flush interval: merge the histograms and note what is new since the last time."""
        merged = self._stable(self._read_histograms)
        before = self._histograms
        self._histograms = {}
        for name, (unit, bins) in merged.items():
            old = before[name].total.bins if name in before else {}
            new = {index: count - old.get(index, 0) for index, count in bins.items() if count != old.get(index, 0)}
            self._histograms[name] = HistogramStat(unit, Distribution.of(new, unit), Distribution.of(bins, unit))

    def reset_counters(self) -> None:
        """From now on counters show what comes after; no cell of a worker is touched."""
        assert self._baseline is not None
        for name, value in self._stable(self._read_scalars).counters.items():
            counter = self._baseline.counter(name)
            counter.inc(value - counter.value)

    def _stable(self, read: Callable[[], T]) -> T:
        """The result of a read that no fold has crossed (in a fold, counts are in two files or in none)."""
        if self._base is not None:
            for _ in range(_FOLD_WAIT_MS):
                before = self._base.words()[layouts.WORD_SEQUENCE]
                if before % 2 == 0:
                    result = read()
                    if self._base.words()[layouts.WORD_SEQUENCE] == before:
                        return result
                time.sleep(0.001)
        return read()

    def _read_scalars(self) -> Snapshot:
        found = Snapshot()
        for reader in self._readers:
            reader.refresh()
            cells = reader.scalars()
            for entry in reader.counters:
                _merge(found.counters, entry, cells[entry.index])
            for entry in reader.gauges:
                _merge(found.gauges, entry, cells[entry.index])
                if cells[entry.index + 1] or cells[entry.index]:
                    found.used_gauges.add(entry.name)
        found.used_counters = {name for name, value in found.counters.items() if value}
        return found

    def _read_histograms(self) -> dict[str, tuple[str, Bins]]:
        found: dict[str, tuple[str, Bins]] = {}
        for reader in self._readers:
            reader.refresh()
            for entry in reader.histograms:
                _, bins = found.setdefault(entry.name, (UNITS[entry.detail], {}))
                for index, count in reader.bins(entry).items():
                    bins[index] = bins.get(index, 0) + count
        return found


def _merge(values: dict[str, int], entry: layouts.Entry, value: int) -> None:
    old = values.get(entry.name)
    if old is None:
        values[entry.name] = value
    elif entry.detail == layouts.MERGE_MAX:
        values[entry.name] = max(old, value)
    else:
        values[entry.name] = old + value
