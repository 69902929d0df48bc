"""Paces the body of one response: sixteen slices a second, bursts of up to a second, never more than a buffer's worth.

Source: Envoy's StreamRateLimiter (fault filter), TokenBucketImpl.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyvoy.network.timers import Timer
    from pyvoy.server.services import Services

SLICES_PER_SECOND = 16


class RateLimiter:
    """Owns the data that waits.  `write(data, end)` hands on a piece, `resume()` lets trailers go, `pause(bool)` stops
    the sender while more than `buffer_bytes` wait."""

    __slots__ = (
        "_buffer",
        "_buffer_bytes",
        "_ended",
        "_pause",
        "_paused",
        "_resume",
        "_services",
        "_since_s",
        "_slice_bytes",
        "_timer",
        "_tokens",
        "_trailers",
        "_write",
    )

    def __init__(
        self,
        services: Services,
        kilobytes_per_second: int,
        buffer_bytes: int,
        *,
        write: Callable[[bytes, bool], None],
        resume: Callable[[], None],
        pause: Callable[[bool], None],
    ) -> None:
        self._services = services
        self._slice_bytes = max(1, kilobytes_per_second * 1024 // SLICES_PER_SECOND)
        self._buffer_bytes = buffer_bytes
        self._write = write
        self._resume = resume
        self._pause = pause
        self._buffer = bytearray()
        self._ended = False
        self._trailers = False
        self._paused = False
        self._timer: Timer | None = None
        self._tokens = 0.0
        self._since_s: float | None = None

    def data(self, data: bytes, end: bool) -> None:
        """A piece of the body; it leaves when its time has come."""
        self._buffer += data
        self._ended = end
        self._arm(0.0)
        if not self._paused and len(self._buffer) > self._buffer_bytes:
            self._paused = True
            self._pause(True)

    def trailers(self) -> bool:
        """Trailers have come; True when they must wait for data before them."""
        self._ended = True
        self._trailers = bool(self._buffer)
        return self._trailers

    def stop(self) -> None:
        """The stream is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._buffer.clear()

    def _arm(self, delay_s: float) -> None:
        if self._timer is None:
            self._timer = self._services.timers.call_later(delay_s, self._due)

    def _due(self) -> None:
        self._timer = None
        buffer = self._buffer
        wanted = -(-len(buffer) // self._slice_bytes)
        count = min(self._take(wanted) * self._slice_bytes, len(buffer))
        data = bytes(memoryview(buffer)[:count])
        del buffer[:count]
        if buffer:
            self._arm(max(0.0, (1.0 - self._tokens) / SLICES_PER_SECOND))
        if self._paused and len(buffer) <= self._buffer_bytes // 2:
            self._paused = False
            self._pause(False)
        ended = self._ended and not buffer and not self._trailers
        if data or ended:
            self._write(data, ended)
        if not buffer and self._trailers:
            self._trailers = False
            self._resume()

    def _take(self, wanted: int) -> int:
        """So many slices, or as many as there are; the first time of all there is one."""
        now_s = self._services.clock()
        if self._since_s is None:
            self._tokens = 1.0
        else:
            self._tokens = min(self._tokens + (now_s - self._since_s) * SLICES_PER_SECOND, float(SLICES_PER_SECOND))
        self._since_s = now_s
        taken = min(wanted, math.floor(self._tokens + 1e-6))
        self._tokens = max(0.0, self._tokens - taken)
        return taken
