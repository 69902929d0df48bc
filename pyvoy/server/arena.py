"""State that Envoy keeps once per process and pyvoy therefore once per proxy, shared by all workers.

Levels (circuit breakers, connection counts) and token buckets, by name.  The supervisor creates the arena before it
forks; each child attaches with its number.  With one worker everything is a plain object (`local_arena.py`), with
more it lies in shared memory (`shared_arena.py`).  Source of behaviour: Envoy, ResourceLimit, AtomicTokenBucketImpl.
"""

from __future__ import annotations

import time
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


class Arena(Protocol):
    """Hands out shared state by name; the same name is the same state in every worker."""

    overflowed: int

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
