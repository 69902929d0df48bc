"""The HTTP connection manager: one downstream connection's codec, streams, timers and end.

A terminal network filter.  Bytes go to the codec, the codec's requests become streams, and what is left to the manager
is what concerns the connection: the last rules on response heads, upgrades, draining, closing; its time-outs are the
base class.  Source: Envoy's ConnectionManagerImpl.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from pyvoy.http.codec import CodecError, RequestSink
from pyvoy.http.h1.client import Http1ClientCodec
from pyvoy.http.h1.grammar import tokens
from pyvoy.http.h1.metered import MeteredServerCodec, received_field_bytes
from pyvoy.http.h1.server import Http1ServerCodec
from pyvoy.http.headers import HeaderMap
from pyvoy.http.light_stream import LightStream
from pyvoy.http.manager_plan import ManagerPlan
from pyvoy.http.manager_share import ManagerShare
from pyvoy.http.manager_timeouts import ManagerTimeouts
from pyvoy.http.plain_exchange import PlainExchange
from pyvoy.http.plain_plan import PlainPlan, PlainRequest
from pyvoy.http.stream import HttpStream
from pyvoy.network.network_filter import CloseType, NetworkVerdict
from pyvoy.observe import details
from pyvoy.observe.details import Flag, Reset

if TYPE_CHECKING:
    from pyvoy.http.h1.heads import RequestHead
    from pyvoy.http.manager_h2 import Http2ConnectionManager
    from pyvoy.network.connection import DownstreamConnection
    from pyvoy.observe.stream_info import ConnectionInfo

_CONTINUE = NetworkVerdict.CONTINUE
_FLUSH = CloseType.FLUSH
_PLAN_RETRY_S = 0.02
_PLAN_TRIES = 50


def _is_tunnel(stream: HttpStream, status: int) -> bool:
    """Whether a status grants the change of protocol that the request asked for."""
    return status == 101 or (200 <= status < 300 and stream.request_headers.map.get(b":method") == b"CONNECT")


class LogSource(Protocol):
    """What is logged: a stream, of either kind."""

    log_type: str


class HttpConnectionManager(ManagerTimeouts):
    """One connection.  Implements the codec's `ServerSink`; owns the codec and the streams."""

    __slots__ = (
        "_ends_soon",
        "_next_due",
        "_requests",
        "_transport_write",
        "_upgrades",
        "buffer_limit_bytes",
        "codec",
        "connection_info",
        "corked",
        "feeding",
        "share",
        "successor",
        "wall_offset_s",
    )

    terminal = True

    codec: Http1ServerCodec
    connection_info: ConnectionInfo
    buffer_limit_bytes: int
    share: ManagerShare

    def __init__(self, plan: ManagerPlan) -> None:
        super().__init__()
        self.plan = plan
        self._requests = 0
        self._upgrades = 0
        self._next_due = False
        self._ends_soon = False
        """The listener drains: the connection ends behind the running response."""
        self.feeding = False
        """True while one read of the client's is worked off; upstream codecs that begin a body then are corked."""
        self.corked: list[Http1ClientCodec] = []
        self.successor: Http2ConnectionManager | None = None
        """Serves the connection in place of this one, when the client speaks HTTP/2."""

    # ---- NetworkFilter ----

    def on_new_connection(self, connection: DownstreamConnection) -> NetworkVerdict:
        """Take the connection over."""
        self.connection = connection
        info = self.connection_info = connection.info
        self.services = connection.services
        self._choose_writer(connection)
        self.buffer_limit_bytes = connection.buffer_limit_bytes
        plan = self.plan
        share = self.share = plan.share or self._make_share(plan)
        self.wall_offset_s = info.start_wall_s - info.start_s
        codec_class = MeteredServerCodec if plan.meters else Http1ServerCodec
        self.codec = codec_class(self, self.write, plan.codec, plan.heads)
        share.accepted.hit()
        self._start_timers(info.start_s)
        return _CONTINUE

    def _choose_writer(self, connection: DownstreamConnection) -> None:
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
        gone.hit()
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

    def start_next(self) -> None:
        """Begin the pipelined request that waits, behind the read that is being worked off."""
        if not self._next_due:
            self._next_due = True
            self.services.loop.call_soon(self._deliver_next)

    def _deliver_next(self) -> None:
        self._next_due = False
        if self.connection.is_open and not self.closing:
            self.codec.deliver_next()

    def on_backlog(self, full: bool) -> None:
        """Pipelined requests wait: read no further until they are taken."""
        self.pause_reading(full)

    def pause_reading(self, pause: bool) -> None:
        """Stop or resume reading from the client; calls nest."""
        self.connection.read_disable(pause)

    def pause_request(self, stream_id: int, pause: bool) -> None:
        """Stop or resume reading a request; calls nest."""
        self.connection.read_disable(pause)

    def on_upgrade_refused(self) -> None:
        """A change of protocol is not allowed: what the client says next may not be HTTP."""
        self.closing = True

    def meter_head(self, stream: HttpStream, headers: HeaderMap) -> None:
        """Count the bytes of a request's head before anything changes it."""
        stream.info.downstream_header_bytes_received = received_field_bytes(headers)

    def reset_stream(self, stream: HttpStream) -> None:
        """Give a stream up without an answer, or in the middle of it."""
        self.codec.reset(stream.stream_id, Reset.LOCAL_RESET)

    def on_bad_request(self) -> None:
        """A request was answered 400: as in Envoy, who sends one broken message on HTTP/1 may send another."""
        self.closing = True

    # ---- what streams ask of their connection ----

    def reject(self, stream: HttpStream, rejection: Any) -> None:
        """The request rules refused the request."""
        if rejection.close:
            self.on_bad_request()
        if rejection.counter:
            self.plan.stats.scope.counter(rejection.counter).inc()
        if rejection.codec:
            self.plan.stats.downstream_cx_protocol_error.inc()
            stream.request_headers = HeaderMap()
            stream.request_ended = False  # Envoy's codec says so in the middle of the request
        stream.send_local_reply(
            rejection.status,
            rejection.body,
            details=rejection.details,
            flags=rejection.flags,
            headers=rejection.headers,
        )

    def on_codec_error(self, stream: HttpStream, error: CodecError) -> None:
        """The request cannot be read: answer its status, then close (Envoy: delayed close)."""
        stats = self.plan.stats
        stats.downstream_cx_protocol_error.inc()
        self.closing = True
        if error.details == "http1.unexpected_underscore":
            stats.codec_rejected_underscores.inc()
        if not hasattr(stream, "request_headers"):
            stream.request_headers = HeaderMap()
        if stream.response_started or stream.local_replied:
            stream.reset(error.details, Flag.DOWNSTREAM_PROTOCOL_ERROR)
            return
        flag = Flag.DOWNSTREAM_PROTOCOL_ERROR
        stream.send_local_reply(error.status, error.body, details=error.details, flags=flag)

    def upgrade_allowed(self, stream: HttpStream, route: Any) -> bool:
        """Whether an upgrade or CONNECT may go on: the route's word counts before the manager's."""
        headers = stream.request_headers.map
        connect = headers[b":method"] == b"CONNECT"
        if not connect and b"upgrade" not in tokens(headers.get(b"connection", b"")):
            return True
        if route is None and connect:
            return True
        stream.upgraded = True
        kind = b"connect" if connect else headers[b"upgrade"].lower()
        allowed = None if route is None else route.upgrades.get(kind)
        if allowed is None:
            allowed = self.plan.upgrades.get(kind, False)
        stats = self.plan.stats
        if not allowed:
            stats.downstream_rq_ws_on_non_ws_route.inc()
            self.on_upgrade_refused()
            stream.send_local_reply(403, details=details.UPGRADE_FAILED)
            return False
        stats.downstream_cx_upgrades_total.inc()
        stats.downstream_cx_upgrades_active.inc()
        self._upgrades += 1
        return True

    def send_informational(self, stream: HttpStream, headers: HeaderMap) -> None:
        """A 1xx response; counted like any other, as in Envoy."""
        done = self.share.done[1]
        if not done.count:
            done.board.note(done)
        done.count += 1
        self.codec.send_informational(stream.stream_id, headers)

    def finish_response_headers(self, stream: HttpStream, headers: HeaderMap) -> None:
        """The last rules on a response head, and whether the connection ends behind it."""
        plan = self.plan
        status = self._note_response(stream, headers)
        if not stream.request_ended:
            self.closing = True
        if not self.closing and (
            self.codec.special
            or self.draining
            or stream.connection_close
            or plan.max_requests_per_connection
            or self.services.draining()
        ):
            self._think_of_connection(stream, headers)
        if (self.closing or self.draining) and not (stream.upgraded and _is_tunnel(stream, status)):
            headers.set(b"connection", b"close")

    def _note_response(self, stream: HttpStream, headers: HeaderMap) -> int:
        """Apply the last rules on a response head and count it; its status."""
        plan = self.plan
        info = stream.info
        plan.response_rules(headers, stream)
        status = info.response_code = int(headers.map[b":status"])
        if not stream.health_check:
            done = self.share.done[status // 100 if status < 600 else 0]
            if not done.count:
                done.board.note(done)
            done.count += 1
        info.first_downstream_tx_s = self.services.clock()
        if not stream.request_ended:
            plan.stats.downstream_rq_response_before_rq_complete.inc()
        return status

    def _think_of_connection(self, stream: HttpStream, headers: HeaderMap) -> None:
        """Whether the connection ends behind this response, and what an HTTP/1.0 client is told of it."""
        plan = self.plan
        codec = self.codec
        if self._ends_soon or self.services.draining():
            plan.stats.downstream_cx_drain_close.inc()
            self.closing = True
            return
        if plan.max_requests_per_connection and self._requests >= plan.max_requests_per_connection:
            plan.stats.downstream_cx_max_requests_reached.inc()
            stream.connection_close = True
        if codec.must_close or (codec.is_http_10 and b"content-length" not in headers.map):
            stream.connection_close = True
        if stream.connection_close:
            self.closing = True
        elif codec.is_http_10:
            headers.set(b"connection", b"keep-alive")

    def log_access(self, stream: LogSource, log_type: str) -> None:
        """One line to each access log; `log_type` is what %ACCESS_LOG_TYPE% says."""
        stream.log_type = log_type
        for logger in self.plan.access_logs:
            logger.log(stream)

    def stream_replaced(self, stream: HttpStream, now_s: float) -> None:
        """The stream has ended, and another one goes on with its request."""
        over = self.share.over
        if not over.count:
            over.board.note(over)
        over.count += 1
        over.values.append(int((now_s - stream.info.start_s) * 1000))
        self._requests -= 1

    def stream_over(self, stream: HttpStream, now_s: float) -> None:
        """The stream has ended: go on with the connection, or close it."""
        self.streams.pop(stream.stream_id, None)
        over = self.share.over
        if not over.count:
            over.board.note(over)
        over.count += 1
        if not stream.health_check:
            over.values.append(int((now_s - stream.info.start_s) * 1000))
        self._idle_since_s = now_s
        complete = stream.request_ended and stream.response_ended
        if not complete:
            self.plan.stats.downstream_rq_rx_reset.inc()
            self.closing = True
        if not self.closing:
            if self.codec.finish(stream.stream_id):
                self.start_next()
        elif self.connection.is_open:
            if stream.info.response_code == 101:
                # A WebSocket's client waits for the end of its server's side; Envoy says nothing until it closes, a
                # second later, which some clients take for a fault.
                self.connection.write_end()
            # A client that may still be sending would lose the answer to a close at once.
            kind = CloseType.FLUSH if complete and stream.connection_close else CloseType.FLUSH_AND_DELAY
            self.connection.close(kind)
