"""Tallies: many equal increments added up in a plain int and written to the cells together, a moment later.

A request moves some twenty counters, always the same ones for the same outcome.  A tally stands for one such outcome;
a hit is one addition, and the board writes what has come together every 10 ms: readers see figures that are late by no
more than that.  A worker that ends in good order writes the rest; one that is killed takes it along.
"""

from __future__ import annotations

import asyncio
from collections import Counter as Multiset

from pyvoy.stats.histograms import Histogram

DELAY_S = 0.01
_FEW = 8


class Tally:
    """Counters that move together, and histograms that get the same value.

    Hot code adds a hit itself: `if not tally.count: tally.board.note(tally)`, then `tally.count += 1` and, with
    histograms, `tally.values.append(value)`.
    """

    __slots__ = ("_cells", "_falling", "_histograms", "_indexes", "board", "count", "values")

    def __init__(
        self,
        board: TallyBoard,
        cells: memoryview,
        indexes: tuple[int, ...],
        histograms: tuple[Histogram, ...] = (),
        falling: tuple[int, ...] = (),
    ) -> None:
        """`indexes` are cells that rise with a hit, `falling` those of gauges that fall; `values` go to every one of
        the histograms."""
        self.board = board
        self.count = 0
        self.values: list[int] = []
        self._cells = cells
        self._indexes = indexes
        self._histograms = histograms
        self._falling = falling

    def hit(self) -> None:
        """One more, for code that is not hot."""
        if not self.count:
            self.board.note(self)
        self.count += 1

    def write(self) -> None:
        """Move what was added up to the cells."""
        count, self.count = self.count, 0
        cells = self._cells
        for index in self._indexes:
            cells[index] += count
        for index in self._falling:
            cells[index] -= count
        if self.values:
            values, self.values = self.values, []
            pairs = Multiset(values).items() if len(values) > _FEW else [(value, 1) for value in values]
            for histogram in self._histograms:
                for value, times in pairs:
                    histogram.record_many(value, times)


class TallyBoard:
    """The tallies of one worker that have something to write.  Owned by the worker's services."""

    __slots__ = ("_delay_s", "_dirty", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop, delay_s: float = DELAY_S) -> None:
        """With `delay_s` 0 the hits are written in the next turn of the loop, as tests want them."""
        self._loop = loop
        self._delay_s = delay_s
        self._dirty: list[Tally] = []

    def note(self, tally: Tally) -> None:
        """A tally has its first hit."""
        if not self._dirty:
            if self._delay_s:
                self._loop.call_later(self._delay_s, self.write)
            else:
                self._loop.call_soon(self.write)
        self._dirty.append(tally)

    def write(self) -> None:
        """Write every tally that has hits."""
        dirty, self._dirty = self._dirty, []
        for tally in dirty:
            tally.write()
