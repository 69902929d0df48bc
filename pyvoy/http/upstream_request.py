"""One attempt of a request at one host: waits for a connection, sends, receives, and tells the router.

The router owns the attempts and decides; an attempt owns its place in the pool or its connection until it ends.
Source: Envoy's Router::UpstreamRequest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from pyvoy.http.h1.metered import received_field_bytes
from pyvoy.http.headers import HeaderMap
from pyvoy.network.timers import Timer
from pyvoy.observe.stream_info import StreamInfo
from pyvoy.upstream.pool.h1 import Http1Connection, Http1Pool

if TYPE_CHECKING:
    from pyvoy.http.h1.heads import ResponseHead
    from pyvoy.http.stream import HttpStream
    from pyvoy.upstream.endpoint import Host


class AttemptOwner(Protocol):
    """What an attempt tells (the router)."""

    stream: HttpStream

    def upstream_ready(self, attempt: UpstreamRequest) -> None: ...

    def upstream_idle(self, attempt: UpstreamRequest) -> None: ...

    def upstream_informational(self, attempt: UpstreamRequest, headers: HeaderMap) -> None: ...

    def upstream_response(self, attempt: UpstreamRequest, headers: HeaderMap, body: bytes) -> None: ...

    def upstream_headers(self, attempt: UpstreamRequest, headers: HeaderMap, end: bool) -> None: ...

    def upstream_data(self, attempt: UpstreamRequest, data: bytes, end: bool) -> None: ...

    def upstream_trailers(self, attempt: UpstreamRequest, trailers: HeaderMap) -> None: ...

    def upstream_reset(self, attempt: UpstreamRequest, reason: str, detail: str) -> None: ...


class UpstreamRequest:
    """Implements the pool's `PoolRequest`; `ended` once nothing more comes of it."""

    connection: Http1Connection | None = None
    ended = False
    started = False
    """The request head has gone to the upstream."""
    waiting = False
    watched = False
    """The router wants to hear when the request goes out."""
    timers: list[Timer] | None = None
    """The time-outs of this attempt; they end with it."""
    idle_timeout_s: float | None = None
    """How long the upstream may be silent (per_try_idle_timeout); set when that begins to count."""
    _idle_timer: Timer | None = None
    _informed = False
    _stream_id = 0
    _body: list[bytes] | None = None
    _body_bytes = 0
    _trailers: HeaderMap | None = None
    _paused = False
    _meter: StreamInfo | None = None
    """Where the bytes are counted, when somebody logs them."""

    def __init__(self, owner: AttemptOwner, host: Host, pool: Http1Pool, end: bool) -> None:
        """`end` says that the request is a head only."""
        self._owner = owner
        self.host = host
        self.pool = pool
        self._request_done = self._head_only = end

    def adopt(self, connection: Http1Connection) -> None:
        """Take over a request that is on its connection already."""
        self.connection = connection
        self.started = True
        self._stream_id = connection.codec.stream_id

    def start(self) -> None:
        """Ask the pool for a connection; the head goes out as soon as it is there."""
        self.waiting = True
        self.pool.acquire(self)

    # ---- request ----

    def send_data(self, data: bytes, end: bool) -> None:
        """A piece of the body: to the upstream, or kept until there is one."""
        self._request_done = end
        if self.connection is not None:
            self._owner.stream.info.last_upstream_tx_s = self._owner.stream.active_s
            self.connection.codec.send_data(self._stream_id, data, end)
            return
        self._keep(data)

    def _keep(self, data: bytes) -> None:
        """Nothing can be sent yet."""
        if data:
            if self._body is None:
                self._body = []
            self._body.append(data)
            self._body_bytes += len(data)
        if not self._paused and self._body_bytes > self._owner.stream.request_buffer_limit_bytes:
            self._paused = True
            self._owner.stream.pause_request(True)

    def send_trailers(self, trailers: HeaderMap) -> None:
        """The request trailers."""
        self._request_done = True
        if self.connection is not None:
            self.connection.codec.send_trailers(self._stream_id, trailers)
        else:
            self._trailers = trailers

    def on_pool_ready(self, connection: Http1Connection) -> None:
        """The connection is there: send what there is."""
        self.waiting = False
        self.connection = connection
        codec = connection.codec
        stream = self._owner.stream
        info = stream.info
        info.upstream_local = connection.local
        info.upstream_tls = connection.tls
        info.upstream_connection_id = connection.connection_id
        info.upstream_protocol = codec.protocol
        info.first_upstream_tx_s = info.last_upstream_tx_s = stream.services.clock()
        body = self._body
        trailers = self._trailers
        done = self._request_done
        manager = stream.manager
        connection.downstream = manager.codec
        self._stream_id = codec.stream_id
        self.started = True
        if self.watched:
            self._owner.upstream_ready(self)
        if manager.plan.meters:
            codec.meter = info
            if codec.protocol != "HTTP/2":  # whose codec counts heads itself
                self._meter = info
        if not done and manager.feeding:
            codec.corked = True
            manager.corked.append(codec)
        head_only = self._head_only
        codec.send_headers(self._stream_id, stream.request_headers, head_only)
        if not head_only and (done or body is not None or trailers is not None):
            self._body = None
            if body or (done and trailers is None):  # a body that turned out to be empty is a body
                codec.send_data(self._stream_id, b"".join(body or ()), done and trailers is None)
            if trailers is not None:
                codec.send_trailers(self._stream_id, trailers)
        if self._paused:
            self._paused = False
            stream.pause_request(False)

    def on_pool_failure(self, reason: str, detail: str, host: Host | None) -> None:
        """No connection; without a host the attempt never came to one."""
        self.waiting = False
        self._owner.stream.info.upstream_host = host
        self._fail(reason, detail)

    # ---- response (ResponseSink) ----

    def on_informational(self, headers: HeaderMap) -> None:
        """A 1xx response; all but the first are dropped, as in Envoy."""
        self._meter_head(headers)
        if not self.ended and not self._informed:
            self._informed = True
            self._owner.upstream_informational(self, headers)

    def on_response(self, head: ResponseHead, body: bytes) -> None:
        """A whole response."""
        headers = head.headers()
        meter = self._meter
        if meter is not None and self.connection is not None:
            self._meter_head(headers)
            meter.upstream_wire_bytes_received += head.size_bytes + len(body)
            self.connection.codec.meter = None
        if not self.ended:
            self._end()
            self._owner.upstream_response(self, headers, body)

    def on_headers(self, headers: HeaderMap, end: bool) -> None:
        """The response head."""
        self._meter_head(headers)
        if self.ended:
            return
        if end:
            self._end()
        elif self.idle_timeout_s:
            self.watch_silence()
        self._owner.upstream_headers(self, headers, end)

    def _meter_head(self, headers: HeaderMap) -> None:
        """Count a head of the upstream's before anything changes it."""
        if self._meter is not None:
            self._meter.upstream_header_bytes_received += received_field_bytes(headers)

    def on_data(self, data: bytes, end: bool) -> None:
        """A piece of the response body."""
        if self.ended:
            return
        if end:
            self._end()
        elif self.idle_timeout_s:
            self.watch_silence()
        self._owner.upstream_data(self, data, end)

    def on_trailers(self, trailers: HeaderMap) -> None:
        """The response trailers."""
        if self.ended:
            return
        self._end()
        self._owner.upstream_trailers(self, trailers)

    def on_reset(self, reason: str, detail: str) -> None:
        """The connection failed under the request."""
        self.connection = None
        self._fail(reason, detail)

    def on_high_watermark(self) -> None:
        """The upstream reads too slowly: stop reading from the client."""
        if not self._paused and not self.ended:
            self._paused = True
            self._owner.stream.pause_request(True)

    def on_low_watermark(self) -> None:
        """The upstream has caught up."""
        if self._paused:
            self._paused = False
            self._owner.stream.pause_request(False)

    def pause_response(self, pause: bool) -> None:
        """Stop or resume reading the response; once it is whole the connection is somebody else's."""
        connection = self.connection
        if connection is not None and connection.request is self and not connection.closed:
            connection.pause_reading(pause)

    # ---- the end ----

    @property
    def complete(self) -> bool:
        """True when request and response are both whole: there is nothing to cancel."""
        return self.ended and self._request_done

    def limit(self, limit_s: float, callback: Callable[[UpstreamRequest], None]) -> None:
        """Have `callback` run after this time unless the attempt is over by then."""
        if self.timers is None:
            self.timers = []
        self.timers.append(self._owner.stream.services.timers.call_later(limit_s, lambda: callback(self)))

    def watch_silence(self) -> None:
        """The upstream has said something: it may be silent for `idle_timeout_s` again."""
        assert self.idle_timeout_s is not None
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        self._idle_timer = self._owner.stream.services.timers.call_later(
            self.idle_timeout_s, lambda: self._owner.upstream_idle(self)
        )

    def _end(self) -> None:
        self.ended = True
        if self.timers is not None:
            for timer in self.timers:
                timer.cancel()
            self.timers = None
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        if self._paused:
            self._paused = False
            self._owner.stream.pause_request(False)

    def _fail(self, reason: str, detail: str) -> None:
        if self.ended:
            return
        self._end()
        self._owner.upstream_reset(self, reason, detail)

    def cancel(self) -> None:
        """Give the attempt up, also when its response has come already: HTTP/1 closes the connection."""
        if not self.ended:
            self._end()
        if self.waiting:
            self.waiting = False
            self.pool.cancel_pending(self)
            return
        connection = self.connection
        self.connection = None
        if connection is not None and connection.request is self:
            connection.cancel()
