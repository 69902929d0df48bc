"""The HTTP/1 connection pool of one host and priority in one worker: one request per connection at a time.

A request gets an idle connection at once (the one used last, as in Envoy), or waits for one that is being made.  All
limits are the cluster's circuit breakers, which count over all workers.
Source: Envoy's Http1::FixedHttpConnPoolImpl on ConnPoolImplBase.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyvoy.http.client_address import parse_ip
from pyvoy.http.codec import CodecError
from pyvoy.http.h1.client import Http1ClientCodec
from pyvoy.http.h1.heads import ResponseHeads
from pyvoy.http.h1.limits import Http1Plan
from pyvoy.network.timers import Timer
from pyvoy.observe.details import Reset
from pyvoy.upstream.pool.base import Corked, HttpPool, PoolRequest
from pyvoy.upstream.pool.connection import UpstreamConnection
from pyvoy.upstream.pool.decide import Step, on_request, reconnect_for_pending

if TYPE_CHECKING:
    from pyvoy.http.headers import HeaderMap
    from pyvoy.server.services import Services
    from pyvoy.upstream.cluster import Cluster
    from pyvoy.upstream.endpoint import Host


_CODEC_COUNTERS = (
    "dropped_headers_with_underscores",
    "metadata_not_supported_error",
    "requests_rejected_with_underscores_in_headers",
    "response_flood",
)
_IDLE_TIMEOUT_REPLIES = (b"HTTP/1.1 408", b"HTTP/1.0 408")
"""What some servers say on an idle connection before they close it: no protocol error."""


_ALPN = ("http/1.1",)
"""What TLS offers where the cluster says nothing."""


class Http1Connection(UpstreamConnection):
    """One connection of the pool and the request that is on it."""

    def __init__(self, pool: Http1Pool, made: UpstreamConnection | None = None) -> None:
        """`made`: a connection that is there already, and whose place this one takes (see `take_over`)."""
        super().__init__(pool.services, pool.cluster, pool.host, pool.resources, made)
        self.pool = pool
        self.alpn = _ALPN
        pool.name(self)
        self.request: PoolRequest | None = None
        self.ends_itself = False
        """The upstream's end is answered by our own (a TCP session in a tunnel, as Envoy counts it)."""
        self.requests = 0
        self.idle_since_s = 0.0
        self.codec = Http1ClientCodec(self.write, self._complete, pool.plan, pool.heads)
        self.downstream: Corked | None = None
        """The codec that the response goes out on; corked while one read is worked off, so that head and body leave
        in one write."""
        self._paused = 0
        self._interrupted = False
        self._duration_timer: Timer | None = None
        self.cluster.stats.upstream_cx_http1_total.inc()

    @property
    def busy(self) -> bool:
        """True while a request is on the connection, and when it was closed under one."""
        return self._interrupted or (self.request is not None and not self.codec.ends_at_close)

    def data_received(self, data: bytes) -> None:
        """Bytes from the upstream."""
        self._cells[self._rx_index] += len(data)
        if self.closed:
            return
        if self.request is None:
            if not data.startswith(_IDLE_TIMEOUT_REPLIES):
                self.cluster.stats.upstream_cx_protocol_error.inc()
            self.pool.discard(self)
            return
        downstream = None
        try:
            if self.codec.feed_whole(data):
                return
            downstream = self.downstream
            if downstream is not None:
                downstream.corked = True
            self.codec.feed(data)
        except CodecError:
            self.cluster.stats.upstream_cx_protocol_error.inc()
            self._lose(Reset.PROTOCOL_ERROR)
        finally:
            if downstream is not None:
                downstream.uncork()

    def eof_received(self) -> bool | None:
        """The upstream half-closed: the end of a close-delimited body, or a cut."""
        if self.ends_itself:
            self.closed_locally = True
        return False

    def on_connected(self) -> None:
        self.pool.connected(self)

    def on_connect_failed(self, reason: str, detail: str) -> None:
        self.pool.connect_failed(self, reason, detail)

    def on_closed(self, exc: Exception | None) -> None:
        """Gone: the running request ends with it."""
        request = self.request
        if request is not None and not self.codec.feed_eof() and self.request is not None:
            partial = self.codec.mid_message
            if partial:
                self.cluster.stats.upstream_cx_protocol_error.inc()
            self._lose(Reset.PROTOCOL_ERROR if partial else Reset.CONNECTION_TERMINATION)
        self.pool.forget(self)

    def pause_writing(self) -> None:
        """The upstream reads too slowly."""
        self.cluster.stats.upstream_flow_control_backed_up_total.inc()
        if self.request is not None:
            self.request.on_high_watermark()

    def resume_writing(self) -> None:
        """The upstream has caught up."""
        self.cluster.stats.upstream_flow_control_drained_total.inc()
        if self.request is not None:
            self.request.on_low_watermark()

    def pause_reading(self, pause: bool) -> None:
        """Stop or resume reading the response; calls nest."""
        stats = self.cluster.stats
        self._paused += 1 if pause else -1
        if self.closed:
            return
        if pause and self._paused == 1:
            stats.upstream_flow_control_paused_reading_total.inc()
            self.transport.pause_reading()
        elif not pause and self._paused == 0:
            stats.upstream_flow_control_resumed_reading_total.inc()
            self.transport.resume_reading()

    # ---- requests ----

    def hand_over(self, request: PoolRequest, downstream: Corked) -> None:
        """Another object goes on with the running request."""
        self.request = request
        self.downstream = downstream
        self.codec.hand_over(request)

    def cancel(self) -> None:
        """The request on this connection is given up: HTTP/1 can only close."""
        if self.request is None:
            return
        self._interrupted = True
        self.codec.detach()
        self._release()
        self.pool.discard(self)

    def _lose(self, reason: str) -> None:
        request = self.request
        self.cancel()
        if request is not None:
            request.on_reset(reason, "")

    def limit_duration(self, limit_s: float) -> None:
        """Take no new request after this time (max_connection_duration)."""
        self._duration_timer = self.services.timers.call_later(limit_s, self._duration_reached)

    def _duration_reached(self) -> None:
        self._duration_timer = None
        if self.closed or not self.codec.reusable:
            return
        self.cluster.stats.upstream_cx_max_duration_reached.inc()
        self.codec.reusable = False
        if self.request is None:
            self.pool.discard(self)

    def _account_closed(self) -> None:
        if self._duration_timer is not None:
            self._duration_timer.cancel()
            self._duration_timer = None
        super()._account_closed()

    def _complete(self) -> None:
        """Request and response are done: back to the pool.  A tunnel's client is done: so are we."""
        if self.request is None:
            return
        if self.codec.tunnelling:
            if not self.closed:
                self.transport.write_eof()
            return
        if not self._paused and self.codec.reusable and self.pool.reuse(self):
            return
        if self._paused:
            self._paused = 0
            self.transport.resume_reading()
        self._release()
        self.pool.released(self)

    def _release(self) -> None:
        if self.request is None:
            return
        self.request = None
        self.downstream = None
        self.pool.request_over()


class Http1Pool(HttpPool[Http1Connection]):
    """A pool whose connections carry one request at a time."""

    __slots__ = ("_idle", "_limits_attempts", "heads", "plan")

    def __init__(self, services: Services, cluster: Cluster, host: Host, priority: int, server_name: str = "") -> None:
        super().__init__(services, cluster, host, priority, server_name)
        http = cluster.plan.http
        limit_kb = http.max_response_headers_kb
        self.plan = Http1Plan(
            head_limit_bytes=(limit_kb or 80) * 1024,
            count_limit=http.max_headers_count,
            enable_trailers=http.enable_trailers,
            proper_case=http.header_case == "proper",
        )
        self.heads = ResponseHeads()
        self._limits_attempts = bool(http.max_stream_duration_s) or cluster.results is not None
        for name in _CODEC_COUNTERS:
            cluster.scope.counter("http1." + name)
        self._idle: list[Http1Connection] = []

    def _make_connection(self) -> Http1Connection:
        return Http1Connection(self)

    # ---- requests ----

    def use_ready(self, request: PoolRequest) -> bool:
        """Put the request on the idle connection that was used last."""
        if not self._idle:
            return False
        connection = self._idle.pop()
        if not self._attach(connection, request):
            self._idle.append(connection)
        return True

    def _decide(self) -> tuple[Step, bool]:
        resources = self.resources
        return on_request(
            idle=0,
            connecting=self._connecting,
            active=len(self._all) - self._connecting,
            pending=len(self._pending),
            may_wait=resources.pending_requests.can_create(),
            may_connect=resources.connections.can_create(),
        )

    def take_idle(self, request: PoolRequest) -> Http1Connection | None:
        """An idle connection for a request, attached to it; None (and nothing done) without one, at the limit of
        requests, and where attempts have a limit or a listener of their own, which only the router knows."""
        if not self._idle or self._limits_attempts or not self.resources.requests.take():
            return None
        connection = self._idle.pop()
        begun = self._begun
        if not begun.count:
            begun.board.note(begun)
        begun.count += 1
        self.host.active += 1
        connection.request = request
        connection.requests += 1
        return connection

    def _attach(self, connection: Http1Connection, request: PoolRequest) -> bool:
        """Give the connection to the request; False when the cluster has too many requests, which fails this one."""
        if not self._take_request(request):
            return False
        connection.request = request
        connection.requests += 1
        connection.codec.new_stream(request)
        request.on_pool_ready(connection)
        return True

    def request_over(self) -> None:
        """A request has left its connection."""
        self._count_over()

    # ---- connections ----

    def connected(self, connection: Http1Connection) -> None:
        """A connection is ready for the request that waits longest."""
        self._connecting -= 1
        if self._max_duration_s:
            connection.limit_duration(self._max_duration_s)
        self._serve(connection)

    def reuse(self, connection: Http1Connection) -> bool:
        """The ordinary end of a request: nobody waits and the connection becomes idle.  False when there is more to
        decide."""
        if self._pending or self._max_requests or self._draining or self._idle_timer is None:
            return False
        connection.request = connection.downstream = None
        self.resources.requests.dec()
        over = self._over
        if not over.count:
            over.board.note(over)
        over.count += 1
        self.host.active -= 1
        connection.idle_since_s = self.services.clock()
        self._idle.append(connection)
        return True

    def released(self, connection: Http1Connection) -> None:
        """A connection has finished a request: use it again, or not."""
        codec = connection.codec
        if self._max_requests and connection.requests >= self._max_requests:
            self.cluster.stats.upstream_cx_max_requests.inc()
            self.discard(connection)
        elif not codec.reusable or self._draining:
            if codec.close_announced:
                self.cluster.stats.upstream_cx_close_notify.inc()
            if codec.stray:
                self.cluster.stats.upstream_cx_protocol_error.inc()
            self.discard(connection)
        else:
            self._serve(connection)

    def _serve(self, connection: Http1Connection) -> None:
        while self._pending:
            request = self._pending.popleft()
            self._pending_over()
            if self._attach(connection, request):
                return
        if self._draining:
            self.discard(connection)
        else:
            self._make_idle(connection)

    def _make_idle(self, connection: Http1Connection) -> None:
        self._idle.append(connection)
        timeout_s = self.cluster.plan.http.idle_timeout_s
        if timeout_s:
            now_s = self.services.clock()
            connection.idle_since_s = now_s
            if self._idle_timer is None:
                self._idle_timer = self.services.timers.call_at(now_s + timeout_s, self._drop_idle)

    def _drop_idle(self) -> None:
        """Close what has been idle too long; look again when the next one could be."""
        self._idle_timer = None
        timeout_s = self.cluster.plan.http.idle_timeout_s or 0.0
        limit_s = self.services.clock() - timeout_s
        for connection in [one for one in self._idle if one.idle_since_s <= limit_s]:
            self.cluster.stats.upstream_cx_idle_timeout.inc()
            self.discard(connection)
        if self._idle:
            oldest_s = min(one.idle_since_s for one in self._idle)
            self._idle_timer = self.services.timers.call_at(oldest_s + timeout_s, self._drop_idle)

    def discard(self, connection: Http1Connection) -> None:
        """Close a connection for good."""
        if connection in self._idle:
            self._idle.remove(connection)
        if not connection.closed:
            connection.close()
        self.forget(connection)

    def forget(self, connection: Http1Connection) -> None:
        """A connection is gone; replace it when requests wait."""
        if connection not in self._all:
            return
        del self._all[connection]
        if connection in self._idle:
            self._idle.remove(connection)
        self.cluster.stats.upstream_rq_per_cx.record(connection.requests)
        self._connect_for_pending()
        self._check_empty()

    def _connect_for_pending(self) -> None:
        while reconnect_for_pending(
            connecting=self._connecting,
            pending=len(self._pending),
            may_connect=self.resources.connections.can_create(),
        ):
            self._connect()

    def drain(self) -> None:
        """Take no new request; close idle connections now and busy ones when they are done."""
        self._draining = True
        for connection in list(self._idle):
            self.discard(connection)
        self._check_empty()


def http1_pool(services: Services, cluster: Cluster, host: Host, priority: int, server_name: str = "") -> Http1Pool:
    """The pool of a host and priority, made on first need; connections that ask for a TLS server name because their
    request does have pools of their own."""
    key = (priority, server_name) if server_name else priority
    pool = host.pools.get(key)
    if pool is None:
        pool = host.pools[key] = Http1Pool(services, cluster, host, priority, server_name)
    return pool  # type: ignore[return-value]  # keys that are plain priorities hold HTTP/1 pools


def requested_server_name(cluster: Cluster, headers: HeaderMap) -> str:
    """The TLS server name that a request asks for: its authority without the port; "" for none, or an address."""
    authority = headers.map.get(cluster.plan.http.auto_sni_header, b"")
    host, colon, port = authority.rpartition(b":")
    name = (host if colon and port.isdigit() else authority).decode("latin-1")
    return "" if parse_ip(name.strip("[]").encode("latin-1")) is not None else name
