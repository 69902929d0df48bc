"""An ordinary request (see `plain_plan`) through a connection manager with filters or access logs.

What its filters and logs see as their stream is this object.  It answers what most of them ask (headers, route, plans,
facts) and runs the chain's tuples while every filter continues; whatever else is asked of it, or happens, turns it into
an `HttpStream` in the state it would be in, which goes on, and to which this object, still in the filters' hands, from
then on refers.  The tests hold the same conversations both ways and compare bytes, statistics and log lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyvoy.http.charging import CANARY, INTERNAL
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, HttpFilter
from pyvoy.http.light_forwarding import forward_to_full
from pyvoy.http.plain_facts import note_request, note_upstream
from pyvoy.http.plain_plan import SERVICE_TIME, PlainAnswer
from pyvoy.http.response_rules import has_status
from pyvoy.http.routing.steering import STEERING
from pyvoy.http.routing.timeouts import EXPECTED
from pyvoy.http.stream import HttpStream, notify
from pyvoy.http.upstream_request import UpstreamRequest
from pyvoy.observe import details
from pyvoy.observe.stream_info import ConnectionInfo, StreamInfo
from pyvoy.upstream.endpoint import Host
from pyvoy.upstream.pool.h1 import Http1Connection, Http1Pool

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyvoy.http.chain import ChainPlan, Handler
    from pyvoy.http.h1.client import Http1ClientCodec
    from pyvoy.http.h1.heads import ResponseHead
    from pyvoy.http.h1.limits import Http1Plan
    from pyvoy.http.manager import HttpConnectionManager
    from pyvoy.http.plain_plan import PlainPlan, PlainRequest
    from pyvoy.server.services import Services
    from pyvoy.upstream.cluster import Cluster

_REQUEST_ID = b"x-request-id"
FILTERING, UPSTREAM, RESPONDING, OVER = range(4)


class LightStream:
    """One ordinary request; receives its response.  Owned by its connection manager until it is over or promoted."""

    # Filters may keep things of their own on a stream, so there is an instance dict beside the slots.
    __slots__ = (
        "__dict__",
        "_answer_bytes",
        "_body",
        "_calling",
        "_cluster",
        "_connection",
        "_host",
        "_id",
        "_info",
        "_pool",
        "_request",
        "_request_headers",
        "_stage",
        "_status",
        "_took",
        "active_s",
        "chain",
        "chosen_host",
        "filters",
        "host_is_chosen",
        "manager",
        "promoted",
        "response_headers",
        "services",
        "stream_id",
    )

    _cluster: Cluster
    _connection: Http1Connection
    _host: Host
    _pool: Http1Pool
    _answer_bytes: int
    _status: bytes
    _took: tuple[float, int]
    """When the response came, and how many milliseconds after the request."""

    def __init__(
        self,
        manager: HttpConnectionManager,
        stream_id: int,
        request: PlainRequest,
        request_id: bytes,
        now_s: float,
        body: bytes,
    ) -> None:
        self.manager = manager
        self.stream_id = stream_id
        self.services: Services = manager.services
        self.chain: ChainPlan = manager.plan.chain
        self._request_headers: HeaderMap | None = None
        self.response_headers: HeaderMap | None = None
        self.active_s = now_s
        self.chosen_host: Host | None = None
        self.host_is_chosen = False
        self.filters: list[HttpFilter] = []
        self._request = request
        self._id = request_id
        self._body = body
        self._stage = FILTERING
        self._calling = False
        self._info: StreamInfo | None = None
        self.promoted: HttpStream | None = None
        """The full stream, once there is one."""

    # ---- what filters and logs ask: Stream ----

    @property
    def connection(self) -> ConnectionInfo:
        """The downstream connection."""
        return self.manager.connection_info

    @property
    def request_headers(self) -> HeaderMap:
        """The request's headers; made when somebody asks."""
        headers = self._request_headers
        if headers is None:
            request = self._request
            headers = self._request_headers = request.seen_headers(self._id)
            if self._stage > FILTERING:
                headers.map[EXPECTED] = request.expected
        return headers

    @property
    def route(self) -> Any:
        """The chosen route."""
        return self._request.route if self.promoted is None else self.promoted.route

    def route_plans(self, self_filter: HttpFilter) -> tuple[Any, ...]:
        """Every per-route plan of this filter, least specific first."""
        if self.promoted is not None:
            return self.promoted.route_plans(self_filter)
        plans = self._request.route.filter_plans
        return plans.get(self.chain.names[self_filter.slot], ()) if plans else ()

    def route_plan(self, self_filter: HttpFilter) -> Any:
        """The most specific per-route plan of this filter, or None."""
        plans = self.route_plans(self_filter)
        return plans[-1] if plans else None

    def replace_filter(self, self_filter: HttpFilter, other: HttpFilter) -> None:
        """From now on `other` stands in the filter's place on this stream."""
        stream = self if self.promoted is None else self.promoted
        stream.filters[self_filter.slot] = other

    def decide(self, self_filter: HttpFilter) -> tuple[HttpFilter, Mapping[str, Handler]]:
        """Before the first event at a place for which routes have filters of their own."""
        decided = self.chain.decided(self_filter.slot, self.route_plan(self_filter))
        self.chain = decided.chain
        return decided.enter(self_filter, self.filters), decided.handlers

    def clear_route_cache(self) -> None:
        """Match anew: as long as it is the same route after all, the request stays an ordinary one."""
        if self.promoted is None and self._stage is FILTERING and self._is_same_route():
            return
        self.full().clear_route_cache()

    def _is_same_route(self) -> bool:
        routes = self.manager.plan.routes
        values, seen = self.request_headers.map, self._request.seen
        if not values.get(b"x-forwarded-proto"):
            return False
        if not routes.settled:
            return routes.find(self) is self._request.route
        return values.get(b":path") == seen[b":path"] and values.get(b":authority") == seen[b":authority"]

    @property
    def info(self) -> StreamInfo:
        """The facts so far; made when somebody asks."""
        info = self._info
        if info is None:
            info = self._info = StreamInfo()
            self._note_begin(info)
            if self._stage > FILTERING:
                self._note_upstream(info)
            if self._stage > UPSTREAM:
                self._note_response(info)
            if self._stage is OVER:
                self._note_end(info)
        return info

    def _note_begin(self, info: StreamInfo) -> None:
        info.start_s = self.active_s
        info.start_wall_s = self.active_s + self.manager.wall_offset_s
        info.protocol = self.manager.codec.protocol
        note_request(info, self._request.route, self._id)

    def _note_upstream(self, info: StreamInfo) -> None:
        note_upstream(info, self._cluster, self._host, self._connection, self.active_s, len(self._body))

    def _note_response(self, info: StreamInfo) -> None:
        info.first_upstream_rx_s = info.last_upstream_rx_s = self._took[0]
        info.response_code_details = details.VIA_UPSTREAM
        info.response_code = int(self._status)

    def _note_end(self, info: StreamInfo) -> None:
        assert self.response_headers is not None
        info.response_code = int(self.response_headers.map[b":status"])
        info.first_downstream_tx_s = info.end_s = self._took[0]
        info.bytes_sent = self._answer_bytes

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Anything else is the full stream's (`light_forwarding`)."""

    # ---- the request ----

    def begin(self, plain: PlainPlan) -> None:
        """Through the filters, then upstream."""
        chain = self.chain
        end = not self._body
        self._calling = True
        slot = -1
        try:
            filters = self.filters = chain.make_light()
            if chain.light_request_headers:
                headers = self.request_headers
                for slot, handler in chain.light_request_headers:
                    verdict = handler(filters[slot], self, headers, end)
                    if verdict is not CONTINUE or self.promoted is not None:
                        self.full().go_on_with_request(slot, verdict, self._body)
                        return
        except Exception as error:  # the wall of the stream: a filter can fail, the proxy cannot
            self.full().fail(error, self._body, made=slot >= 0)
            return
        self._calling = False
        if (not end and self.chain.light_request_data) or not self._send(plain):
            self.full().run_router(self._body)

    def _send(self, plain: PlainPlan) -> bool:
        """The router's work on an ordinary request, in one piece; False when the router itself has to, and then
        nothing has been done but perhaps the balancer asked."""
        request = self._request
        headers = self._request_headers
        untouched = headers is None or not headers.generation
        if not untouched and not self._is_ordinary():
            return False
        cluster = self.services.clusters.get(request.cluster)
        if cluster is None or cluster.chooser is not None:
            return False
        self.host_is_chosen = True
        host = self.chosen_host = cluster.pick_any()
        if host is None:
            return False
        pool: Any = host.pools.get(request.priority)
        connection = pool.take_idle(self) if pool is not None and not host.canary else None
        if connection is None:
            return False
        self._cluster = cluster
        self._host = host
        self._pool = pool
        self._connection = connection
        self._stage = UPSTREAM
        routed = plain.routed
        if not routed.count:
            routed.board.note(routed)
        routed.count += 1
        if self._info is not None:
            self._note_upstream(self._info)
        due_s = self.active_s + request.timeout_s
        if due_s < self.manager.armed_s:
            self.manager.watch(due_s)
        codec = connection.codec
        if untouched:
            if headers is not None:
                headers.map[EXPECTED] = request.expected
            if request.encoded_for is not pool.plan:
                request.encode(codec, pool.plan)
            codec.send_request(self, b"".join((request.before_id, self._id, request.behind_id, self._body)))
        else:
            self._send_changed(codec, pool.plan)
        return True

    def _is_ordinary(self) -> bool:
        """Whether the request is an ordinary one as its filters have left it."""
        values = self.request_headers.map
        return STEERING.isdisjoint(values) and INTERNAL not in values and b":method" in values and b":path" in values

    def _send_changed(self, codec: Http1ClientCodec, plan: Http1Plan) -> None:
        """The request as its filters have left it; what they have made of its head before is not encoded again."""
        request = self._request
        headers = self.request_headers
        headers.set(EXPECTED, request.expected)
        body = self._body
        changed = request.changed_heads(plan)
        if changed is not None:
            known = changed.find(headers)
            if known is not None:
                codec.send_request(self, b"".join((known.before, headers.map[_REQUEST_ID], known.behind, body)))
                return
            if headers.map.get(b"content-length") == request.seen.get(b"content-length"):
                kept = changed.missed(headers)
                if kept is not None:
                    changed.keep(kept, codec.encode_request(kept))
        stream_id = codec.new_stream(self)
        if not body:
            codec.send_headers(stream_id, headers, True)
            return
        codec.corked = True
        codec.send_headers(stream_id, headers, False)
        codec.send_data(stream_id, body, True)
        codec.uncork()

    # ---- the response (ResponseSink) ----

    def on_response(self, head: ResponseHead, body: bytes) -> None:
        """A whole response: count it as the router does, then through the filters and out."""
        chain = self.chain
        request_headers = self._request_headers
        if (
            CANARY in head.values
            or chain.response_data
            or (request_headers is not None and INTERNAL in request_headers.map)
        ):
            self._attempt().on_response(head, body)
            return
        now_s = self.services.clock()
        headers = self.response_headers = head.headers()
        values = headers.map
        status = self._status = values[b":status"]
        pool = self._pool
        tally = pool.outcome(status) or pool.new_outcome(status)
        if not tally.count:
            tally.board.note(tally)
        tally.count += 1
        took_ms = int((now_s - self.active_s) * 1000)
        self._took = now_s, took_ms
        tally.values.append(took_ms)
        values[SERVICE_TIME] = b"%d" % took_ms
        self._stage = RESPONDING
        if self._info is not None:
            self._note_response(self._info)
        if not chain.response_headers or self._filter(headers, body):
            self._answer(head, headers, body)

    def _filter(self, headers: HeaderMap, body: bytes) -> bool:
        """Show the head to the filters; False when the full stream has gone on with it."""
        filters = self.filters
        end = not body
        self._calling = True
        try:
            for slot, handler in self.chain.response_headers:
                verdict = handler(filters[slot], self, headers, end)
                if verdict is not CONTINUE or self.promoted is not None:
                    self.full().go_on_with_response(slot, verdict, body)
                    return False
        except Exception as error:  # the wall of the stream
            self.full().fail(error)
            return False
        self._calling = False
        if headers.map.get(b":status") is not self._status and not has_status(headers):
            self.full().refuse_headless()
            return False
        return True

    def _answer(self, head: ResponseHead, headers: HeaderMap, body: bytes) -> None:
        """Write the response, and be done."""
        manager = self.manager
        codec = manager.codec
        if manager.closing or manager.draining or codec.special or manager.services.draining():
            self.full().send_whole(headers, body)
            return
        now_s, took_ms = self._took
        self._stage = OVER
        self._answer_bytes = len(body)
        self._write(head, headers, body)
        if self._info is not None:
            self._note_end(self._info)
        chain = self.chain
        plan = manager.plan
        if chain.light_log:
            notify(chain.light_log, self.filters, self, plan)
        if plan.access_logs:
            manager.log_access(_Ended(self), "DownstreamEnd")
        if chain.light_destroy:
            notify(chain.light_destroy, self.filters, self, plan)
        self.filters = []
        manager.plain_over(self.stream_id, headers.map[b":status"], took_ms, now_s)
        if codec.finish(self.stream_id):
            manager.start_next()

    def _write(self, head: ResponseHead, headers: HeaderMap, body: bytes) -> None:
        """The response on the wire; one that no filter has touched is not encoded again."""
        manager = self.manager
        plan = manager.plan
        answer = head.memo
        plain = manager.share.plain
        kept: HeaderMap | None = None
        if type(answer) is PlainAnswer and answer.plain is plain and not answer.outdated:
            as_is = not headers.generation
            known = answer if as_is else answer.changed.find(headers)
            if known is not None:
                time = headers.map[SERVICE_TIME]
                if plan.access_logs or self.chain.light_log:
                    plan.response_rules(headers, self)  # what is logged is what goes out
                manager.write(b"".join((known.before, time, known.behind, body)))
                return
            if headers.map.get(b"content-length") == head.values[b"content-length"]:
                kept = answer.changed.missed(headers)
        elif plain is not None and plain.keeps_answers and head.kept:
            plain.keep_answer(head, self)
        plan.response_rules(headers, self)
        manager.codec.send_response(self.stream_id, headers, body)
        if kept is not None and type(answer) is PlainAnswer and plain is not None:
            plain.keep_changed_answer(head, answer.changed, kept, self)

    # ---- other events of the upstream ----

    def on_informational(self, headers: HeaderMap) -> None:
        self._attempt().on_informational(headers)

    def on_headers(self, headers: HeaderMap, end: bool) -> None:
        self._attempt().on_headers(headers, end)

    def on_data(self, data: bytes, end: bool) -> None:
        self._attempt().on_data(data, end)

    def on_trailers(self, trailers: HeaderMap) -> None:
        self._attempt().on_trailers(trailers)

    def on_reset(self, reason: str, detail: str) -> None:
        self._attempt(attached=False).on_reset(reason, detail)

    def on_high_watermark(self) -> None:
        self._attempt().on_high_watermark()

    def on_low_watermark(self) -> None:
        self._attempt().on_low_watermark()

    # ---- giving way ----

    def as_stream(self) -> HttpStream:
        """The stream that takes over, for whoever needs one (time-outs, a slow client, a closed connection)."""
        return self.full()

    def full(self) -> HttpStream:
        """The full stream: made on first need, in the state that this one stands for."""
        if self.promoted is None:
            self._promote(attached=True)
        assert self.promoted is not None
        return self.promoted

    def _attempt(self, *, attached: bool = True) -> UpstreamRequest:
        """The attempt that the full stream's router has under way."""
        if self.promoted is None:
            self._promote(attached=attached)
        assert self.promoted is not None
        attempt: UpstreamRequest = self.promoted.router.running_attempt
        return attempt

    def _promote(self, *, attached: bool) -> None:
        """`attached` says that the upstream connection, if there is one, still carries the request."""
        manager = self.manager
        info = self.info
        stream = self.promoted = HttpStream(manager, self.stream_id, info.start_s, info.start_wall_s)
        stream.info = info
        stream.chain = self.chain
        ended = self._stage > FILTERING or not self._body
        stream.take_request(self._request.route, self.request_headers, self.filters, ended=ended, calling=self._calling)
        stream.chosen_host, stream.host_is_chosen = self.chosen_host, self.host_is_chosen
        stream.response_headers = self.response_headers
        if self._stage is OVER:
            stream.response_started = stream.response_ended = stream.finished = True
            return
        manager.streams[self.stream_id] = stream
        manager.watch_stream(info.start_s)
        if self._stage is FILTERING:
            return
        attempt = stream.take_upstream(self._cluster, self._host, self._pool, self._connection)
        if self._stage is RESPONDING:
            stream.take_response(attempt)
        elif attached:
            self._connection.hand_over(attempt, manager.codec)


class _Ended:
    """A light stream that is over, as access logs read it: the facts that they ask for twenty times, at hand."""

    __slots__ = ("_light", "connection", "info", "log_type", "request_headers", "response_headers", "services")

    def __init__(self, light: LightStream) -> None:
        self._light = light
        self.info = light.info
        self.connection = light.connection
        self.services = light.services
        self.request_headers = light.request_headers
        self.response_headers = light.response_headers
        self.log_type = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._light, name)


forward_to_full(LightStream)
