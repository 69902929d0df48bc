"""Draining: when a connection should be closed after its current request, and waiting for those that remain.

Gradual draining closes with a chance that rises linearly over the drain time, so that clients do not all come back at
once; immediate draining closes every connection at its next response.
Source: Envoy, Server::DrainManagerImpl (drainClose), --drain-time-s, --drain-strategy, /healthcheck/fail.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Protocol

POLL_S = 0.02


class Drainable(Protocol):
    """What can be drained: a data plane."""

    async def stop_accepting(self) -> None:
        """Take what waits in the accept queues, then close the listening sockets."""

    def drain(self) -> None:
        """Close idle connections and let the others end with their current request."""

    def active_connections(self) -> int:
        """Connections that are still open."""

    def close_all(self) -> None:
        """Cut what is left."""


class Drain:
    """The drain state of one worker; `should_close` is asked before a connection is kept alive."""

    __slots__ = ("_clock", "_from_s", "_health_failed", "_random", "_time_s")

    def __init__(self, clock: Callable[[], float], chance: random.Random) -> None:
        self._clock = clock
        self._random = chance
        self._from_s: float | None = None
        self._time_s = 0.0
        self._health_failed = False

    @property
    def is_draining(self) -> bool:
        """True from the start of a drain on."""
        return self._from_s is not None

    def start(self, time_s: float, *, immediate: bool) -> None:
        """Begin to drain over `time_s` seconds; a drain that runs is only ever made quicker."""
        if self._from_s is None:
            self._from_s = self._clock()
            self._time_s = time_s
        if immediate:
            self._time_s = 0.0

    def set_health(self, *, failed: bool) -> None:
        """The admin's health check state: a failed proxy wants its clients to go elsewhere."""
        self._health_failed = failed

    def is_health_failed(self) -> bool:
        """Whether /healthcheck/fail is in force."""
        return self._health_failed

    def should_close(self) -> bool:
        """Whether a connection that finishes a request now should be closed."""
        if self._health_failed:
            return True
        if self._from_s is None:
            return False
        gone_s = self._clock() - self._from_s
        return gone_s >= self._time_s or self._random.random() * self._time_s < gone_s


async def drain_and_wait(plane: Drainable, time_s: float, clock: Callable[[], float]) -> int:
    """Stop accepting and wait until all connections have ended, at most `time_s`.  Returns how many had to be cut."""
    await plane.stop_accepting()
    plane.drain()
    deadline_s = clock() + time_s
    # Polled once per process: an event would burden every connection.
    while plane.active_connections() and clock() < deadline_s:  # noqa: ASYNC110
        await asyncio.sleep(POLL_S)
    left = plane.active_connections()
    plane.close_all()
    return left
