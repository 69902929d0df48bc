"""The HTTP connection manager: one downstream connection's bytes and its codec, whose requests become streams.

A terminal network filter.  What the streams ask of it is `manager_streams.py`, its time-outs `manager_timeouts.py`.
Source: Envoy's ConnectionManagerImpl.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pyvoy.http.codec import CodecError, RequestSink
from pyvoy.http.h1.client import Http1ClientCodec
from pyvoy.http.h1.metered import MeteredServerCodec
from pyvoy.http.h1.server import Http1ServerCodec
from pyvoy.http.light_stream import LightStream
from pyvoy.http.manager_plan import ManagerPlan
from pyvoy.http.manager_share import ManagerShare
from pyvoy.http.manager_streams import ManagerStreams
from pyvoy.http.plain_exchange import PlainExchange
from pyvoy.http.plain_plan import PlainPlan, PlainRequest
from pyvoy.http.stream import HttpStream
from pyvoy.network.network_filter import CloseType, NetworkVerdict
from pyvoy.observe import details
from pyvoy.observe.details import Flag

if TYPE_CHECKING:
    from pyvoy.http.h1.heads import RequestHead
    from pyvoy.http.manager_h2 import Http2ConnectionManager
    from pyvoy.network.connection import DownstreamConnection

_CONTINUE = NetworkVerdict.CONTINUE
_FLUSH = CloseType.FLUSH
_PLAN_RETRY_S = 0.02
_PLAN_TRIES = 50


class HttpConnectionManager(ManagerStreams):
    """One connection.  Implements the codec's `ServerSink`; owns the codec and the streams."""

    __slots__ = (
        "_transport_write",
        "buffer_limit_bytes",
        "corked",
        "feeding",
        "successor",
        "wall_offset_s",
    )

    terminal = True

    buffer_limit_bytes: int

    def __init__(self, plan: ManagerPlan) -> None:
        super().__init__()
        self.plan = plan
        self.feeding = False
        """True while one read of the client's is worked off; upstream codecs that begin a body then are corked."""
        self.corked: list[Http1ClientCodec] = []
        self.successor: Http2ConnectionManager | None = None
        """Serves the connection in place of this one, when the client speaks HTTP/2."""

    # ---- NetworkFilter ----

    def on_new_connection(self, connection: DownstreamConnection) -> NetworkVerdict:
        """The connection is this manager's."""
        plan = self.plan
        self._hold(connection, plan.share)
        codec_class = MeteredServerCodec if plan.meters else Http1ServerCodec
        self.codec = codec_class(self, self.write, plan.codec, plan.heads)
        self.share.accepted.hit()
        self._start_timers(connection.info.start_s)
        return _CONTINUE

    def _hold(self, connection: DownstreamConnection, share: ManagerShare | None) -> None:
        """Note what is asked for at every request."""
        self.connection = connection
        info = self.connection_info = connection.info
        self.services = connection.services
        self.buffer_limit_bytes = connection.buffer_limit_bytes
        self.wall_offset_s = info.start_wall_s - info.start_s
        self.share = share or self._make_share(self.plan)
        runner = connection.runner
        writes = runner is not None and runner.has_write_filters
        self._transport_write = connection.write if writes else connection.writer

    def _make_share(self, plan: ManagerPlan) -> ManagerShare:
        share = plan.share = ManagerShare(plan, self.services, self.connection_info)
        return share

    def on_new_plan(self, plan: ManagerPlan, tries: int = 0) -> None:
        """A reload: requests are served by another plan, from the next moment on at which none is running.

        A connection that never has such a moment ends behind one of its next responses, so that no client keeps an
        old route for ever.  So does one whose statistics get another prefix: it was counted under the old one."""
        if self.successor is not None:
            self.successor.on_new_plan(plan, tries)
        elif plan.stats.scope.prefix != self.plan.stats.scope.prefix or tries > _PLAN_TRIES:
            self.draining = self._ends_soon = True
        elif self.streams:
            self.services.timers.call_later(_PLAN_RETRY_S, lambda: self.on_new_plan(plan, tries + 1))
        elif not self.closing:
            self._take_plan(plan)

    def _take_plan(self, plan: ManagerPlan) -> None:
        self.plan = plan
        self.share = plan.share or self._make_share(plan)
        self.codec.remember_in(plan.heads)

    def receiver(self, connection: DownstreamConnection) -> Callable[[bytes], None]:
        """Where the connection hands its bytes directly."""
        return self._receive

    def on_data(self, connection: DownstreamConnection, data: bytes, end: bool) -> NetworkVerdict:
        """Bytes from the client, when other filters stand before this one."""
        if data:
            connection.info.bytes_received -= len(data)
            self._receive(data)
        return NetworkVerdict.CONTINUE

    def _receive(self, data: bytes) -> None:
        if not self._spoken and not self._first_bytes(data):
            return
        size = len(data)
        share = self.share
        share.cells[share.rx_index] += size
        self.connection_info.bytes_received += size
        codec = self.codec
        if codec.feed_request(data):
            return
        self.feeding = True
        codec.feed(data)
        self.fed()

    def fed(self) -> None:
        """One read is worked off: let go what waited for more of it."""
        self.feeding = False
        if self.corked:
            for upstream in self.corked:
                upstream.uncork()
            self.corked.clear()

    def _first_bytes(self, data: bytes) -> bool:
        """Envoy makes its codec, and counts the connection, when the first bytes come; False when they, and all that
        follow, are for the manager of an HTTP/2 connection."""
        successor = self.successor
        if successor is None and self.plan.protocol.is_http2(data, self.connection_info):
            from pyvoy.http.manager_h2 import Http2ConnectionManager

            self._stop_timers()
            successor = self.successor = Http2ConnectionManager(self.plan)
            successor.take_over(self.connection)
            self.codec.release()
        if successor is not None:
            successor.receive(data)
            return False
        self._spoken = True
        self.share.spoken.hit()
        return True

    def write(self, data: bytes) -> None:
        """Bytes of the codec's, to the client."""
        size = len(data)
        if size:
            share = self.share
            share.cells[share.tx_index] += size
            self.connection_info.bytes_sent += size
            self._transport_write(data)

    def on_high_watermark(self, connection: DownstreamConnection) -> None:
        """The client reads too slowly: the upstreams wait."""
        if self.successor is not None:
            self.successor.on_high_watermark(connection)
            return
        self.plan.stats.downstream_flow_control_paused_reading_total.inc()
        for stream in self._live_streams():
            stream.on_downstream_watermark(True)

    def on_low_watermark(self, connection: DownstreamConnection) -> None:
        """The client has caught up."""
        if self.successor is not None:
            self.successor.on_low_watermark(connection)
            return
        self.plan.stats.downstream_flow_control_resumed_reading_total.inc()
        for stream in self._live_streams():
            stream.on_downstream_watermark(False)

    def on_drain(self, connection: DownstreamConnection) -> None:
        """The listener drains: end now when idle, else behind the running response."""
        if self.successor is not None:
            self.successor.on_drain(connection)
            return
        self.draining = self._ends_soon = True
        if not self.streams:
            self.plan.stats.downstream_cx_drain_close.inc()
            connection.close(CloseType.FLUSH)

    def on_close(self, connection: DownstreamConnection) -> None:
        """The connection is gone: end every stream."""
        if self.successor is not None:
            self.successor.on_close(connection)
            self.successor = None
            return
        local = connection.closed_locally and not connection.ended_by_peer
        self.closing = True
        if self.streams:
            self._abandon_streams(local=local)
        self._stop_timers()
        gone = self.share.gone[local][self._spoken]
        if not gone.count:
            gone.board.note(gone)
        gone.count += 1
        gone.values.append(int((self.services.clock() - connection.info.start_s) * 1000))
        if self._upgrades:
            self.plan.stats.downstream_cx_upgrades_active.sub(self._upgrades)
        if not self.streams and not self.feeding:
            self.codec.release()

    def _abandon_streams(self, *, local: bool) -> None:
        stats = self.plan.stats
        stats.downstream_cx_destroy_active_rq.inc()
        (stats.downstream_cx_destroy_local_active_rq if local else stats.downstream_cx_destroy_remote_active_rq).inc()
        for stream in self._live_streams():
            stream.abandon(details.DOWNSTREAM_REMOTE_DISCONNECT, Flag.DOWNSTREAM_CONNECTION_TERMINATION)

    # ---- ServerSink ----

    def new_stream(self, stream_id: int) -> HttpStream:
        """A request begins."""
        share = self.share
        begun = share.begun
        if not begun.count:
            begun.board.note(begun)
        begun.count += 1
        self._requests += 1
        now_s = self.services.clock()
        stream = self.streams[stream_id] = HttpStream(self, stream_id, now_s, now_s + self.wall_offset_s)
        if self.plan.meters and isinstance(self.codec, MeteredServerCodec):
            self.codec.begin(stream.info)
        self.watch_stream(now_s)
        if self.plan.max_stream_duration_s:
            stream.duration_limit_s = self.plan.max_stream_duration_s
        return stream

    def watch_stream(self, now_s: float) -> None:
        """A stream has begun that has the usual time-outs."""
        limit_s = self.share.first_limit_s
        if limit_s and now_s + limit_s < self.armed_s:
            self.watch(now_s + limit_s)

    def on_request(self, stream_id: int, head: RequestHead, body: bytes) -> None:
        """A whole request: by a short way if it is ordinary, else as a stream."""
        plain = self.share.plain
        exchange = None
        if plain is not None:
            request = head.memo
            if request is None:
                request = head.memo = plain.request(head) or False
            if type(request) is PlainRequest:
                if not plain.bare:
                    self._begin_light(stream_id, request, plain, body)
                    return
                exchange = PlainExchange(self, stream_id, request)
                if exchange.start(plain, body):
                    self._requests += 1
                    return
        stream = self.new_stream(stream_id)
        if exchange is not None and exchange.host_is_chosen:
            stream.chosen_host, stream.host_is_chosen = exchange.chosen_host, True
        if not body:
            stream.on_headers(head.headers(), True)
            return
        self.feeding = True
        stream.on_headers(head.headers(), False)
        stream.on_data(body, True)
        self.fed()

    def _begin_light(self, stream_id: int, request: PlainRequest, plain: PlainPlan, body: bytes) -> None:
        begun = self.share.begun
        if not begun.count:
            begun.board.note(begun)
        begun.count += 1
        self._requests += 1
        request_id = plain.ids.pop() if plain.ids else plain.next_id()
        stream = LightStream(self, stream_id, request, request_id, self.services.clock(), body)
        self.streams[stream_id] = stream
        stream.begin(plain)

    def plain_over(self, stream_id: int, status: bytes, took_ms: int, now_s: float) -> None:
        """A plain exchange is answered."""
        del self.streams[stream_id]
        share = self.share
        done = share.answered(status) or share.new_answered(status)
        if not done.count:
            done.board.note(done)
        done.count += 1
        done.values.append(took_ms)
        self._idle_since_s = now_s

    def write_last(self, data: bytes) -> None:
        """The response behind which the client asked to close."""
        self.closing = True
        connection = self.connection
        runner = connection.runner
        if runner is None or runner.has_write_filters:
            self.write(data)
            self.close_answered()
            return
        size = len(data)
        share = self.share
        share.cells[share.tx_index] += size
        self.connection_info.bytes_sent += size
        connection.write_last(data)

    def close_answered(self) -> None:
        """The client asked to close behind the response that has just been sent."""
        self.closing = True
        if self.connection.is_open:
            self.connection.close(_FLUSH)

    def on_connection_error(self, error: CodecError) -> None:
        """A fault outside any stream."""
        self.plan.stats.downstream_cx_protocol_error.inc()
        self.closing = True
        self.connection.close(CloseType.FLUSH_AND_DELAY)

    def on_partial_head(self, stream: RequestSink) -> None:
        """A head has begun and is not whole: its time is limited."""
        assert isinstance(stream, HttpStream)
        stream.await_head()
        self._watch_head(stream)

    def on_head_complete(self, stream: RequestSink) -> None:
        """The head is whole, and its version known."""
        assert isinstance(stream, HttpStream)
        stream.info.protocol = self.codec.protocol
        stream.active_s = self.services.clock()  # what the upstream takes counts from the whole request
        self._head_whole()

    def on_backlog(self, full: bool) -> None:
        """Pipelined requests wait: take no more until they are taken."""
        self.connection.hold_back(full)

    def pause_reading(self, pause: bool) -> None:
        """Stop or resume reading from the client; calls nest."""
        self.connection.read_disable(pause)

    def pause_request(self, stream_id: int, pause: bool) -> None:
        """Stop or resume reading a request; calls nest."""
        self.connection.read_disable(pause)
