"""What the short way of ordinary requests (`plain_exchange`) decides once: for a connection manager, for a head.

A request head that is ordinary becomes a `PlainRequest`: its route and the bytes that go upstream, cut where the
request id stands.  A response head becomes a `PlainAnswer`: the bytes that go to the client, cut where the service time
stands.  Both are made by the very rules and encoder of the general way, with a mark in place of what varies, and stay
with the head (`memo`) as long as the codec remembers it.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from pyvoy.filters.http.router import Router, RouterPlan
from pyvoy.http.changed_heads import ChangedHeads
from pyvoy.http.charging import INTERNAL
from pyvoy.http.h1.grammar import valid_authority
from pyvoy.http.headers import HeaderMap, header_map
from pyvoy.http.known_heads import MARK, KnownHead
from pyvoy.http.request_rules import WATCHED
from pyvoy.http.routing.steering import STEERING
from pyvoy.http.routing.timeouts import EXPECTED, expected_timeout
from pyvoy.stats.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyvoy.http.h1.client import Http1ClientCodec
    from pyvoy.http.h1.heads import RequestHead, ResponseHead
    from pyvoy.http.h1.limits import Http1Plan
    from pyvoy.http.light_stream import LightStream
    from pyvoy.http.manager_plan import ManagerPlan
    from pyvoy.http.plain_exchange import PlainExchange
    from pyvoy.http.routing.table import Route
    from pyvoy.observe.stream_info import ConnectionInfo
    from pyvoy.server.services import Services

_UNUSUAL = frozenset((WATCHED | STEERING | {b"expect", INTERNAL}) - {b"connection"})
_ORDINARY_METHODS = frozenset((b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"))
_ORDINARY_CONNECTION = (None, b"keep-alive", b"Keep-Alive", b"close")
_ORDINARY_SCHEMES = (b"", b"http")
SERVICE_TIME = b"x-envoy-upstream-service-time"
_XFP = b"x-forwarded-proto"
_REQUEST_ID = b"x-request-id"
_KNOWN_HOSTS = 1024
_IDS_AT_ONCE = 64
_UUID_BITS = 128
_UUID_PARTS = Struct("8s4s4s4s12s")
_UUID_KEEP = int("ffffffffffff0fff3fffffffffffffff" * _IDS_AT_ONCE, 16)
_UUID_SET = int("00000000000040008000000000000000" * _IDS_AT_ONCE, 16)


class PlainRequest:
    """An ordinary request head: where it goes and what is written there.  Shared by all requests with this head."""

    __slots__ = (
        "before_id",
        "behind_id",
        "changed",
        "changed_for",
        "cluster",
        "encoded_for",
        "expected",
        "known",
        "met",
        "priority",
        "route",
        "seen",
        "timeout_s",
    )

    before_id: bytes
    behind_id: bytes

    def __init__(
        self, route: Route, cluster: str, timeout_s: float, values: dict[bytes, bytes], expected: bytes
    ) -> None:
        """`values` are the headers as filters see them, with any request id; `expected` is what the router adds as
        x-envoy-expected-rq-timeout-ms."""
        self.route = route
        self.cluster = cluster
        self.timeout_s = timeout_s
        self.priority = route.priority
        self.expected = expected
        self.seen = values
        """What filters got to see of the last request with this head: it has that one's id."""
        self.encoded_for: Http1Plan | None = None
        """The codec plan of the pool that the bytes are for."""
        self.changed: ChangedHeads | None = None
        """What filters make of this head, from its second time on."""
        self.changed_for: Http1Plan | None = None
        """The codec plan of the pool that those bytes are for."""
        self.known: KnownHead | None = None
        """What filters get to see, from its second time on."""
        self.met = False

    def encode(self, codec: Http1ClientCodec, plan: Http1Plan) -> None:
        """Make the bytes for the upstreams with this codec plan."""
        encoded = codec.encode_request(self.headers(MARK))
        self.before_id, _, self.behind_id = encoded.partition(MARK)
        self.encoded_for = plan

    def changed_heads(self, plan: Http1Plan) -> ChangedHeads | None:
        """What filters make of this head for the upstreams with this codec plan; None the first time, since most heads
        that filters change come once."""
        if self.changed_for is not plan:
            self.changed_for = plan
            self.changed = None
        elif self.changed is None:
            self.changed = ChangedHeads(_REQUEST_ID)
        return self.changed

    def recall(self) -> KnownHead | None:
        """`known`, made when it is not this head's first time."""
        if self.met:
            self.known = KnownHead(self.seen_headers(MARK), _REQUEST_ID)
        self.met = True
        return self.known

    def outcome(self, head: KnownHead) -> KnownHead | None:
        """What the router sends of a head that filters have made of `known`; None when that is not ordinary."""
        if head.outcome is None and is_ordinary(head.values):
            headers = head.headers()
            headers.set(EXPECTED, self.expected)
            head.outcome = KnownHead(headers, _REQUEST_ID, changed=head.changed)
        return head.outcome

    def with_path(self, path: bytes) -> PlainRequest:
        """The same for a head that differs in its path alone."""
        seen = self.seen.copy()
        seen[b":path"] = path
        other = PlainRequest(self.route, self.cluster, self.timeout_s, seen, self.expected)
        if self.encoded_for is not None:
            method = seen[b":method"]
            rest = self.before_id[len(method) + 1 + len(self.seen[b":path"]) :]
            other.before_id = b"%b %b%b" % (method, path, rest)
            other.behind_id = self.behind_id
            other.encoded_for = self.encoded_for
        return other

    def headers(self, request_id: bytes) -> HeaderMap:
        """The request's headers as they go upstream."""
        values = self.seen.copy()
        values[_REQUEST_ID] = request_id
        values[EXPECTED] = self.expected
        return header_map(values)

    def seen_headers(self, request_id: bytes) -> HeaderMap:
        """The request's headers as its filters see them."""
        seen = self.seen
        seen[_REQUEST_ID] = request_id
        return header_map(seen.copy())


def is_ordinary(values: Mapping[bytes, bytes]) -> bool:
    """Whether a request that was ordinary still is, as its filters have left it."""
    return STEERING.isdisjoint(values) and INTERNAL not in values and b":method" in values and b":path" in values


class PlainAnswer:
    """An ordinary response head as it goes to the clients of one connection manager."""

    __slots__ = ("_second", "_wall", "before", "behind", "behind_closing", "changed", "known", "plain")

    def __init__(
        self,
        plain: PlainPlan,
        encoded: bytes,
        closing: bytes,
        wall: Callable[[], float] | None,
    ) -> None:
        """`encoded` has the mark in place of the service time, `closing` is the same for a connection that ends; `wall`
        gives the time when the date is ours and not the upstream's."""
        self.plain = plain
        self.changed = ChangedHeads(SERVICE_TIME)
        """What filters make of this head."""
        self.known: KnownHead | None = None
        """What filters get to see."""
        self.before, _, self.behind = encoded.partition(MARK)
        self.behind_closing = closing.partition(MARK)[2]
        self._wall = wall
        self._second = int(wall()) if wall is not None else 0

    def recall(self, head: ResponseHead) -> KnownHead:
        """`known`, made of the head that this is the answer for."""
        headers = head.headers()
        headers.map[SERVICE_TIME] = MARK
        known = self.known = KnownHead(headers, SERVICE_TIME)
        known.before, known.behind, known.encoded_for = self.before, self.behind, self.plain
        return known

    @property
    def outdated(self) -> bool:
        """Whether the date in it is no longer the current one."""
        return self._wall is not None and int(self._wall()) != self._second


class PlainPlan:
    """What the ordinary requests of one connection manager share."""

    __slots__ = (
        "_getrandbits",
        "_hosts",
        "_plan",
        "_routes",
        "_scheme",
        "bare",
        "begun",
        "ids",
        "keeps_answers",
        "routed",
    )

    def __init__(
        self,
        plan: ManagerPlan,
        begun: Tally,
        routed: Tally,
        getrandbits: Callable[[int], int],
        scheme: bytes,
        *,
        bare: bool,
        keeps_answers: bool = True,
    ) -> None:
        self.keeps_answers = keeps_answers
        """What a response head becomes is the same for every connection (HTTP/2 compresses it for each)."""
        self._scheme = scheme
        """All connections of a manager are TLS, or none is."""
        self.routed = routed
        """Counts the router's part of a request that has a stream."""
        self.bare = bare
        """The router is the only filter and nobody logs: a request needs no stream."""
        self.begun = begun
        """Counts a request without a stream, and the router's part of it."""
        self.ids: list[bytes] = []
        """Request ids not yet used."""
        self._getrandbits = getrandbits
        self._plan = plan
        self._hosts: set[bytes] = set()
        self._routes: dict[Route, bytes | None] = {}
        """The routes that ask for nothing, with their x-envoy-expected-rq-timeout-ms; others have None."""

    def next_id(self) -> bytes:
        """A random UUID of version 4 (RFC 9562 5.4), of many that are made at once: a tenth of the cost of one."""
        number = (self._getrandbits(_UUID_BITS * _IDS_AT_ONCE) & _UUID_KEEP) | _UUID_SET
        digits = b"%0*x" % (_UUID_BITS // 4 * _IDS_AT_ONCE, number)
        self.ids = [b"%b-%b-%b-%b-%b" % parts for parts in _UUID_PARTS.iter_unpack(digits)]
        return self.ids.pop()

    def request(self, head: RequestHead) -> PlainRequest | None:
        """What an ordinary request head becomes; None for a head that is to go the general way."""
        values = head.values
        block = head.block
        model = None if block is None else block.memo
        if (
            type(model) is PlainRequest
            and model.seen[b":method"] == values[b":method"]
            and b"#" not in values[b":path"]
        ):
            route = self._plan.routes.find(_Asking(header_map(values)))
            if route is model.route:
                return model.with_path(values[b":path"])
        request = self._examine_request(values)
        if block is not None and request is not None:
            block.memo = request
        return request

    def _examine_request(self, values: dict[bytes, bytes]) -> PlainRequest | None:
        if (
            values[b":method"] not in _ORDINARY_METHODS
            or not _UNUSUAL.isdisjoint(values)
            or values.get(b"connection") not in _ORDINARY_CONNECTION
            or b"#" in values[b":path"]
            or not self._is_good_host(values[b":authority"])
            or values[b":scheme"] not in _ORDINARY_SCHEMES
        ):
            return None
        if b"content-type" in values and values[b"content-type"].startswith(b"application/grpc"):
            return None
        route = self._plan.routes.find(_Asking(header_map(values)))
        if route is None:
            return None
        expected = self._routes[route] if route in self._routes else self._examine_route(route)
        if expected is None:
            return None
        ours = values.copy()
        ours.pop(b"connection", None)
        ours[_XFP] = ours[b":scheme"] = self._scheme
        ours[_REQUEST_ID] = MARK
        return PlainRequest(route, route.cluster, route.timeout_s, ours, expected)

    def _is_good_host(self, host: bytes) -> bool:
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

    def _examine_route(self, route: Route) -> bytes | None:
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
            and not route.enabled_filters
            and not route.virtual_host.include_attempt_count_in_response
        )
        self._routes[route] = answer = expected_timeout(route.timeout_s, None) if plain else None
        return answer

    def keep_answer(self, head: ResponseHead, exchange: PlainExchange | LightStream) -> None:
        """Let a response head that is remembered keep what it becomes."""
        manager = exchange.manager
        headers = head.headers()
        values = headers.map
        values[SERVICE_TIME] = MARK
        self._plan.response_rules(headers, exchange)
        encoded = manager.codec.encode_headers(headers, not head.length_bytes)
        values[b"connection"] = b"close"
        closing = manager.codec.encode_headers(headers, not head.length_bytes)
        wall = None if b"date" in head.values else manager.services.wall
        head.memo = PlainAnswer(self, encoded, closing, wall)

    def encode(self, known: KnownHead, head: ResponseHead, stream: LightStream) -> None:
        """Make the bytes of what filters have made of a head's `known`."""
        known.encode(lambda headers: self._encoded(headers, head, stream), self)

    def _encoded(self, headers: HeaderMap, head: ResponseHead, stream: LightStream) -> bytes:
        self._plan.response_rules(headers, stream)
        return stream.manager.codec.encode_headers(headers, not head.length_bytes)

    def keep_changed_answer(
        self, head: ResponseHead, changed: ChangedHeads, headers: HeaderMap, stream: LightStream
    ) -> None:
        """Let `changed`, which belongs to the answer that `head` becomes, keep what filters have made of it."""
        kept = headers.copy()
        changed.keep(kept, self._encoded(headers, head, stream))


class _Asking:
    """All that a settled route table reads of a stream."""

    __slots__ = ("request_headers",)

    def __init__(self, request_headers: HeaderMap) -> None:
        self.request_headers = request_headers


def plain_plan(
    plan: ManagerPlan, services: Services, connection: ConnectionInfo, *, http2: bool = False
) -> PlainPlan | None:
    """The plan of the short way; None when a connection manager, whose first connection this is, must not take it."""
    specs = plan.chain.specs
    if (
        not specs
        or specs[-1].cls is not Router
        or specs[-1].disabled
        or plan.meters
        or plan.log_on_new_request
        or not plan.request_rules_are_plain
        or not plan.response_rules_are_plain
        or not plan.routes.settled
        or plan.request_timeout_s
        or plan.max_stream_duration_s
        or plan.max_requests_per_connection
    ):
        return None
    router: RouterPlan = specs[-1].plan
    if router.suppress_envoy_headers or router.respect_expected_timeout:
        return None
    stats = plan.stats
    by_protocol = stats.downstream_rq_http2_total if http2 else stats.downstream_rq_http1_total
    cells = (stats.downstream_rq_total, by_protocol, stats.downstream_rq_active, router.rq_total)
    begun = Tally(services.tallies, stats.cells, tuple(counter.index for counter in cells))
    routed = Tally(services.tallies, stats.cells, (router.rq_total.index,))
    bare = len(plan.chain.names) == 1 and not plan.access_logs
    scheme = b"http" if connection.tls is None else b"https"
    getrandbits = services.random.getrandbits
    return PlainPlan(plan, begun, routed, getrandbits, scheme, bare=bare, keeps_answers=not http2)
