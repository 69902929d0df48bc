"""An ordinary request (see `plain_plan`) through a connection manager with filters or access logs, on its way upstream.

The stream and its filters are the general ones; what is done in one piece here is the router's work: choosing the host,
taking an idle connection, sending, counting the response.  As soon as anything unusual happens the exchange gives way
to the router with an attempt of its own, in the state they would be in.  Whatever is unusual before that (a filter that
asks for a host, changes the route or adds a header of the router's) is never taken here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyvoy.http.charging import CANARY, INTERNAL
from pyvoy.http.headers import HeaderMap
from pyvoy.http.routing.steering import STEERING
from pyvoy.http.routing.timeouts import EXPECTED
from pyvoy.http.upstream_request import UpstreamRequest
from pyvoy.observe import details
from pyvoy.upstream.endpoint import Host
from pyvoy.upstream.pool.h1 import Http1Connection, Http1Pool

if TYPE_CHECKING:
    from pyvoy.filters.http.router import Router
    from pyvoy.http.h1.heads import ResponseHead
    from pyvoy.http.plain_plan import PlainRequest
    from pyvoy.http.stream import HttpStream
    from pyvoy.upstream.cluster import Cluster

_SERVICE_TIME = b"x-envoy-upstream-service-time"


class FilteredExchange:
    """Owns the stream's place on the upstream connection until the response is whole or it gives way."""

    __slots__ = ("_cluster", "_connection", "_host", "_pool", "_router", "stream")

    _cluster: Cluster
    _connection: Http1Connection
    _host: Host
    _pool: Http1Pool

    def __init__(self, stream: HttpStream, router: Router) -> None:
        self.stream = stream
        self._router = router

    # ---- the request ----

    def start(self, request: PlainRequest) -> bool:
        """Send the request; False when the router has to, and then nothing has been done but perhaps a host chosen,
        which the stream keeps because its turn is spent."""
        stream = self.stream
        headers = stream.request_headers
        values = headers.map
        untouched = values == request.seen and headers.pairs is None
        if not untouched and (
            not STEERING.isdisjoint(values) or INTERNAL in values or b":method" not in values or b":path" not in values
        ):
            return False
        services = stream.services
        cluster = services.clusters.get(request.cluster)
        if cluster is None or stream.upstream_override_host is not None:
            return False
        host = stream.chosen_host or cluster.pick_any()
        if host is None:
            return False
        pool: Any = host.pools.get(request.priority)
        connection = pool.take_idle(self) if pool is not None and not host.canary else None
        if connection is None:
            stream.chosen_host = host
            return False
        self._cluster = cluster
        self._host = host
        self._pool = pool
        self._connection = connection
        stream.exchange = stream.source = self
        self._note_facts(stream, connection)
        due_s = stream.due_s = stream.active_s + request.timeout_s
        stream.on_due = self._time_out
        if due_s < stream.manager.armed_s:
            stream.manager.watch(due_s)
        headers.set(EXPECTED, request.expected)
        self._send(request, headers, untouched=untouched)
        return True

    def _note_facts(self, stream: HttpStream, connection: Http1Connection) -> None:
        info = stream.info
        info.upstream_cluster = self._cluster.name
        info.upstream_cluster_observability_name = self._cluster.plan.observability_name
        info.upstream_host = self._host
        info.attempt_count = 1
        info.last_downstream_rx_s = info.first_upstream_tx_s = info.last_upstream_tx_s = stream.active_s
        info.upstream_local = connection.local
        info.upstream_connection_id = connection.connection_id

    def _send(self, request: PlainRequest, headers: HeaderMap, *, untouched: bool) -> None:
        codec = self._connection.codec
        if untouched:
            if request.encoded_for is not self._pool.plan:
                request.encode(codec, self._pool.plan)
            request_id = headers.map[b"x-request-id"]
            codec.send_request(self, b"%b%b%b" % (request.before_id, request_id, request.behind_id))
        else:
            codec.send_headers(codec.new_stream(self), headers, True)

    # ---- the response (ResponseSink) ----

    def on_response(self, head: ResponseHead, body: bytes) -> None:
        """A whole response: count it as the router does, and hand it to the stream."""
        stream = self.stream
        if CANARY in head.values or stream.health_check or INTERNAL in stream.request_headers.map:
            self.give_way().on_response(head, body)
            return
        now_s = stream.services.clock()
        headers = head.headers()
        values = headers.map
        pool = self._pool
        tally = pool.outcome(values[b":status"]) or pool.new_outcome(values[b":status"])
        if not tally.count:
            tally.board.note(tally)
        tally.count += 1
        took_ms = int((now_s - stream.active_s) * 1000)
        tally.values.append(took_ms)
        values[_SERVICE_TIME] = b"%d" % took_ms
        info = stream.info
        info.first_upstream_rx_s = info.last_upstream_rx_s = now_s
        info.response_code_details = details.VIA_UPSTREAM
        stream.exchange = stream.source = None
        if stream.response_is_streamed:
            stream.respond(headers, body)
        elif stream.enter_response(headers, not body):
            self._answer(headers, body, now_s, took_ms)
        elif body:
            stream.respond_data(body, True)

    def _answer(self, headers: HeaderMap, body: bytes, now_s: float, took_ms: int) -> None:
        """The end of an ordinary response: what `HttpStream.send_whole` and its stream's end do, in one piece."""
        stream = self.stream
        manager = stream.manager
        codec = manager.codec
        if (
            manager.closing
            or manager.draining
            or codec.special
            or stream.connection_close
            or stream.health_check
            or manager.services.draining()
        ):
            stream.send_whole(headers, body)
            return
        manager.plan.response_rules(headers, stream)
        status = headers.map[b":status"]
        info = stream.info
        info.response_code = int(status)
        info.first_downstream_tx_s = now_s
        info.bytes_sent = len(body)
        stream.response_started = stream.response_ended = True
        codec.send_response(headers, body)
        if stream.finished:
            return
        stream.let_go(now_s)
        manager.plain_over(stream.stream_id, status, took_ms, now_s)
        if codec.finish(stream.stream_id):
            manager.start_next()

    def on_informational(self, headers: HeaderMap) -> None:
        self.give_way().on_informational(headers)

    def on_headers(self, headers: HeaderMap, end: bool) -> None:
        self.give_way().on_headers(headers, end)

    def on_data(self, data: bytes, end: bool) -> None:
        self.give_way().on_data(data, end)

    def on_trailers(self, trailers: HeaderMap) -> None:
        self.give_way().on_trailers(trailers)

    def on_reset(self, reason: str, detail: str) -> None:
        self.give_way(attached=False).on_reset(reason, detail)

    def on_high_watermark(self) -> None:
        self.give_way().on_high_watermark()

    def on_low_watermark(self) -> None:
        self.give_way().on_low_watermark()

    # ---- what else may happen ----

    def pause_response(self, pause: bool) -> None:
        """ResponseSource: the client reads too slowly, or has caught up."""
        self.give_way().pause_response(pause)

    def _time_out(self) -> None:
        self.give_way()
        self._router.time_out()

    def give_way(self, *, attached: bool = True) -> UpstreamRequest:
        """The router and an attempt take over; `attached` says that the connection still carries the request."""
        stream = self.stream
        stream.exchange = None
        router = self._router
        connection = self._connection
        attempt = UpstreamRequest(router, self._host, self._pool, True)
        attempt.adopt(connection)
        router.adopt(stream, self._cluster, attempt)
        stream.source = router
        stream.on_due = router.time_out
        if attached:
            connection.hand_over(attempt, stream.manager.codec)
        return attempt
