"""The clock behind time limits: a thread that advances an engine's epoch while modules may run.

A module whose deadline is a number of ticks away is interrupted even in an endless loop, because calls through ctypes
let other threads run.  The thread begins with the first instance, so it must never begin before a fork.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

TICK_S = 0.02
"""How exact time limits are; a thread that wakes fifty times a second costs some 0.1 % of a core."""


class Ticker:
    """Counts ticks.  `ticks` is read before each call: while it stands still, a deadline set earlier still holds."""

    __slots__ = ("_advance", "_stop", "_thread", "ticks")

    def __init__(self, advance: Callable[[], None]) -> None:
        self._advance = advance
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.ticks = 0

    def start(self) -> None:
        """Begin to tick; without effect when it ticks already."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="wasm-epoch", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread; instances that still run have no limit any more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            time.sleep(TICK_S)
            self.ticks += 1
            self._advance()


def ticks_of(seconds: float) -> int:
    """A time limit in ticks: never less than asked for."""
    return int(seconds / TICK_S) + 2
