"""The router: the last filter of every chain; route -> cluster -> host -> pool -> upstream, and the response back.

It decides what a request may cost: its time-outs, attempts and buffers; what happened upstream becomes Envoy's status,
body, flag and details.  Source: Envoy's Router::Filter (router.cc) and its documentation page.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import http_filter, supports
from pyvoy.http.attempts import Attempts
from pyvoy.http.charging import Charging
from pyvoy.http.grpc import timeout_text
from pyvoy.http.headers import HeaderMap, header_fault
from pyvoy.http.http_filter import CONTINUE, HttpFilter, Verdict
from pyvoy.http.retrying import Retrying
from pyvoy.http.routing.retry import retry_state
from pyvoy.http.routing.steering import CHECKED_HEADERS, STEERING, malformed_steering_header
from pyvoy.http.routing.timeouts import (
    EXPECTED,
    expected_timeout,
    request_timeouts,
    stream_limit_s,
    told_deadline_s,
)
from pyvoy.observe import details
from pyvoy.observe.details import Flag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyvoy.config.context import Context
    from pyvoy.http.routing.mirror import Shadow
    from pyvoy.http.routing.table import Route
    from pyvoy.http.stream import HttpStream
    from pyvoy.http.upstream_request import UpstreamRequest
    from pyvoy.stats.counters import Counter
    from pyvoy.upstream.cluster import Cluster

_ALT_RESPONSE = b"x-envoy-upstream-rq-timeout-alt-response"
_ALT_STAT_NAME = b"x-envoy-upstream-alt-stat-name"

supports(
    "envoy.extensions.filters.http.router.v3.Router",
    fields="suppress_envoy_headers respect_expected_rq_timeout suppress_grpc_request_failure_code_stats "
    "strict_check_headers upstream_http_filters",
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


@http_filter(
    name="envoy.filters.http.router",
    type_url="envoy.extensions.filters.http.router.v3.Router",
    status="stable",
    posture="robust_to_untrusted_downstream",
)
class Router(Attempts):
    """One request: its route, cluster and preparation; the rest is in `Attempts`."""

    terminal = True

    plan: RouterPlan
    _shadows: Sequence[Shadow] = ()
    """Copies of the request that are being mirrored."""

    @staticmethod
    def build(message: Any, context: Context) -> RouterPlan:
        """The plan of a Router message."""
        scope = context.scope
        if message.upstream_http_filters:
            from pyvoy.config.compile.cluster_protocol import only_codec

            only_codec(message.upstream_http_filters, context, "upstream_http_filters")
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
        elif name is None and route.cluster_specifier is not None:
            name = route.cluster_specifier(stream)
        cluster = stream.services.clusters.get(name)
        if cluster is None:
            plan.no_cluster.inc()
            self.reply(route, route.cluster_not_found_code, b"", details.CLUSTER_NOT_FOUND, flags=Flag.NO_CLUSTER_FOUND)
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
        if route.mirrors:
            self._mirror(stream, route, headers, end)
        self.start_attempt(end)
        return CONTINUE

    def _mirror(self, stream: HttpStream, route: Route, headers: HeaderMap, end: bool) -> None:
        """Begin the copies of this request; none of one that is about to be refused."""
        if stream.suspect_headers and header_fault(headers):
            return
        begun = [policy.begin(stream.services, headers, self._timeout_s, end) for policy in route.mirrors]
        self._shadows = [shadow for shadow in begun if shadow is not None]

    def _refuse_malformed(self, route: Route, headers: HeaderMap) -> bool:
        """strict_check_headers: 400 for a steering header that would else be ignored."""
        name = malformed_steering_header(headers, self.plan.strict_headers)
        if name is None:
            return False
        body = b"invalid header '%b' with value '%b'" % (name, headers.map[name])
        detail = f"{details.INVALID_ENVOY_REQUEST_HEADERS}{{{name.decode()}}}"
        self.reply(route, 400, body, detail, flags=Flag.INVALID_ENVOY_REQUEST_HEADERS)
        return True

    def _prepare(self, stream: HttpStream, route: Route, headers: HeaderMap) -> None:
        """Time-outs, retry policy and header rules, in Envoy's order; a plain route and request need little of it."""
        plan = self.plan
        if STEERING.isdisjoint(headers.map) and route in plan.expected:
            self._timeout_s = route.timeout_s
            expected = plan.expected[route]
            if expected is not None:
                if headers.pairs is None:
                    headers.map[EXPECTED] = expected
                else:
                    headers.set(EXPECTED, expected)
            return
        self._prepare_fully(stream, route, headers)
        cluster = self._cluster
        if self.is_plain(route) and not cluster.plan.http.max_stream_duration_s and not cluster.told:
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
            and not route.has_max_stream_duration
            and not route.include_attempt_count_in_request
            and route.request_buffer_limit_bytes is None
            and route.cluster_header is None
            and route.cluster_specifier is None
            and not route.mirrors
            and route.internal_redirects is None
        )

    def _tell_times(self, route: Route, headers: HeaderMap) -> None:
        """How long the upstream has, in the proxy's header and in gRPC's."""
        if not self.plan.suppress_envoy_headers:
            expected = expected_timeout(self._timeout_s, self._per_try_s)
            if expected is not None:
                headers.set(EXPECTED, expected)
            elif EXPECTED in headers.map:
                headers.remove(EXPECTED)
        deadline_s = told_deadline_s(route, headers, self._timeout_s, self._per_try_s)
        if deadline_s is not None:
            headers.set(b"grpc-timeout", timeout_text(deadline_s))

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
        alternative = values.get(_ALT_STAT_NAME)
        if alternative is not None:
            headers.remove(_ALT_STAT_NAME)
        self._tell_times(route, headers)
        traffic = route.virtual_cluster(headers) if route.virtual_cluster is not None else None
        if traffic is not None:
            stream.info.virtual_cluster_name = traffic.name
        state = retry_state(route.retry, headers, cluster.resources(route.priority).retries)
        retried = state is not None and state.enabled
        told = cluster.told
        if route.internal_redirects is not None:
            self._kept = []
        if traffic is not None or alternative is not None or retried or told or route.internal_redirects is not None:
            self._charging = Charging(stream, cluster.stats, traffic, alternative)
            if state is not None and retried:
                self._retries = Retrying(stream, state, self._charging, self.try_again)
        if route.include_attempt_count_in_request:
            headers.set(b"x-envoy-attempt-count", b"1")
        if route.request_buffer_limit_bytes is not None:
            stream.request_buffer_limit_bytes = route.request_buffer_limit_bytes
        silence_s = route.retry.per_try_idle_timeout_s if route.retry is not None else None
        self._watched = bool(traffic or self._per_try_s or self._stream_limit_s or silence_s or told)
        finalize = route.finalize_request
        if finalize is not None:
            finalize(stream, headers, not plan.suppress_envoy_headers)

    def _answer_directly(self, stream: HttpStream, route: Route) -> None:
        """Direct responses, redirects, and routes that forward nothing."""
        plan = self.plan
        if route.direct_response is None:
            plan.no_cluster.inc()
            self.reply(route, 503, b"", details.CLUSTER_NOT_FOUND, flags=Flag.NO_CLUSTER_FOUND)
            return
        plan.direct_response.inc()
        status, body, headers = route.direct_response(stream, not plan.suppress_envoy_headers)
        stream.send_local_reply(status, body, details=details.DIRECT_RESPONSE, headers=headers)

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

    def request_data(self, stream: HttpStream, data: bytes, end: bool) -> Verdict:
        """The body: on to the attempt, and kept while another attempt is possible."""
        for shadow in self._shadows:
            shadow.send_data(data, end)
        retries = self._retries
        if retries is not None and data and not retries.keep(data):
            self._abandon_retries(retries)
        if self._kept is not None and data:
            self._keep(data)
        attempt = self._attempt
        if attempt is not None:
            attempt.send_data(data, end)
        if end:
            self._request_complete()
        return CONTINUE

    def _keep(self, data: bytes) -> None:
        """Keep the body for a redirect, up to the stream's buffer limit."""
        assert self._kept is not None
        self._kept.append(data)
        self._kept_bytes += len(data)
        if self._kept_bytes > self.stream.request_buffer_limit_bytes:
            self._kept = None

    def request_trailers(self, stream: HttpStream, trailers: HeaderMap) -> Verdict:
        """The trailers: the end of the request."""
        for shadow in self._shadows:
            shadow.send_trailers(trailers)
        if self._attempt is not None:
            self._attempt.send_trailers(trailers)
        self._request_complete()
        return CONTINUE

    def _abandon_retries(self, retries: Retrying) -> None:
        """The body outgrew the buffer: no further attempt; in a back-off that leaves nothing to wait for."""
        self._cluster.stats.retry_or_shadow_abandoned.inc()
        waiting = retries.waiting
        self._stop_retries()
        if waiting:
            detail = details.REQUEST_PAYLOAD_EXCEEDED_RETRY_BUFFER_LIMIT
            text = b"exceeded request buffer limit while retrying upstream"
            self.reply(self._route, 507, text, detail, flags=0, headers=self._attempt_count_header())

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

    def on_destroy(self, stream: HttpStream) -> None:
        """The stream is over: release the upstream, whatever state it is in."""
        self._stop_retries()
        for shadow in self._shadows:
            shadow.abandon()
        attempt = self._attempt
        if attempt is not None and not attempt.complete:
            self._give_up(attempt)


def _strict_headers(message: Any, context: Context) -> tuple[bytes, ...]:
    for index, name in enumerate(message.strict_check_headers):
        if name.encode() not in CHECKED_HEADERS:
            context.error(f"strict_check_headers[{index}]", f"'{name}' is no header that can be checked")
    return tuple(name.encode() for name in message.strict_check_headers)


_: type[HttpFilter] = Router
