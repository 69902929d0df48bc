"""What the failures and time-outs of a request's attempts mean: another attempt, a reply, or the end of the response.

`retrying` decides on a further attempt, `charging` counts.  Source: Envoy's Router::Filter (router.cc).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pyvoy.http.charging import Charging
from pyvoy.http.grpc import timeout_text
from pyvoy.http.headers import HeaderMap, Pair
from pyvoy.http.http_filter import HttpFilter
from pyvoy.http.retrying import Retrying
from pyvoy.http.routing.direct_response import reply_headers
from pyvoy.http.routing.timeouts import EXPECTED, has_own_grpc_timeout, is_grpc, remaining_s
from pyvoy.http.upstream_request import UpstreamRequest
from pyvoy.observe import details
from pyvoy.observe.details import RESET_FLAGS, Flag, Reset, reset_details

if TYPE_CHECKING:
    from pyvoy.http.routing.internal_redirect import InternalRedirectPlan
    from pyvoy.http.routing.table import Route
    from pyvoy.http.stream import HttpStream
    from pyvoy.stats.counters import Counter
    from pyvoy.upstream.cluster import Cluster
    from pyvoy.upstream.health.outcomes import Outcomes

_OVERLOADED = ((b"x-envoy-overloaded", b"true"),)


class AttemptsPlan(Protocol):
    """What the router's configuration says about attempts."""

    @property
    def suppress_envoy_headers(self) -> bool: ...
    @property
    def reset_after_response(self) -> Counter: ...


class AttemptFailures(HttpFilter):
    """The state of one request's attempts, its time-outs and its failures; `Attempts` is the rest of it.

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

    if TYPE_CHECKING:

        def start_attempt(self, end: bool) -> None:
            """Begin an attempt."""

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

    # ---- failures ----

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

    def _tell_failure(self, attempt: UpstreamRequest, status: int) -> None:
        """The host was not reached, broke off, or took too long: outlier detection hears of it."""
        results = self._results
        if results is not None:
            results.failed(attempt.host, status)

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

    # ---- time-outs ----

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

    # ---- further attempts ----

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
