"""One process' statistics: the writer's side of a store file, and scopes that hand out counters by name.

Names appear at run time and stay; asking twice gives the same object.  A full store never fails traffic: what finds
no room for its name is counted in a cell that nobody lists, and `stats.overflow` says how often that happened.
Reading and merging is `merge.py`'s, files are `files.py`'s.
Source of behaviour: Envoy, Stats::Scope; name rules: Stats::Utility::sanitizeStatsName.
"""

from __future__ import annotations

from pyvoy.stats import layout as layouts
from pyvoy.stats.bins import BIN_COUNT
from pyvoy.stats.counters import Counter, Gauge
from pyvoy.stats.files import StoreFile
from pyvoy.stats.histograms import UNITS, Histogram
from pyvoy.stats.layout import Entry, Layout

OVERFLOW_NAME = "stats.overflow"
HIDDEN = "\x00"


def sanitize(name: str) -> str:
    """Envoy's rule for the name of a scope: no leading or trailing dot, no colons."""
    name = name.removesuffix(".").removeprefix(".")
    if ":" in name:
        name = name.replace("://", "_").replace(":/", "_").replace(":", "_")
    return name.replace("\x00", "_")


class Scope:
    """A prefix under which names are made.  `root` has the empty prefix."""

    __slots__ = ("_store", "prefix")

    def __init__(self, store: Store, prefix: str) -> None:
        self._store = store
        self.prefix = prefix

    def name(self, name: str) -> str:
        """The full name that `name` has in this scope."""
        return self.prefix + name

    def scope(self, prefix: str) -> Scope:
        """A scope below this one; the prefix is sanitized as Envoy does, except a hidden one (leading NUL)."""
        if not prefix.startswith(HIDDEN):
            prefix = sanitize(prefix)
        return Scope(self._store, f"{self.prefix}{prefix}." if prefix else self.prefix)

    def counter(self, name: str) -> Counter:
        """The counter of that name."""
        return self._store.counter(self.prefix + name)

    def gauge(self, name: str) -> Gauge:
        """The gauge of that name."""
        return self._store.gauge(self.prefix + name)

    def histogram(self, name: str, unit: str = "ms") -> Histogram:
        """The histogram of that name; unit is one of `histograms.UNITS`."""
        return self._store.histogram(self.prefix + name, unit)


class Store:
    """Owns the cells of one process; the only writer of its file."""

    def __init__(self, file: StoreFile) -> None:
        """Map the file and continue after what is in it (it is empty unless this process wrote before)."""
        self.file = file
        self.cells, self._header, self._names = file.map_for_writing()
        layout = file.layout
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        # The first scalars and the first bins are the overflow cells.
        self._next_scalar = 2
        self._scalar_end = layout.scalar_cells
        self._next_bins = layout.scalar_cells + BIN_COUNT
        self._bins_end = layout.scalar_cells + layout.histogram_cells
        self._overflow = Counter(OVERFLOW_NAME, self.cells, self._next_scalar)
        self._next_scalar += 1
        self._overflow_record = layouts.encode(Entry(OVERFLOW_NAME, layouts.COUNTER, 0, self._overflow.index))
        self._names_end = layout.names_bytes - len(self._overflow_record)
        self.root = Scope(self, "")

    def counter(self, name: str) -> Counter:
        """The counter of that full name."""
        found = self._counters.get(name)
        if found is None:
            index = self._scalars(1)
            found = self._counters[name] = Counter(name, self.cells, index)
            self._publish(name, layouts.COUNTER, 0, index)
        return found

    def gauge(self, name: str) -> Gauge:
        """The gauge of that full name."""
        found = self._gauges.get(name)
        if found is None:
            index = self._scalars(2)
            found = self._gauges[name] = Gauge(name, self.cells, index)
            self._publish(name, layouts.GAUGE, 0, index)
        return found

    def histogram(self, name: str, unit: str = "ms") -> Histogram:
        """The histogram of that full name; the unit of the first asker stays."""
        found = self._histograms.get(name)
        if found is None:
            index = self._bins()
            found = self._histograms[name] = Histogram(name, unit, self.cells, index)
            self._publish(name, layouts.HISTOGRAM, UNITS.index(unit), index)
        return found

    def _scalars(self, count: int) -> int:
        index = self._next_scalar
        if index + count > self._scalar_end:
            return 0
        self._next_scalar = index + count
        return index

    def _bins(self) -> int:
        index = self._next_bins
        if index + BIN_COUNT > self._bins_end:
            return self._scalar_end
        self._next_bins = index + BIN_COUNT
        return index

    def _publish(self, name: str, kind: int, unit: int, index: int) -> None:
        shared = index == 0 or index == self._scalar_end
        try:
            record = layouts.encode(Entry(name, kind, unit, index))
        except ValueError:
            record = b""
        used = self._header[layouts.WORD_NAMES_USED]
        if shared or not record or used + len(record) > self._names_end:
            self._count_overflow()
            return
        self._append(used, record)

    def _append(self, used: int, record: bytes) -> None:
        end = used + len(record)
        self._names[used:end] = record
        self._header[layouts.WORD_NAMES_USED] = end  # last: only now do readers look at the record

    def _count_overflow(self) -> None:
        if self._overflow_record:
            # Published only once it is needed (Envoy has no such name at rest); its room was set aside.
            self._append(self._header[layouts.WORD_NAMES_USED], self._overflow_record)
            self._overflow_record = b""
        self._overflow.inc()


def memory_store(layout: Layout = Layout(1 << 20, 1 << 14, 1 << 18)) -> Store:
    """A store without a file, for tests and tools."""
    return Store(StoreFile.in_memory(layout))
