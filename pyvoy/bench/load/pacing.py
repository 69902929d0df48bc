"""Calls at a steady pace, to the microsecond: loops round their timers to milliseconds, a timer descriptor does not.

Source: Linux, timerfd_create(2).
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Callable
from contextlib import suppress

_MONOTONIC, _ABSOLUTE = 1, 1
_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC


class Pace:
    """Calls `tick` first at `begin_s` of the monotonic clock and then every `interval_s`; late calls come as one."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, begin_s: float, interval_s: float, tick: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._tick = tick
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.timerfd_create(_MONOTONIC, _NONBLOCK_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        interval, begin = _timespec(max(interval_s, 1e-6)), _timespec(max(begin_s, 1e-6))
        libc.timerfd_settime(self._fd, _ABSOLUTE, (ctypes.c_long * 4)(*interval, *begin), None)
        loop.add_reader(self._fd, self._due)

    def _due(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._fd, 8)
            self._tick()

    def stop(self) -> None:
        """No more calls."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1


def _timespec(seconds: float) -> tuple[int, int]:
    return divmod(int(seconds * 1e9), 1_000_000_000)
