"""Levels and token buckets of a proxy with one worker: plain objects.

Also holds the arithmetic of token buckets, which the shared ones use too.  A bucket's state is one time: it holds what
has flowed in since then, so that a sleeping bucket costs nothing.
Source of behaviour: Envoy, AtomicTokenBucketImpl.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from pyvoy.server.local_store import LocalStore

Clock = Callable[[], float]

# Envoy's slowest bucket: one token a year.
_MIN_FILL_RATE = 1.0 / (365 * 24 * 60 * 60)


def fill_rate(tokens_per_fill: int, fill_interval_s: float) -> float:
    """Tokens a second; never below one a year."""
    return max(tokens_per_fill / fill_interval_s, _MIN_FILL_RATE) if fill_interval_s > 0 else _MIN_FILL_RATE


def held_tokens(since: float, now: float, max_tokens: int, rate: float) -> float:
    """Tokens in a bucket that has been filling since then."""
    return min(float(max_tokens), (now - since) * rate) if now > since else 0.0


def after_taking(since: float, now: float, n: int, max_tokens: int, rate: float) -> float | None:
    """The new time when n tokens are taken, None if there are not so many."""
    held = held_tokens(since, now, max_tokens, rate)
    return None if held < n else now - (held - n) / rate


def wait_s(held: float, rate: float) -> float:
    """Seconds, in whole milliseconds, until there is a whole token."""
    return 0.0 if held >= 1 else math.ceil((1 - held) / rate * 1000) / 1000


class LocalGauge:
    """A level of one process."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def inc(self) -> None:
        """Add one."""
        self.value += 1

    def dec(self) -> None:
        """Take one."""
        self.value -= 1

    def total(self) -> int:
        """The level."""
        return self.value

    def inc_within(self, limit: int) -> bool:
        """Add one if the level is below the limit."""
        if self.value >= limit:
            return False
        self.value += 1
        return True


class LocalTokenBucket:
    """A bucket of one process."""

    __slots__ = ("_clock", "_fill_rate", "_since", "max_tokens")

    def __init__(self, max_tokens: int, fill_rate: float, clock: Clock) -> None:
        self.max_tokens = max_tokens
        self._fill_rate = fill_rate
        self._clock = clock
        self._since = clock() - max_tokens / fill_rate

    def consume(self, n: int = 1) -> bool:
        """Take n tokens, or none and False."""
        since = after_taking(self._since, self._clock(), n, self.max_tokens, self._fill_rate)
        if since is None:
            return False
        self._since = since
        return True

    def remaining(self) -> int:
        """Whole tokens that are there."""
        return int(held_tokens(self._since, self._clock(), self.max_tokens, self._fill_rate))

    def next_fill_s(self) -> float:
        """Seconds until there is a token."""
        return wait_s(held_tokens(self._since, self._clock(), self.max_tokens, self._fill_rate), self._fill_rate)


class LocalArena:
    """Shared state when nobody shares."""

    __slots__ = ("_buckets", "_clock", "_resources", "overflowed", "store")

    def __init__(self, clock: Clock) -> None:
        self.overflowed = 0
        self.store = LocalStore()
        self._clock = clock
        self._resources: dict[str, LocalGauge] = {}
        self._buckets: dict[str, LocalTokenBucket] = {}

    def attach(self, worker_index: int) -> None:
        """Nothing to do."""

    def resource(self, name: str) -> LocalGauge:
        """The level of that name."""
        return self._resources.setdefault(name, LocalGauge())

    def token_bucket(
        self, name: str, max_tokens: int, tokens_per_fill: int, fill_interval_s: float
    ) -> LocalTokenBucket:
        """The bucket of that name; other figures than before make a new, full bucket."""
        rate = fill_rate(tokens_per_fill, fill_interval_s)
        key = f"{name}\0{max_tokens}\0{rate}"
        found = self._buckets.get(key)
        if found is None:
            found = self._buckets[key] = LocalTokenBucket(max_tokens, rate, self._clock)
        return found

    def worker_died(self, worker_index: int) -> None:
        """All state is new with the new worker."""
        self._resources.clear()
        self._buckets.clear()
        self.store = LocalStore()
