"""The short way of an ordinary request through a connection manager that has nothing but the router.

An ordinary request comes whole, with no header that any rule looks at, on a route that asks for nothing but its
time-out, with an idle connection to the host.  One object then stands for what otherwise are a stream, a filter chain,
the router and its attempt.  As soon as anything unusual happens (another kind of answer, a reset, a time-out, a slow
client) the exchange is promoted to exactly those objects, in the state they would be in, and they go on.
What is decided about a head, and how it is written out, is in `plain_plan`; the tests send the same requests both ways
and compare bytes and statistics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyvoy.http.charging import CANARY
from pyvoy.http.headers import HeaderMap
from pyvoy.http.plain_facts import note_request, note_upstream
from pyvoy.http.plain_plan import SERVICE_TIME, PlainAnswer, PlainPlan, PlainRequest
from pyvoy.http.stream import HttpStream
from pyvoy.http.upstream_request import UpstreamRequest
from pyvoy.upstream.endpoint import Host
from pyvoy.upstream.pool.h1 import Http1Connection, Http1Pool

if TYPE_CHECKING:
    from pyvoy.http.h1.heads import ResponseHead
    from pyvoy.http.manager import HttpConnectionManager
    from pyvoy.upstream.cluster import Cluster


class PlainExchange:
    """One ordinary request under way.  Receives the response; gives way to a stream when that is not ordinary."""

    __slots__ = (
        "_body_bytes",
        "_cluster",
        "_connection",
        "_host",
        "_id",
        "_pool",
        "_request",
        "active_s",
        "chosen_host",
        "host_is_chosen",
        "manager",
        "stream_id",
    )

    _connection: Http1Connection
    _cluster: Cluster
    _host: Host
    _body_bytes: int
    _id: bytes
    _pool: Http1Pool

    def __init__(self, manager: HttpConnectionManager, stream_id: int, request: PlainRequest) -> None:
        self.manager = manager
        self.stream_id = stream_id
        self._request = request
        self.chosen_host: Host | None = None
        self.host_is_chosen = False

    # ---- the request ----

    def start(self, plain: PlainPlan, body: bytes) -> bool:
        """Send the request upstream.  False when a stream has to: then nothing has been done, but the balancer may have
        been asked."""
        manager = self.manager
        services = manager.services
        request = self._request
        cluster = services.clusters.get(request.cluster)
        if cluster is None or cluster.chooser is not None:
            return False
        self.host_is_chosen = True
        host = self.chosen_host = cluster.pick_any()
        if host is None:
            return False
        pool: Any = host.pools.get(request.priority)
        if pool is None or host.canary:
            return False
        connection = pool.take_idle(self)
        if connection is None:
            return False
        self._cluster = cluster
        self._host = host
        self._pool = pool
        self._connection = connection
        begun = plain.begun
        if not begun.count:
            begun.board.note(begun)
        begun.count += 1
        ids = plain.ids
        request_id = self._id = ids.pop() if ids else plain.next_id()
        self._body_bytes = len(body)
        self.active_s = now_s = services.clock()
        manager.streams[self.stream_id] = self
        due_s = now_s + request.timeout_s
        if due_s < manager.armed_s:
            manager.watch(due_s)
        if request.encoded_for is not pool.plan:
            request.encode(connection.codec, pool.plan)
        connection.codec.send_request(self, b"%b%b%b%b" % (request.before_id, request_id, request.behind_id, body))
        return True

    @property
    def request_headers(self) -> HeaderMap:
        """The headers as they went upstream."""
        return self._request.headers(self._id)

    # ---- the response ----

    def on_response(self, head: ResponseHead, body: bytes) -> None:
        """A whole response: count it, write it out, and be done."""
        manager = self.manager
        plain = manager.share.plain
        if plain is None or CANARY in head.values or manager.closing or manager.draining or manager.services.draining():
            self._promote(attached=True).on_response(head, body)
            return
        now_s = manager.services.clock()
        took_ms = int((now_s - self.active_s) * 1000)
        status = head.values[b":status"]
        tally = self._pool.outcome(status) or self._pool.new_outcome(status)
        if not tally.count:
            tally.board.note(tally)
        tally.count += 1
        tally.values.append(took_ms)
        manager.plain_over(self.stream_id, status, took_ms, now_s)
        codec = manager.codec
        closing = codec.must_close
        answer = head.memo
        if type(answer) is PlainAnswer and answer.plain is plain and not answer.outdated:
            if closing:
                manager.write_last(b"%b%d%b%b" % (answer.before, took_ms, answer.behind_closing, body))
                return
            manager.write(b"%b%d%b%b" % (answer.before, took_ms, answer.behind, body))
        else:
            codec.send_response(self.stream_id, self._headers(head, plain, took_ms, closing=closing), body)
        if closing:
            manager.close_answered()
        elif codec.finish(self.stream_id):
            manager.start_next()

    def _headers(self, head: ResponseHead, plain: PlainPlan, took_ms: int, *, closing: bool) -> HeaderMap:
        """The response's headers for the client; what is made of a head that is remembered is kept for the next."""
        manager = self.manager
        if head.kept:
            plain.keep_answer(head, self)
        headers = head.headers()
        headers.map[SERVICE_TIME] = b"%d" % took_ms
        manager.plan.response_rules(headers, self)
        if closing:
            headers.map[b"connection"] = b"close"
        return headers

    def on_informational(self, headers: HeaderMap) -> None:
        self._promote(attached=True).on_informational(headers)

    def on_headers(self, headers: HeaderMap, end: bool) -> None:
        self._promote(attached=True).on_headers(headers, end)

    def on_data(self, data: bytes, end: bool) -> None:
        self._promote(attached=True).on_data(data, end)

    def on_trailers(self, trailers: HeaderMap) -> None:
        self._promote(attached=True).on_trailers(trailers)

    def on_reset(self, reason: str, detail: str) -> None:
        self._promote(attached=False).on_reset(reason, detail)

    def on_high_watermark(self) -> None:
        self._promote(attached=True).on_high_watermark()

    def on_low_watermark(self) -> None:
        self._promote(attached=True).on_low_watermark()

    # ---- giving way ----

    def as_stream(self) -> HttpStream:
        """The stream that takes over, for whoever needs one (time-outs, a slow client, a closed connection)."""
        self._promote(attached=True)
        stream = self.manager.streams[self.stream_id]
        assert isinstance(stream, HttpStream)
        return stream

    def _promote(self, *, attached: bool) -> UpstreamRequest:
        """Put a stream, its router and the attempt in this exchange's place; `attached` says that the upstream
        connection still carries the request."""
        manager = self.manager
        stream = HttpStream(manager, self.stream_id, self.active_s, self.active_s + manager.wall_offset_s)
        connection = self._connection
        route = self._request.route
        note_request(stream.info, route, self._id)
        note_upstream(stream.info, self._cluster, self._host, connection, self.active_s, self._body_bytes)
        stream.take_request(route, self.request_headers, [])
        attempt = stream.take_upstream(self._cluster, self._host, self._pool, connection)
        manager.streams[self.stream_id] = stream
        if attached:
            connection.hand_over(attempt, manager.codec)
        return attempt
