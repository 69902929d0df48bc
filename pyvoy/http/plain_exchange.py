"""The short way of an ordinary request through a connection manager that has nothing but the router.

An ordinary request is a bodyless GET with no header that any rule looks at, on a route that asks for nothing but its
time-out, with an idle connection to the host.  One object then stands for what otherwise are a stream, a filter chain,
the router and its attempt.  As soon as anything unusual happens (another kind of answer, a reset, a time-out, a slow
client) the exchange is promoted to exactly those objects, in the state they would be in, and they go on.
Whether a manager may take this way is decided when a connection begins; the tests send the same requests both ways and
compare bytes and statistics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyvoy.filters.http.router import INTERNAL, STEERING, Router, RouterPlan
from pyvoy.http.h1.grammar import valid_authority
from pyvoy.http.headers import HeaderMap
from pyvoy.http.request_id import random_uuid
from pyvoy.http.request_rules import WATCHED
from pyvoy.http.routing.timeouts import expected_timeout
from pyvoy.http.stream import HttpStream
from pyvoy.http.upstream_request import UpstreamRequest
from pyvoy.observe.stream_info import ConnectionInfo, StreamInfo
from pyvoy.stats.tally import Tally
from pyvoy.upstream.endpoint import Host
from pyvoy.upstream.pool.h1 import Http1Connection, Http1Pool

if TYPE_CHECKING:
    from pyvoy.http.manager import HttpConnectionManager
    from pyvoy.http.manager_plan import ManagerPlan
    from pyvoy.http.routing.table import Route
    from pyvoy.server.services import Services
    from pyvoy.upstream.cluster import Cluster

_UNUSUAL = frozenset((WATCHED | STEERING | {b"expect", INTERNAL}) - {b"connection"})
_ORDINARY_CONNECTION = (None, b"keep-alive", b"Keep-Alive", b"close")
_KNOWN_HOSTS = 1024
_CANARY = b"x-envoy-upstream-canary"
_EXPECTED = b"x-envoy-expected-rq-timeout-ms"
_SERVICE_TIME = b"x-envoy-upstream-service-time"
_XFP = b"x-forwarded-proto"


class PlainPlan:
    """What the exchanges of one connection manager share; `begun` counts a request and the router's part of it."""

    __slots__ = ("_hosts", "begun", "expected", "router", "routes")

    def __init__(self, plan: ManagerPlan, router: RouterPlan, begun: Tally) -> None:
        self.router = router
        self.routes = plan.routes
        self.begun = begun
        self.expected: dict[Route, bytes | None] = {}
        """The routes that ask for nothing, with their x-envoy-expected-rq-timeout-ms; others have None."""
        self._hosts: set[bytes] = set()

    def is_good_host(self, host: bytes) -> bool:
        """Whether the authority is well formed; those seen are remembered."""
        hosts = self._hosts
        if host in hosts:
            return True
        if not valid_authority(host):
            return False
        if len(hosts) >= _KNOWN_HOSTS:
            hosts.clear()
        hosts.add(host)
        return True

    def examine(self, route: Route) -> bytes | None:
        """Decide once whether a route is plain."""
        plain = (
            Router.is_plain(route)
            and route.action == "route"
            and route.cluster is not None
            and route.timeout_s
            and route.hash_policy is None
            and route.metadata_match is None
            and route.finalize_response is None
            and route.idle_timeout_s is None
            and not route.has_max_stream_duration
            and not route.auto_host_rewrite
            and not route.disabled_filters
            and not route.virtual_host.include_attempt_count_in_response
        )
        self.expected[route] = answer = expected_timeout(route.timeout_s, None) if plain else None
        return answer


def plain_plan(manager: HttpConnectionManager) -> PlainPlan | None:
    """The plan of the short way, None when this manager or connection must not take it."""
    plan = manager.plan
    specs = plan.chain.specs
    if (
        len(specs) != 1
        or specs[0].cls is not Router
        or specs[0].disabled
        or plan.access_logs
        or not plan.request_rules_are_plain
        or plan.request_timeout_s
        or plan.max_stream_duration_s
        or plan.max_requests_per_connection
        or manager.connection_info.tls is not None
    ):
        return None
    router: RouterPlan = specs[0].plan
    if router.suppress_envoy_headers or router.respect_expected_timeout:
        return None
    stats = plan.stats
    cells = (stats.downstream_rq_total, stats.downstream_rq_http1_total, stats.downstream_rq_active, router.rq_total)
    begun = Tally(manager.services.tallies, stats.cells, tuple(counter.index for counter in cells))
    return PlainPlan(plan, router, begun)


class PlainExchange:
    """One ordinary request under way.  Receives the response; gives way to a stream when that is not ordinary."""

    __slots__ = (
        "_cluster",
        "_connection",
        "_host",
        "_pool",
        "_route",
        "_timeout_s",
        "active_s",
        "manager",
        "request_headers",
        "stream_id",
    )

    _connection: Http1Connection
    _cluster: Cluster
    _route: Route
    _timeout_s: float

    def __init__(self, manager: HttpConnectionManager, stream_id: int, headers: HeaderMap) -> None:
        self.manager = manager
        self.stream_id = stream_id
        self.request_headers = headers

    # ---- what route matching may read of a stream ----

    @property
    def info(self) -> StreamInfo:
        """Nothing is known of a stream that has just begun."""
        return StreamInfo()

    @property
    def connection(self) -> ConnectionInfo:
        """The downstream connection."""
        return self.manager.connection_info

    @property
    def services(self) -> Services:
        """The worker's services."""
        return self.manager.services

    # ---- the request ----

    def start(self, plain: PlainPlan) -> Host | bool | None:
        """Send the request upstream: True when it is on its way.  Otherwise nothing has been done, and a host that
        was chosen already is returned, because its turn is spent."""
        manager = self.manager
        headers = self.request_headers
        values = headers.map
        if (
            values[b":method"] != b"GET"
            or not _UNUSUAL.isdisjoint(values)
            or values.get(b"connection") not in _ORDINARY_CONNECTION
            or b"#" in values[b":path"]
            or not plain.is_good_host(values[b":authority"])
        ):
            return False
        route = plain.routes.find(self)
        if route is None:
            return False
        expected = plain.expected[route] if route in plain.expected else plain.examine(route)
        if expected is None:
            return False
        cluster = manager.services.clusters.get(route.cluster)
        if cluster is None or cluster.original_dst is not None:
            return False
        host = cluster.pick_any()
        if host is None:
            return False
        pool: Any = host.pools.get(route.priority)
        if pool is None or host.canary:
            return host
        connection = pool.take_idle(self)
        if connection is None:
            return host
        self._route = route
        self._cluster = cluster
        self._host = host
        self._pool: Http1Pool = pool
        self._connection = connection
        begun = plain.begun
        if not begun.count:
            begun.board.note(begun)
        begun.count += 1
        if b"connection" in values:
            del values[b"connection"]
        values[_XFP] = values[b":scheme"] = b"http"
        values[b"x-request-id"] = random_uuid(manager.getrandbits)
        values[_EXPECTED] = expected
        self.active_s = now_s = manager.services.clock()
        manager.streams[self.stream_id] = self
        due_s = now_s + route.timeout_s
        if due_s < manager.armed_s:
            manager.watch(due_s)
        connection.codec.send_request(self, headers)
        return True

    # ---- the response ----

    def on_response(self, headers: HeaderMap, body: bytes) -> None:
        """A whole response: count it, write the headers, and be done."""
        manager = self.manager
        values = headers.map
        codec = manager.codec
        if manager.must_look or codec.is_http_10 or _CANARY in values or manager.services.draining():
            self._promote(attached=True).on_response(headers, body)
            return
        status = values[b":status"]
        now_s = manager.services.clock()
        took_ms = int((now_s - self.active_s) * 1000)
        tally = self._pool.outcome(status) or self._pool.new_outcome(status)
        if not tally.count:
            tally.board.note(tally)
        tally.count += 1
        tally.values.append(took_ms)
        values[_SERVICE_TIME] = b"%d" % took_ms
        manager.plan.response_rules(headers, self)
        closing = codec.must_close
        if closing:
            values[b"connection"] = b"close"
        manager.plain_over(self.stream_id, status, took_ms, now_s)
        codec.send_response(headers, body)
        if closing:
            manager.close_answered()
        elif codec.finish(self.stream_id):
            manager.start_next()

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
        attempt = stream.adopt(self.request_headers, self._route, self._cluster, self._host, self._pool, connection)
        manager.streams[self.stream_id] = stream
        if attached:
            connection.hand_over(attempt, manager.codec)
        return attempt
