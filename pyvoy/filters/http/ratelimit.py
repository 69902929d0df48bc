"""Global rate limit: a server that all proxies ask says whether a request is one too many.

What it is asked about are the descriptors of the route's and virtual host's `rate_limits`, or the filter's own.
Source: Envoy, HTTP filter "Rate limit" (statistics, headers, details and flags observed on Envoy 1.40).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import http_filter, supports
from pyvoy.filters.common.cluster_counters import ClusterCounters
from pyvoy.filters.common.descriptors import Descriptors, descriptors_of, descriptors_of_route
from pyvoy.filters.common.grpc_service import GrpcServer, check_version, grpc_server, header_value
from pyvoy.filters.common.metadata import plain_struct
from pyvoy.http.headers import HeaderMap, Pair
from pyvoy.http.http_filter import CONTINUE, STOP, HttpFilter, Stream, Verdict
from pyvoy.observe.details import REQUEST_RATE_LIMITED, Flag

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.http.routing.header_rules import HeaderRules

_PACKAGE = "envoy.extensions.filters.http.ratelimit.v3."
TYPE = _PACKAGE + "RateLimit"
ROUTE_TYPE = _PACKAGE + "RateLimitPerRoute"
_SERVICE = "envoy.service.ratelimit.v3.RateLimitService"
_METADATA = "envoy.filters.http.ratelimit"

supports(
    TYPE,
    "domain stage request_type timeout failure_mode_deny rate_limited_as_resource_exhausted rate_limit_service "
    "enable_x_ratelimit_headers disable_x_envoy_ratelimited_header rate_limited_status response_headers_to_add "
    "status_on_error stat_prefix filter_enabled filter_enforced failure_mode_deny_percent rate_limits",
)
supports(ROUTE_TYPE, "vh_rate_limits override_option rate_limits domain")
supports("envoy.config.ratelimit.v3.RateLimitServiceConfig", "grpc_service transport_api_version")

_OVER_LIMIT = 2
_EXHAUSTED, _UNAVAILABLE = 8, 14
_WINDOWS_S = (0, 1, 60, 3600, 86400, 604800, 2592000, 31536000)
"""Seconds of RateLimit.Unit."""


@dataclass(slots=True, frozen=True, eq=False)
class RateLimitPlan:
    """A RateLimit message.  `internal` None takes all requests, else those that are internal, or those that are not."""

    server: GrpcServer
    domain: str
    internal: bool | None
    by_option: tuple[Descriptors, ...]
    own: Descriptors | None
    denies_failures: Callable[[], bool]
    error_status: int
    status: int
    grpc_status: int
    limit_headers: bool
    tells: bool
    reply_rules: HeaderRules
    enabled: Callable[[], bool]
    enforced: Callable[[], bool]
    by_cluster: ClusterCounters


@dataclass(slots=True, frozen=True, eq=False)
class RoutePlan:
    """What a route says; `option` None leaves it as it is."""

    option: int | None
    own: Descriptors | None
    domain: str


@http_filter(
    name="envoy.filters.http.ratelimit",
    type_url=TYPE,
    route_type_url=ROUTE_TYPE,
    posture="robust_to_untrusted_downstream",
)
class RateLimit(HttpFilter):
    """One request: what the server wants to see in its response."""

    __slots__ = ("_plan", "_response_headers")

    @staticmethod
    def build(message: Any, context: Context) -> RateLimitPlan:
        """The plan of a RateLimit message."""
        return _plan(message, context)

    @staticmethod
    def build_route(message: Any, context: Context) -> RoutePlan:
        """The plan of a RateLimitPerRoute message."""
        option = message.override_option - 1 if message.override_option else message.vh_rate_limits
        own = descriptors_of(message.rate_limits, context, "rate_limits")
        return RoutePlan(option, own, message.domain)

    def __init__(self, plan: RateLimitPlan) -> None:
        self._plan = plan
        self._response_headers: list[Pair] = []

    async def request_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Ask about the request's descriptors, if it has any."""
        plan = self._plan
        internal = headers.map.get(b"x-envoy-internal") == b"true"
        if (plan.internal is not None and plan.internal != internal) or not plan.enabled():
            return CONTINUE
        route = stream.route
        if route is None or route.action != "route" or stream.services.clusters.get(route.cluster) is None:
            return CONTINUE
        routed: RoutePlan | None = stream.route_plan(self)
        option = routed.option if routed is not None and routed.option is not None else 0
        find = plan.own or plan.by_option[option]
        if routed is not None and routed.own is not None:
            find = routed.own
        found = find(stream)
        if not found:
            return CONTINUE
        response = await self._ask(routed.domain if routed is not None and routed.domain else plan.domain, found)
        return self._judge(stream, headers, response)

    async def _ask(self, domain: str, descriptors: list[Any]) -> Any:
        """The server's response; None when there is none."""
        from envoy.service.ratelimit.v3 import rls_pb2

        request = rls_pb2.RateLimitRequest(domain=domain)
        for descriptor in descriptors:
            entries = request.descriptors.add().entries
            for key, value in descriptor:
                entries.add(key=key.decode("utf-8", "replace"), value=value.decode("utf-8", "replace"))
        return await self._plan.server.call(_SERVICE, "ShouldRateLimit", request, rls_pb2.RateLimitResponse)

    def _judge(self, stream: Stream, headers: HeaderMap, response: Any) -> Verdict:
        plan = self._plan
        if response is None:
            return self._failed(stream)
        if response.HasField("dynamic_metadata"):
            stream.info.dynamic_metadata.setdefault(_METADATA, {}).update(plain_struct(response.dynamic_metadata))
        added = [(each.key.lower().encode(), header_value(each)) for each in response.response_headers_to_add]
        if response.overall_code == _OVER_LIMIT and plan.tells:
            added.append((b"x-envoy-ratelimited", b"true"))
        if plan.limit_headers:
            added += limit_headers(response.statuses)
        self._response_headers = added
        if response.overall_code == _OVER_LIMIT:
            plan.by_cluster.count(stream, "over_limit", charge=plan.status)
            if plan.enforced():
                self._refuse(stream, bytes(response.raw_body))
                return STOP
        else:
            plan.by_cluster.count(stream, "ok")
        for each in response.request_headers_to_add:
            headers.add(each.key.lower().encode(), header_value(each))
        return CONTINUE

    def _refuse(self, stream: Stream, body: bytes) -> None:
        plan = self._plan
        extra = HeaderMap()
        plan.reply_rules.apply(stream, extra)
        stream.send_local_reply(
            plan.status,
            body,
            details=REQUEST_RATE_LIMITED,
            flags=Flag.RATE_LIMITED,
            headers=tuple(extra.items()),
            grpc_status=plan.grpc_status,
        )

    def _failed(self, stream: Stream) -> Verdict:
        plan = self._plan
        plan.by_cluster.count(stream, "error")
        if not plan.denies_failures():
            plan.by_cluster.count(stream, "failure_mode_allowed")
            return CONTINUE
        flags = Flag.RATE_LIMIT_SERVICE_ERROR
        stream.send_local_reply(plan.error_status, b"", details="rate_limiter_error", flags=flags)
        return STOP

    def response_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Write what the server and the limits say."""
        for name, value in self._response_headers:
            if name == b"content-type":
                headers.set(name, value)
            else:
                headers.add(name, value)
        return CONTINUE


def limit_headers(statuses: Any) -> list[Pair]:
    """X-RateLimit headers (draft 03): the limit that is nearest to its end, and all of them in the quota policy."""
    nearest = None
    policies = b""
    for status in statuses:
        if not status.HasField("current_limit"):
            continue
        if nearest is None or status.limit_remaining < nearest.limit_remaining:
            nearest = status
        limit = status.current_limit
        window_s = _WINDOWS_S[limit.unit] if limit.unit < len(_WINDOWS_S) else 0
        if window_s:
            policies += b", %d;w=%d" % (limit.requests_per_unit, window_s)
            if limit.name:
                policies += b';name="%s"' % limit.name.encode()
    if nearest is None:
        return []
    return [
        (b"x-ratelimit-limit", b"%d%s" % (nearest.current_limit.requests_per_unit, policies)),
        (b"x-ratelimit-remaining", b"%d" % nearest.limit_remaining),
        (b"x-ratelimit-reset", b"%d" % nearest.duration_until_reset.seconds),
    ]


# ---- load ----

_INTERNAL: Mapping[str, bool | None] = {"": None, "both": None, "internal": True, "external": False}


def _plan(message: Any, context: Context) -> RateLimitPlan:
    service = message.rate_limit_service
    place = context.at("rate_limit_service")
    check_version(service, place)
    timeout_s = context.duration_s(message, "timeout", 0.02) or 0.0
    runtime = context.runtime
    status = message.rate_limited_status.code
    deny: Callable[[], bool] = lambda: message_denies  # noqa: E731  # one of two
    message_denies = message.failure_mode_deny
    if message.HasField("failure_mode_deny_percent"):
        deny = context.fraction(message, "failure_mode_deny_percent")
    return RateLimitPlan(
        grpc_server(service.grpc_service, place.at("grpc_service"), timeout_s),
        message.domain,
        _INTERNAL.get(message.request_type),
        tuple(descriptors_of_route(message.stage, option) for option in range(3)),
        descriptors_of(message.rate_limits, context, "rate_limits"),
        deny,
        message.status_on_error.code or 500,
        status if status >= 400 else 429,
        _EXHAUSTED if message.rate_limited_as_resource_exhausted else _UNAVAILABLE,
        message.enable_x_ratelimit_headers == 1,
        not message.disable_x_envoy_ratelimited_header,
        context.header_rules(message.response_headers_to_add, (), "response_headers_to_add"),
        _chance(message, "filter_enabled", runtime.integer("ratelimit.http_filter_enabled", 100), context),
        _chance(message, "filter_enforced", runtime.integer("ratelimit.http_filter_enforcing", 100), context),
        ClusterCounters("ratelimit", message.stat_prefix),
    )


def _chance(message: Any, field: str, percent: int, context: Context) -> Callable[[], bool]:
    """The field's fraction, or the runtime's percentage when it is not set."""
    if message.HasField(field):
        return context.fraction(message, field)
    if percent >= 100:
        return lambda: True
    random = context.random
    return lambda: random.randrange(100) < percent


_: type[HttpFilter] = RateLimit
