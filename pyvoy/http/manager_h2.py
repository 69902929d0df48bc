"""The connection manager of an HTTP/2 connection: many streams at once, and a graceful end in two steps.

Takes a connection over from the ordinary manager when its client turns out to speak HTTP/2.  What differs is here:
streams end alone, flow control is per stream, and the end of the connection is announced by GOAWAY and not by a header.
Source: Envoy's ConnectionManagerImpl where it asks for the codec's protocol.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pyvoy.http.codec import CodecError
from pyvoy.http.exchange_h2 import Http2Exchange
from pyvoy.http.h2.floods import FloodError
from pyvoy.http.h2.frames import ErrorCode
from pyvoy.http.h2.head_rules import REMOTE_RESET, TOO_LARGE, TOO_MANY, UNDERSCORE
from pyvoy.http.h2.server import Http2ServerCodec
from pyvoy.http.headers import HeaderMap
from pyvoy.http.keepalive_h2 import KeepAliveTimer
from pyvoy.http.manager import HttpConnectionManager
from pyvoy.http.manager_plan import ManagerPlan
from pyvoy.http.manager_share import ManagerShare
from pyvoy.http.plain_plan import PlainRequest
from pyvoy.http.response_stream import ResponseStream
from pyvoy.http.stream import HttpStream
from pyvoy.network.network_filter import CloseType, NetworkVerdict
from pyvoy.observe.details import Flag
from pyvoy.upstream.cluster_plan import UpstreamProtocol

if TYPE_CHECKING:
    from pyvoy.http.h1.heads import RequestHead
    from pyvoy.http.plain_exchange import PlainExchange
    from pyvoy.network.connection import DownstreamConnection
    from pyvoy.network.timers import Timer

_NOTICE_S = 1.0
"""How long a client has to see that the listener drains before streams are refused, if it answers no PING."""
_DRAIN_PING = b"pyvoydrn"
_EARLY_ANSWER_S = 0.1
"""How long a request may still come behind its whole answer.  Envoy says at once that it shall stop; frames that were
on their way then meet a stream that is gone, so that a client's fault in them goes unheard (RFC 9113 5.4.2, 8.1.1)."""
_PREMATURE_LIMIT = 500
_PREMATURE_LIFETIME_S = 2.0
"""Envoy: overload.premature_reset_total_stream_count and ..._min_stream_lifetime_seconds (whole seconds above 1)."""


class Http2ConnectionManager(HttpConnectionManager):
    """One HTTP/2 connection.  Implements the codec's `Http2ServerSink`."""

    __slots__ = ("_ended", "_flushing", "_keepalive", "_notice_timer", "_premature", "_read_paused")

    codec: Http2ServerCodec  # type: ignore[assignment]  # the other codec in the same place

    def __init__(self, plan: ManagerPlan) -> None:
        super().__init__(plan)
        self._ended = 0
        """Streams that were not ended from here."""
        self._premature = 0
        self._flushing: dict[int, float] = {}
        """Streams that are over but for what waits of their response, and since when."""
        self._notice_timer: Timer | None = None
        self._keepalive: KeepAliveTimer | None = None

    def take_over(self, connection: DownstreamConnection) -> None:
        """The connection is this manager's from now on."""
        plan = self.plan
        self._hold(connection, plan.share_http2)
        transport = connection.transport
        codec = self.codec = Http2ServerCodec(
            self, self.write, plan.http2, plan.stats.http2, transport.get_write_buffer_size, meters=plan.meters
        )
        plan.stats.http2.nghttp2_downstream_connections.inc()
        codec.pending_limit_bytes = min(self.buffer_limit_bytes, plan.http2.stream_window_bytes)
        self._spoken = True
        self.share.spoken.hit()
        self._start_timers(self.services.clock())
        if plan.http2.keepalive is not None:
            self._keepalive = KeepAliveTimer(plan.http2.keepalive, self.services, codec, self._keepalive_over)
        connection.receive_directly(self.receive)

    def _make_share(self, plan: ManagerPlan) -> ManagerShare:
        share = plan.share_http2 = ManagerShare(plan, self.services, self.connection_info, http2=True)
        return share

    def _take_plan(self, plan: ManagerPlan) -> None:
        self.plan = plan
        self.share = plan.share_http2 or self._make_share(plan)
        self.codec.forget_heads()

    # ---- bytes ----

    def receive(self, data: bytes) -> None:
        """Bytes from the client."""
        size = len(data)
        share = self.share
        share.cells[share.rx_index] += size
        self.connection_info.bytes_received += size
        if not self.closing:
            self.codec.feed(data)

    def on_data(self, connection: DownstreamConnection, data: bytes, end: bool) -> NetworkVerdict:
        """Never called: the manager that was replaced hands the bytes on."""
        raise AssertionError("a manager that took over is not in the filter chain")

    def pause_request(self, stream_id: int, pause: bool) -> None:
        """Give the client no credit for a request, or again."""
        self.codec.pause(stream_id, pause)

    # ---- Http2ServerSink ----

    def on_request(self, stream_id: int, head: RequestHead, body: bytes) -> None:
        """A request that is a head alone: by a short way if it is ordinary, else as a stream."""
        plain = self.share.plain
        exchange = None
        if plain is not None:
            request = head.memo
            if request is None:
                request = head.memo = plain.request(head) or False
            if type(request) is PlainRequest and not self._speaks_http2_upstream(request):
                if not plain.bare:
                    self._begin_light(stream_id, request, plain, body)
                    return
                exchange = Http2Exchange(self, stream_id, request)
                if exchange.start(plain, body):
                    self._requests += 1
                    return
        stream = self.new_stream(stream_id)
        if exchange is not None and exchange.host_is_chosen:
            stream.chosen_host, stream.host_is_chosen = exchange.chosen_host, True
        stream.on_headers(head.headers(), True)

    def _speaks_http2_upstream(self, request: PlainRequest) -> bool:
        """Whether the cluster speaks what the client speaks: the short ways speak HTTP/1."""
        cluster = self.services.clusters.get(request.cluster)
        return cluster is not None and cluster.plan.http.protocol is UpstreamProtocol.DOWNSTREAM

    def new_stream(self, stream_id: int) -> HttpStream:
        """A request begins."""
        stream = super().new_stream(stream_id)
        limit = self.plan.max_requests_per_connection
        if limit and self._requests >= limit:
            self.plan.stats.downstream_cx_max_requests_reached.inc()
            self._start_drain()
        if self._keepalive is not None:
            self._keepalive.stream_begins()
        return stream

    def on_stream_reset(self, stream_id: int, code: int) -> None:
        """The client has given a stream up."""
        self._flushing.pop(stream_id, None)
        stream = self._find(stream_id)
        if stream is not None:
            stream.abandon(REMOTE_RESET, Flag.DOWNSTREAM_REMOTE_RESET)
            self._note_reset(stream, self.services.clock())

    def on_stream_error(self, stream_id: int, details: str) -> None:
        """A malformed message ended its stream."""
        stream = self._find(stream_id)
        if stream is None:
            return
        if not hasattr(stream, "request_headers"):
            stream.await_head()
        limit = details in (TOO_MANY, TOO_LARGE, UNDERSCORE)
        stream.abandon(details, Flag.DOWNSTREAM_REMOTE_RESET if limit else Flag.DOWNSTREAM_PROTOCOL_ERROR)

    def on_stream_watermark(self, stream_id: int, high: bool) -> None:
        """The client's window for a stream is shut, or has opened again."""
        stats = self.plan.stats
        if high:
            stats.downstream_flow_control_paused_reading_total.inc()
        else:
            stats.downstream_flow_control_resumed_reading_total.inc()
        stream = self._find(stream_id)
        if stream is not None:
            stream.on_downstream_watermark(high)

    def on_stream_closed(self, stream_id: int) -> None:
        """What waited of a response is written."""
        if self._flushing.pop(stream_id, None) is not None and not self.streams:
            self._idle_since_s = self.services.clock()
            self._check_ended()

    def on_early_answer(self, stream_id: int) -> None:
        """A response is whole before its request: a client that does not end it by itself is told to stop."""
        stop = partial(self.codec.reset_code, stream_id, ErrorCode.NO_ERROR)
        self.services.timers.call_later(_EARLY_ANSWER_S, stop)

    def meter_head(self, stream: HttpStream, headers: HeaderMap) -> None:
        """The codec counts whole frames."""

    def _find(self, stream_id: int) -> HttpStream | None:
        stream = self.streams.get(stream_id)
        if stream is None or isinstance(stream, HttpStream):
            return stream
        return stream.as_stream()

    def on_connection_error(self, error: CodecError) -> None:
        """The client broke the protocol: every stream ends, and the connection."""
        if not isinstance(error, FloodError):
            self.plan.stats.downstream_cx_protocol_error.inc()
        self._end_all(error.details)
        self.connection.close(CloseType.FLUSH_AND_DELAY, error.details)

    def _end_all(self, details: str) -> None:
        self.closing = True
        stats = self.plan.stats
        if self.streams:
            stats.downstream_cx_destroy_active_rq.inc()
            stats.downstream_cx_destroy_local_active_rq.inc()
        for stream in self._live_streams():
            if not hasattr(stream, "request_headers"):
                stream.await_head()
            stream.abandon(details, Flag.DOWNSTREAM_PROTOCOL_ERROR)

    # ---- what streams ask of their connection ----

    def reset_stream(self, stream: HttpStream) -> None:
        """Give a stream up; a tunnel whose far end is gone hears so (RFC 9113 8.5), behind what that has sent."""
        lost = stream.info.response_flags & (Flag.UPSTREAM_CONNECTION_FAILURE | Flag.UPSTREAM_CONNECTION_TERMINATION)
        if stream.upgraded and lost:
            self.codec.reset_behind(stream.stream_id, ErrorCode.CONNECT_ERROR)
        else:
            self.codec.reset_code(stream.stream_id, ErrorCode.INTERNAL_ERROR)

    def on_bad_request(self) -> None:
        """One bad stream says nothing of the others."""

    def on_upgrade_refused(self) -> None:
        """As in Envoy, the connection begins to end."""
        self._start_drain()

    def finish_response_headers(self, stream: ResponseStream, headers: HeaderMap) -> None:
        """The last rules on a response head, and whether the connection begins to end."""
        self._note_response(stream, headers)
        if not self.draining and (self.services.draining() or stream.connection_close):
            if self.services.draining():
                self.plan.stats.downstream_cx_drain_close.inc()
            self._start_drain()

    def plain_over(self, stream_id: int, status: bytes, took_ms: int, now_s: float) -> None:
        """A plain exchange is answered."""
        super().plain_over(stream_id, status, took_ms, now_s)
        self._ended += 1

    def stream_over(self, stream: HttpStream, now_s: float) -> None:
        """The stream has ended."""
        self.streams.pop(stream.stream_id, None)
        over = self.share.over
        if not over.count:
            over.board.note(over)
        over.count += 1
        if not stream.health_check:
            over.values.append(int((now_s - stream.info.start_s) * 1000))
        self._idle_since_s = now_s
        if not (stream.request_ended and stream.response_ended):
            self.plan.stats.downstream_rq_rx_reset.inc()
        if self.closing:
            return
        codec = self.codec
        stream_id = stream.stream_id
        codec.finish(stream_id)
        if stream.response_ended:
            self._ended += 1
        if (stream.response_ended or stream.upgraded) and codec.is_flushing(stream_id):
            self._wait_for_flush(stream_id, now_s)
        self._check_ended()

    def _wait_for_flush(self, stream_id: int, now_s: float) -> None:
        self._flushing[stream_id] = now_s
        if self.plan.stream_idle_timeout_s:
            self.watch(now_s + self.plan.stream_idle_timeout_s)

    def _look(self) -> None:
        """As for HTTP/1; and a response that a client does not take does not wait for ever (tx_flush_timeout)."""
        limit_s = self.plan.stream_idle_timeout_s
        if self._flushing and limit_s:
            now_s = self.services.clock()
            for stream_id, since_s in list(self._flushing.items()):
                if now_s >= since_s + limit_s:
                    self.plan.stats.http2.tx_flush_timeout.inc()
                    self.codec.reset_code(stream_id, ErrorCode.INTERNAL_ERROR)
                    self._flushing.pop(stream_id, None)
        super()._look()
        if self._flushing and limit_s and self.connection.is_open:
            self.watch(min(self._flushing.values()) + limit_s)

    # ---- resets that cost us more than the client ----

    def _note_reset(self, stream: HttpStream, now_s: float) -> None:
        """A reset by the client: many early ones end the connection (CVE-2023-44487).

        Source: Envoy's ConnectionManagerImpl::maybeDrainDueToPrematureResets."""
        self._ended += 1
        if not stream.info.response_code and now_s - stream.info.start_s < _PREMATURE_LIFETIME_S:
            self._premature += 1
        bound = max(self._ended, _PREMATURE_LIMIT)
        if self._premature * 2 < bound or self.closing:
            return
        self.plan.stats.downstream_rq_too_many_premature_resets.inc()
        self.plan.stats.downstream_cx_protocol_error.inc()
        self.closing = True
        self.codec.broken = True
        self.connection.close(CloseType.NO_FLUSH, "too_many_premature_resets")

    # ---- the end of the connection ----

    def _start_drain(self) -> None:
        """No more streams, please; in drain_timeout they will be refused."""
        if not self.draining:
            self.draining = True
            self.codec.announce_end()
            self._drain_timer = self.services.timers.call_later(self.plan.drain_timeout_s, self._drained)

    def _drained(self) -> None:
        self._drain_timer = None
        self._refuse()

    def on_drain(self, connection: DownstreamConnection) -> None:
        """The listener drains: the same, as soon as the client has seen the notice (a PING behind it is answered)."""
        self._ends_soon = True
        if self._notice_timer is not None or self.closing:
            return
        if not self.draining:
            self.draining = True
            self.codec.announce_end()
        self.plan.stats.downstream_cx_drain_close.inc()
        self.codec.ping(_DRAIN_PING)
        self._notice_timer = self.services.timers.call_later(_NOTICE_S, self._noticed)

    def on_ping_answered(self, payload: bytes) -> None:
        """The client has answered a PING."""
        if payload == _DRAIN_PING and self._notice_timer is not None:
            self._notice_timer.cancel()
            self._noticed()
        elif self._keepalive is not None:
            self._keepalive.answered()

    def _noticed(self) -> None:
        self._notice_timer = None
        self._refuse()

    def _refuse(self) -> None:
        if self.connection.is_open and not self.codec.refusing:
            self.codec.refuse_streams()
            self._check_ended()

    def _check_ended(self) -> None:
        """Close when streams are refused and none is left."""
        if self.codec.refusing and not self.streams and not self._flushing and self.connection.is_open:
            self.closing = True
            for stream_id in list(self.codec.streams):
                self.codec.reset_code(stream_id, ErrorCode.NO_ERROR)
            self.connection.close(CloseType.FLUSH_AND_DELAY)

    def _keepalive_over(self) -> None:
        """The client is gone: no answer to a PING."""
        self.plan.stats.http2.keepalive_timeout.inc()
        self.connection.close(CloseType.NO_FLUSH, "http2_ping_timeout")

    def _stop_timers(self) -> None:
        super()._stop_timers()
        if self._notice_timer is not None:
            self._notice_timer.cancel()
            self._notice_timer = None
        if self._keepalive is not None:
            self._keepalive.stop()
            self._keepalive = None

    def on_close(self, connection: DownstreamConnection) -> None:
        """The connection is gone: end every stream."""
        super().on_close(connection)
        self._flushing.clear()
        self.codec.release()


_: type[PlainExchange] = Http2Exchange
