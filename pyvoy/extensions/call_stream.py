"""One HTTP stream of an extension to a cluster: both bodies in pieces, tried once.

What the upstream sees and what is counted is what `http_call.py` does for whole calls.  Memory is bounded on both
sides: `full` says when the upstream (or the way to it) takes no more for now, `pause` gives it no more credit.
Source: Envoy, AsyncStreamImpl.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from pyvoy.extensions.http_call import CallOptions, CallResult, HttpCall
from pyvoy.http.headers import HeaderMap

if TYPE_CHECKING:
    from pyvoy.http.h1.heads import ResponseHead
    from pyvoy.server.services import Services
    from pyvoy.upstream.cluster import Cluster
    from pyvoy.upstream.pool.h1 import Http1Connection


class StreamEvents(Protocol):
    """Hears what comes back.  Nothing is told while the stream is being begun, and nothing after its end."""

    def on_headers(self, headers: HeaderMap, end: bool) -> None:
        """The response head."""

    def on_data(self, data: bytes, end: bool) -> None:
        """A piece of the body."""

    def on_trailers(self, trailers: HeaderMap) -> None:
        """The trailers: the end."""

    def on_failure(self, result: CallResult) -> None:
        """There will be no whole response: the end."""

    def on_writable(self) -> None:
        """The stream was `full` and is no longer."""


class RunningStream(Protocol):
    """A stream that was begun."""

    done: bool
    """Nothing more comes of it."""

    @property
    def full(self) -> bool:
        """Whoever sends should wait for `on_writable`; what is sent all the same is kept."""

    def send_data(self, data: bytes, end: bool) -> None:
        """A piece of the request's body; without effect after the end of either side."""

    def pause(self, pause: bool) -> None:
        """Stop reading the response, or go on; what is under way still comes."""

    def cancel(self) -> None:
        """Give the stream up: it is reset, and nothing more is heard of it."""


class CallStream(HttpCall):
    """A stream under way; implements the pool's `PoolRequest`."""

    __slots__ = ("_blocked", "_events", "_kept", "_kept_bytes", "_paused", "_request_done")

    def __init__(
        self, services: Services, cluster: Cluster, headers: HeaderMap, options: CallOptions, events: StreamEvents
    ) -> None:
        super().__init__(services, cluster, headers, b"", None, options, _failure(events))
        self._events = events
        self._request_done = False
        self._kept: list[bytes] = []
        """What came before there was a connection."""
        self._kept_bytes = 0
        self._blocked = False
        self._paused = False

    @property
    def full(self) -> bool:
        """See RunningStream."""
        return self._blocked or self._kept_bytes > self._cluster.plan.per_connection_buffer_limit_bytes

    def send_data(self, data: bytes, end: bool) -> None:
        """See RunningStream."""
        if self.done or self._request_done:
            return
        self._request_done = end
        connection = self._connection
        if connection is not None:
            connection.codec.send_data(connection.codec.stream_id, data, end)
        else:
            self._kept.append(data)
            self._kept_bytes += len(data)

    def pause(self, pause: bool) -> None:
        """See RunningStream."""
        connection = self._connection
        if connection is not None and pause is not self._paused and not connection.closed:
            self._paused = pause
            connection.pause_reading(pause)

    def cancel(self) -> None:
        """See RunningStream.  One whose response has begun is counted as what it began as."""
        if not self.done and self._response is not None:
            self._charge_begun(self._response)
        super().cancel()

    # ---- PoolRequest ----

    def on_pool_ready(self, connection: Http1Connection) -> None:
        """The connection is there: send what has come so far."""
        self._waiting = False
        was_full = self.full
        self._connection = connection
        codec = connection.codec
        body, whole = b"".join(self._kept), self._request_done
        self._kept.clear()
        self._kept_bytes = 0
        codec.send_headers(codec.stream_id, self._headers, whole and not body)
        if body:
            codec.send_data(codec.stream_id, body, whole)
        if was_full and not self.full:
            self._events.on_writable()

    def on_response(self, head: ResponseHead, body: bytes) -> None:
        """A whole response at once (HTTP/1)."""
        self.on_headers(head.headers(), not body)
        if body:
            self.on_data(body, True)

    def on_headers(self, headers: HeaderMap, end: bool) -> None:
        """The response head."""
        if self.done:
            return
        self._response = headers
        if end:
            self._complete(None)
        else:
            self._add_service_time(headers, self._elapsed_ms())
        self._events.on_headers(headers, end)

    def on_data(self, data: bytes, end: bool) -> None:
        """A piece of the body."""
        if self.done:
            return
        if end:
            self._complete(None)
        self._events.on_data(data, end)

    def on_trailers(self, trailers: HeaderMap) -> None:
        """The trailers: the end."""
        if not self.done:
            self._complete(trailers)
            self._events.on_trailers(trailers)

    def on_high_watermark(self) -> None:
        """The upstream reads too slowly."""
        self._blocked = True

    def on_low_watermark(self) -> None:
        """It has caught up."""
        self._blocked = False
        if not self.done:
            self._events.on_writable()

    # ---- the end ----

    def _add_service_time(self, headers: HeaderMap, elapsed_ms: int) -> None:
        """As in Envoy only where the whole request had been sent."""
        if self._request_done:
            super()._add_service_time(headers, elapsed_ms)

    def _complete(self, trailers: HeaderMap | None) -> None:
        """The response is whole.  A request that is not is of no use any more: its stream is reset."""
        connection = self._connection
        super()._complete(trailers)
        if not self._request_done and connection is not None and connection.request is self:
            connection.cancel()


def _failure(events: StreamEvents) -> Callable[[CallResult], None]:
    def ended(result: CallResult) -> None:
        if result.failure is not None:
            events.on_failure(result)

    return ended
