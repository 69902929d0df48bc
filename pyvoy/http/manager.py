"""The HTTP connection manager: one downstream connection's codec, streams, timers and end.

A terminal network filter.  Bytes go to the codec, the codec's requests become streams, and what is left to the manager
is what concerns the connection: idle and request time-outs, the last rules on response heads, draining, closing.
Time-outs that every stream has (stream idle, route) cost a request nothing: one timer per connection is armed for the
earliest moment that could matter and looks again when it fires.  Source: Envoy's ConnectionManagerImpl.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from pyvoy.http.chain import ChainPlan
from pyvoy.http.codec import CodecError, RequestSink
from pyvoy.http.h1.client import Http1ClientCodec
from pyvoy.http.h1.decoder import HeadLines
from pyvoy.http.h1.grammar import tokens
from pyvoy.http.h1.limits import Http1Plan
from pyvoy.http.h1.server import Http1ServerCodec
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import LocalReply
from pyvoy.http.plain_exchange import PlainExchange, PlainPlan, plain_plan
from pyvoy.http.response_rules import ResponseRules
from pyvoy.http.stats import HttpStats
from pyvoy.http.stream import HttpStream
from pyvoy.network.network_filter import CloseType, NetworkFilter, NetworkVerdict
from pyvoy.network.timers import Timer
from pyvoy.observe import details
from pyvoy.observe.details import Flag
from pyvoy.stats.tally import Tally

if TYPE_CHECKING:
    from pyvoy.network.connection import DownstreamConnection
    from pyvoy.network.listener import AccessLogger
    from pyvoy.observe.stream_info import ConnectionInfo
    from pyvoy.server.services import Services
    from pyvoy.stats.counters import Counter

H2_PREFACE = b"PRI * HTTP/2.0\r\n"
_FOREVER = float("inf")
_PLAN_RETRY_S = 0.02
_PLAN_TRIES = 50
_FIRST_LOOK_S = 10.0


class RouteSource(Protocol):
    """The route table, or what finds it."""

    def find(self, stream: Any) -> Any:
        """The route of a stream or None."""


@dataclass(slots=True)
class ManagerPlan:
    """A connection manager as compiled; shared by all its connections.

    `request_rules(headers, connection, info, random_hex)` applies the request header rules and gives a rejection or
    None; `response_rules(headers, stream)` the response's; `local_reply(stream, reply)` makes headers and body of a
    reply.  Times are seconds, None or 0 switches a limit off.
    """

    stats: HttpStats
    chain: ChainPlan
    routes: RouteSource
    request_rules: Callable[..., Any]
    response_rules: ResponseRules
    local_reply: Callable[[HttpStream, LocalReply], tuple[HeaderMap, bytes]]
    filter_failures: Counter
    codec: Http1Plan = field(default_factory=Http1Plan)
    lines: HeadLines = field(default_factory=HeadLines)
    request_rules_are_plain: bool = False
    """The request rules leave an ordinary request alone but for scheme, x-forwarded-proto and request id."""
    plain: PlainPlan | None = None
    plain_known: bool = False
    """`plain` has been decided, with the first connection."""
    done_by_status: dict[bytes, Tally] = field(default_factory=dict)
    tallies: tuple[Tally, tuple[Tally, ...], Tally] | None = None
    """Made with the first connection, because they belong to a worker's loop."""
    connections: tuple[Tally, Tally] = field(init=False)
    """What a connection moves when it begins and when it ends."""
    access_logs: tuple[AccessLogger, ...] = ()
    log_on_new_request: bool = False
    proxy_100_continue: bool = False
    upgrades: dict[bytes, bool] = field(default_factory=dict)
    idle_timeout_s: float | None = 3600.0
    stream_idle_timeout_s: float | None = 300.0
    request_timeout_s: float | None = None
    request_headers_timeout_s: float | None = None
    max_stream_duration_s: float | None = None
    max_connection_duration_s: float | None = None
    drain_timeout_s: float = 5.0
    delayed_close_timeout_s: float = 1.0
    max_requests_per_connection: int = 0
    stream_error_on_invalid_message: bool = False


def _is_tunnel(stream: HttpStream, status: int) -> bool:
    """Whether a status grants the change of protocol that the request asked for."""
    return status == 101 or (200 <= status < 300 and stream.request_headers.map.get(b":method") == b"CONNECT")


class HttpConnectionManager(NetworkFilter):
    """One connection.  Implements the codec's `ServerSink`; owns the codec and the streams."""

    terminal = True

    plan: ManagerPlan
    codec: Http1ServerCodec
    connection: DownstreamConnection
    connection_info: ConnectionInfo
    services: Services
    buffer_limit_bytes: int
    random_hex: Callable[[], bytes]

    def __init__(self, plan: ManagerPlan) -> None:
        self.plan = plan
        self.streams: dict[int, HttpStream | PlainExchange] = {}
        self.closing = False
        """The connection ends behind the running response."""
        self._draining = False
        """Responses announce the end of the connection, which comes with `_drain_timer` or from the listener."""
        self._requests = 0
        self.armed_s = _FOREVER
        self._timer: Timer | None = None
        self._head_timer: Timer | None = None
        self._duration_timer: Timer | None = None
        self._drain_timer: Timer | None = None
        self._idle_since_s = 0.0
        self._upgrades = 0
        self._next_due = False
        self._spoken = False
        """Bytes have come from the client."""
        self._ends_soon = False
        """The listener drains: the connection ends behind the running response."""
        self.feeding = False
        """True while one read of the client's is worked off; upstream codecs that begin a body then are corked."""
        self.corked: list[Http1ClientCodec] = []

    # ---- NetworkFilter ----

    def on_new_connection(self, connection: DownstreamConnection) -> NetworkVerdict:
        """Take the connection over."""
        self.connection = connection
        self.connection_info = connection.info
        self.services = services = connection.services
        self._clock = services.clock
        self._wall = services.wall
        getrandbits = self.getrandbits = services.random.getrandbits
        self.random_hex = lambda: b"%032x" % getrandbits(128)
        self._transport_write = connection.writer if not self._has_write_filters(connection) else connection.write
        assert connection.chain is not None
        self.buffer_limit_bytes = connection.buffer_limit_bytes
        self._take_plan()
        self.wall_offset_s = self._wall() - self._clock()
        self.codec = Http1ServerCodec(self, self._write, self.plan.codec, self.plan.lines)
        self.plan.connections[0].hit()
        self._idle_since_s = self._clock()
        if self.plan.idle_timeout_s:
            # A first look soon: requests with the usual time-outs then find a timer that is early enough.
            self.watch(self._idle_since_s + min(self.plan.idle_timeout_s, _FIRST_LOOK_S))
        if self.plan.max_connection_duration_s:
            self._duration_timer = services.timers.call_later(
                self.plan.max_connection_duration_s, self._duration_reached
            )
        return NetworkVerdict.CONTINUE

    def _take_plan(self) -> None:
        """Read off the plan what each request needs."""
        plan = self.plan
        stats = plan.stats
        self._cells = stats.cells
        tallies = plan.tallies
        if tallies is None:
            tallies = plan.tallies = stats.make_tallies(self.services.tallies)
            plan.connections = stats.connection_tallies(self.services.tallies)
        self._begun, self._done, self._over = tallies
        self._stream_idle_s = plan.stream_idle_timeout_s or 0.0
        if not plan.plain_known:
            plan.plain = plain_plan(self)
            plan.plain_known = True
        self._plain = plan.plain
        self._done_by_status = plan.done_by_status
        self._has_limits = bool(plan.request_timeout_s or plan.max_stream_duration_s)
        self._rx_index = stats.downstream_cx_rx_bytes_total.index
        self._tx_index = stats.downstream_cx_tx_bytes_total.index

    def on_new_plan(self, plan: ManagerPlan, tries: int = 0) -> None:
        """A reload: requests are served by another plan, from the next moment on at which none is running.

        A connection that never has such a moment ends behind one of its next responses, so that no client keeps an
        old route for ever.  So does one whose statistics get another prefix: it was counted under the old one."""
        if plan.stats.scope.prefix != self.plan.stats.scope.prefix or tries > _PLAN_TRIES:
            self._draining = True
        elif self.streams:
            self.services.timers.call_later(_PLAN_RETRY_S, lambda: self.on_new_plan(plan, tries + 1))
        elif not self.closing:
            self.plan = plan
            self._take_plan()

    @staticmethod
    def _has_write_filters(connection: DownstreamConnection) -> bool:
        return connection.runner is not None and connection.runner.has_write_filters

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
        if not self._spoken:
            self._first_bytes()
        size = len(data)
        self._cells[self._rx_index] += size
        self.connection_info.bytes_received += size
        codec = self.codec
        if codec.feed_request(data):
            return
        self.feeding = True
        codec.feed(data)
        self.feeding = False
        if self.corked:
            for upstream in self.corked:
                upstream.uncork()
            self.corked.clear()

    def _first_bytes(self) -> None:
        """Envoy makes its codec, and counts the connection as HTTP/1, when the first bytes come."""
        self._spoken = True
        self.plan.stats.downstream_cx_http1_total.inc()
        self.plan.stats.downstream_cx_http1_active.inc()

    def _write(self, data: bytes) -> None:
        size = len(data)
        if size:
            self._cells[self._tx_index] += size
            self.connection_info.bytes_sent += size
            self._transport_write(data)

    def on_high_watermark(self, connection: DownstreamConnection) -> None:
        """The client reads too slowly: the upstreams wait."""
        self.plan.stats.downstream_flow_control_paused_reading_total.inc()
        for stream in self._live_streams():
            stream.on_downstream_watermark(True)

    def on_low_watermark(self, connection: DownstreamConnection) -> None:
        """The client has caught up."""
        self.plan.stats.downstream_flow_control_resumed_reading_total.inc()
        for stream in self._live_streams():
            stream.on_downstream_watermark(False)

    def on_drain(self, connection: DownstreamConnection) -> None:
        """The listener drains: end now when idle, else behind the running response."""
        self._draining = self._ends_soon = True
        if not self.streams:
            self.plan.stats.downstream_cx_drain_close.inc()
            connection.close(CloseType.FLUSH)

    def on_close(self, connection: DownstreamConnection) -> None:
        """The connection is gone: end every stream."""
        stats = self.plan.stats
        local = connection.closed_locally and not connection.ended_by_peer
        if self.streams:
            stats.downstream_cx_destroy_active_rq.inc()
            one = stats.downstream_cx_destroy_local_active_rq if local else stats.downstream_cx_destroy_remote_active_rq
            one.inc()
        (stats.downstream_cx_destroy_local if local else stats.downstream_cx_destroy_remote).inc()
        self.closing = True
        for stream in self._live_streams():
            stream.abandon(details.DOWNSTREAM_REMOTE_DISCONNECT, Flag.DOWNSTREAM_CONNECTION_TERMINATION)
        for timer in (self._timer, self._head_timer, self._duration_timer, self._drain_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._head_timer = self._duration_timer = self._drain_timer = None
        self.plan.connections[1].hit()
        if self._spoken:
            stats.downstream_cx_http1_active.dec()
        stats.downstream_cx_length_ms.record(int((self._clock() - connection.info.start_s) * 1000))
        for _ in range(self._upgrades):
            stats.downstream_cx_upgrades_active.dec()

    def _live_streams(self) -> list[HttpStream]:
        """All streams; plain exchanges become streams when somebody has to look at them."""
        return [one if isinstance(one, HttpStream) else one.as_stream() for one in list(self.streams.values())]

    @property
    def must_look(self) -> bool:
        """True when the end of a request needs the general rules: the connection is closing or draining."""
        return self.closing or self._draining

    # ---- ServerSink ----

    def new_stream(self, stream_id: int) -> HttpStream:
        """A request begins."""
        begun = self._begun
        if not begun.count:
            begun.board.note(begun)
        begun.count += 1
        self._requests += 1
        now_s = self._clock()
        stream = self.streams[stream_id] = HttpStream(self, stream_id, now_s, now_s + self.wall_offset_s)
        idle_s = self._stream_idle_s
        if idle_s and now_s + idle_s < self.armed_s:
            self.watch(now_s + idle_s)
        if self._has_limits:
            self._arm_stream_limits(stream)
        return stream

    def on_request(self, stream_id: int, headers: HeaderMap) -> None:
        """A whole request without a body: by the short way if it is ordinary, else as a stream."""
        plain = self._plain
        host = None
        if plain is not None:
            started = PlainExchange(self, stream_id, headers).start(plain)
            if started is True:
                self._requests += 1
                return
            host = started or None
        stream = self.new_stream(stream_id)
        stream.chosen_host = host
        stream.on_headers(headers, True)

    def plain_over(self, stream_id: int, status: bytes, took_ms: int, now_s: float) -> None:
        """A plain exchange is answered."""
        del self.streams[stream_id]
        done = self._done_by_status.get(status) or self._new_done(status)
        if not done.count:
            done.board.note(done)
        done.count += 1
        done.values.append(took_ms)
        self._idle_since_s = now_s

    def close_answered(self) -> None:
        """The client asked to close behind the response that has just been sent."""
        self.closing = True
        if self.connection.is_open:
            self.connection.close(CloseType.FLUSH)

    def _new_done(self, status: bytes) -> Tally:
        """What the end of an ordinary request with this status moves: its answer and its being over."""
        stats = self.plan.stats
        tally = self._done_by_status[status] = stats.answered_tally(self.services.tallies, int(status))
        return tally

    def on_connection_error(self, error: CodecError) -> None:
        """A fault outside any stream."""
        self.plan.stats.downstream_cx_protocol_error.inc()
        self.closing = True
        self.connection.close(CloseType.FLUSH_AND_DELAY)

    def on_partial_head(self, stream: RequestSink) -> None:
        """A head has begun and is not whole: its time is limited."""
        assert isinstance(stream, HttpStream)
        stream.await_head()
        if self.plan.request_headers_timeout_s:
            self._head_timer = self.services.timers.call_later(
                self.plan.request_headers_timeout_s, lambda: self._head_timed_out(stream)
            )

    def on_head_complete(self, stream: RequestSink) -> None:
        """The head is whole, and its version known."""
        assert isinstance(stream, HttpStream)
        stream.info.protocol = self.codec.protocol
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

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

    # ---- what streams ask of their connection ----

    def reject(self, stream: HttpStream, rejection: Any) -> None:
        """The request rules refused the request."""
        if rejection.close:
            self.closing = True
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
            self.closing = True
            stream.send_local_reply(403, details=details.UPGRADE_FAILED)
            return False
        stats.downstream_cx_upgrades_total.inc()
        stats.downstream_cx_upgrades_active.inc()
        self._upgrades += 1
        return True

    def send_informational(self, stream: HttpStream, headers: HeaderMap) -> None:
        """A 1xx response; counted like any other, as in Envoy."""
        done = self._done[1]
        if not done.count:
            done.board.note(done)
        done.count += 1
        self.codec.send_informational(stream.stream_id, headers)

    def finish_response_headers(self, stream: HttpStream, headers: HeaderMap) -> None:
        """The last rules on a response head, and whether the connection ends behind it."""
        plan = self.plan
        info = stream.info
        plan.response_rules(headers, stream)
        status = int(headers.map[b":status"])
        info.response_code = status
        if not stream.health_check:
            done = self._done[status // 100 if status < 600 else 0]
            if not done.count:
                done.board.note(done)
            done.count += 1
        info.first_downstream_tx_s = self._clock()
        if not stream.request_ended:
            plan.stats.downstream_rq_response_before_rq_complete.inc()
            self.closing = True
        if not self.closing and (
            self.codec.special
            or self._draining
            or stream.connection_close
            or plan.max_requests_per_connection
            or self.services.draining()
        ):
            self._think_of_connection(stream, headers)
        if (self.closing or self._draining) and not (stream.upgraded and _is_tunnel(stream, status)):
            headers.set(b"connection", b"close")

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

    def log_access(self, stream: HttpStream, log_type: str) -> None:
        """One line to each access log; `log_type` is what %ACCESS_LOG_TYPE% says."""
        stream.log_type = log_type
        for logger in self.plan.access_logs:
            logger.log(stream)

    def stream_over(self, stream: HttpStream, now_s: float) -> None:
        """The stream has ended: go on with the connection, or close it."""
        self.streams.pop(stream.stream_id, None)
        over = self._over
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
            # A client that may still be sending would lose the answer to a close at once.
            kind = CloseType.FLUSH if complete and stream.connection_close else CloseType.FLUSH_AND_DELAY
            self.connection.close(kind)

    # ---- timers ----

    def watch(self, due_s: float) -> None:
        """Look at the connection's time-outs at `due_s`, or earlier when a look is due already."""
        if due_s >= self.armed_s:
            return
        if self._timer is not None:
            self._timer.cancel()
        self.armed_s = due_s
        self._timer = self.services.timers.call_at(due_s, self._look)

    def _look(self) -> None:
        """Something may be due: end what is, and arm for what is next."""
        self._timer = None
        self.armed_s = _FOREVER
        now_s = self._clock()
        next_s = _FOREVER
        for stream in self._live_streams():
            next_s = min(next_s, self._look_at(stream, now_s))
        idle_s = self.plan.idle_timeout_s
        if not self.streams and idle_s and self.connection.is_open:
            if now_s >= self._idle_since_s + idle_s:
                self.plan.stats.downstream_cx_idle_timeout.inc()
                self._start_drain()
                return
            next_s = min(next_s, self._idle_since_s + idle_s)
        elif idle_s:
            next_s = min(next_s, now_s + idle_s)
        if next_s < _FOREVER and self.connection.is_open:
            self.watch(next_s)

    def _look_at(self, stream: HttpStream, now_s: float) -> float:
        """End the stream if a time-out is due; else when the next one is."""
        next_s = _FOREVER
        timeout_s = self._stream_idle_s if stream.idle_timeout_s is None else stream.idle_timeout_s
        if timeout_s:
            idle_s = stream.active_s + timeout_s
            if now_s >= idle_s:
                self._stream_idle(stream)
                return _FOREVER
            next_s = idle_s
        if stream.due_s is not None:
            if now_s >= stream.due_s and stream.on_due is not None:
                stream.due_s = None
                stream.on_due()
                return next_s
            if stream.due_s is not None:
                next_s = min(next_s, stream.due_s)
        return next_s

    def _stream_idle(self, stream: HttpStream) -> None:
        """Envoy: onIdleTimeout; 408 while the request is coming, 504 afterwards, a reset once the answer runs."""
        self.plan.stats.downstream_rq_idle_timeout.inc()
        stream.info.response_flags |= Flag.STREAM_IDLE_TIMEOUT
        self._time_out(stream, b"stream timeout", details.STREAM_IDLE_TIMEOUT)

    def _time_out(self, stream: HttpStream, body: bytes, detail: str) -> None:
        if stream.response_started:
            stream.reset(detail)
            return
        stream.send_local_reply(504 if stream.request_ended else 408, body, details=detail)

    def _arm_stream_limits(self, stream: HttpStream) -> None:
        plan = self.plan
        if plan.request_timeout_s:
            self.services.timers.call_later(plan.request_timeout_s, lambda: self._request_timed_out(stream))
        if plan.max_stream_duration_s:
            self.limit_duration(stream, plan.max_stream_duration_s)

    def limit_duration(self, stream: HttpStream, limit_s: float | None) -> None:
        """How long the stream may last from its begin; takes the place of what was said before."""
        if limit_s == stream.duration_limit_s:
            return
        stream.duration_limit_s = limit_s
        if limit_s is not None:
            left_s = stream.info.start_s + limit_s - self._clock()
            self.services.timers.call_later(max(left_s, 0.0), lambda: self.max_duration_reached(stream, limit_s))

    def _request_timed_out(self, stream: HttpStream) -> None:
        if stream.finished or stream.request_ended:
            return
        self.plan.stats.downstream_rq_timeout.inc()
        self._time_out(stream, b"request timeout", details.REQUEST_OVERALL_TIMEOUT)

    def max_duration_reached(self, stream: HttpStream, limit_s: float) -> None:
        """max_stream_duration is over, unless another limit has come in its place."""
        if stream.finished or stream.duration_limit_s != limit_s:
            return
        self.plan.stats.downstream_rq_max_duration_reached.inc()
        self._time_out(stream, b"downstream duration timeout", details.MAX_DURATION_TIMEOUT)

    def _head_timed_out(self, stream: HttpStream) -> None:
        """The request head did not become complete in time (request_headers_timeout): 408."""
        self._head_timer = None
        if not stream.finished:
            self.plan.stats.downstream_rq_header_timeout.inc()
            self._time_out(stream, b"request header timeout", details.REQUEST_HEADER_TIMEOUT)

    def _duration_reached(self) -> None:
        """max_connection_duration is over."""
        self._duration_timer = None
        self.plan.stats.downstream_cx_max_duration_reached.inc()
        self._start_drain()

    def _start_drain(self) -> None:
        """The connection has lasted long enough.  One that never spoke ends now; another gets drain_timeout, in which
        responses say `connection: close` (Envoy: startDrainSequence)."""
        if not self._spoken:
            self.closing = True
            self.connection.close(CloseType.FLUSH)
        elif not self._draining:
            self._draining = True
            self._drain_timer = self.services.timers.call_later(self.plan.drain_timeout_s, self._drained)

    def _drained(self) -> None:
        self._drain_timer = None
        self.closing = True
        if not self.streams:
            self.connection.close(CloseType.FLUSH_AND_DELAY)
