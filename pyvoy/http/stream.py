"""One request and its response: from the codec through the filter chain and back.

The stream runs the chain's tuples directly while every filter continues, and hands a direction over to a `HeldPath`
(see `held_path.py`) at the first filter that stops.  It owns the end states: a local reply, a reset, completion.
What it knows and what filters may ask of it is `filtered_stream.py`, how its response goes `response_stream.py`.
Source: Envoy's ActiveStream and FilterManager.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from pyvoy.http.chain import NO_FILTERS, Entries
from pyvoy.http.codec import CodecError
from pyvoy.http.headers import HeaderMap
from pyvoy.http.held_path import HeldPath
from pyvoy.http.http_filter import CONTINUE, HttpFilter, LocalReply, Verdict
from pyvoy.http.response_stream import ResponseStream
from pyvoy.http.routing.timeouts import stream_duration_s
from pyvoy.http.sides import REQUEST_SIDE, RESPONSE_SIDE, RequestSide, ResponseSide
from pyvoy.observe import details
from pyvoy.observe.details import Flag

if TYPE_CHECKING:
    from pyvoy.http.manager_plan import ManagerPlan
    from pyvoy.http.upstream_request import UpstreamRequest
    from pyvoy.upstream.cluster import Cluster
    from pyvoy.upstream.endpoint import Host
    from pyvoy.upstream.pool.h1 import Http1Connection, Http1Pool

log = logging.getLogger("pyvoy.http")


_AT_ONCE_S = 1e-6
"""A deadline of nothing: none is written as 0."""


class HttpStream(ResponseStream):
    """One stream; implements `Stream` for filters and `RequestSink` for the codec.  Owned by its connection manager."""

    replaced = False
    """Another stream goes on with the request."""

    # ---- taking over from a short way (see `plain_exchange` and `light_stream`) ----

    def take_request(
        self, route: Any, headers: HeaderMap, filters: list[HttpFilter], *, ended: bool = True, calling: bool = False
    ) -> None:
        """A request whose rules are done and whose route is known, with its body behind it unless it has `ended`;
        `filters` are those before the router, one of which may be `calling`."""
        self.request_headers = headers
        self.request_ended = ended
        self._route = route
        self._route_known = True
        self.filters = [*filters, self.chain.make_router()]
        self._calling = calling

    def take_upstream(
        self, cluster: Cluster, host: Host, pool: Http1Pool, connection: Http1Connection
    ) -> UpstreamRequest:
        """The state after the router has sent the request."""
        from pyvoy.http.upstream_request import UpstreamRequest

        router = self.router
        attempt = UpstreamRequest(router, host, pool, True)
        attempt.adopt(connection)
        router.adopt(self, cluster, attempt)
        self.source = router
        self.set_due(self.active_s + self._route.timeout_s, router.time_out)
        return attempt

    def take_response(self, attempt: UpstreamRequest) -> None:
        """The state after the attempt has brought a whole response, which is among the filters."""
        attempt.ended = True
        self.router.note_response()
        self._response_entered = True

    def go_on_with_request(self, slot: int, verdict: Verdict, body: bytes) -> None:
        """The filter of this slot has answered for the head."""
        self._calling = False
        self.manager.feeding = bool(body)
        self._leave_fast_path(REQUEST_SIDE, slot, verdict, self.request_headers, not body)
        self._take_body(body)

    def _take_body(self, body: bytes) -> None:
        """The rest of a whole request; until it has come, what goes upstream is held back to leave in one write."""
        if body:
            self.on_data(body, True)
            self.manager.fed()

    def go_on_with_response(self, slot: int, verdict: Verdict, body: bytes) -> None:
        """The same for the head of a whole response."""
        self._calling = False
        assert self.response_headers is not None
        if not body:
            self._leave_fast_path(RESPONSE_SIDE, slot, verdict, self.response_headers, True)
            return
        codec = self.manager.codec
        codec.corked = True  # head and body leave in one write, if they go out at once
        try:
            self._leave_fast_path(RESPONSE_SIDE, slot, verdict, self.response_headers, False)
            self.respond_data(body, True)
        finally:
            codec.uncork()

    def run_router(self, body: bytes) -> None:
        """The head has passed every filter before the router."""
        self.manager.feeding = bool(body)
        self._run_request_headers(self.request_headers, not body, self.chain.request_headers[-1:])
        self._take_body(body)

    def fail(self, error: Exception, body: bytes = b"", *, made: bool = True) -> None:
        """A filter has raised, or (`made` False) could not be made."""
        if not made:
            self.chain = NO_FILTERS
        self._calling = False
        self._filter_failed(error)
        self._take_body(body)

    @property
    def router(self) -> Any:
        """The last filter."""
        return self.filters[-1]

    def await_head(self) -> None:
        """The stream begins before its head is whole: nothing is known of the request yet."""
        self.request_headers = HeaderMap()
        self._route_known = True

    # ---- RequestSink: what the codec delivers ----

    def on_headers(self, headers: HeaderMap, end: bool) -> None:
        """The request head: header rules, route, chain, then the filters."""
        self.request_headers = headers
        self.request_ended = end
        manager = self.manager
        plan = manager.plan
        if plan.meters:
            manager.meter_head(self, headers)
        rejection = None
        if self.travelled is None:
            rejection = plan.request_rules(headers, self.connection, self.info, manager.share.random_hex, self)
        if rejection is not None:
            manager.reject(self, rejection)
            return
        route = self._find_route()
        if route is not None and route.limits_streams:
            self._limit_by(route)
        chain = self.chain
        if route is not None and (route.disabled_filters or route.enabled_filters):
            chain = self.chain = chain.variant(route.disabled_filters, route.enabled_filters)
        try:
            self.filters = chain.make_filters()
        except Exception as error:  # the wall of the stream
            self.chain = NO_FILTERS
            self._filter_failed(error)
            return
        values = headers.map
        if b"expect" in values:
            self._expect(headers)
        if (b"upgrade" in values or values[b":method"] == b"CONNECT") and not manager.upgrade_allowed(self, route):
            return
        if plan.log_on_new_request:
            manager.log_access(self, "DownstreamStart")
        self._run_request_headers(headers, end, chain.request_headers)

    def begin_anew(self, body: bytes) -> None:
        """The request has become another one (an internal redirect): a new stream carries it through the chain, and
        this one is over without an answer of its own."""
        manager = self.manager
        info = self.info
        info.response_code_details = details.INTERNAL_REDIRECT
        self.replaced = True
        self._finish()
        stream = manager.new_stream(self.stream_id)
        stream.travelled = self.travelled
        stream.info.bytes_received = info.bytes_received
        stream.info.request_id = info.request_id
        stream.info.downstream_remote = info.downstream_remote
        stream.info._filter_state = info._filter_state
        stream.on_headers(self.request_headers, not body and self.request_trailers is None)
        if body and not stream.finished:
            stream.on_data(body, self.request_trailers is None)
        if self.request_trailers is not None and not stream.finished:
            stream.on_trailers(self.request_trailers)

    def _limit_by(self, route: Any) -> None:
        """The route's idle time-out and duration in place of the connection manager's; 0 means none."""
        manager = self.manager
        if route.idle_timeout_s is not None:
            self.idle_timeout_s = route.idle_timeout_s
            if route.idle_timeout_s:
                manager.watch(self.active_s + route.idle_timeout_s)
        limit_s = stream_duration_s(route, self.request_headers, manager.plan.max_stream_duration_s)
        manager.limit_duration(self, limit_s if limit_s != 0 else _AT_ONCE_S)

    def _run_request_headers(self, headers: HeaderMap, end: bool, entries: Entries) -> None:
        filters = self.filters
        self._calling = True
        try:
            for slot, handler in entries:
                verdict = handler(filters[slot], self, headers, end)
                if verdict is not CONTINUE or self._ending is not None or self._request_path is not None:
                    self._calling = False
                    self._leave_fast_path(REQUEST_SIDE, slot, verdict, headers, end)
                    return
        except Exception as error:  # the wall of the stream: a filter can fail, the proxy cannot
            self._filter_failed(error)
        self._calling = False
        if self._ending is not None:
            self._end_recorded()

    def _leave_fast_path(
        self, side: RequestSide | ResponseSide, slot: int, verdict: Verdict, headers: HeaderMap, end: bool
    ) -> None:
        """A headers callback did more than continue: from here on the direction is run by a held path."""
        if self._ending is not None:
            self._end_recorded()
            if self.over(side):
                return
        path = self._path(side)
        added = path.added.pop(slot, None)
        if verdict is not CONTINUE:
            path.stopped_at_headers(slot, verdict, headers, end, added or b"")
            self.run_recorded()
            return
        path.headers(headers, end and added is None, slot)
        if added is not None and not self.over(side):
            path.data(added, end, slot)
        self.run_recorded()

    def on_data(self, data: bytes, end: bool) -> None:
        """A piece of the request body (or of the tunnel)."""
        self.info.bytes_received += len(data)
        self.active_s = self.services.clock()
        if end:
            self.request_ended = True
            self.info.last_downstream_rx_s = self.active_s
        if self.local_replied or self.finished:
            if end and not self.finished and self.response_ended:
                self._finish()
            return
        path = self._request_path
        if path is not None:
            path.data(data, end)
            self.run_recorded()
            return
        filters = self.filters
        self._calling = True
        try:
            for slot, handler in self.chain.request_data:
                verdict = handler(filters[slot], self, data, end)
                if verdict is not CONTINUE or self._ending is not None or self._request_path is not None:
                    self._calling = False
                    self._leave_fast_data(REQUEST_SIDE, slot, verdict, data, end)
                    return
        except Exception as error:  # the wall of the stream
            self._filter_failed(error)
        self._calling = False
        if self._ending is not None:
            self._end_recorded()

    def _leave_fast_data(
        self, side: RequestSide | ResponseSide, slot: int, verdict: Verdict, data: bytes, end: bool
    ) -> None:
        if self._ending is not None:
            self._end_recorded()
            if self.over(side):
                return
        path = self._path(side)
        data = path.piece(slot, data)
        if verdict is CONTINUE:
            path.data(data, end, slot)
        else:
            path.after_data(slot, None, verdict, data, end)
        self.run_recorded()

    def on_trailers(self, trailers: HeaderMap) -> None:
        """The request trailers: the end of the request."""
        self.request_ended = True
        self.request_trailers = trailers
        self.active_s = self.services.clock()
        self.info.last_downstream_rx_s = self.active_s
        if self.local_replied or self.finished:
            return
        self._path(REQUEST_SIDE).trailers(trailers)
        self.run_recorded()

    def on_reset(self, reason: str) -> None:
        """The client reset the stream."""
        self.manager.plan.stats.downstream_rq_rx_reset.inc()
        self.abandon(details.DOWNSTREAM_REMOTE_DISCONNECT, Flag.DOWNSTREAM_REMOTE_RESET)

    def on_codec_error(self, error: CodecError) -> None:
        """What follows of this request cannot be read: answer, then close."""
        self.manager.on_codec_error(self, error)

    def _path(self, side: RequestSide | ResponseSide) -> HeldPath:
        """The held path of a direction, made on first need."""
        if side is REQUEST_SIDE:
            if self._request_path is None:
                self._request_path = HeldPath(self, REQUEST_SIDE)
            return self._request_path
        if self._response_path is None:
            self._response_path = HeldPath(self, RESPONSE_SIDE)
        return self._response_path

    # ---- local replies and resets ----

    def _reply_now(self, reply: LocalReply) -> None:
        """Send a local reply: through the response filters, past them when they have begun, or as a reset."""
        if self.finished:
            return
        self.local_replied = True
        if reply.status == 400:
            self.manager.on_bad_request()
        info = self.info
        info.response_code_details = reply.details
        info.response_flags |= reply.flags
        if not self.filters and self.chain.makers:
            self.filters = self.chain.make_filters()
        for slot, handler in self.chain.local_reply:
            self.call(handler, slot, reply)
            if self.over(RESPONSE_SIDE):
                return
        if self.response_started:
            self._reset_now(reply)
            return
        if self._route_forgotten and not self._route_known:
            self._find_route()  # as in Envoy, a route that was forgotten is looked up once more for what is logged
        self._note_cluster()
        headers, body = self.manager.plan.local_reply(self, reply)
        self.response_headers = headers
        info.response_code = int(headers.map[b":status"])
        if self._response_entered:
            self.encode_headers(headers, not body)
            if body:
                self.encode_data(body, True)
            return
        self._response_entered = True
        path = self._path(RESPONSE_SIDE)
        path.headers(headers, not body)
        if body and not self.finished:
            path.data(body, True)
        self.run_recorded()

    def _note_cluster(self) -> None:
        """A request answered before the router saw it still shows the cluster of its route (Envoy sets it with the
        route)."""
        route = self._route
        if self.info.upstream_cluster or route is None or not route.cluster:
            return
        cluster = self.services.clusters.get(route.cluster)
        if cluster is not None:
            self.info.upstream_cluster = cluster.name
            self.info.upstream_cluster_observability_name = cluster.plan.observability_name

    def _reset_now(self, reply: LocalReply) -> None:
        if reply.details:
            self.info.response_code_details = reply.details
        self.info.response_flags |= reply.flags
        self._note_cluster()
        self.manager.plan.stats.downstream_rq_tx_reset.inc()
        self.manager.reset_stream(self)
        self._finish()

    def abandon(self, detail: str, flags: int) -> None:
        """The client is gone: end without writing anything."""
        if self.finished:
            return
        self.info.response_flags |= flags
        self.info.response_code_details = detail
        if self.filters and not self._route_known:
            self._find_route()  # a filter had the request: Envoy knows its route from then on
        self._note_cluster()
        self._finish()

    # ---- flow control ----

    def pause_request(self, pause: bool) -> None:
        """Stop or resume reading the request; calls nest."""
        if self.finished:
            return
        self._request_paused += 1 if pause else -1
        self.manager.pause_request(self.stream_id, pause)

    def count_too_large(self, *, request: bool) -> None:
        """A filter's buffer outgrew its limit."""
        stats = self.manager.plan.stats
        (stats.downstream_rq_too_large if request else stats.rs_too_large).inc()

    def _expect(self, headers: HeaderMap) -> None:
        """`Expect: 100-continue`: answered here and stripped, unless it is proxied (proxy_100_continue)."""
        if headers.map[b"expect"].lower() != b"100-continue" or self.manager.plan.proxy_100_continue:
            return
        headers.remove(b"expect")
        self.manager.send_informational(self, HeaderMap([(b":status", b"100")]))

    # ---- the end ----

    def _finish(self) -> None:
        """The one end of a stream: log, destroy, release; nothing is called after it."""
        if self.finished:
            return
        now_s = self.services.clock()
        while self._request_paused > 0:
            self._request_paused -= 1
            self.manager.pause_request(self.stream_id, False)
        self._let_go(now_s)
        if self.replaced:
            self.manager.stream_replaced(self, now_s)
        else:
            self.manager.stream_over(self, now_s)

    def _let_go(self, now_s: float) -> None:
        """Log, tell the filters, and hold nothing any more."""
        self.finished = True
        self.info.end_s = now_s
        self._calling = True
        log = self.chain.log
        if log:
            notify(log, self.filters, self, self.manager.plan)
        if self.manager.plan.access_logs:
            self.manager.log_access(self, "DownstreamEnd")
        destroy = self.chain.destroy
        if destroy:
            notify(destroy, self.filters, self, self.manager.plan)
        self.filters = []
        if self._tasks is not None:
            for task in self._tasks:
                task.cancel()
        self._request_path = self._response_path = None
        self.source = self.on_due = self.due_s = None


def notify(entries: Entries, filters: list[HttpFilter], stream: Any, plan: ManagerPlan) -> None:
    """Call an event that decides nothing on every filter that has it."""
    if not filters:
        return
    for slot, handler in entries:
        try:
            handler(filters[slot], stream)
        except Exception as error:  # the wall of the stream
            log.error("filter failed at the end of its stream", exc_info=error)
            plan.filter_failures.inc()
