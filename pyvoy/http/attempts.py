"""The attempts of one request: starting them, and taking their response.

One attempt runs at a time.  What a request asks for is prepared by the router, which is these attempts as a filter;
what becomes of those that fail is `attempt_failures.py`, `charging` counts.
Source: Envoy's Router::Filter (router.cc).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyvoy.http.attempt_failures import AttemptFailures
from pyvoy.http.charging import CANARY, INTERNAL, grpc_outcome
from pyvoy.http.connect_request import ConnectRequest, ForwardedConnect
from pyvoy.http.headers import HeaderMap, header_fault
from pyvoy.http.routing.rewrite import update_authority
from pyvoy.http.upstream_request import UpstreamRequest
from pyvoy.observe import details
from pyvoy.observe.details import Flag
from pyvoy.upstream.balancing.context import LoadBalancerContext
from pyvoy.upstream.pool.choose import http_pool
from pyvoy.upstream.pool.h1 import requested_server_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyvoy.http.routing.retry import RetryState
    from pyvoy.http.routing.table import Route
    from pyvoy.http.stream import HttpStream
    from pyvoy.upstream.balancing.load import PriorityLoad
    from pyvoy.upstream.endpoint import Host, PrioritySet

_SERVICE_TIME = b"x-envoy-upstream-service-time"


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


class Attempts(AttemptFailures):
    """One request's attempts and its response."""

    # ---- attempts ----

    @property
    def running_attempt(self) -> UpstreamRequest:
        """The attempt that is under way."""
        assert self._attempt is not None
        return self._attempt

    def start_attempt(self, end: bool) -> None:
        """Choose a host and begin an attempt there; `end` says that the request is a head only."""
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
        """A WebSocket handshake answered by 2xx or 3xx, not by 101: the client hears so, and nothing is tunnelled.

        As in Envoy, an upstream of HTTP/2 answers for itself.
        """
        stream = self.stream
        status = int(headers.map[b":status"])
        if not 200 <= status < 400 or stream.info.upstream_protocol == "HTTP/2":
            return False
        if stream.request_headers.map.get(b"upgrade", b"").lower() != b"websocket":
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
