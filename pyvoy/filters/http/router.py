"""The router: the last filter of every chain; route -> cluster -> host -> pool -> upstream, and the response back.

It decides what a request may cost: its time-outs, attempts and buffers; what happened upstream becomes Envoy's status,
body, flag and details.  Source: Envoy's Router::Filter (router.cc) and its documentation page.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import http_filter, supports
from pyvoy.http.headers import HeaderMap, Pair
from pyvoy.http.http_filter import CONTINUE, HttpFilter, Verdict
from pyvoy.http.routing.direct_response import reply_headers
from pyvoy.http.routing.retry import RetryState, RetryStatus, retry_state
from pyvoy.http.routing.rewrite import update_authority
from pyvoy.http.routing.steering import CHECKED_HEADERS, malformed_steering_header
from pyvoy.http.routing.timeouts import expected_timeout, is_grpc, request_timeouts, stream_limit_s
from pyvoy.http.upstream_request import UpstreamRequest
from pyvoy.observe import details
from pyvoy.observe.details import RESET_FLAGS, Flag, Reset, reset_details
from pyvoy.upstream.balancing.context import LoadBalancerContext
from pyvoy.upstream.pool.h1 import http1_pool

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.http.routing.table import Route
    from pyvoy.http.routing.virtual_cluster import TrafficStats
    from pyvoy.http.stream import HttpStream
    from pyvoy.network.timers import Timer
    from pyvoy.stats.counters import Counter
    from pyvoy.upstream.cluster import Cluster
    from pyvoy.upstream.endpoint import Host

INTERNAL = b"x-envoy-internal"
_EXPECTED = b"x-envoy-expected-rq-timeout-ms"
_CANARY = b"x-envoy-upstream-canary"
_SERVICE_TIME = b"x-envoy-upstream-service-time"
STEERING = frozenset(
    b"x-envoy-upstream-rq-timeout-ms x-envoy-upstream-rq-per-try-timeout-ms x-envoy-expected-rq-timeout-ms "
    b"x-envoy-retry-on x-envoy-retry-grpc-on x-envoy-max-retries x-envoy-hedge-on-per-try-timeout "
    b"x-envoy-retriable-header-names x-envoy-retriable-status-codes x-envoy-upstream-alt-stat-name "
    b"x-envoy-upstream-rq-timeout-alt-response x-envoy-upstream-stream-duration-ms".split()
)
"""Request headers that change time-outs and retries."""
_OVERLOADED = ((b"x-envoy-overloaded", b"true"),)
_ALT_RESPONSE = b"x-envoy-upstream-rq-timeout-alt-response"
_ALT_STAT_NAME = b"x-envoy-upstream-alt-stat-name"

supports(
    "envoy.extensions.filters.http.router.v3.Router",
    fields="suppress_envoy_headers respect_expected_rq_timeout suppress_grpc_request_failure_code_stats "
    "strict_check_headers",
    tuning="dynamic_stats start_child_span",
)


@dataclass(slots=True, frozen=True)
class RouterPlan:
    """The router's configuration and its counters below `http.<stat_prefix>.`."""

    suppress_envoy_headers: bool
    respect_expected_timeout: bool
    no_route: Counter
    no_cluster: Counter
    direct_response: Counter
    redirect: Counter
    rq_total: Counter
    reset_after_response: Counter
    strict_headers: tuple[bytes, ...] = ()
    """Steering headers that must be well formed."""
    expected: dict[Route, bytes | None] = field(default_factory=dict)
    """x-envoy-expected-rq-timeout-ms of the routes seen that need no more preparation than that (see `_prepare`)."""


class RouterContext(LoadBalancerContext):
    """What the request asks of the balancer; made only when the route or a retry asks for anything."""

    __slots__ = ("_key", "host_selection_retry_count", "metadata_match", "override_host", "retry")

    def __init__(self, route: Route, stream: HttpStream, retry: RetryState | None, cookies: list[bytes]) -> None:
        self._key = route.hash_policy(stream, cookies) if route.hash_policy is not None else None
        self.metadata_match = route.metadata_match
        self.override_host = stream.upstream_override_host
        self.retry = retry
        predicates = retry is not None and retry.plan.host_predicates
        self.host_selection_retry_count = retry.plan.host_selection_max_attempts if predicates and retry else 0

    def hash_key(self) -> int | None:
        return self._key

    def should_skip(self, host: Host) -> bool:
        return self.retry is not None and bool(self.retry.hosts) and self.retry.rejects_host(host)


@http_filter(
    name="envoy.filters.http.router",
    type_url="envoy.extensions.filters.http.router.v3.Router",
    status="stable",
    posture="robust_to_untrusted_downstream",
)
class Router(HttpFilter):
    """One request: its attempts, time-outs and what is kept for another try.  One attempt runs at a time.

    The defaults live on the class: most requests touch few of them."""

    terminal = True

    stream: HttpStream
    _route: Route
    _cluster: Cluster
    _timeout_s: float | None
    _per_try_s: float | None = None
    _stream_limit_s: float | None = None
    """How long an attempt may last at all (the cluster's max_stream_duration, or the request's header)."""
    _watched = False
    """The attempts have limits or counters of their own (see `upstream_ready`)."""
    _alt_stat_name: bytes | None = None
    _alt_response = False
    _informed = False
    """A 1xx response was taken: there is no further attempt."""
    _attempt: UpstreamRequest | None = None
    _attempts = 1
    _backoff: Timer | None = None
    _charge: TrafficStats | None = None
    _complete_s: float | None = None
    """When the request was whole."""
    _cookies: list[bytes] | None = None
    _replay: list[bytes] | None = None
    """The body so far, while another attempt is possible."""
    _replay_bytes = 0
    _replay_trailers: HeaderMap | None = None
    _retry: RetryState | None = None
    _response_started = False
    _timed_out_try = False
    """The attempt before ended by its own time-out (x-envoy-is-timeout-retry)."""

    @staticmethod
    def build(message: Any, context: Context) -> RouterPlan:
        """The plan of a Router message."""
        scope = context.scope
        return RouterPlan(
            message.suppress_envoy_headers,
            message.respect_expected_rq_timeout,
            scope.counter("no_route"),
            scope.counter("no_cluster"),
            scope.counter("rq_direct_response"),
            scope.counter("rq_redirect"),
            scope.counter("rq_total"),
            scope.counter("rq_reset_after_downstream_response_started"),
            _strict_headers(message, context),
        )

    def __init__(self, plan: RouterPlan) -> None:
        self.plan = plan

    # ---- the request ----

    def request_headers(self, stream: HttpStream, headers: HeaderMap, end: bool) -> Verdict:
        """Find the route, the cluster and a host, and start the first attempt."""
        self.stream = stream
        plan = self.plan
        rq_total = plan.rq_total
        rq_total.cells[rq_total.index] += 1
        route = stream.route
        if route is None:
            plan.no_route.inc()
            stream.send_local_reply(404, details=details.ROUTE_NOT_FOUND, flags=Flag.NO_ROUTE_FOUND)
            return CONTINUE
        if route.action != "route":
            self._answer_directly(stream, route)
            return CONTINUE
        name = route.cluster
        if name is None and route.cluster_header is not None:
            name = (headers.map.get(route.cluster_header) or b"").decode("latin-1")
        cluster = stream.services.clusters.get(name)
        if cluster is None:
            plan.no_cluster.inc()
            self._reply(
                route, route.cluster_not_found_code, b"", details.CLUSTER_NOT_FOUND, flags=Flag.NO_CLUSTER_FOUND
            )
            return CONTINUE
        self._route = route
        self._cluster = cluster
        info = stream.info
        info.upstream_cluster = cluster.name
        info.upstream_cluster_observability_name = cluster.plan.observability_name
        if plan.strict_headers and self._refuse_malformed(route, headers):
            return CONTINUE
        self._prepare(stream, route, headers)
        if end:
            self._request_complete()
        self._start_attempt(end)
        return CONTINUE

    def _refuse_malformed(self, route: Route, headers: HeaderMap) -> bool:
        """strict_check_headers: 400 for a steering header that would else be ignored."""
        name = malformed_steering_header(headers, self.plan.strict_headers)
        if name is None:
            return False
        body = b"invalid header '%b' with value '%b'" % (name, headers.map[name])
        detail = f"{details.INVALID_ENVOY_REQUEST_HEADERS}{{{name.decode()}}}"
        self._reply(route, 400, body, detail, flags=Flag.INVALID_ENVOY_REQUEST_HEADERS)
        return True

    def _prepare(self, stream: HttpStream, route: Route, headers: HeaderMap) -> None:
        """Time-outs, retry policy and header rules, in Envoy's order; a plain route and request need little of it."""
        plan = self.plan
        if STEERING.isdisjoint(headers.map) and route in plan.expected:
            self._timeout_s = route.timeout_s
            expected = plan.expected[route]
            if expected is not None:
                if headers.pairs is None:
                    headers.map[_EXPECTED] = expected
                else:
                    headers.set(_EXPECTED, expected)
            return
        self._prepare_fully(stream, route, headers)
        if self.is_plain(route) and not self._cluster.plan.http.max_stream_duration_s:
            whole_s = route.timeout_s
            plan.expected[route] = None if plan.suppress_envoy_headers else expected_timeout(whole_s, None)

    @staticmethod
    def is_plain(route: Route) -> bool:
        """Whether a route asks for nothing but its time-out."""
        return (
            route.retry is None
            and route.virtual_cluster is None
            and route.finalize_request is None
            and route.max_grpc_timeout_s is None
            and not route.include_attempt_count_in_request
            and route.request_buffer_limit_bytes is None
        )

    def _prepare_fully(self, stream: HttpStream, route: Route, headers: HeaderMap) -> None:
        plan = self.plan
        cluster = self._cluster
        values = headers.map
        stream.info.attempt_count = 1
        self._timeout_s, self._per_try_s = request_timeouts(
            route, headers, respect_expected=plan.respect_expected_timeout
        )
        self._stream_limit_s = stream_limit_s(headers, cluster.plan.http.max_stream_duration_s)
        if _ALT_RESPONSE in values:
            self._alt_response = True
            headers.remove(_ALT_RESPONSE)
        if _ALT_STAT_NAME in values:
            self._alt_stat_name = values[_ALT_STAT_NAME]
            headers.remove(_ALT_STAT_NAME)
        if not plan.suppress_envoy_headers:
            expected = expected_timeout(self._timeout_s, self._per_try_s)
            if expected is not None:
                headers.set(_EXPECTED, expected)
            elif _EXPECTED in values:
                headers.remove(_EXPECTED)
        if route.virtual_cluster is not None:
            self._charge_begin(route.virtual_cluster(headers))
        retry = retry_state(route.retry, headers, cluster.resources(route.priority).retries)
        if retry is not None and retry.enabled:
            self._retry = retry
            self._replay = []
        if route.include_attempt_count_in_request:
            headers.set(b"x-envoy-attempt-count", b"1")
        if route.request_buffer_limit_bytes is not None:
            stream.request_buffer_limit_bytes = route.request_buffer_limit_bytes
        silence_s = route.retry.per_try_idle_timeout_s if route.retry is not None else None
        self._watched = bool(self._charge or self._per_try_s or self._stream_limit_s or silence_s)
        finalize = route.finalize_request
        if finalize is not None:
            finalize(stream, headers, not plan.suppress_envoy_headers)

    def _answer_directly(self, stream: HttpStream, route: Route) -> None:
        """Direct responses, redirects, and routes that forward nothing."""
        plan = self.plan
        if route.direct_response is None:
            plan.no_cluster.inc()
            self._reply(route, 503, b"", details.CLUSTER_NOT_FOUND, flags=Flag.NO_CLUSTER_FOUND)
            return
        plan.direct_response.inc()
        status, body, headers = route.direct_response(stream, not plan.suppress_envoy_headers)
        stream.send_local_reply(status, body, details=details.DIRECT_RESPONSE, headers=headers)

    def _start_attempt(self, end: bool) -> None:
        stream = self.stream
        host = self._choose_host()
        if host is None:
            self._no_host()
            return
        info = stream.info
        info.upstream_host = host
        info.attempt_count = self._attempts
        values = stream.request_headers.map
        if b":method" not in values or (b":path" not in values and values[b":method"] != b"CONNECT"):
            self._refuse_headless(b":path" if b":method" in values else b":method")
            return
        if self._route.auto_host_rewrite and host.hostname:
            update_authority(
                stream.request_headers,
                host.hostname.encode("latin-1"),
                append_forwarded_host=self._route.append_x_forwarded_host,
                keep_original=not self.plan.suppress_envoy_headers,
            )
        pool = http1_pool(stream.services, self._cluster, host, self._route.priority)
        attempt = self._attempt = UpstreamRequest(self, host, pool, end)
        stream.source = self
        attempt.watched = self._watched
        attempt.start()

    def _refuse_headless(self, name: bytes) -> None:
        """A filter has removed what a request cannot do without (Envoy: checkRequiredRequestHeaders)."""
        text = f"missing required header: {name.decode()}"
        detail = f"{details.FILTER_REMOVED_REQUIRED_REQUEST_HEADERS}{{{text.replace(' ', '_')}}}"
        self.stream.send_local_reply(503, text.encode(), details=detail, flags=Flag.DOWNSTREAM_PROTOCOL_ERROR)

    def adopt(self, stream: HttpStream, cluster: Cluster, attempt: UpstreamRequest) -> None:
        """Take over a request that is on its way upstream (see `pyvoy.http.plain_exchange`)."""
        self.stream = stream
        self._route = stream.route
        self._cluster = cluster
        self._timeout_s = self._route.timeout_s
        self._complete_s = stream.active_s
        self._attempt = attempt

    def time_out(self) -> None:
        """The route's time-out is over."""
        self._timed_out()

    def _choose_host(self) -> Host | None:
        route = self._route
        stream = self.stream
        cluster = self._cluster
        retry = self._retry
        plain = route.hash_policy is None and route.metadata_match is None and stream.upstream_override_host is None
        if plain and (retry is None or not retry.plan.host_predicates):
            picked, stream.chosen_host = stream.chosen_host or cluster.pick_any(), None
            if picked is None:
                cluster.stats.upstream_cx_none_healthy.inc()
            return picked
        cookies: list[bytes] = []
        host = cluster.choose_host(RouterContext(route, stream, retry, cookies))
        if cookies and self._cookies is None:
            self._cookies = cookies
        if retry is not None and host is not None:
            retry.note_host(host)
        return host

    def _no_host(self) -> None:
        self._charge_code(503, None, None)
        self.stream.info.attempt_count = self._attempts
        headers = self._attempt_count_header()
        detail, flag = details.NO_HEALTHY_UPSTREAM, Flag.NO_HEALTHY_UPSTREAM
        self._reply(self._route, 503, b"no healthy upstream", detail, flags=flag, headers=headers)

    def _attempt_count_header(self) -> tuple[Pair, ...]:
        if not self._route.include_attempt_count_in_response:
            return ()
        return ((b"x-envoy-attempt-count", b"%d" % self._attempts),)

    def _reply(
        self, route: Route, status: int, body: bytes, detail: str, *, flags: int, headers: tuple[Pair, ...] = ()
    ) -> None:
        """A reply of the router itself: the route's response rules apply to it, `headers` come behind them."""
        stream = self.stream
        rules = route.reply_rules
        if rules is not None:
            stream.info.response_flags |= flags
            headers = (*reply_headers(rules, stream, status, detail), *headers)
        stream.send_local_reply(status, body, details=detail, flags=flags, headers=headers)

    def request_data(self, stream: HttpStream, data: bytes, end: bool) -> Verdict:
        """The body: on to the attempt, and kept while another attempt is possible."""
        replay = self._replay
        if replay is not None and data:
            replay.append(data)
            self._replay_bytes += len(data)
            if self._replay_bytes > stream.request_buffer_limit_bytes:
                self._abandon_retries()
        attempt = self._attempt
        if attempt is not None:
            attempt.send_data(data, end)
        if end:
            self._request_complete()
        return CONTINUE

    def request_trailers(self, stream: HttpStream, trailers: HeaderMap) -> Verdict:
        """The trailers: the end of the request."""
        self._replay_trailers = trailers
        if self._attempt is not None:
            self._attempt.send_trailers(trailers)
        self._request_complete()
        return CONTINUE

    def _abandon_retries(self) -> None:
        """The body outgrew the buffer: no further attempt; in a back-off that leaves nothing to wait for."""
        self._cluster.stats.retry_or_shadow_abandoned.inc()
        self._replay = None
        if self._backoff is not None:
            self.stream.send_local_reply(
                507,
                b"exceeded request buffer limit while retrying upstream",
                details=details.REQUEST_PAYLOAD_EXCEEDED_RETRY_BUFFER_LIMIT,
            )

    def _request_complete(self) -> None:
        """The request is whole: the route's time-out starts."""
        stream = self.stream
        now_s = self._complete_s = stream.active_s
        stream.info.last_downstream_rx_s = now_s
        if self._timeout_s:
            stream.set_due(now_s + self._timeout_s, self._timed_out)
        attempt = self._attempt
        if self._watched and attempt is not None and attempt.started and not attempt.ended:
            self._limit_try(attempt)

    # ---- the response ----

    def upstream_informational(self, attempt: UpstreamRequest, headers: HeaderMap) -> None:
        """1xx: passed on only when 100-continue is proxied (Envoy swallows it otherwise); ends the retries."""
        self._charge_code(int(headers.map[b":status"]), headers, attempt.host)
        self._informed = True
        if self._retry is not None:
            self._retry.release()
            self._retry = self._replay = None
        if self.stream.manager.plan.proxy_100_continue:
            self.stream.send_informational(headers)

    def upstream_response(self, attempt: UpstreamRequest, headers: HeaderMap, body: bytes) -> None:
        """A whole response.  The ordinary one (nothing asks for a closer look) is counted by one tally."""
        stream = self.stream
        now_s = stream.services.clock()
        values = headers.map
        if (
            self._retry is not None
            or self._charge is not None
            or self._complete_s is None
            or INTERNAL in stream.request_headers.map
            or _CANARY in values
            or attempt.host.canary
        ):
            if self._take_headers(attempt, headers, not body, now_s):
                self._upstream_complete(now_s)
                stream.respond(headers, body)
            return
        status = values[b":status"]
        pool = attempt.pool
        tally = pool.outcome(status) or pool.new_outcome(status)
        if not tally.count:
            tally.board.note(tally)
        tally.count += 1
        took_ms = int((now_s - self._complete_s) * 1000)
        tally.values.append(took_ms)
        info = stream.info
        info.first_upstream_rx_s = info.last_upstream_rx_s = now_s
        self._write_headers(stream, headers, took_ms)
        stream.respond(headers, body)

    def upstream_headers(self, attempt: UpstreamRequest, headers: HeaderMap, end: bool) -> None:
        """The response head: retry, or pass it on with the router's headers and the route's rules."""
        now_s = self.stream.services.clock()
        if self._take_headers(attempt, headers, end, now_s):
            if end:
                self._upstream_complete(now_s)
            self.stream.respond_headers(headers, end)

    def _take_headers(self, attempt: UpstreamRequest, headers: HeaderMap, end: bool, now_s: float) -> bool:
        """Count the response and write the router's headers into it; False when it is thrown away for a retry."""
        stream = self.stream
        info = stream.info
        if info.first_upstream_rx_s is None:
            info.first_upstream_rx_s = now_s
        status = int(headers.map[b":status"])
        if self._retry is not None and self._retried_headers(attempt, status, headers, end):
            return False
        self._charge_code(status, headers, attempt.host)
        host = attempt.host
        if status < 500:
            host.stats.rq_success.inc()
        if host.canary:
            headers.set(_CANARY, b"true")
        complete_s = self._complete_s
        self._write_headers(stream, headers, None if complete_s is None else int((now_s - complete_s) * 1000))
        return True

    def _write_headers(self, stream: HttpStream, headers: HeaderMap, took_ms: int | None) -> None:
        """What the router and the route write into a response head."""
        if took_ms is not None and not self.plan.suppress_envoy_headers:
            if headers.pairs is None:
                headers.map[_SERVICE_TIME] = b"%d" % took_ms
            else:
                headers.set(_SERVICE_TIME, b"%d" % took_ms)
        route = self._route
        if route.virtual_host.include_attempt_count_in_response:
            headers.set(b"x-envoy-attempt-count", b"%d" % self._attempts)
        self._response_started = True
        stream.info.response_code_details = details.VIA_UPSTREAM
        if self._cookies:
            for cookie in self._cookies:
                headers.add(b"set-cookie", cookie)
        if route.finalize_response is not None:
            route.finalize_response(stream, headers)

    def upstream_data(self, attempt: UpstreamRequest, data: bytes, end: bool) -> None:
        """A piece of the body."""
        if end:
            self._upstream_complete(self.stream.services.clock())
        self.stream.respond_data(data, end)

    def upstream_trailers(self, attempt: UpstreamRequest, trailers: HeaderMap) -> None:
        """Trailers."""
        self._upstream_complete(self.stream.services.clock())
        self.stream.respond_trailers(trailers)

    def _upstream_complete(self, now_s: float) -> None:
        stream = self.stream
        stream.info.last_upstream_rx_s = now_s
        if self._complete_s is not None:
            elapsed_ms = int((now_s - self._complete_s) * 1000)
            host = stream.info.upstream_host
            internal = stream.request_headers.map.get(INTERNAL) == b"true"
            self._cluster.stats.charge_time(elapsed_ms, internal, host is not None and host.canary)
            if self._charge is not None:
                self._charge.time.record(elapsed_ms)

    def pause_response(self, pause: bool) -> None:
        """ResponseSource: the client reads too slowly."""
        if self._attempt is not None:
            self._attempt.pause_response(pause)

    # ---- failures, time-outs, retries ----

    def upstream_reset(self, attempt: UpstreamRequest, reason: str, detail: str) -> None:
        """The attempt failed before or in its response."""
        stream = self.stream
        if reason in (Reset.REMOTE_CONNECTION_FAILURE, Reset.CONNECTION_TIMEOUT):
            stream.info.upstream_transport_failure_reason = detail
        if self._retried_reset(attempt, reason):
            return
        self._attempt = None
        if self._response_started:
            self._charge_abort(attempt, 503)
            stream.reset(reset_details(details.LATE_UPSTREAM_RESET, reason), RESET_FLAGS.get(reason, 0))
            return
        self._fail(attempt, reason, detail)

    def _retried_reset(self, attempt: UpstreamRequest, reason: str) -> bool:
        """True when there will be another attempt after this one's end."""
        retry = self._retry
        if self._response_started or retry is None or self._replay is None:
            return False
        if not self._retry_or_count(retry.should_retry_reset(reason, request_started=attempt.started)):
            return False
        attempt.host.stats.rq_error.inc()
        return True

    def _fail(self, attempt: UpstreamRequest, reason: str, detail: str) -> None:
        status = 502 if reason == Reset.PROTOCOL_ERROR else 503
        overflow = reason == Reset.OVERFLOW
        self._charge_abort(attempt, status)
        what = "retried and the latest reset reason" if self._attempts > 1 else "reset reason"
        body = f"upstream connect error or disconnect/reset before headers. {what}: {reason}"
        headers = self._attempt_count_header()
        if overflow and not self.plan.suppress_envoy_headers:
            headers = (*_OVERLOADED, *headers)
        kind = details.LATE_UPSTREAM_RESET if self._informed else details.EARLY_UPSTREAM_RESET
        text = reset_details(kind, reason, detail)
        self._reply(self._route, status, body.encode(), text, flags=RESET_FLAGS.get(reason, 0), headers=headers)

    def _timed_out(self) -> None:
        """The route's time-out: never retried; in a back-off nothing is charged, because nothing is under way."""
        attempt = self._attempt
        if attempt is not None:
            self._cluster.stats.upstream_rq_timeout.inc()
            if self._charge is not None:
                self._charge.timeout.inc()
            attempt.host.stats.rq_timeout.inc()
            if not self._response_started:
                self._charge_abort(attempt, self._timeout_status)
            self._give_up(attempt)
        self._time_out_reply(details.RESPONSE_TIMEOUT)

    @property
    def _timeout_status(self) -> int:
        return 204 if self._alt_response else 504

    def _time_out_reply(self, detail: str) -> None:
        """Answer a time-out, or cut the response off where it has begun."""
        self._stop_backoff()
        flags = Flag.UPSTREAM_REQUEST_TIMEOUT
        if self._response_started:
            self.stream.reset(detail, flags)
            return
        body = b"" if self._alt_response else b"upstream request timeout"
        self._reply(self._route, self._timeout_status, body, detail, flags=flags, headers=self._attempt_count_header())

    def _give_up(self, attempt: UpstreamRequest) -> None:
        self._attempt = None
        attempt.cancel()

    def upstream_ready(self, attempt: UpstreamRequest) -> None:
        """The request is about to go out on its connection: what counts and what is limited from here on."""
        if self._charge is not None:
            self._charge.total.inc()
        if self._stream_limit_s:
            attempt.limit(self._stream_limit_s, self._stream_limit_reached)
        if self._complete_s is not None:
            self._limit_try(attempt)

    def _limit_try(self, attempt: UpstreamRequest) -> None:
        if self._per_try_s:
            attempt.limit(self._per_try_s, self._per_try_timed_out)
        policy = self._route.retry
        if policy is not None and policy.per_try_idle_timeout_s:
            attempt.idle_timeout_s = policy.per_try_idle_timeout_s
            attempt.watch_silence()

    def _per_try_timed_out(self, attempt: UpstreamRequest) -> None:
        if not self._response_started:
            self._end_try(attempt, self._cluster.stats.upstream_rq_per_try_timeout, details.UPSTREAM_PER_TRY_TIMEOUT)

    def upstream_idle(self, attempt: UpstreamRequest) -> None:
        """The upstream has been silent for the per-try idle time-out."""
        counter = self._cluster.stats.upstream_rq_per_try_idle_timeout
        self._end_try(attempt, counter, details.UPSTREAM_PER_TRY_IDLE_TIMEOUT)

    def _end_try(self, attempt: UpstreamRequest, counter: Counter, detail: str) -> None:
        """A time-out of one attempt (Envoy: onPerTryTimeoutCommon): another attempt, or the end."""
        counter.inc()
        attempt.host.stats.rq_timeout.inc()
        self._give_up(attempt)
        self._timed_out_try = True
        if not self._retried_reset(attempt, Reset.LOCAL_RESET):
            self._charge_abort(attempt, self._timeout_status)
            self._time_out_reply(detail)

    def _stream_limit_reached(self, attempt: UpstreamRequest) -> None:
        """max_stream_duration of the cluster, or what the request asked for."""
        self._cluster.stats.upstream_rq_max_duration_reached.inc()
        self._give_up(attempt)
        if self._retried_reset(attempt, Reset.LOCAL_RESET):
            return
        detail, flag = details.UPSTREAM_MAX_STREAM_DURATION_REACHED, Flag.UPSTREAM_MAX_STREAM_DURATION_REACHED
        if self._response_started:
            self.stream.reset(detail, flag)
            return
        status = 504 if self._complete_s is not None else 408
        headers = self._attempt_count_header()
        text = b"upstream max stream duration reached"
        self._reply(self._route, status, text, detail, flags=flag, headers=headers)

    def _retried_headers(self, attempt: UpstreamRequest, status: int, headers: HeaderMap, end: bool) -> bool:
        """True when the response is thrown away for another attempt."""
        retry = self._retry
        assert retry is not None
        stats = self._cluster.stats
        if self._replay is None:
            retry.release()
            return False
        decision = retry.should_retry_headers(status, headers, self.stream.services.wall())
        if retry.succeeded:
            stats.upstream_rq_retry_success.inc()
            if self._charge is not None:
                self._charge.retry_success.inc()
        if not self._retry_or_count(decision):
            return False
        stats.charge_retried_response(status)
        attempt.host.stats.rq_error.inc()
        if not end:
            self._give_up(attempt)
        return True

    def _retry_or_count(self, decision: RetryStatus) -> bool:
        """Start the back-off for a YES; count and flag what kept a retry from happening."""
        stats = self._cluster.stats
        vcluster = self._charge
        info = self.stream.info
        if decision is RetryStatus.NO:
            return False
        if decision is RetryStatus.NO_LIMIT_EXCEEDED:
            stats.upstream_rq_retry_limit_exceeded.inc()
            if vcluster is not None:
                vcluster.retry_limit_exceeded.inc()
            info.response_flags |= Flag.UPSTREAM_RETRY_LIMIT_EXCEEDED
            return False
        if decision is RetryStatus.NO_OVERFLOW:
            stats.upstream_rq_retry_overflow.inc()
            if vcluster is not None:
                vcluster.retry_overflow.inc()
            info.response_flags |= Flag.UPSTREAM_OVERFLOW
            return False
        stats.upstream_rq_retry.inc()
        if vcluster is not None:
            vcluster.retry.inc()
        self._back_off()
        return True

    def _back_off(self) -> None:
        assert self._retry is not None
        services = self.stream.services
        delay_s, dictated = self._retry.backoff_s(services.random)
        stats = self._cluster.stats
        (stats.upstream_rq_retry_backoff_ratelimited if dictated else stats.upstream_rq_retry_backoff_exponential).inc()
        self._attempt = None
        self._backoff = services.timers.call_later(delay_s, self._try_again)

    def _try_again(self) -> None:
        """The back-off is over: the next attempt, with what has come of the body so far."""
        self._backoff = None
        stream = self.stream
        if stream.finished:
            return
        self._attempts += 1
        if self._route.include_attempt_count_in_request:
            stream.request_headers.set(b"x-envoy-attempt-count", b"%d" % self._attempts)
        if self._route.virtual_host.include_is_timeout_retry_header:
            stream.request_headers.set(b"x-envoy-is-timeout-retry", b"true" if self._timed_out_try else b"false")
            self._timed_out_try = False
        if not self.plan.suppress_envoy_headers and self._complete_s is not None:
            elapsed_s = stream.services.clock() - self._complete_s
            expected = expected_timeout(self._timeout_s, self._per_try_s, elapsed_s)
            if expected is not None:
                stream.request_headers.set(_EXPECTED, expected)
        body = b"".join(self._replay or ())
        done = stream.request_ended
        trailers = self._replay_trailers
        self._start_attempt(done and not body and trailers is None)
        attempt = self._attempt
        if attempt is None:
            return
        if body:
            attempt.send_data(body, done and trailers is None)
        if trailers is not None:
            attempt.send_trailers(trailers)

    def _stop_backoff(self) -> None:
        if self._backoff is not None:
            self._backoff.cancel()
            self._backoff = None

    # ---- statistics ----

    def _charge_begin(self, stats: TrafficStats | None) -> None:
        self._charge = stats
        if stats is not None:
            self.stream.info.virtual_cluster_name = stats.name

    def _charge_code(self, status: int, headers: HeaderMap | None, host: Host | None) -> None:
        """Count a response of the upstream, or one made here on its behalf (Envoy: chargeUpstreamCode)."""
        canary = headers is not None and headers.map.get(_CANARY) == b"true"
        if host is not None:
            canary = canary or host.canary
            if status >= 500:
                host.stats.rq_error.inc()
        if self.stream.health_check:
            return
        internal = self.stream.request_headers.map.get(INTERNAL) == b"true"
        self._cluster.stats.charge_response(status, internal, canary)
        if self._charge is not None:
            self._charge.count_response(status)
        if self._alt_stat_name is not None:
            self._cluster.stats.charge_alternative(self._alt_stat_name.decode("latin-1"), status, internal, canary)

    def _charge_abort(self, attempt: UpstreamRequest, status: int) -> None:
        """Count the end of an attempt without a response (Envoy: chargeUpstreamAbort)."""
        if self._response_started:
            if is_grpc(self.stream.request_headers):
                attempt.host.stats.rq_error.inc()
                self.plan.reset_after_response.inc()
        elif not self._informed:
            host = self.stream.info.upstream_host
            self._charge_code(status, None, host)
            if status < 500 and host is not None:
                host.stats.rq_error.inc()

    def on_destroy(self, stream: HttpStream) -> None:
        """The stream is over: release the upstream, whatever state it is in."""
        if self._backoff is not None:
            self._stop_backoff()
        if self._retry is not None:
            self._retry.release()
        attempt = self._attempt
        if attempt is not None and not attempt.complete:
            self._give_up(attempt)


def _strict_headers(message: Any, context: Context) -> tuple[bytes, ...]:
    for index, name in enumerate(message.strict_check_headers):
        if name.encode() not in CHECKED_HEADERS:
            context.error(f"strict_check_headers[{index}]", f"'{name}' is no header that can be checked")
    return tuple(name.encode() for name in message.strict_check_headers)


_: type[HttpFilter] = Router
