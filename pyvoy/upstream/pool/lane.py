"""One request's place on an HTTP/2 connection: to the request what an HTTP/1 connection and its codec are.

Forwards the codec's events for its stream to the request, and the request's calls to the codec.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyvoy.http.h2.frames import ErrorCode
from pyvoy.http.headers import HeaderMap
from pyvoy.observe.details import Reset

if TYPE_CHECKING:
    from pyvoy.network.address import Address
    from pyvoy.observe.tls_info import TlsInfo
    from pyvoy.upstream.pool.base import Corked, PoolRequest
    from pyvoy.upstream.pool.h2 import Http2UpstreamConnection


class Http2Lane:
    """Owned by its connection as long as the stream is open; `request` is whoever gets the response."""

    __slots__ = ("_connection", "_high", "_paused", "downstream", "request", "stream_id")

    protocol = "HTTP/2"

    def __init__(self, connection: Http2UpstreamConnection, request: PoolRequest) -> None:
        self._connection = connection
        self.request: PoolRequest | None = request
        self.downstream: Corked | None = None
        """The codec that the response goes out on; corked while one read is worked off."""
        self.stream_id = 0
        self._high = 0
        self._paused = 0

    # ---- what a request asks of its connection ----

    @property
    def codec(self) -> Http2Lane:
        """What the request is written to."""
        return self

    @property
    def local(self) -> Address | None:
        """Our end of the connection."""
        return self._connection.local

    @property
    def tls(self) -> TlsInfo | None:
        """The facts of its TLS, None on plain text."""
        return self._connection.tls

    @property
    def connection_id(self) -> int:
        """The connection's number."""
        return self._connection.connection_id

    @property
    def closed(self) -> bool:
        """Whether the connection is."""
        return self._connection.closed

    def pause_reading(self, pause: bool) -> None:
        """Give the upstream no more credit for this response, or again; calls nest."""
        stats = self._connection.cluster.stats
        self._paused += 1 if pause else -1
        if pause and self._paused == 1:
            stats.upstream_flow_control_paused_reading_total.inc()
        elif not pause and not self._paused:
            stats.upstream_flow_control_resumed_reading_total.inc()
        self._connection.codec.pause(self.stream_id, pause)

    def cancel(self) -> None:
        """The request is given up: its stream is reset, the others go on."""
        self.request = None
        connection = self._connection
        if self.stream_id in connection.lanes:
            connection.cluster.stats.upstream_rq_tx_reset.inc()
            connection.codec.reset_code(self.stream_id, ErrorCode.INTERNAL_ERROR)

    # ---- what a request asks of its codec ----

    @property
    def corked(self) -> bool:
        """True while output is gathered because more is about to come."""
        return self._connection.codec.corked

    @corked.setter
    def corked(self, value: bool) -> None:
        self._connection.codec.corked = value

    def uncork(self) -> None:
        """No more output for now."""
        self._connection.codec.uncork()

    @property
    def meter(self) -> Any:
        """Where the stream's bytes are counted."""
        stream = self._connection.codec.streams.get(self.stream_id)
        return None if stream is None else stream.meter

    @meter.setter
    def meter(self, value: Any) -> None:
        self._connection.codec.meter(self.stream_id, value)

    def send_headers(self, stream_id: int, headers: HeaderMap, end: bool) -> None:
        """The request head."""
        self._connection.codec.send_headers(stream_id, headers, end)

    def send_data(self, stream_id: int, data: bytes, end: bool) -> None:
        """A piece of the request body."""
        self._connection.codec.send_data(stream_id, data, end)

    def send_trailers(self, stream_id: int, trailers: HeaderMap) -> None:
        """The request trailers."""
        self._connection.codec.send_trailers(stream_id, trailers)

    # ---- StreamSink ----

    def on_informational(self, headers: HeaderMap) -> None:
        """A 1xx response."""
        if self.request is not None:
            self.request.on_informational(headers)

    def on_headers(self, headers: HeaderMap, end: bool) -> None:
        """The response head; what follows it in the same read leaves with it in one write."""
        request = self.request
        if request is None:
            return
        if not end and self.downstream is not None:
            self.downstream.corked = True
            self._connection.corked_downstreams.append(self.downstream)
        request.on_headers(headers, end)

    def on_data(self, data: bytes, end: bool) -> None:
        """A piece of the body."""
        if self.request is not None:
            self.request.on_data(data, end)

    def on_trailers(self, trailers: HeaderMap) -> None:
        """The trailers."""
        if self.request is not None:
            self.request.on_trailers(trailers)

    def on_reset(self, reason: str, detail: str) -> None:
        """The upstream has reset the stream, or it was reset for what the upstream sent."""
        self.lose(reason)

    def lose(self, reason: str) -> None:
        """The stream has ended under its request (statistics as Envoy's MultiplexedActiveClientBase::onStreamReset)."""
        request, self.request = self.request, None
        stats = self._connection.cluster.stats
        if reason == Reset.CONNECTION_TERMINATION:
            stats.upstream_rq_pending_failure_eject.inc()
        elif reason == Reset.PROTOCOL_ERROR:
            stats.upstream_rq_tx_reset.inc()
        elif reason == Reset.REMOTE_RESET:
            stats.upstream_rq_rx_reset.inc()
        if request is not None:
            request.on_reset(reason, "")

    def on_gone(self) -> None:
        """The stream is closed."""
        self._connection.lane_over(self)

    def on_high_watermark(self) -> None:
        """The upstream's window, or its connection, is full."""
        self._high += 1
        if self._high == 1 and self.request is not None:
            self.request.on_high_watermark()

    def on_low_watermark(self) -> None:
        """It has room again."""
        self._high -= 1
        if not self._high and self.request is not None:
            self.request.on_low_watermark()

    def on_response(self, head: object, body: bytes) -> None:
        """Never: HTTP/2 delivers responses in pieces."""
        raise AssertionError("an HTTP/2 response comes in pieces")
