"""Time for tests: a clock that only moves when it is told to, a loop that runs on it, and timers that are due exactly.

`FakeLoop` is an event loop without sockets and threads: tasks, futures, `asyncio.sleep` and timers work on it, and
`advance` jumps from one due moment to the next.  `FakeTimers` stands in for the worker's timer wheel.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, cast

from pyvoy.network.timers import Timer, TimerWheel

_AT_ONCE_S = 1e-6
"""What a timer without delay waits, so that one that arms itself again cannot stop the clock."""
_LIMIT = 100_000


class FakeClock:
    """Monotonic seconds that move by `advance` only; `wall` gives epoch seconds that run along."""

    __slots__ = ("now_s",)

    def __init__(self, now_s: float = 1000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s

    def wall(self) -> float:
        """Epoch seconds: 2024-01-01T00:00:00Z when the clock stood at its start of 1000."""
        return 1_704_067_200.0 - 1000.0 + self.now_s


class FakeLoop:
    """An event loop that runs when a test says so.

    `settle()` runs everything that is ready, `advance(seconds)` also what becomes due.  `failures` collects what
    tasks and callbacks raised without anybody looking.
    """

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._ready: deque[asyncio.Handle] = deque()
        self._scheduled: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._order = count()
        self._running = False
        self.failures: list[dict[str, Any]] = []

    @property
    def as_loop(self) -> asyncio.AbstractEventLoop:
        """The same object for those who want the type: it has what tasks, futures and timers need of a loop."""
        return cast("asyncio.AbstractEventLoop", self)

    # ---- running ----

    @contextmanager
    def inside(self) -> Iterator[None]:
        """What happens in here happens in a callback of the loop."""
        outer = asyncio._get_running_loop()
        asyncio._set_running_loop(self.as_loop)
        was_running, self._running = self._running, True
        try:
            yield
        finally:
            self._running = was_running
            asyncio._set_running_loop(outer)

    def happen(self, event: Callable[..., Any], *arguments: Any) -> None:
        """Something comes from outside; then everything runs that is ready."""
        with self.inside():
            event(*arguments)
        self.settle()

    def settle(self) -> None:
        """Run what is ready until nothing is."""
        with self.inside():
            for _ in range(_LIMIT):
                if not self._ready:
                    return
                handle = self._ready.popleft()
                if not handle.cancelled():
                    handle._run()
            raise AssertionError("the loop never comes to rest")

    def advance(self, seconds: float) -> None:
        """Let this much time pass, stopping at every moment at which something is due."""
        end_s = self._clock.now_s + seconds
        self.settle()
        for _ in range(_LIMIT):
            due_s = self.next_due_s()
            if due_s is None or due_s > end_s:
                self._clock.now_s = end_s
                return
            self._clock.now_s = max(self._clock.now_s, due_s)
            self._ready.append(heapq.heappop(self._scheduled)[2])
            self.settle()
        raise AssertionError("timers arm themselves without end")

    def next_due_s(self) -> float | None:
        """When the next timer is due; None when there is none."""
        while self._scheduled and self._scheduled[0][2].cancelled():
            heapq.heappop(self._scheduled)
        return self._scheduled[0][0] if self._scheduled else None

    # ---- what asyncio needs of a loop ----

    def time(self) -> float:
        return self._clock.now_s

    def call_soon(self, callback: Any, *args: Any, context: contextvars.Context | None = None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self.as_loop, context)
        self._ready.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(max(when, self.time() + _AT_ONCE_S), callback, args, self.as_loop, context)
        heapq.heappush(self._scheduled, (handle.when(), next(self._order), handle))
        return handle

    def call_later(
        self, delay: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self.as_loop)

    def create_task(self, coro: Any, **kwargs: Any) -> asyncio.Task[Any]:
        return asyncio.Task(coro, loop=self.as_loop, **kwargs)

    def run_until_complete(self, future: Any) -> Any:
        """Run the future or coroutine to its end, jumping over every wait."""
        task = future if isinstance(future, asyncio.Future) else self.create_task(future)
        self.settle()
        while not task.done():
            due_s = self.next_due_s()
            assert due_s is not None, "the coroutine waits for something that will not come"
            self.advance(due_s - self.time())
        return task.result()

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.failures.append(context)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """A cancelled handle leaves the heap when its turn comes."""

    def is_running(self) -> bool:
        return self._running

    def is_closed(self) -> bool:
        return False

    def get_debug(self) -> bool:
        return False


class FakeTimers(TimerWheel):
    """The timer wheel on a `FakeLoop`: every timer fires exactly when it is due."""

    __slots__ = ("_armed",)

    def __init__(self, loop: FakeLoop, clock: FakeClock) -> None:
        super().__init__(loop.as_loop, clock)
        self._armed: list[tuple[dict[Timer, None], asyncio.TimerHandle]] = []

    def call_at(self, due_s: float, callback: Callable[[], None]) -> Timer:
        bucket: dict[Timer, None] = {}
        timer = Timer(callback, due_s, bucket)
        bucket[timer] = None
        self._armed.append((bucket, self._loop.call_at(due_s, self._run, timer, bucket)))
        return timer

    def _run(self, timer: Timer, bucket: dict[Timer, None]) -> None:
        if bucket:
            bucket.clear()
            timer.callback()

    @property
    def pending(self) -> int:
        """Timers that are armed; what was cancelled is taken off the loop."""
        for bucket, handle in self._armed:
            if not bucket:
                handle.cancel()
        self._armed = [entry for entry in self._armed if entry[0]]
        return len(self._armed)

    def stop(self) -> None:
        for bucket, handle in self._armed:
            bucket.clear()
            handle.cancel()


def run(coroutine: Coroutine[Any, Any, Any], loop: FakeLoop | None = None) -> Any:
    """The result of a coroutine, on a loop whose waits cost no time."""
    return (loop or FakeLoop(FakeClock())).run_until_complete(coroutine)
