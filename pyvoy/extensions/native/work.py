"""What the coroutines of a network filter still have to do in one direction: one piece after the other, in order.

Bounded by the connection's buffer limit: then reading stops where the pieces come from.  What comes from the client is
dropped when the connection is closed; what goes to the client holds its orderly end back until it is handed on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyvoy.extensions.native.grpc_stream import GrpcStream


class Work:
    """One direction of one connection.  Owned by the filter."""

    __slots__ = ("_connection", "_paused", "_queue", "_queued_bytes", "_task", "running", "stopped")

    def __init__(self) -> None:
        self.running = False
        self.stopped = False
        self._connection: Any = None
        self._queue: deque[tuple[int, Callable[[], Coroutine[Any, Any, None]]]] = deque()
        self._queued_bytes = 0
        self._paused = False
        self._task: asyncio.Task[Any] | None = None

    def begin(self, connection: Any, first: Coroutine[Any, Any, None], size: int = 0) -> None:
        """Something waits, with so many bytes."""
        self.running = True
        self._connection = connection
        self._count(size)
        self._task = connection.services.spawn(self._run(first, size), "network filter")

    def add(self, size: int, later: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Something more comes behind it, with so many bytes."""
        self._queue.append((size, later))
        self._count(size)

    def _count(self, size: int) -> None:
        self._queued_bytes += size
        limit = self._connection.buffer_limit_bytes
        if not self._paused and self._queued_bytes >= limit:
            self._pause(True)
        elif self._paused and self._queued_bytes <= limit // 2:
            self._pause(False)

    def _pause(self, pause: bool) -> None:
        self._paused = pause
        self._pause_source(pause)

    def _pause_source(self, pause: bool) -> None:
        """Stop or resume what the pieces come from."""
        raise NotImplementedError

    def hand_on(self, filter_: Any, connection: Any, data: bytes, *, end: bool) -> None:
        """A piece is done: to the filters behind."""
        raise NotImplementedError

    async def _run(self, first: Coroutine[Any, Any, None], size: int) -> None:
        try:
            await first
            self._count(-size)
            while self._queue:
                size, later = self._queue.popleft()
                await later()
                self._count(-size)
        finally:
            self._over()

    def _over(self) -> None:
        self.running = False
        self._queued_bytes = 0
        if self._paused:
            self._pause(False)

    def drop(self) -> None:
        """What comes behind is not wanted any more: the filter has failed and its connection ends."""
        self._queue.clear()

    def stop(self) -> None:
        """The connection is gone."""
        self.stopped = True
        self._queue.clear()
        if self._task is not None:
            self._task.cancel()


class ReadWork(Work):
    """From the client.  Reading goes on meanwhile, so that a client that vanishes is noticed, up to the limit."""

    __slots__ = ("_calls",)

    def __init__(self) -> None:
        super().__init__()
        self._calls: list[GrpcStream] = []

    def _pause_source(self, pause: bool) -> None:
        self._connection.read_disable(pause)

    def hand_on(self, filter_: Any, connection: Any, data: bytes, *, end: bool) -> None:
        """To the filters behind, unless the connection is closed."""
        if connection.is_open and connection.runner is not None:
            connection.runner.inject(filter_, data, end=end)

    def tie(self, call: GrpcStream) -> None:
        """Have a call end with the connection."""
        self._calls = [one for one in self._calls if not one.over]
        self._calls.append(call)
        if self.stopped:
            call.cancel()

    def stop(self) -> None:
        """The connection is gone."""
        super().stop()
        for call in self._calls:
            call.cancel()


class WriteWork(Work):
    """To the client.  The terminal filter is told to wait at the limit."""

    __slots__ = ("_runner",)

    def begin(self, connection: Any, first: Coroutine[Any, Any, None], size: int = 0) -> None:
        """Something waits: an orderly end waits too."""
        self._runner = connection.runner
        self._runner.hold_writes(True)
        super().begin(connection, first, size)

    def _pause_source(self, pause: bool) -> None:
        if not self.stopped:
            self._runner.on_watermark(pause)

    def hand_on(self, filter_: Any, connection: Any, data: bytes, *, end: bool) -> None:
        """Towards the client, also when the connection has been closed in an orderly way."""
        if connection.runner is not None:
            connection.runner.inject_write(filter_, data, end=end)

    def _over(self) -> None:
        super()._over()
        if not self.stopped:
            self._runner.hold_writes(False)
