"""Running a coroutine at once as far as it goes, and as a task only if it has to wait.

Most `async def` callbacks of filters end without ever waiting: they then cost no task and no turn of the loop.
While a coroutine runs before its task exists, an `EarlyTask` stands in for it, so that `asyncio.timeout` and its like
find a current task.  Source of the idea: asyncio's eager tasks (Python 3.12); this works from 3.11 on and lets the
caller see that the coroutine has ended.
"""

from __future__ import annotations

import asyncio
from asyncio.tasks import _enter_task, _leave_task
from collections.abc import Coroutine, Generator
from typing import Any


class EarlyTask:
    """The current task of a coroutine's first step; afterwards it passes everything on to the real one."""

    __slots__ = ("__weakref__", "_cancelled", "task")

    def __init__(self) -> None:
        self.task: asyncio.Task[Any] | None = None
        self._cancelled = 0

    def cancel(self, msg: Any = None) -> bool:
        """Cancel the task, as soon as there is one."""
        if self.task is not None:
            return self.task.cancel(msg)
        self._cancelled += 1
        return True

    def uncancel(self) -> int:
        """As asyncio.Task.uncancel."""
        if self.task is not None:
            return self.task.uncancel()
        self._cancelled = max(0, self._cancelled - 1)
        return self._cancelled

    def cancelling(self) -> int:
        """As asyncio.Task.cancelling."""
        return self._cancelled if self.task is None else self.task.cancelling()

    def done(self) -> bool:
        """As asyncio.Task.done."""
        return self.task is not None and self.task.done()

    def bind(self, task: asyncio.Task[Any] | None) -> None:
        """The real task begins; what was asked of it before is done now."""
        self.task = task
        if task is not None:
            for _ in range(self._cancelled):
                task.cancel()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.task, name)


class Rest:
    """What is left of a coroutine that waits: to be run as a task through `finish`."""

    __slots__ = ("_awaited", "_coroutine", "_early")

    def __init__(self, coroutine: Coroutine[Any, Any, Any], awaited: Any, early: EarlyTask) -> None:
        self._coroutine = coroutine
        self._awaited = awaited
        self._early = early

    async def finish(self) -> Any:
        """Wait for what the coroutine waits for, then run it to its end; its result."""
        self._early.bind(asyncio.current_task())
        return await self

    def __await__(self) -> Generator[Any, Any, Any]:
        coroutine, awaited = self._coroutine, self._awaited
        while True:
            try:
                value = yield awaited
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as error:  # a cancellation: the coroutine decides what becomes of it
                try:
                    awaited = coroutine.throw(error)
                except StopIteration as stop:
                    return stop.value
            else:
                try:
                    awaited = coroutine.send(value)
                except StopIteration as stop:
                    return stop.value


def begin(coroutine: Coroutine[Any, Any, Any], loop: asyncio.AbstractEventLoop) -> Any:
    """Run a coroutine until it ends or waits: its result, or a `Rest`.  Raises what it raises."""
    early: Any = EarlyTask()
    outer = asyncio.current_task(loop)
    if outer is not None:
        _leave_task(loop, outer)
    _enter_task(loop, early)
    try:
        awaited = coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    finally:
        _leave_task(loop, early)
        if outer is not None:
            _enter_task(loop, outer)
    return Rest(coroutine, awaited, early)
