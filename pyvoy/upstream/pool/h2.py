"""The HTTP/2 connection pool of one host and priority in one worker: many requests on each connection.

A request goes on a connection that has room at once, or waits for one that is being made; a connection takes as many
as the upstream's and our own max_concurrent_streams allow.  All limits are the cluster's circuit breakers.
Source: Envoy's Http2::ConnPoolImpl on MultiplexedActiveClientBase and ConnPoolImplBase.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyvoy.http.codec import CodecError
from pyvoy.http.h2.client import Http2ClientCodec
from pyvoy.http.h2.frames import PREFACE
from pyvoy.http.h2.stats import CodecStats
from pyvoy.http.keepalive_h2 import KeepAliveTimer
from pyvoy.network.timers import Timer
from pyvoy.observe.details import Reset
from pyvoy.upstream.pool.base import HttpPool
from pyvoy.upstream.pool.connection import UpstreamConnection
from pyvoy.upstream.pool.decide import Step, on_multiplexed_request
from pyvoy.upstream.pool.lane import Http2Lane

if TYPE_CHECKING:
    from pyvoy.server.services import Services
    from pyvoy.upstream.cluster import Cluster
    from pyvoy.upstream.endpoint import Host
    from pyvoy.upstream.pool.base import Corked, PoolRequest


_ALPN = ("h2",)
_GATHERED_BYTES = 64 * 1024
"""More than this does not wait for the end of the turn: there is nothing to gain, and bodies are not copied twice."""


class Http2UpstreamConnection(UpstreamConnection):
    """One connection of the pool and the lanes (requests) on it."""

    def __init__(self, pool: Http2Pool, made: UpstreamConnection | None = None) -> None:
        """`made`: a connection that is there already, and whose place this one takes (see `take_over`)."""
        super().__init__(pool.services, pool.cluster, pool.host, pool.resources, made)
        self.pool = pool
        self.alpn = _ALPN
        pool.name(self)
        self.lanes: dict[int, Http2Lane] = {}
        self.requests = 0
        self.idle_since_s = 0.0
        self.draining = False
        """Takes no new request."""
        self._gathered_bytes = 0
        self._gathered: list[bytes] = []
        """What leaves together at the end of this turn of the loop: requests of many clients, mostly."""
        self.codec = Http2ClientCodec(self, self._gather, pool.http2, pool.codec_stats, self._unwritten)
        self.codec.pending_limit_bytes = self.cluster.plan.per_connection_buffer_limit_bytes or 1 << 30
        self.corked_downstreams: list[Corked] = []
        self._interrupted = False
        self._keepalive: KeepAliveTimer | None = None
        self._duration_timer: Timer | None = None
        self.cluster.stats.upstream_cx_http2_total.inc()
        pool.codec_stats.nghttp2_upstream_connections.inc()

    def _unwritten(self) -> int:
        waiting = self._gathered_bytes
        return waiting + self.transport.get_write_buffer_size() if self.connected else waiting

    def _gather(self, data: bytes) -> None:
        """Output of the codec's: one system call, and one read of the upstream's, for all of a turn."""
        gathered = self._gathered
        if not gathered:
            self.services.loop.call_soon(self._write_gathered)
        gathered.append(data)
        self._gathered_bytes += len(data)
        if self._gathered_bytes > _GATHERED_BYTES:
            self._write_gathered()

    def _write_gathered(self) -> None:
        gathered = self._gathered
        if gathered:
            data = gathered[0] if len(gathered) == 1 else b"".join(gathered)
            gathered.clear()
            self._gathered_bytes = 0
            self.write(data)

    def close(self) -> None:
        """Close from here, behind what was said last."""
        self._write_gathered()
        super().close()

    @property
    def busy(self) -> bool:
        """True while requests are on the connection, and when it was closed under some."""
        return self._interrupted or bool(self.lanes)

    @property
    def has_room(self) -> bool:
        """Whether another request may begin here."""
        return not self.draining and not self.closed and len(self.lanes) < self.codec.stream_limit

    # ---- asyncio.Protocol ----

    def data_received(self, data: bytes) -> None:
        """Bytes from the upstream."""
        self._cells[self._rx_index] += len(data)
        if self.closed:
            return
        self.codec.feed(data)
        if self.corked_downstreams:
            for downstream in self.corked_downstreams:
                downstream.uncork()
            self.corked_downstreams.clear()

    def eof_received(self) -> bool | None:
        """The upstream half-closed: the end."""
        return False

    def on_connected(self) -> None:
        """Speak first, then serve those that wait."""
        self.codec.start(PREFACE)
        if self.pool.http2.keepalive is not None:
            self._keepalive = KeepAliveTimer(self.pool.http2.keepalive, self.services, self.codec, self._ping_timed_out)
        self.pool.connected(self)

    def on_connect_failed(self, reason: str, detail: str) -> None:
        self.pool.connect_failed(self, reason, detail)

    def on_closed(self, exc: Exception | None) -> None:
        """Gone: the running requests end with it."""
        self._end_all(Reset.CONNECTION_TERMINATION)
        self.pool.forget(self)

    def pause_writing(self) -> None:
        """The upstream reads too slowly."""
        self.cluster.stats.upstream_flow_control_backed_up_total.inc()
        for lane in list(self.lanes.values()):
            lane.on_high_watermark()

    def resume_writing(self) -> None:
        """The upstream has caught up."""
        self.cluster.stats.upstream_flow_control_drained_total.inc()
        for lane in list(self.lanes.values()):
            lane.on_low_watermark()

    # ---- Http2ClientSink ----

    def on_settings(self) -> None:
        """There may be more room than before."""
        self.pool.serve(self)

    def on_goaway(self) -> None:
        """No new request here; the connection ends with the last of those that run."""
        self.cluster.stats.upstream_cx_close_notify.inc()
        self.draining = True
        self.services.loop.call_soon(self.check_drained)

    def check_drained(self) -> None:
        """Close when nothing runs and nothing may begin."""
        if self.draining and not self.lanes and not self.closed:
            self.pool.discard(self)

    def on_connection_error(self, error: CodecError) -> None:
        """The upstream broke the protocol."""
        self.cluster.stats.upstream_cx_protocol_error.inc()
        self.draining = True
        self._end_all(Reset.PROTOCOL_ERROR)
        self.pool.discard(self)

    def on_ping_answered(self, payload: bytes) -> None:
        """The upstream lives."""
        if self._keepalive is not None:
            self._keepalive.answered()

    def _ping_timed_out(self) -> None:
        self.pool.codec_stats.keepalive_timeout.inc()
        self._interrupted = bool(self.lanes)
        self.draining = True
        self._end_all(Reset.CONNECTION_TERMINATION)
        self.pool.discard(self)

    # ---- requests ----

    def begin(self, request: PoolRequest) -> None:
        """Put a request on the connection."""
        lane = Http2Lane(self, request)
        lane.stream_id = self.codec.new_stream(lane)
        self.lanes[lane.stream_id] = lane
        self.requests += 1
        if self._keepalive is not None:
            self._keepalive.stream_begins()
        request.on_pool_ready(lane)  # type: ignore[arg-type]  # a lane is to its request what an HTTP/1 connection is

    def lane_over(self, lane: Http2Lane) -> None:
        """A stream is closed."""
        if self.lanes.pop(lane.stream_id, None) is not None:
            self.pool.request_over(self)

    def _end_all(self, reason: str) -> None:
        lanes = list(self.lanes.values())
        self.codec.broken = True
        for lane in lanes:
            self.lane_over(lane)
        for lane in lanes:
            lane.lose(reason)

    def limit_duration(self, limit_s: float) -> None:
        """Take no new request after this time (max_connection_duration)."""
        self._duration_timer = self.services.timers.call_later(limit_s, self._duration_reached)

    def _duration_reached(self) -> None:
        self._duration_timer = None
        if not self.closed and not self.draining:
            self.cluster.stats.upstream_cx_max_duration_reached.inc()
            self.draining = True
            self.check_drained()

    def _account_closed(self) -> None:
        if self._duration_timer is not None:
            self._duration_timer.cancel()
            self._duration_timer = None
        if self._keepalive is not None:
            self._keepalive.stop()
            self._keepalive = None
        super()._account_closed()


class Http2Pool(HttpPool[Http2UpstreamConnection]):
    """A pool whose connections carry many requests."""

    __slots__ = ("codec_stats", "http2")

    def __init__(self, services: Services, cluster: Cluster, host: Host, priority: int, server_name: str = "") -> None:
        super().__init__(services, cluster, host, priority, server_name)
        self.http2 = cluster.plan.http.http2
        self.codec_stats = CodecStats(cluster.scope)

    def _make_connection(self) -> Http2UpstreamConnection:
        return Http2UpstreamConnection(self)

    # ---- requests ----

    def use_ready(self, request: PoolRequest) -> bool:
        """Put the request on the first connection that has room."""
        ready = self._with_room()
        if ready is None:
            return False
        self._attach(ready, request)
        return True

    def _decide(self) -> tuple[Step, bool]:
        resources = self.resources
        return on_multiplexed_request(
            room=self._connecting * self._expected_streams,
            connections=len(self._all),
            pending=len(self._pending),
            may_wait=resources.pending_requests.can_create(),
            may_connect=resources.connections.can_create(),
        )

    def _with_room(self) -> Http2UpstreamConnection | None:
        for connection in self._all:
            if connection.connected and connection.has_room:
                return connection
        return None

    def take_idle(self, request: PoolRequest) -> None:
        """Nothing for the short ways: they speak HTTP/1."""

    def _attach(self, connection: Http2UpstreamConnection, request: PoolRequest) -> None:
        """Put the request on the connection; when the cluster has too many requests, it fails."""
        if not self._take_request(request):
            return
        if self._max_requests and connection.requests + 1 >= self._max_requests:
            self.cluster.stats.upstream_cx_max_requests.inc()
            connection.draining = True
        elif connection.codec.exhausted:
            connection.draining = True
        connection.begin(request)

    def request_over(self, connection: Http2UpstreamConnection) -> None:
        """A request has left its connection, which may have room for another now."""
        self._count_over()
        if not connection.lanes and not connection.closed:
            if connection.draining or self._draining:
                connection.draining = True
                # Not here: the last event of the stream is still to be delivered.
                self.services.loop.call_soon(connection.check_drained)
            else:
                self._note_idle(connection)
        if self._pending:
            self.services.loop.call_soon(self.serve, connection)

    # ---- connections ----

    def connected(self, connection: Http2UpstreamConnection) -> None:
        """A connection is ready for those that wait."""
        self._connecting -= 1
        if self._max_duration_s:
            connection.limit_duration(self._max_duration_s)
        self._note_idle(connection)
        self.serve(connection)

    def serve(self, connection: Http2UpstreamConnection) -> None:
        """Give the connection waiting requests as long as it has room; more connections for what is left."""
        while self._pending and connection.has_room:
            request = self._pending.popleft()
            self._pending_over()
            self._attach(connection, request)
        self._connect_for_pending()
        if self._draining and not connection.lanes and not connection.closed:
            connection.draining = True
            connection.check_drained()

    def _connect_for_pending(self) -> None:
        if not self._pending or self._with_room() is not None:
            return
        while len(self._pending) > self._connecting * self._expected_streams:
            if not self.resources.connections.can_create() and self._all:
                return
            self._connect()

    def _note_idle(self, connection: Http2UpstreamConnection) -> None:
        timeout_s = self.cluster.plan.http.idle_timeout_s
        connection.idle_since_s = now_s = self.services.clock()
        if timeout_s and self._idle_timer is None:
            self._idle_timer = self.services.timers.call_at(now_s + timeout_s, self._drop_idle)

    def _drop_idle(self) -> None:
        """Close what has been idle too long; look again when the next one could be."""
        self._idle_timer = None
        timeout_s = self.cluster.plan.http.idle_timeout_s or 0.0
        now_s = self.services.clock()
        for connection in [one for one in self._all if one.connected and not one.lanes]:
            if connection.idle_since_s <= now_s - timeout_s:
                self.cluster.stats.upstream_cx_idle_timeout.inc()
                self.discard(connection)
        if self._all:
            oldest_s = min([one.idle_since_s for one in self._all if not one.lanes], default=now_s)
            self._idle_timer = self.services.timers.call_at(
                max(oldest_s, now_s - timeout_s / 2) + timeout_s, self._drop_idle
            )

    def discard(self, connection: Http2UpstreamConnection) -> None:
        """Close a connection for good."""
        if not connection.closed:
            connection.close()
        self.forget(connection)

    def forget(self, connection: Http2UpstreamConnection) -> None:
        """A connection is gone; replace it when requests wait."""
        if connection not in self._all:
            return
        del self._all[connection]
        connection.codec.release()
        self.cluster.stats.upstream_rq_per_cx.record(connection.requests)
        self._connect_for_pending()
        self._check_empty()

    def drain(self) -> None:
        """Take no new request; close idle connections now and busy ones when they are done."""
        self._draining = True
        for connection in list(self._all):
            if connection.connected:
                connection.draining = True
                connection.check_drained()
        self._check_empty()


def http2_pool(
    services: Services, cluster: Cluster, host: Host, priority: int, key: object, server_name: str = ""
) -> Http2Pool:
    """The pool under this key, made on first need; `server_name` is the TLS name its connections ask for."""
    pool = host.pools.get(key)
    if pool is None:
        pool = host.pools[key] = Http2Pool(services, cluster, host, priority, server_name)
    return pool  # type: ignore[return-value]  # such keys hold HTTP/2 pools
