"""State that Envoy keeps once per process and pyvoy therefore once per proxy, shared by all workers.

Levels (circuit breakers, connection counts), token buckets, and what extensions share, by name.  The supervisor creates
the arena before it forks; each child attaches with its number.  With one worker everything is a plain object
(`local_arena.py`, `local_store.py`), with more it lies in shared memory (`shared_arena.py`, `shared_store.py`).
Source of behaviour: Envoy, ResourceLimit, AtomicTokenBucketImpl; Proxy-Wasm, shared data and queues.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from pyvoy.server.local_arena import Clock, LocalArena
from pyvoy.server.shared_arena import SharedArena


class SharedGauge(Protocol):
    """A level to which every worker adds its share."""

    def inc(self) -> None:
        """Add one to this worker's share."""

    def dec(self) -> None:
        """Take one from this worker's share."""

    def total(self) -> int:
        """The level over all workers."""

    def inc_within(self, limit: int) -> bool:
        """Add one if the level is below the limit, as one step over all workers; False if it is not."""


class TokenBucket(Protocol):
    """Fills continuously with tokens_per_fill in each fill interval, up to max_tokens; starts full."""

    max_tokens: int

    def consume(self, n: int = 1) -> bool:
        """Take n tokens, or none and False."""

    def remaining(self) -> int:
        """Whole tokens that are there."""

    def next_fill_s(self) -> float:
        """Seconds, in whole milliseconds, until there is a token; 0 if there is one."""


class Store(Protocol):
    """Values and queues of extensions.  A value has a number that changes with it, for compare-and-swap; 0 is none.

    `set` and `push` raise StoreFull; nothing is changed then."""

    def get(self, key: bytes) -> tuple[bytes, int] | None:
        """The value and its number, None when there is none."""

    def set(self, key: bytes, value: bytes, number: int = 0) -> bool:
        """Put a value; with a number only if it still has that, with ABSENT only if there is none; else False."""

    def delete(self, key: bytes, number: int = 0) -> bool:
        """Forget a value; False when there was none, or it has another number."""

    def push(self, queue: bytes, item: bytes) -> None:
        """Put an item at the end of a queue and wake who watches it."""

    def pop(self, queue: bytes) -> bytes | None:
        """The first item of a queue, None when it is empty."""

    def length(self, queue: bytes) -> int:
        """How many items a queue has."""

    def watch(self, queue: bytes, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> Callable[[], None]:
        """Have `callback` run in this worker when the queue has got an item (another worker may have taken it by
        then), and now if it has some; returns what takes that back."""


class Arena(Protocol):
    """Hands out shared state by name; the same name is the same state in every worker."""

    overflowed: int

    @property
    def store(self) -> Store:
        """Values and queues of extensions."""

    def attach(self, worker_index: int) -> None:
        """In a child, before anything else: which share is its own; the main process' number is that of workers."""

    def resource(self, name: str) -> SharedGauge:
        """The level of that name."""

    def token_bucket(self, name: str, max_tokens: int, tokens_per_fill: int, fill_interval_s: float) -> TokenBucket:
        """The bucket of that name."""

    def worker_died(self, worker_index: int) -> None:
        """In the supervisor: take the dead worker's shares off all levels."""


def create_arena(workers: int, clock: Clock = time.monotonic) -> Arena:
    """An arena for that many workers, whose numbers begin at 0; `clock` is monotonic over all of them."""
    return LocalArena(clock) if workers == 1 else SharedArena(workers, clock)


def local_arena(clock: Clock = time.monotonic) -> Arena:
    """An arena for one worker."""
    return LocalArena(clock)
