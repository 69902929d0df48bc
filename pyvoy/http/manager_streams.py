"""A connection manager as its streams see it: refusals, the last rules on response heads, logs, and what the end of a
stream means for the connection.

Source: Envoy's ConnectionManagerImpl::ActiveStream and doEndStream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from pyvoy.http.codec import CodecError
from pyvoy.http.h1.grammar import tokens
from pyvoy.http.h1.metered import received_field_bytes
from pyvoy.http.h1.server import Http1ServerCodec
from pyvoy.http.headers import HeaderMap
from pyvoy.http.manager_timeouts import ManagerTimeouts
from pyvoy.http.response_stream import ResponseStream
from pyvoy.http.stream import HttpStream
from pyvoy.network.network_filter import CloseType
from pyvoy.observe import details
from pyvoy.observe.details import Flag, Reset

if TYPE_CHECKING:
    from pyvoy.http.manager_share import ManagerShare
    from pyvoy.observe.stream_info import ConnectionInfo


def _is_tunnel(stream: ResponseStream, status: int) -> bool:
    """Whether a status grants the change of protocol that the request asked for."""
    return status == 101 or (200 <= status < 300 and stream.request_headers.map.get(b":method") == b"CONNECT")


class LogSource(Protocol):
    """What is logged: a stream, of either kind."""

    log_type: str


class ManagerStreams(ManagerTimeouts):
    """What the streams of one connection ask of it; the connection manager is the rest of it."""

    __slots__ = ("_ends_soon", "_next_due", "_requests", "_upgrades", "codec", "connection_info", "share")

    codec: Http1ServerCodec
    connection_info: ConnectionInfo
    share: ManagerShare

    def __init__(self) -> None:
        super().__init__()
        self._requests = 0
        self._upgrades = 0
        self._next_due = False
        self._ends_soon = False
        """The listener drains: the connection ends behind the running response."""

    # ---- requests ----

    def meter_head(self, stream: HttpStream, headers: HeaderMap) -> None:
        """Count the bytes of a request's head before anything changes it."""
        stream.info.downstream_header_bytes_received = received_field_bytes(headers)

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

    def on_bad_request(self) -> None:
        """A request was answered 400: as in Envoy, who sends one broken message on HTTP/1 may send another."""
        self.closing = True

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

    def on_upgrade_refused(self) -> None:
        """A change of protocol is not allowed: what the client says next may not be HTTP."""
        self.closing = True

    # ---- responses ----

    def send_informational(self, stream: ResponseStream, headers: HeaderMap) -> None:
        """A 1xx response; counted like any other, as in Envoy."""
        done = self.share.done[1]
        if not done.count:
            done.board.note(done)
        done.count += 1
        self.codec.send_informational(stream.stream_id, headers)

    def finish_response_headers(self, stream: ResponseStream, headers: HeaderMap) -> None:
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

    def _note_response(self, stream: ResponseStream, headers: HeaderMap) -> int:
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

    def _think_of_connection(self, stream: ResponseStream, headers: HeaderMap) -> None:
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

    # ---- ends ----

    def log_access(self, stream: LogSource, log_type: str) -> None:
        """One line to each access log; `log_type` is what %ACCESS_LOG_TYPE% says."""
        stream.log_type = log_type
        for logger in self.plan.access_logs:
            logger.log(stream)

    def reset_stream(self, stream: HttpStream) -> None:
        """Give a stream up without an answer, or in the middle of it."""
        self.codec.reset(stream.stream_id, Reset.LOCAL_RESET)

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

    def start_next(self) -> None:
        """Begin the pipelined request that waits, behind the read that is being worked off."""
        if not self._next_due:
            self._next_due = True
            self.services.loop.call_soon(self._deliver_next)

    def _deliver_next(self) -> None:
        self._next_due = False
        if self.connection.is_open and not self.closing:
            self.codec.deliver_next()
