"""An ordinary request (see `plain_plan`) through a connection manager with filters or access logs.

What its filters and logs see as their stream is this object.  It answers what most of them ask (`light_view`) and runs
the chain's tuples while every filter continues; whatever else is asked of it, or happens, turns it into
an `HttpStream` in the state it would be in, which goes on, and to which this object, still in the filters' hands, from
then on refers.  The tests hold the same conversations both ways and compare bytes, statistics and log lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyvoy.http.charging import CANARY, INTERNAL
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE
from pyvoy.http.known_heads import KnownHeaders, known_headers
from pyvoy.http.light_forwarding import forward_to_full
from pyvoy.http.light_view import FILTERING, OVER, RESPONDING, UPSTREAM, LightView
from pyvoy.http.plain_plan import SERVICE_TIME, PlainAnswer, is_ordinary
from pyvoy.http.response_rules import has_status
from pyvoy.http.routing.timeouts import EXPECTED
from pyvoy.http.stream import HttpStream, notify
from pyvoy.http.upstream_request import UpstreamRequest

if TYPE_CHECKING:
    from pyvoy.http.h1.client import Http1ClientCodec
    from pyvoy.http.h1.heads import ResponseHead
    from pyvoy.http.h1.limits import Http1Plan
    from pyvoy.http.known_heads import KnownHead
    from pyvoy.http.plain_plan import PlainPlan

_REQUEST_ID = b"x-request-id"


class LightStream(LightView):
    """One ordinary request; receives its response.  Owned by its connection manager until it is over or promoted."""

    __slots__ = ()

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
                head = None
                if chain.shows_known_requests:
                    request = self._request
                    head = request.known or request.recall()
                if head is None:
                    headers = self.request_headers
                else:
                    headers = self._request_headers = known_headers(head, self._id)
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
        outcome: KnownHead | None = None
        if type(headers) is KnownHeaders:
            outcome = headers.head.outcome or request.outcome(headers.head)
            if outcome is None:
                return False
        elif headers is not None and headers.generation and not is_ordinary(headers.map):
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
        if outcome is None or headers is None:
            self._send_request(codec, pool.plan)
            return True
        headers.head = outcome
        if outcome.encoded_for is not pool.plan:
            outcome.encode(codec.encode_request, pool.plan)
        codec.send_request(self, b"".join((outcome.before, self._id, outcome.behind, self._body)))
        return True

    def _send_request(self, codec: Http1ClientCodec, plan: Http1Plan) -> None:
        headers, request = self._request_headers, self._request
        if headers is not None:
            if headers.generation:
                self._send_changed(codec, plan)
                return
            headers.map[EXPECTED] = request.expected
        if request.encoded_for is not plan:
            request.encode(codec, plan)
        codec.send_request(self, b"".join((request.before_id, self._id, request.behind_id, self._body)))

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
            or (type(request_headers) is HeaderMap and INTERNAL in request_headers.map)
        ):
            self._attempt().on_response(head, body)
            return
        now_s = self.services.clock()
        status = self._status = head.values[b":status"]
        pool = self._pool
        tally = pool.outcome(status) or pool.new_outcome(status)
        if not tally.count:
            tally.board.note(tally)
        tally.count += 1
        took_ms = int((now_s - self.active_s) * 1000)
        self._took = now_s, took_ms
        tally.values.append(took_ms)
        headers = self.response_headers = self._show_response(head, b"%d" % took_ms)
        self._stage = RESPONDING
        if self._info is not None:
            self._note_response(self._info)
        if not chain.response_headers or self._filter(headers, body):
            self._answer(head, headers, body)

    def _show_response(self, head: ResponseHead, took: bytes) -> HeaderMap:
        if self.chain.shows_known_responses:
            answer = head.memo
            if type(answer) is PlainAnswer and answer.plain is self.manager.share.plain and not answer.outdated:
                return known_headers(answer.known or answer.recall(head), took)
        headers = head.headers()
        headers.map[SERVICE_TIME] = took
        return headers

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
        if type(headers) is HeaderMap and headers.map.get(b":status") is not self._status and not has_status(headers):
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
        chain = self.chain
        plan = manager.plan
        plain = manager.share.plain
        status = self._status
        if type(headers) is KnownHeaders and not plan.access_logs and not chain.light_log and plain is not None:
            known = headers.head
            if known.encoded_for is not plain:
                plain.encode(known, head, self)
            manager.write(b"".join((known.before, headers.value, known.behind, body)))
        else:
            self._write(head, headers, body)
            status = headers.map[b":status"]
        if self._info is not None:
            self._note_end(self._info)
        if chain.light_log:
            notify(chain.light_log, self.filters, self, plan)
        if plan.access_logs:
            manager.log_access(_Ended(self), "DownstreamEnd")
        if chain.light_destroy:
            notify(chain.light_destroy, self.filters, self, plan)
        self.filters = []
        manager.plain_over(self.stream_id, status, took_ms, now_s)
        if codec.finish(self.stream_id):
            manager.start_next()

    def _write(self, head: ResponseHead, headers: HeaderMap, body: bytes) -> None:
        """The response on the wire; one that no filter has touched is not encoded again."""
        manager = self.manager
        plan = manager.plan
        plain = manager.share.plain
        answer = head.memo
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
