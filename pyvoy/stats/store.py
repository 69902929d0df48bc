"""One process' statistics: the writer's side of a store file, and scopes that hand out counters by name.

Names appear at run time; asking twice gives the same object.  A full store never fails traffic: what finds no room
for its name is counted in cells that nobody lists, and `stats.overflow` says how often that happened.
Reading and merging is `merge.py`'s, the files of all processes are `proxy_files.py`'s.
Source of behaviour: Envoy, Stats::Scope; name rules: Stats::Utility::sanitizeStatsName.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pyvoy.stats import layout as layouts
from pyvoy.stats.alike import is_counted_alike
from pyvoy.stats.bins import BIN_COUNT
from pyvoy.stats.counters import Counter, Gauge
from pyvoy.stats.files import StoreFile
from pyvoy.stats.histograms import UNITS, Histogram
from pyvoy.stats.layout import HEADER_BYTES, Entry, Layout

OVERFLOW_NAME = "stats.overflow"
HIDDEN = "\x00"

# How the values of several processes become the proxy's; by default `alike.py` knows from the name.
Merge = Literal["sum", "max"]
_MERGE = {"sum": layouts.MERGE_SUM, "max": layouts.MERGE_MAX}

_SMALL_LAYOUT = Layout(names_bytes=1 << 20, scalar_cells=1 << 15, histogram_cells=BIN_COUNT << 8)


def sanitize(name: str) -> str:
    """Envoy's rule for the name of a scope: no leading or trailing dot, no colons."""
    name = name.removesuffix(".").removeprefix(".")
    if ":" in name:
        name = name.replace("://", "_").replace(":/", "_").replace(":", "_")
    return name.replace("\x00", "_")


class Scope:
    """A prefix under which names are made; the store's `root` has the empty prefix.

    Only the names of scopes are sanitized, as in Envoy.  A scope that begins with HIDDEN is taken as it is.
    """

    __slots__ = ("_store", "prefix")

    def __init__(self, store: Store, prefix: str) -> None:
        self._store = store
        self.prefix = prefix

    def name(self, name: str) -> str:
        """The full name that `name` has in this scope."""
        return self.prefix + name

    def scope(self, prefix: str) -> Scope:
        """A scope below this one."""
        if not prefix.startswith(HIDDEN):
            prefix = sanitize(prefix)
        return Scope(self._store, f"{self.prefix}{prefix}." if prefix else self.prefix)

    def counter(self, name: str, merge: Merge | None = None) -> Counter:
        """The counter of that name."""
        return self._store.counter(self.prefix + name, merge)

    def gauge(self, name: str, merge: Merge | None = None) -> Gauge:
        """The gauge of that name."""
        return self._store.gauge(self.prefix + name, merge)

    def histogram(self, name: str, unit: str = "ms") -> Histogram:
        """The histogram of that name; unit is one of `histograms.UNITS`."""
        return self._store.histogram(self.prefix + name, unit)

    def retire(self) -> None:
        """Take back all names of this scope: what they were for (a listener, a cluster) is gone."""
        self._store.retire(self.prefix)


def _merge_of(name: str, merge: Merge | None) -> int:
    return _MERGE[merge or ("max" if is_counted_alike(name) else "sum")]


def _everything(_: str) -> bool:
    return True


class Store:
    """Owns the cells of one process; the only writer of its file.

    `accept` is the bootstrap's stats_matcher: a name it refuses can be counted, but is never listed.
    """

    def __init__(self, file: StoreFile) -> None:
        """Map the file; what is in it already is taken over."""
        self.file = file
        self.accept: Callable[[str], bool] = _everything
        self.cells, self.header, self._names = file.map_for_writing()
        layout = file.layout
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        # The first scalars and the first bins take what finds no cell of its own.
        self._next_scalar = 3
        self._scalar_end = layout.scalar_cells
        self._next_bins = layout.scalar_cells + BIN_COUNT
        self._bins_end = layout.scalar_cells + layout.histogram_cells
        self._overflow = Counter(OVERFLOW_NAME, self.cells, 2)
        self._overflow_record = layouts.encode(Entry(OVERFLOW_NAME, layouts.COUNTER, layouts.MERGE_SUM, 2))
        self._names_end = layout.names_bytes - len(self._overflow_record)
        self.root = Scope(self, "")
        self._take_over()

    def counter(self, name: str, merge: Merge | None = None) -> Counter:
        """The counter of that full name; `merge` is the first asker's."""
        found = self._counters.get(name)
        if found is None:
            index = self._scalars(1)
            found = self._counters[name] = Counter(name, self.cells, index)
            self._publish(Entry(name, layouts.COUNTER, _merge_of(name, merge), index), shared=index == 0)
        return found

    def gauge(self, name: str, merge: Merge | None = None) -> Gauge:
        """The gauge of that full name; `merge` is the first asker's."""
        found = self._gauges.get(name)
        if found is None:
            index = self._scalars(2)
            found = self._gauges[name] = Gauge(name, self.cells, index)
            self._publish(Entry(name, layouts.GAUGE, _merge_of(name, merge), index), shared=index == 0)
        return found

    def histogram(self, name: str, unit: str = "ms") -> Histogram:
        """The histogram of that full name; the unit is the first asker's."""
        found = self._histograms.get(name)
        if found is None:
            index = self._bins()
            found = self._histograms[name] = Histogram(name, unit, self.cells, index)
            shared = index == self._scalar_end
            self._publish(Entry(name, layouts.HISTOGRAM, UNITS.index(unit), index), shared=shared)
        return found

    def retire(self, prefix: str) -> None:
        """Take back all names that begin with the prefix; their objects may still be written, without effect.

        A name that is asked for again starts at zero in a new cell.
        """
        metrics: dict[int, dict[str, Counter] | dict[str, Gauge] | dict[str, Histogram]] = {
            layouts.COUNTER: self._counters,
            layouts.GAUGE: self._gauges,
            layouts.HISTOGRAM: self._histograms,
        }
        for offset, _, entry in layouts.records(self._directory()):
            if entry.name.startswith(prefix) and entry.kind in metrics:
                del metrics[entry.kind][entry.name]
                self._names[offset] = layouts.retired(entry.kind)
        self.header[layouts.WORD_GENERATION] += 1

    def _directory(self) -> bytes:
        return self.file.read(HEADER_BYTES, self.header[layouts.WORD_NAMES_USED])

    def _take_over(self) -> None:
        for entry in layouts.decode(self._directory())[0]:
            if entry.kind == layouts.HISTOGRAM:
                unit = UNITS[entry.detail]
                self._histograms[entry.name] = Histogram(entry.name, unit, self.cells, entry.index)
                self._next_bins = max(self._next_bins, entry.index + BIN_COUNT)
            elif entry.kind == layouts.GAUGE:
                self._gauges[entry.name] = Gauge(entry.name, self.cells, entry.index)
                self._next_scalar = max(self._next_scalar, entry.index + 2)
            else:
                self._counters[entry.name] = Counter(entry.name, self.cells, entry.index)
                self._next_scalar = max(self._next_scalar, entry.index + 1)
        if OVERFLOW_NAME in self._counters:
            self._overflow_record = b""

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

    def _publish(self, entry: Entry, shared: bool) -> None:
        if not entry.name.startswith(HIDDEN) and not self.accept(entry.name):
            return
        try:
            record = b"" if shared else layouts.encode(entry)
        except ValueError:
            record = b""
        used = self.header[layouts.WORD_NAMES_USED]
        if not record or used + len(record) > self._names_end:
            self._count_overflow()
            return
        self._append(used, record)

    def _append(self, used: int, record: bytes) -> None:
        end = used + len(record)
        self._names[used:end] = record
        self.header[layouts.WORD_NAMES_USED] = end  # last: only now do readers look at the record

    def _count_overflow(self) -> None:
        if self._overflow_record:
            # Published only once it is needed (Envoy has no such name at rest); its room was set aside.
            self._append(self.header[layouts.WORD_NAMES_USED], self._overflow_record)
            self._overflow_record = b""
        self._overflow.inc()


def memory_store(layout: Layout = _SMALL_LAYOUT) -> Store:
    """A store without a file, for tests and tools."""
    return Store(StoreFile.in_memory(layout))
