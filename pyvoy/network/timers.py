"""One timer wheel per worker: cheap arming and disarming of the many long time-outs that never fire.

Tick 10 ms.  A timer never fires early: it is checked against the clock before it runs, because the loop may round its
own timers down.  Waits under a second may use `loop.call_later` instead where its price does not matter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import heapify, heappop, heappush

TICK_S = 0.01
_ROUNDING_S = 0.001
"""uvloop rounds to milliseconds: woken that much too soon, the wheel would ask for the rest again and again, some fifty
turns of the loop for each bucket."""
_SWEEP_SIZE = 64


class Timer:
    """A pending call; `cancel()` takes it back.  `due_s` is on the wheel's clock."""

    __slots__ = ("_bucket", "callback", "due_s")

    def __init__(self, callback: Callable[[], None], due_s: float, bucket: dict[Timer, None]) -> None:
        self.callback = callback
        self.due_s = due_s
        self._bucket = bucket

    def cancel(self) -> None:
        """Take the timer back; a timer that has fired or is cancelled already is left alone."""
        self._bucket.pop(self, None)


class TimerWheel:
    """Timers in buckets of one tick each; buckets that are empty because their timers were cancelled are swept out when
    they become as many as the others, so that neither they nor thousands of idle connections slow a wake-up.

    `clock` returns monotonic seconds.  The wheel asks the loop for a single wake-up at its earliest bucket.  A callback
    that fails is told to the loop's exception handler and costs the other timers nothing.
    """

    __slots__ = ("_buckets", "_clock", "_handle", "_loop", "_next_tick", "_sweep_size", "_ticks")

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float]) -> None:
        self._loop = loop
        self._clock = clock
        self._buckets: dict[int, dict[Timer, None]] = {}
        self._ticks: list[int] = []
        self._handle: asyncio.TimerHandle | None = None
        self._next_tick = 0
        self._sweep_size = _SWEEP_SIZE

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Run `callback` once, not before `delay_s` seconds from now and at most about a tick later."""
        return self.call_at(self._clock() + delay_s, callback)

    def call_at(self, due_s: float, callback: Callable[[], None]) -> Timer:
        """Run `callback` once at the clock's `due_s`."""
        tick = int(due_s / TICK_S) + 1
        bucket = self._buckets.get(tick)
        if bucket is None:
            if len(self._ticks) >= self._sweep_size:
                self._sweep()
            bucket = self._buckets[tick] = {}
            heappush(self._ticks, tick)
            if self._handle is None or tick < self._next_tick:
                self._arm(tick)
        timer = Timer(callback, due_s, bucket)
        bucket[timer] = None
        return timer

    def _arm(self, tick: int) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._next_tick = tick
        self._handle = self._loop.call_later(max(0.0, tick * TICK_S - self._clock()) + _ROUNDING_S, self._fire)

    def _fire(self) -> None:
        self._handle = None
        current = int(self._clock() / TICK_S)
        ticks, buckets = self._ticks, self._buckets
        while ticks and (ticks[0] <= current or not buckets[ticks[0]]):
            bucket = buckets.pop(heappop(ticks))
            while bucket:
                timer, _ = bucket.popitem()
                self._call(timer)
        if ticks:
            self._arm(ticks[0])

    def _call(self, timer: Timer) -> None:
        try:
            timer.callback()
        except Exception as error:  # the wall of a timer: all time-outs of the worker wait behind it
            self._loop.call_exception_handler({"message": "a timer's callback failed", "exception": error})

    def _sweep(self) -> None:
        """Forget the empty buckets."""
        for tick in [tick for tick, bucket in self._buckets.items() if not bucket]:
            del self._buckets[tick]
        self._ticks[:] = self._buckets
        heapify(self._ticks)
        self._sweep_size = max(_SWEEP_SIZE, 2 * len(self._ticks))

    def stop(self) -> None:
        """Forget every timer."""
        self._buckets.clear()
        self._ticks.clear()
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
