"""The clock behind time limits: a thread that advances an engine's epoch while modules may run.

A module whose deadline is a number of ticks away is interrupted even in an endless loop, because calls through ctypes
let other threads run.  The thread begins with the first instance, so it must never begin before a fork, and ends with
the last user of the ticker.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable

TICK_S = 0.02
"""How exact time limits are; a thread that wakes fifty times a second costs some 0.1 % of a core."""


class Ticker:
    """Counts ticks.  `ticks` is read before each call: while it stands still, a deadline set earlier still holds."""

    __slots__ = ("__weakref__", "_started", "_stopped", "advance", "ticks")

    def __init__(self, advance: Callable[[], None]) -> None:
        self.advance = advance
        self.ticks = 0
        self._started = False
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begin to tick; without effect when it ticks already."""
        if not self._started:
            self._started = True
            arguments = (weakref.ref(self), self._stopped)
            threading.Thread(target=_tick, args=arguments, name="wasm-epoch", daemon=True).start()

    def stop(self) -> None:
        """End the thread; instances that still run have no limit any more."""
        self._stopped.set()


def _tick(ticker_ref: weakref.ref[Ticker], stopped: threading.Event) -> None:
    while not stopped.is_set():
        time.sleep(TICK_S)
        ticker = ticker_ref()
        if ticker is None:
            return
        ticker.ticks += 1
        ticker.advance()
        del ticker


def ticks_of(seconds: float) -> int:
    """A time limit in ticks: never less than asked for."""
    return int(seconds / TICK_S) + 2
