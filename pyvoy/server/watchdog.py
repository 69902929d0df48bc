"""Watchdog: a child marks a shared cell while its loop turns; the supervisor kills a child whose cell grows old.

The child itself measures how late its own marks come and counts the misses, as Envoy does.
Source: Envoy, Watchdog (miss 200 ms, megamiss 1 s); the kill after 5 s is pyvoy's own default (Envoy's is off).
"""

from __future__ import annotations

import asyncio
import mmap
import time
from collections.abc import Callable

INTERVAL_S = 0.5
MISS_S = 0.2
MEGAMISS_S = 1.0
STALL_S = 5.0
"""A child whose loop has not turned for so long is replaced."""
LOAD_S = 120.0
"""The same for a child that has not been ready yet: it builds its whole configuration in one go."""


class Beats:
    """One cell per child in memory that survives it: the monotonic time of its last beat in nanoseconds, 0 for none."""

    __slots__ = ("_cells",)

    def __init__(self, count: int) -> None:
        self._cells = memoryview(mmap.mmap(-1, 8 * count)).cast("q")

    def mark(self, slot: int) -> None:
        """This child's loop turns."""
        self._cells[slot] = time.monotonic_ns()

    def clear(self, slot: int) -> None:
        """Nothing is known of the child (it is starting or gone)."""
        self._cells[slot] = 0

    def age_s(self, slot: int) -> float:
        """Seconds since the last beat; 0 when there was none."""
        marked = self._cells[slot]
        return (time.monotonic_ns() - marked) / 1e9 if marked else 0.0


class StallJudge:
    """Decides which children stall.  Pure but for the ages it is given.

    A supervisor that was itself held up (stopped, suspended machine) knows nothing of its children: it waits again."""

    __slots__ = ("_last_check_s", "_not_before_s", "_stall_s")

    def __init__(self, now_s: float, stall_s: float = STALL_S) -> None:
        self._stall_s = stall_s
        self._last_check_s = now_s
        self._not_before_s = now_s

    def stalled(self, now_s: float, age_s: float, *, loading: bool = False) -> bool:
        """True if a child with that age must go; `checked` must be called once for each round of questions."""
        limit_s = LOAD_S if loading else self._stall_s
        return age_s > limit_s and now_s >= self._not_before_s

    def checked(self, now_s: float, interval_s: float = 1.0) -> None:
        """Begin a round."""
        if now_s - self._last_check_s > interval_s + 2.0:
            self._not_before_s = now_s + self._stall_s
        self._last_check_s = now_s


class Heart:
    """The beating side: marks at an interval and reports how late the loop was."""

    __slots__ = ("_beats", "_due_s", "_handle", "_late", "_loop", "_slot")

    def __init__(self, loop: asyncio.AbstractEventLoop, beats: Beats, slot: int, late: Callable[[float], None]) -> None:
        """`late(seconds)` is called when a beat came MISS_S or more after its time."""
        self._loop = loop
        self._beats = beats
        self._slot = slot
        self._late = late
        self._due_s = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Beat now and from now on."""
        self._beats.mark(self._slot)
        self._due_s = time.monotonic() + INTERVAL_S
        self._handle = self._loop.call_later(INTERVAL_S, self._beat)

    def _beat(self) -> None:
        late_s = time.monotonic() - self._due_s
        if late_s >= MISS_S:
            self._late(late_s)
        self.start()

    def stop(self) -> None:
        """Beat no more."""
        if self._handle is not None:
            self._handle.cancel()
