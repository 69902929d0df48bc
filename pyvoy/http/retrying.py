"""What a request that may be tried again needs beside its attempts: the decision, the kept body, the back-off.

The policy decides (`routing.retry`); the router makes the attempts.  The body is kept up to the stream's buffer limit;
one that outgrows it is not tried again.  Source of behaviour: Envoy's Filter::maybeRetryReset, decodeData, doRetry.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pyvoy.http.headers import HeaderMap
from pyvoy.http.routing.retry import RetryState, RetryStatus
from pyvoy.observe.details import Flag

if TYPE_CHECKING:
    from pyvoy.http.charging import Charging
    from pyvoy.http.stream import HttpStream
    from pyvoy.network.timers import Timer


class Retrying:
    """One request's retries.  Owned by the router; `stop` must be called when the request ends.

    `again` is called when a back-off is over."""

    __slots__ = ("_again", "_body", "_body_bytes", "_charging", "_stream", "_timer", "state")

    def __init__(self, stream: HttpStream, state: RetryState, charging: Charging, again: Callable[[], None]) -> None:
        self.state = state
        self._stream = stream
        self._charging = charging
        self._again = again
        self._timer: Timer | None = None
        self._body: list[bytes] = []
        self._body_bytes = 0

    @property
    def waiting(self) -> bool:
        """True while a back-off runs."""
        return self._timer is not None

    @property
    def body(self) -> bytes:
        """What has come of the request body."""
        return b"".join(self._body)

    def keep(self, data: bytes) -> bool:
        """Keep a piece of the body; False when it has outgrown the stream's buffer limit."""
        self._body.append(data)
        self._body_bytes += len(data)
        return self._body_bytes <= self._stream.request_buffer_limit_bytes

    def after_headers(self, status: int, headers: HeaderMap) -> bool:
        """Decide on a response; True when another attempt follows."""
        return self._decided(self.state.should_retry_headers(status, headers, self._stream.services.wall()))

    def after_reset(self, reason: str, *, started: bool) -> bool:
        """Decide on an attempt that failed (`details.Reset`); `started` says that its head had gone out."""
        return self._decided(self.state.should_retry_reset(reason, request_started=started))

    def _decided(self, decision: RetryStatus) -> bool:
        charging = self._charging
        info = self._stream.info
        if decision is RetryStatus.YES:
            charging.retry()
            self._back_off()
            return True
        if decision is RetryStatus.NO_LIMIT_EXCEEDED:
            charging.retry_limit_exceeded()
            info.response_flags |= Flag.UPSTREAM_RETRY_LIMIT_EXCEEDED
        elif decision is RetryStatus.NO_OVERFLOW:
            charging.retry_overflow()
            info.response_flags |= Flag.UPSTREAM_OVERFLOW
        elif self.state.succeeded:
            charging.retry_success()
        return False

    def _back_off(self) -> None:
        services = self._stream.services
        delay_s, dictated = self.state.backoff_s(services.random)
        stats = self._charging.cluster
        (stats.upstream_rq_retry_backoff_ratelimited if dictated else stats.upstream_rq_retry_backoff_exponential).inc()
        self._timer = services.timers.call_later(delay_s, self._over)

    def _over(self) -> None:
        self._timer = None
        if not self._stream.finished:
            self._again()

    def stop(self) -> None:
        """No further attempt: give everything back."""
        self.state.release()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
