"""The connection manager's clock: what may last how long on one downstream connection, and what happens then.

Time-outs that every request has cost it nothing: one timer per connection is armed for the earliest moment that could
matter, and looks again when it fires.  What a time-out does to a stream is a local reply or a reset.
Source: Envoy's ConnectionManagerImpl (idle, duration and drain timers) and ActiveStream (request timers).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyvoy.http.stream import HttpStream
from pyvoy.network.network_filter import CloseType, NetworkFilter
from pyvoy.observe import details
from pyvoy.observe.details import Flag

if TYPE_CHECKING:
    from pyvoy.http.light_stream import LightStream
    from pyvoy.http.manager_plan import ManagerPlan
    from pyvoy.http.plain_exchange import PlainExchange
    from pyvoy.network.connection import DownstreamConnection
    from pyvoy.network.timers import Timer
    from pyvoy.server.services import Services

_FOREVER = float("inf")
_DEADLINE_EXCEEDED = 4
_FIRST_LOOK_S = 10.0


class ManagerTimeouts(NetworkFilter):
    """The timers of one connection; the connection manager is the rest of it."""

    __slots__ = (
        "_drain_timer",
        "_duration_timer",
        "_head_timer",
        "_idle_since_s",
        "_spoken",
        "_timer",
        "armed_s",
        "closing",
        "connection",
        "draining",
        "plan",
        "services",
        "streams",
    )

    plan: ManagerPlan
    connection: DownstreamConnection
    services: Services

    def __init__(self) -> None:
        self._timer: Timer | None = None
        self._head_timer: Timer | None = None
        self._duration_timer: Timer | None = None
        self._drain_timer: Timer | None = None
        self.streams: dict[int, HttpStream | LightStream | PlainExchange] = {}
        self.closing = False
        """The connection ends behind the running response."""
        self.armed_s = _FOREVER
        self.draining = False
        """Responses announce the end of the connection, which comes with `_drain_timer` or behind one of them."""
        self._spoken = False
        """Bytes have come from the client."""
        self._idle_since_s = 0.0

    def _live_streams(self) -> list[HttpStream]:
        """All streams; plain exchanges become streams when somebody has to look at them."""
        return [one if isinstance(one, HttpStream) else one.as_stream() for one in list(self.streams.values())]

    # ---- arming ----

    def _start_timers(self, now_s: float) -> None:
        """The connection begins."""
        plan = self.plan
        self._idle_since_s = now_s
        if plan.idle_timeout_s:
            # A first look soon: requests with the usual time-outs then find a timer that is early enough.
            self.watch(self._idle_since_s + min(plan.idle_timeout_s, _FIRST_LOOK_S))
        if plan.max_connection_duration_s:
            self._duration_timer = self.services.timers.call_later(
                plan.max_connection_duration_s, self._duration_reached
            )

    def _stop_timers(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._head_timer is not None:
            self._head_whole()
        if self._duration_timer is not None:
            self._duration_timer.cancel()
            self._duration_timer = None
        if self._drain_timer is not None:
            self._drain_timer.cancel()
            self._drain_timer = None

    def watch(self, due_s: float) -> None:
        """Look at the connection's time-outs at `due_s`, or earlier when a look is due already."""
        if due_s >= self.armed_s:
            return
        if self._timer is not None:
            self._timer.cancel()
        self.armed_s = due_s
        self._timer = self.services.timers.call_at(due_s, self._look)

    def limit_duration(self, stream: HttpStream, limit_s: float | None) -> None:
        """How long the stream may last from its begin; takes the place of what was said before."""
        stream.duration_limit_s = limit_s
        if limit_s is not None:
            self.watch(stream.info.start_s + limit_s)

    def _watch_head(self, stream: HttpStream) -> None:
        """A head has begun and is not whole (request_headers_timeout)."""
        if self.plan.request_headers_timeout_s:
            self._head_timer = self.services.timers.call_later(
                self.plan.request_headers_timeout_s, lambda: self._head_timed_out(stream)
            )

    def _head_whole(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    # ---- looking ----

    def _look(self) -> None:
        """Something may be due: end what is, and arm for what is next."""
        self._timer = None
        self.armed_s = _FOREVER
        now_s = self.services.clock()
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
        for timeout_s, since_s, over in (
            (self._idle_limit_s(stream), stream.active_s, self._stream_idle),
            (stream.duration_limit_s, stream.info.start_s, self._duration_over),
            (None if stream.request_ended else self.plan.request_timeout_s, stream.info.start_s, self._request_over),
        ):
            if timeout_s:
                if now_s >= since_s + timeout_s:
                    over(stream)
                    return _FOREVER
                next_s = min(next_s, since_s + timeout_s)
        if stream.due_s is not None:
            if now_s >= stream.due_s and stream.on_due is not None:
                stream.due_s = None
                stream.on_due()
                return next_s
            if stream.due_s is not None:
                next_s = min(next_s, stream.due_s)
        return next_s

    def _idle_limit_s(self, stream: HttpStream) -> float | None:
        return self.plan.stream_idle_timeout_s if stream.idle_timeout_s is None else stream.idle_timeout_s

    # ---- what a stream's time-out does ----

    def _stream_idle(self, stream: HttpStream) -> None:
        """stream_idle_timeout: nothing has moved."""
        self.plan.stats.downstream_rq_idle_timeout.inc()
        stream.info.response_flags |= Flag.STREAM_IDLE_TIMEOUT
        self._time_out(stream, b"stream timeout", details.STREAM_IDLE_TIMEOUT)

    def _request_over(self, stream: HttpStream) -> None:
        """request_timeout: the request is not whole."""
        self.plan.stats.downstream_rq_timeout.inc()
        self._time_out(stream, b"request timeout", details.REQUEST_OVERALL_TIMEOUT)

    def _duration_over(self, stream: HttpStream) -> None:
        """max_stream_duration is over."""
        self.plan.stats.downstream_rq_max_duration_reached.inc()
        self._time_out(stream, b"downstream duration timeout", details.MAX_DURATION_TIMEOUT, _DEADLINE_EXCEEDED)

    def _head_timed_out(self, stream: HttpStream) -> None:
        """The request head did not become complete in time (request_headers_timeout)."""
        self._head_timer = None
        if not stream.finished:
            self.plan.stats.downstream_rq_header_timeout.inc()
            self._time_out(stream, b"request header timeout", details.REQUEST_HEADER_TIMEOUT)

    @staticmethod
    def _time_out(stream: HttpStream, body: bytes, detail: str, grpc_status: int | None = None) -> None:
        """408 while the request is coming, 504 afterwards, a reset once the answer runs."""
        if stream.response_started:
            stream.reset(detail)
        else:
            status = 504 if stream.request_ended else 408
            stream.send_local_reply(status, body, details=detail, grpc_status=grpc_status)

    # ---- what the connection's time-out does ----

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
        elif not self.draining:
            self.draining = True
            self._drain_timer = self.services.timers.call_later(self.plan.drain_timeout_s, self._drained)

    def _drained(self) -> None:
        self._drain_timer = None
        self.closing = True
        if not self.streams:
            self.connection.close(CloseType.FLUSH_AND_DELAY)
