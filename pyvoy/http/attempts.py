"""The attempts of one request: starting them, taking their response, and what their failures and time-outs mean.

One attempt runs at a time.  What a request asks for is prepared by the router, which is these attempts as a filter;
`retrying` decides on a further one, `charging` counts.  Source: Envoy's Router::Filter (router.cc).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pyvoy.http.charging import CANARY, INTERNAL, Charging, grpc_outcome
from pyvoy.http.connect_request import ConnectRequest, ForwardedConnect
from pyvoy.http.grpc import timeout_text
from pyvoy.http.headers import HeaderMap, Pair, header_fault
from pyvoy.http.http_filter import HttpFilter
from pyvoy.http.retrying import Retrying
from pyvoy.http.routing.direct_response import reply_headers
from pyvoy.http.routing.rewrite import update_authority
from pyvoy.http.routing.timeouts import EXPECTED, has_own_grpc_timeout, is_grpc, remaining_s
from pyvoy.http.upstream_request import UpstreamRequest
from pyvoy.observe import details
from pyvoy.observe.details import RESET_FLAGS, Flag, Reset, reset_details
from pyvoy.upstream.balancing.context import LoadBalancerContext
from pyvoy.upstream.pool.choose import http_pool
from pyvoy.upstream.pool.h1 import requested_server_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyvoy.http.routing.internal_redirect import InternalRedirectPlan
    from pyvoy.http.routing.retry import RetryState
    from pyvoy.http.routing.table import Route
    from pyvoy.http.stream import HttpStream
    from pyvoy.stats.counters import Counter
    from pyvoy.upstream.balancing.load import PriorityLoad
    from pyvoy.upstream.cluster import Cluster
    from pyvoy.upstream.endpoint import Host, PrioritySet
    from pyvoy.upstream.health.outcomes import Outcomes

_SERVICE_TIME = b"x-envoy-upstream-service-time"
_OVERLOADED = ((b"x-envoy-overloaded", b"true"),)


class AttemptsPlan(Protocol):
    """What the router's configuration says about attempts."""

    @property
    def suppress_envoy_headers(self) -> bool: ...
    @property
    def reset_after_response(self) -> Counter: ...


class RouterContext(LoadBalancerContext):
    """What the request asks of the balancer; made only when the route or a retry asks for anything."""

    __slots__ = ("_key", "host_selection_retry_count", "metadata_match", "override_host", "retry", "steers")

    def __init__(self, route: Route, stream: HttpStream, retry: RetryState | None, cookies: list[bytes]) -> None:
        self._key = route.hash_policy(stream, cookies) if route.hash_policy is not None else None
        self.metadata_match = route.metadata_match
        self.override_host = stream.upstream_override_host
        self.retry = retry
        predicates = retry is not None and retry.plan.host_predicates
        self.steers = retry is not None and retry.priorities is not None and bool(retry.hosts)
        self.host_selection_retry_count = retry.plan.host_selection_max_attempts if predicates and retry else 0

    def hash_key(self) -> int | None:
        return self._key

    def should_skip(self, host: Host) -> bool:
        return self.retry is not None and bool(self.retry.hosts) and self.retry.rejects_host(host)

    def steer(self, sets: PrioritySet, load: PriorityLoad, place: Callable[[Host], int | None]) -> PriorityLoad:
        priorities = None if self.retry is None else self.retry.priorities
        return load if priorities is None else priorities.load(sets, load, place)


class Attempts(HttpFilter):
    """One request's attempts, its time-outs and its response.

    The defaults live on the class: most requests touch few of them."""

    plan: AttemptsPlan
    stream: HttpStream
    _route: Route
    _cluster: Cluster
    _owner: Cluster | None = None
    """The cluster that the attempt's host is of, where the route's cluster is an aggregate."""
    _timeout_s: float | None
    _per_try_s: float | None = None
    _stream_limit_s: float | None = None
    """How long an attempt may last at all (the cluster's max_stream_duration, or the request's header)."""
    _watched = False
    """The attempts have limits or counters of their own (see `upstream_ready`)."""
    _alt_response = False
    """A time-out is answered 204 (x-envoy-upstream-rq-timeout-alt-response)."""
    _informed = False
    """A 1xx response was taken: there is no further attempt."""
    _attempt: UpstreamRequest | None = None
    _attempts = 1
    _charging: Charging | None = None
    """Made when there is more to count than a tally does."""
    _complete_s: float | None = None
    """When the request was whole."""
    _cookies: list[bytes] | None = None
    _kept: list[bytes] | None = None
    """The request's body while a redirect may have to be followed."""
    _kept_bytes = 0
    _retries: Retrying | None = None
    """While another attempt is possible."""
    _response_started = False
    _timed_out_try = False
    """The attempt before ended by its own time-out (x-envoy-is-timeout-retry)."""

    # ---- attempts ----

    @property
    def running_attempt(self) -> UpstreamRequest:
        """The attempt that is under way."""
        assert self._attempt is not None
        return self._attempt

    def start_attempt(self, end: bool) -> None:
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
            self._refuse(f"missing required header: {':path' if b':method' in values else ':method'}")
            return
        if stream.suspect_headers and (fault := header_fault(stream.request_headers)):
            self._refuse(fault)
            return
        if self._route.auto_host_rewrite and host.hostname:
            update_authority(
                stream.request_headers,
                host.hostname.encode("latin-1"),
                append_forwarded_host=self._route.append_x_forwarded_host,
                keep_original=not self.plan.suppress_envoy_headers,
            )
        cluster = self._cluster
        if cluster.chooser is not None:
            cluster = self._owner = cluster.owner(host)
        name = requested_server_name(cluster, stream.request_headers) if cluster.plan.http.auto_sni else ""
        pool = http_pool(stream.services, cluster, host, self._route.priority, info.protocol, name)
        stream.source = self
        make = UpstreamRequest
        if stream.upgraded and values[b":method"] == b"CONNECT":
            make = ConnectRequest if self._route.ends_connect else ForwardedConnect
        attempt = self._attempt = make(self, host, pool, end)
        attempt.watched = self._watched
        attempt.start()

    def _refuse(self, text: str) -> None:
        """A filter has removed what a request cannot do without, or written what none may hold (Envoy:
        checkRequiredRequestHeaders, checkValidRequestHeaders)."""
        detail = f"{details.FILTER_REMOVED_REQUIRED_REQUEST_HEADERS}{{{text.replace(' ', '_')}}}"
        self.stream.send_local_reply(503, text.encode(), details=detail, flags=Flag.DOWNSTREAM_PROTOCOL_ERROR)

    def _choose_host(self) -> Host | None:
        route = self._route
        stream = self.stream
        cluster = self._cluster
        retries = self._retries
        retry = None if retries is None else retries.state
        plain = route.hash_policy is None and route.metadata_match is None and stream.upstream_override_host is None
        if plain and (retry is None or not retry.plan.cares_for_hosts):
            if cluster.chooser is not None:
                return cluster.choose_host(None, stream.connection, stream.request_headers)
            picked = stream.chosen_host if stream.host_is_chosen else cluster.pick_any()
            stream.host_is_chosen = False
            if picked is None:
                cluster.stats.upstream_cx_none_healthy.inc()
            return picked
        cookies: list[bytes] = []
        context = RouterContext(route, stream, retry, cookies)
        host = cluster.choose_host(context, stream.connection, stream.request_headers)
        if cookies and self._cookies is None:
            self._cookies = cookies
        if retry is not None and host is not None:
            retry.note_host(host)
        return host

    def _no_host(self) -> None:
        self.charging().code(503, None, None)
        self.stream.info.attempt_count = self._attempts
        headers = self._attempt_count_header()
        detail, flag = details.NO_HEALTHY_UPSTREAM, Flag.NO_HEALTHY_UPSTREAM
        self.reply(self._route, 503, b"no healthy upstream", detail, flags=flag, headers=headers)

    def _attempt_count_header(self) -> tuple[Pair, ...]:
        if not self._route.include_attempt_count_in_response:
            return ()
        return ((b"x-envoy-attempt-count", b"%d" % self._attempts),)

    def reply(
        self, route: Route, status: int, body: bytes, detail: str, *, flags: int, headers: tuple[Pair, ...] = ()
    ) -> None:
        """A reply of the router itself: the route's response rules apply to it, `headers` come behind them."""
        stream = self.stream
        rules = route.reply_rules
        if rules is not None:
            stream.info.response_flags |= flags
            headers = (*reply_headers(rules, stream, status, detail), *headers)
        stream.send_local_reply(status, body, details=detail, flags=flags, headers=headers)

    # ---- the response ----

    def upstream_informational(self, attempt: UpstreamRequest, headers: HeaderMap) -> None:
        """1xx: passed on only when 100-continue is proxied (Envoy swallows it otherwise); ends the retries."""
        self.charging().code(int(headers.map[b":status"]), headers, attempt.host)
        self._informed = True
        self._stop_retries()
        if self.stream.manager.plan.proxy_100_continue:
            self.stream.send_informational(headers)

    def upstream_response(self, attempt: UpstreamRequest, headers: HeaderMap, body: bytes) -> None:
        """A whole response.  The ordinary one (nothing asks for a closer look) is counted by one tally."""
        stream = self.stream
        now_s = stream.services.clock()
        values = headers.map
        if (
            self._charging is not None
            or self._complete_s is None
            or INTERNAL in stream.request_headers.map
            or CANARY in values
            or stream.health_check
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

    def note_response(self) -> None:
        """The response of the attempt has been counted and is among the filters."""
        self._response_started = True

    def upstream_headers(self, attempt: UpstreamRequest, headers: HeaderMap, end: bool) -> None:
        """The response head: retry, or pass it on with the router's headers and the route's rules."""
        if self.stream.upgraded and self._handshake_failed(attempt, headers):
            return
        now_s = self.stream.services.clock()
        if self._take_headers(attempt, headers, end, now_s):
            if end:
                self._upstream_complete(now_s)
            self.stream.respond_headers(headers, end)

    def _handshake_failed(self, attempt: UpstreamRequest, headers: HeaderMap) -> bool:
        """A WebSocket handshake answered by 2xx or 3xx, not by 101: the client hears so, and nothing is tunnelled."""
        stream = self.stream
        status = int(headers.map[b":status"])
        if not 200 <= status < 400 or stream.request_headers.map.get(b"upgrade", b"").lower() != b"websocket":
            return False
        self._attempt = None
        attempt.cancel()
        fields = tuple(pair for pair in headers.items() if pair[0][:1] != b":")
        stream.send_local_reply(status, b"", details=details.WEBSOCKET_HANDSHAKE_UNSUCCESSFUL, headers=fields)
        return True

    def _take_headers(self, attempt: UpstreamRequest, headers: HeaderMap, end: bool, now_s: float) -> bool:
        """Count the response and write the router's headers into it; False when it is thrown away for a retry."""
        stream = self.stream
        info = stream.info
        if info.first_upstream_rx_s is None:
            info.first_upstream_rx_s = now_s
        status = int(headers.map[b":status"])
        results = self._results
        if results is not None:
            results.response(attempt.host, grpc_outcome(stream.request_headers, headers, status))
        if self._retries is not None and self._retried_headers(attempt, status, headers, end):
            return False
        redirects = self._route.internal_redirects
        if redirects is not None and status in redirects.codes and self._redirected(redirects, attempt, headers, end):
            return False
        host = attempt.host
        self.charging().code(status, headers, host)
        if status < 500:
            host.stats.rq_success.inc()
        if host.canary:
            headers.set(CANARY, b"true")
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
        info = self.stream.info
        info.last_upstream_rx_s = now_s
        if self._complete_s is not None:
            self.charging().time(int((now_s - self._complete_s) * 1000), info.upstream_host)

    def pause_response(self, pause: bool) -> None:
        """ResponseSource: the client reads too slowly."""
        if self._attempt is not None:
            self._attempt.pause_response(pause)

    def charging(self) -> Charging:
        """Where this request is counted."""
        charging = self._charging
        if charging is None:
            charging = self._charging = Charging(self.stream, self._cluster.stats)
        return charging

    @property
    def _results(self) -> Outcomes | None:
        """Who wants to know what comes of the attempt's host."""
        return (self._owner or self._cluster).results

    # ---- failures, time-outs, retries ----

    def upstream_reset(self, attempt: UpstreamRequest, reason: str, detail: str) -> None:
        """The attempt failed before or in its response."""
        stream = self.stream
        if reason in (Reset.REMOTE_CONNECTION_FAILURE, Reset.CONNECTION_TIMEOUT):
            stream.info.upstream_transport_failure_reason = detail
        if reason != Reset.OVERFLOW:
            self._tell_failure(attempt, 503)
        if self._retried_reset(attempt, reason):
            return
        self._attempt = None
        if self._response_begun:
            self._charge_abort(attempt, 503)
            stream.reset(reset_details(details.LATE_UPSTREAM_RESET, reason), RESET_FLAGS.get(reason, 0))
            return
        self._fail(attempt, reason, detail)

    @property
    def _response_begun(self) -> bool:
        """Too late for a reply.  That of a gRPC call may still be replaced while a filter holds its head (Envoy asks
        what the client has got for those calls alone)."""
        if not self._response_started:
            return False
        return self.stream.response_started or not is_grpc(self.stream.request_headers)

    def _retried_reset(self, attempt: UpstreamRequest, reason: str) -> bool:
        """True when there will be another attempt after this one's end."""
        retries = self._retries
        if self._response_started or retries is None:
            return False
        if not retries.after_reset(reason, started=attempt.started):
            return False
        self._attempt = None
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
        late = self._informed or self._response_started
        kind = details.LATE_UPSTREAM_RESET if late else details.EARLY_UPSTREAM_RESET
        text = reset_details(kind, reason, detail)
        self.reply(self._route, status, body.encode(), text, flags=RESET_FLAGS.get(reason, 0), headers=headers)

    def _timed_out(self) -> None:
        """The route's time-out: never retried; in a back-off nothing is charged, because nothing is under way."""
        attempt = self._attempt
        if attempt is not None:
            self.charging().timeout()
            attempt.host.stats.rq_timeout.inc()
            self._tell_failure(attempt, self._timeout_status)
            if not self._response_started:
                self._charge_abort(attempt, self._timeout_status)
            self._give_up(attempt)
        self._time_out_reply(details.RESPONSE_TIMEOUT)

    def _tell_failure(self, attempt: UpstreamRequest, status: int) -> None:
        """The host was not reached, broke off, or took too long: outlier detection hears of it."""
        results = self._results
        if results is not None:
            results.failed(attempt.host, status)

    @property
    def _timeout_status(self) -> int:
        return 204 if self._alt_response else 504

    def _time_out_reply(self, detail: str) -> None:
        """Answer a time-out, or cut the response off where it has begun."""
        self._stop_retries()
        flags = Flag.UPSTREAM_REQUEST_TIMEOUT
        if self._response_begun:
            self.stream.reset(detail, flags)
            return
        body = b"" if self._alt_response else b"upstream request timeout"
        self.reply(self._route, self._timeout_status, body, detail, flags=flags, headers=self._attempt_count_header())

    def _give_up(self, attempt: UpstreamRequest) -> None:
        self._attempt = None
        attempt.cancel()

    def upstream_ready(self, attempt: UpstreamRequest) -> None:
        """The request is about to go out on its connection: what counts and what is limited from here on."""
        charging = self._charging
        if charging is not None and charging.traffic is not None:
            charging.traffic.total.inc()
        results = self._results
        if results is not None:
            results.connected(attempt.host)
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
        self._tell_failure(attempt, self._timeout_status)
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
        if self._response_begun:
            self.stream.reset(detail, flag)
            return
        status = 504 if self._complete_s is not None else 408
        headers = self._attempt_count_header()
        text = b"upstream max stream duration reached"
        self.reply(self._route, status, text, detail, flags=flag, headers=headers)

    def _retried_headers(self, attempt: UpstreamRequest, status: int, headers: HeaderMap, end: bool) -> bool:
        """True when the response is thrown away for another attempt."""
        assert self._retries is not None
        if not self._retries.after_headers(status, headers):
            return False
        self._cluster.stats.charge_retried_response(status)
        attempt.host.stats.rq_error.inc()
        self._attempt = None
        if not end:
            attempt.cancel()
        return True

    def _redirected(
        self, redirects: InternalRedirectPlan, attempt: UpstreamRequest, headers: HeaderMap, end: bool
    ) -> bool:
        """Follow a redirect in the client's place (Envoy: setupRedirect); False when the client gets it."""
        stream = self.stream
        stats = self._cluster.stats
        body = None
        if stream.request_ended and self._kept is not None:
            body = redirects.convert(stream, headers, b"".join(self._kept))
        if body is None:
            stats.upstream_internal_redirect_failed_total.inc()
            return False
        stats.upstream_internal_redirect_succeeded_total.inc()
        stream.info.response_code = int(headers.map[b":status"])
        self._attempt = None
        if not end:
            attempt.cancel()
        self._stop_retries()
        stream.begin_anew(body)
        return True

    def try_again(self) -> None:
        """The back-off is over: the next attempt, with what has come of the body so far."""
        stream = self.stream
        stream.info.upstream_transport_failure_reason = ""
        self._attempts += 1
        if self._route.include_attempt_count_in_request:
            stream.request_headers.set(b"x-envoy-attempt-count", b"%d" % self._attempts)
        if self._route.virtual_host.include_is_timeout_retry_header:
            stream.request_headers.set(b"x-envoy-is-timeout-retry", b"true" if self._timed_out_try else b"false")
            self._timed_out_try = False
        if self._complete_s is not None:
            self._tell_time_left(stream.request_headers, stream.services.clock() - self._complete_s)
        body = self._retries.body if self._retries is not None else b""
        done = stream.request_ended
        trailers = stream.request_trailers
        self.start_attempt(done and not body and trailers is None)
        attempt = self._attempt
        if attempt is None:
            return
        if body:
            attempt.send_data(body, done and trailers is None)
        if trailers is not None:
            attempt.send_trailers(trailers)

    def _tell_time_left(self, headers: HeaderMap, elapsed_s: float) -> None:
        """How long the upstream has, in the proxy's header and in gRPC's."""
        left_s = remaining_s(self._timeout_s, self._per_try_s, elapsed_s)
        if left_s is None:
            return
        if not self.plan.suppress_envoy_headers:
            headers.set(EXPECTED, b"%d" % round(left_s * 1000))
        if has_own_grpc_timeout(self._route, headers):
            headers.set(b"grpc-timeout", timeout_text(left_s))

    def _stop_retries(self) -> None:
        retries = self._retries
        if retries is not None:
            self._retries = None
            retries.stop()

    def _charge_abort(self, attempt: UpstreamRequest, status: int) -> None:
        """Count the end of an attempt without a response (Envoy: chargeUpstreamAbort)."""
        if self._response_started:
            if is_grpc(self.stream.request_headers):
                attempt.host.stats.rq_error.inc()
                self.plan.reset_after_response.inc()
        elif not self._informed:
            host = self.stream.info.upstream_host
            self.charging().code(status, None, host)
            if status < 500 and host is not None:
                host.stats.rq_error.inc()
