"""Values and queues that extensions share, in a proxy with one worker: plain objects.

Source of behaviour: Proxy-Wasm, shared data (compare-and-swap numbers, 0 is "whatever is there") and shared queues.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

LIMIT_BYTES = 12 << 20
"""What keys and values may take together, with one worker as with several (see `shared_store.py`)."""

ABSENT = -1
"""As the number of a value: there must be none."""


class StoreFull(Exception):
    """There is no room for a value or an item; nothing was changed."""


class LocalStore:
    """Shared values and queues when nobody shares."""

    __slots__ = ("_bytes", "_number", "_queues", "_values", "_watchers")

    def __init__(self) -> None:
        self._values: dict[bytes, tuple[bytes, int]] = {}
        self._queues: dict[bytes, deque[bytes]] = {}
        self._watchers: dict[bytes, list[tuple[asyncio.AbstractEventLoop, Callable[[], None]]]] = {}
        self._number = 0
        self._bytes = 0

    def get(self, key: bytes) -> tuple[bytes, int] | None:
        """The value and its number, None when there is none."""
        return self._values.get(key)

    def set(self, key: bytes, value: bytes, number: int = 0) -> bool:
        """Put a value; with a number only if it still has that, with ABSENT only if there is none.

        Raises StoreFull."""
        old = self._values.get(key)
        if number and number != (ABSENT if old is None else old[1]):
            return False
        before = 0 if old is None else len(key) + len(old[0])
        self._take(len(key) + len(value) - before)
        self._number += 1
        self._values[key] = (value, self._number)
        return True

    def delete(self, key: bytes, number: int = 0) -> bool:
        """Forget a value; with a number other than 0 only if the value still has it."""
        old = self._values.get(key)
        if old is None or (number and old[1] != number):
            return False
        del self._values[key]
        self._bytes -= len(key) + len(old[0])
        return True

    def push(self, queue: bytes, item: bytes) -> None:
        """Put an item at the end of a queue and wake who watches it.  Raises StoreFull."""
        self._take(len(item))
        self._queues.setdefault(queue, deque()).append(item)
        for loop, callback in self._watchers.get(queue, ()):
            loop.call_soon(callback)

    def pop(self, queue: bytes) -> bytes | None:
        """The first item of a queue, None when it is empty."""
        items = self._queues.get(queue)
        if not items:
            return None
        item = items.popleft()
        self._bytes -= len(item)
        return item

    def length(self, queue: bytes) -> int:
        """How many items a queue has."""
        return len(self._queues.get(queue, ()))

    def watch(self, queue: bytes, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> Callable[[], None]:
        """Have `callback` run in this worker when the queue has got an item; returns what takes that back."""
        watchers = self._watchers.setdefault(queue, [])
        entry = (loop, callback)
        watchers.append(entry)
        if self.length(queue):
            loop.call_soon(callback)
        return lambda: watchers.remove(entry) if entry in watchers else None

    def _take(self, size: int) -> None:
        if size > 0 and self._bytes + size > LIMIT_BYTES:
            raise StoreFull("the shared data of this proxy is full")
        self._bytes += size
