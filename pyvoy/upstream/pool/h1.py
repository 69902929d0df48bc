"""The HTTP/1 connection pool of one host and priority in one worker: one request per connection at a time.

A request gets an idle connection at once (the one used last, as in Envoy), or waits for one that is being made.  All
limits are the cluster's circuit breakers, which count over all workers.
Source: Envoy's Http1::FixedHttpConnPoolImpl on ConnPoolImplBase.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

from pyvoy.http.client_address import parse_ip
from pyvoy.http.codec import CodecError, ResponseSink
from pyvoy.http.h1.client import Http1ClientCodec
from pyvoy.http.h1.heads import ResponseHeads
from pyvoy.http.h1.limits import Http1Plan
from pyvoy.network.timers import Timer
from pyvoy.observe.details import Reset
from pyvoy.stats.tally import Tally
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


class PoolRequest(ResponseSink, Protocol):
    """What waits for a connection, and then receives the response on it."""

    def on_pool_ready(self, connection: Http1Connection) -> None:
        """Here is your connection; send the request on `connection.codec`."""

    def on_pool_failure(self, reason: str, detail: str, host: Host | None) -> None:
        """No connection: `reason` is one of `details.Reset`; `host` is None when it never came to one."""


class Corked(Protocol):
    """Output that can be held back while more is about to come."""

    corked: bool

    def uncork(self) -> None:
        """Let go what is held."""


class Http1Connection(UpstreamConnection):
    """One connection of the pool and the request that is on it."""

    def __init__(self, pool: Http1Pool) -> None:
        super().__init__(pool.services, pool.cluster, pool.host, pool.resources)
        self.pool = pool
        self.alpn = _ALPN
        if pool.server_name:
            self.server_name = pool.server_name
            if pool.cluster.plan.http.auto_san_validation:
                self.expected_name = pool.server_name
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
        """Request and response are done: back to the pool."""
        if self.request is None:
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


class Http1Pool:
    """All connections of one worker to one host, for one routing priority."""

    __slots__ = (
        "_all",
        "_begun",
        "_connecting",
        "_draining",
        "_idle",
        "_idle_timer",
        "_limits_attempts",
        "_max_duration_s",
        "_max_requests",
        "_outcomes",
        "_over",
        "_pending",
        "cluster",
        "heads",
        "host",
        "outcome",
        "plan",
        "resources",
        "server_name",
        "services",
    )

    def __init__(self, services: Services, cluster: Cluster, host: Host, priority: int, server_name: str = "") -> None:
        self.services = services
        self.server_name = server_name
        self.cluster = cluster
        self.host = host
        self.resources = cluster.resources(priority)
        http = cluster.plan.http
        limit_kb = http.max_response_headers_kb
        self.plan = Http1Plan(
            head_limit_bytes=(limit_kb or 80) * 1024,
            count_limit=http.max_headers_count,
            enable_trailers=http.enable_trailers,
            proper_case=http.header_case == "proper",
        )
        self.heads = ResponseHeads()
        stats, host_stats = cluster.stats, host.stats
        for gauge in (stats.upstream_rq_active, host_stats.rq_active):
            gauge.add(0)
        active = (stats.upstream_rq_active.index, host_stats.rq_active.index)
        totals = (stats.upstream_rq_total.index, host_stats.rq_total.index)
        cells = stats.upstream_rq_total.cells
        self._begun = Tally(services.tallies, cells, (*totals, *active))
        self._over = Tally(services.tallies, cells, (), falling=active)
        self._outcomes: dict[bytes, Tally] = {}
        self.outcome = self._outcomes.get
        """The tally of a response by its status, None before the first (see `new_outcome`)."""
        self._max_requests = http.max_requests_per_connection
        self._max_duration_s = http.max_connection_duration_s
        self._limits_attempts = bool(http.max_stream_duration_s) or cluster.results is not None
        for name in _CODEC_COUNTERS:
            cluster.scope.counter("http1." + name)
        self._idle: list[Http1Connection] = []
        self._all: set[Http1Connection] = set()
        self._connecting = 0
        self._pending: deque[PoolRequest] = deque()
        self._idle_timer: Timer | None = None
        self._draining = False

    # ---- requests ----

    def acquire(self, request: PoolRequest) -> None:
        """Find or make a connection; ends in `on_pool_ready` (perhaps at once) or `on_pool_failure`."""
        if self._idle:
            connection = self._idle.pop()
            if not self._attach(connection, request):
                self._idle.append(connection)
            return
        resources = self.resources
        stats = self.cluster.stats
        step, limited = on_request(
            idle=0,
            connecting=self._connecting,
            active=len(self._all) - self._connecting,
            pending=len(self._pending),
            may_wait=resources.pending_requests.can_create(),
            may_connect=resources.connections.can_create(),
        )
        if limited:
            stats.upstream_cx_overflow.inc()
        if step is Step.OVERFLOW:
            stats.upstream_rq_pending_overflow.inc()
            request.on_pool_failure(Reset.OVERFLOW, "", None)
            return
        self._pending.append(request)
        resources.pending_requests.inc()
        stats.upstream_rq_pending_total.inc()
        stats.upstream_rq_pending_active.inc()
        self.host.stats.rq_pending_active.inc()
        if step is Step.CONNECT:
            self._connect()

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

    def cancel_pending(self, request: PoolRequest) -> None:
        """A request that waits is given up."""
        if request in self._pending:
            self._pending.remove(request)
            self._pending_over()
            self.cluster.stats.upstream_rq_cancelled.inc()

    def _pending_over(self) -> None:
        self.resources.pending_requests.dec()
        self.cluster.stats.upstream_rq_pending_active.dec()
        self.host.stats.rq_pending_active.dec()

    def _attach(self, connection: Http1Connection, request: PoolRequest) -> bool:
        """Give the connection to the request; False when the cluster has too many requests, which fails this one."""
        if not self.resources.requests.take():
            self.cluster.stats.upstream_rq_active_overflow.inc()
            request.on_pool_failure(Reset.OVERFLOW, "", self.host)
            return False
        begun = self._begun
        if not begun.count:
            begun.board.note(begun)
        begun.count += 1
        self.host.active += 1
        connection.request = request
        connection.requests += 1
        connection.codec.new_stream(request)
        request.on_pool_ready(connection)
        return True

    def request_over(self) -> None:
        """A request has left its connection."""
        self.resources.requests.dec()
        over = self._over
        if not over.count:
            over.board.note(over)
        over.count += 1
        self.host.active -= 1

    def new_outcome(self, status: bytes) -> Tally:
        """The tally of ordinary responses (external request, host no canary) with this status: what
        `ClusterStats.charge_response` and `charge_time` count, and the host's success or error."""
        code = int(status)
        counter = self.host.stats.rq_error if code >= 500 else self.host.stats.rq_success
        indexes, histograms = self.cluster.stats.outcome_cells(code)
        tally = Tally(self.services.tallies, counter.cells, (*indexes, counter.index), histograms)
        self._outcomes[status] = tally
        return tally

    # ---- connections ----

    def _connect(self) -> None:
        connection = Http1Connection(self)
        self._all.add(connection)
        self._connecting += 1
        connection.connect()

    def connected(self, connection: Http1Connection) -> None:
        """A connection is ready for the request that waits longest."""
        self._connecting -= 1
        if self._max_duration_s:
            connection.limit_duration(self._max_duration_s)
        self._serve(connection)

    def connect_failed(self, connection: Http1Connection, reason: str, detail: str) -> None:
        """Refused or too slow: every waiting request hears it (Envoy: purgePendingStreams)."""
        self._connecting -= 1
        self._all.discard(connection)
        failed, self._pending = self._pending, deque()
        for request in failed:
            self._pending_over()
            self.cluster.stats.upstream_rq_pending_failure_eject.inc()
            request.on_pool_failure(reason, detail, self.host)
        self._check_empty()

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
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self.cluster.stats.upstream_rq_per_cx.record(connection.requests)
        while reconnect_for_pending(
            connecting=self._connecting,
            pending=len(self._pending),
            may_connect=self.resources.connections.can_create(),
        ):
            self._connect()
        self._check_empty()

    def drain(self) -> None:
        """Take no new request; close idle connections now and busy ones when they are done."""
        self._draining = True
        for connection in list(self._idle):
            self.discard(connection)
        self._check_empty()

    def _check_empty(self) -> None:
        if self._draining and not self._all and self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None


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
