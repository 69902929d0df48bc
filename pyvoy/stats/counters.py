"""Counter and Gauge: a name bound to cells of the process' own store file.

Only the owning process writes, so an increment needs no lock.  Hot code may take `cells` and `index` once and write
`cells[index] += 1` itself; `cells` is never replaced while the process lives.
Source of behaviour: Envoy, stats "Counter" and "Gauge" (unsigned 64 bits there; 63 bits here).
"""

from __future__ import annotations


class Counter:
    """Only ever goes up; the admin's reset subtracts a baseline on the reading side."""

    __slots__ = ("cells", "index", "name")

    def __init__(self, name: str, cells: memoryview, index: int) -> None:
        self.name = name
        self.cells = cells
        self.index = index

    def inc(self, n: int = 1) -> None:
        """Add n, which must not be negative."""
        self.cells[self.index] += n

    @property
    def value(self) -> int:
        """What this process has counted; the proxy's total is the sum over its processes."""
        return self.cells[self.index]


class Gauge:
    """A level: this process' share, which is summed over the processes on read and dropped when the process dies.

    The cell after `index` remembers that the gauge was ever written, for `usedonly`: code that writes `cells[index]`
    itself leaves that mark alone, and a gauge back at zero then counts as unused unless a reader saw it before.
    """

    __slots__ = ("cells", "index", "name")

    def __init__(self, name: str, cells: memoryview, index: int) -> None:
        self.name = name
        self.cells = cells
        self.index = index

    def inc(self) -> None:
        """Add one."""
        cells, index = self.cells, self.index
        cells[index] += 1
        cells[index + 1] = 1

    def dec(self) -> None:
        """Take one."""
        cells, index = self.cells, self.index
        cells[index] -= 1
        cells[index + 1] = 1

    def add(self, n: int) -> None:
        """Add n."""
        cells, index = self.cells, self.index
        cells[index] += n
        cells[index + 1] = 1

    def sub(self, n: int) -> None:
        """Take n."""
        cells, index = self.cells, self.index
        cells[index] -= n
        cells[index + 1] = 1

    def set(self, n: int) -> None:
        """Make this process' share n."""
        cells, index = self.cells, self.index
        cells[index] = n
        cells[index + 1] = 1

    @property
    def value(self) -> int:
        """This process' share."""
        return self.cells[self.index]
