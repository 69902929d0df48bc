"""The store files of one proxy: who writes which, and what happens to the file of a process that died.

The supervisor makes them before its first fork and keeps them; every child inherits all of them.  A dead process'
counters and histograms are folded into the base file, its gauges dropped, and its file emptied for the next one.
"""

from __future__ import annotations

from pyvoy.stats import layout as layouts
from pyvoy.stats.files import DEFAULT_LAYOUT, StoreFile
from pyvoy.stats.histograms import UNITS
from pyvoy.stats.layout import Layout
from pyvoy.stats.merge import Reader, View
from pyvoy.stats.store import Store


class ProxyFiles:
    """`base` is written by the supervisor, `baseline` and `main` by the main process, `workers[i]` by worker i."""

    __slots__ = ("_base_store", "base", "baseline", "main", "workers")

    def __init__(self, workers: int, layout: Layout = DEFAULT_LAYOUT) -> None:
        """Files for a main process and that many workers."""
        self.base = StoreFile.create("pyvoy-stats-base", layout)
        self.baseline = StoreFile.create("pyvoy-stats-baseline", layout)
        self.main = StoreFile.create("pyvoy-stats-main", layout)
        self.workers = [StoreFile.create(f"pyvoy-stats-worker-{index}", layout) for index in range(workers)]
        self._base_store: Store | None = None

    def view(self) -> View:
        """The merged view of the main process; one process at a time may have it."""
        return View((self.main, *self.workers), self.base, Store(self.baseline))

    def worker_died(self, index: int) -> None:
        """In the supervisor, after worker `index` was reaped and before it is forked again."""
        self._fold(self.workers[index])

    def main_died(self) -> None:
        """In the supervisor, after the main process was reaped and before it is forked again."""
        self._fold(self.main)

    def _fold(self, dead: StoreFile) -> None:
        if self._base_store is None:
            self._base_store = Store(self.base)
        fold(dead, self._base_store)


def fold(dead: StoreFile, base: Store) -> None:
    """Add a dead process' counters and histograms to the base file and empty the dead process' file.

    Readers wait while the base file's sequence word is odd.
    """
    base.header[layouts.WORD_SEQUENCE] += 1
    try:
        _add(Reader(dead), base)
        dead.clear()
    finally:
        base.header[layouts.WORD_SEQUENCE] += 1


def _add(reader: Reader, base: Store) -> None:
    reader.refresh()
    cells = reader.scalars()
    for entry in reader.counters:
        value = cells[entry.index]
        if entry.detail == layouts.MERGE_MAX:
            total = base.counter(entry.name, "max")
            total.inc(max(0, value - total.value))
        else:
            base.counter(entry.name, "sum").inc(value)
    for entry in reader.histograms:
        histogram = base.histogram(entry.name, UNITS[entry.detail])
        for index, count in reader.bins(entry).items():
            histogram.cells[histogram.index + index] += count
