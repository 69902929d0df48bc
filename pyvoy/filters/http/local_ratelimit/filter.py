"""Local rate limit: requests take tokens from buckets of this proxy, and are answered 429 when there are none.

Buckets are shared by all workers (or belong to one connection); they fill continuously.
Source: Envoy, HTTP filter "Local rate limit" (statistics, headers and order observed on Envoy 1.40).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import http_filter, supports
from pyvoy.filters.common.descriptors import Descriptor, Descriptors, descriptors_of, descriptors_of_route
from pyvoy.filters.http.local_ratelimit.buckets import Figures, Limiter, LimiterPlan
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, STOP, HttpFilter, Stream, Verdict
from pyvoy.observe.details import LOCAL_RATE_LIMITED, Flag
from pyvoy.server.arena import local_arena

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.http.routing.header_rules import HeaderRules
    from pyvoy.server.arena import TokenBucket
    from pyvoy.stats.counters import Counter
    from pyvoy.stats.store import Scope

TYPE = "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"

supports(
    TYPE,
    "stat_prefix status token_bucket filter_enabled filter_enforced request_headers_to_add_when_not_enforced "
    "response_headers_to_add descriptors rate_limits local_rate_limit_per_downstream_connection "
    "enable_x_ratelimit_headers always_consume_default_token_bucket rate_limited_as_resource_exhausted stage "
    "vh_rate_limits",
    # Only limits with wildcards, which are refused, have dynamic descriptors.
    tuning="max_dynamic_descriptors",
)
supports("envoy.extensions.common.ratelimit.v3.LocalRateLimitDescriptor", "entries token_bucket")
supports("envoy.extensions.common.ratelimit.v3.RateLimitDescriptor.Entry", "key value")
supports("envoy.type.v3.HttpStatus", "code")

_GRPC_RESOURCE_EXHAUSTED = 8
_GRPC_UNAVAILABLE = 14


class LocalRateLimitStats:
    """`<stat_prefix>.http_local_rate_limit.`"""

    __slots__ = ("enabled", "enforced", "ok", "rate_limited", "shadow_mode")
    enabled: Counter
    enforced: Counter
    ok: Counter
    rate_limited: Counter
    shadow_mode: Counter

    def __init__(self, scope: Scope) -> None:
        for name in self.__slots__:
            setattr(self, name, scope.counter(name))


@dataclass(slots=True, frozen=True, eq=False)
class LocalRateLimitPlan:
    """`shared` is the limiter of the whole proxy; None when each connection has its own."""

    limiter: LimiterPlan
    shared: Limiter | None
    descriptors: Descriptors | None
    enabled: Callable[[], bool]
    enforced: Callable[[], bool]
    status: int
    grpc_status: int
    limit_headers: bool
    reply_rules: HeaderRules
    pass_rules: HeaderRules
    stats: LocalRateLimitStats


@http_filter(
    name="envoy.filters.http.local_ratelimit",
    type_url=TYPE,
    route_type_url=TYPE,
    posture="robust_to_untrusted_downstream",
)
class LocalRateLimit(HttpFilter):
    """One per stream."""

    __slots__ = ("_bucket", "_plan")

    @staticmethod
    def build(message: Any, context: Context) -> LocalRateLimitPlan:
        """The plan of a LocalRateLimit message."""
        return _plan(message, context)

    @staticmethod
    def build_route(message: Any, context: Context) -> LocalRateLimitPlan:
        """The same message on a route, where a bucket must be set."""
        if not message.HasField("token_bucket"):
            context.error("token_bucket", "local rate limit token bucket must be set for per filter configs")
        return _plan(message, context)

    def __init__(self, plan: LocalRateLimitPlan) -> None:
        self._plan = plan
        self._bucket: TokenBucket | None = None

    def request_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Take a token or answer 429."""
        plan = self._plan = stream.route_plan(self) or self._plan
        if not plan.enabled():
            return CONTINUE
        stats = plan.stats
        stats.enabled.inc()
        descriptors: list[Descriptor] = plan.descriptors(stream) if plan.descriptors is not None else []
        allowed, self._bucket = self._limiter(stream).take(descriptors)
        if allowed:
            stats.ok.inc()
            return CONTINUE
        stats.rate_limited.inc()
        if not plan.enforced():
            plan.pass_rules.apply(stream, headers)
            return CONTINUE
        stats.enforced.inc()
        extra = HeaderMap()
        plan.reply_rules.apply(stream, extra)
        stream.send_local_reply(
            plan.status,
            b"local_rate_limited",
            details=LOCAL_RATE_LIMITED,
            flags=Flag.RATE_LIMITED,
            headers=tuple(extra.items()),
            grpc_status=plan.grpc_status,
        )
        return STOP

    def _limiter(self, stream: Stream) -> Limiter:
        plan = self._plan
        if plan.shared is not None:
            return plan.shared
        state = stream.connection.filter_state
        limiter = state.get(plan.limiter.name)
        if limiter is None:
            limiter = state[plan.limiter.name] = Limiter(plan.limiter, local_arena(stream.services.clock))
        return limiter

    def response_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Tell the client what its bucket holds."""
        bucket = self._bucket
        if bucket is not None and self._plan.limit_headers:
            headers.add(b"x-ratelimit-limit", b"%d" % bucket.max_tokens)
            headers.add(b"x-ratelimit-remaining", b"%d" % bucket.remaining())
            headers.add(b"x-ratelimit-reset", b"%d" % math.ceil(bucket.next_fill_s()))
        return CONTINUE


# ---- load ----


def _plan(message: Any, context: Context) -> LocalRateLimitPlan:
    default = None
    if message.HasField("token_bucket"):
        default = _figures(message.token_bucket, context.at("token_bucket"))
    limiter = LimiterPlan(
        f"http_local_rate_limit {context.path}",
        default,
        _descriptor_figures(message, context),
        bool(context.wrapped(message, "always_consume_default_token_bucket", True)),
    )
    code = message.status.code
    per_connection = message.local_rate_limit_per_downstream_connection
    exhausted = message.rate_limited_as_resource_exhausted
    return LocalRateLimitPlan(
        limiter,
        None if per_connection else Limiter(limiter, context.arena),
        _descriptors(message, context),
        context.fraction(message, "filter_enabled"),
        context.fraction(message, "filter_enforced"),
        code if code >= 400 else 429,
        _GRPC_RESOURCE_EXHAUSTED if exhausted else _GRPC_UNAVAILABLE,
        message.enable_x_ratelimit_headers == 1,
        context.header_rules(message.response_headers_to_add, (), "response_headers_to_add"),
        context.header_rules(
            message.request_headers_to_add_when_not_enforced, (), "request_headers_to_add_when_not_enforced"
        ),
        LocalRateLimitStats(context.root_scope.scope(f"{message.stat_prefix}.http_local_rate_limit")),
    )


def _descriptors(message: Any, context: Context) -> Descriptors | None:
    """What the filter's own rate_limits give, else those of the route; None where no descriptor has a limit."""
    if message.rate_limits or not message.descriptors:
        return descriptors_of(message.rate_limits, context, "rate_limits")
    return descriptors_of_route(message.stage, message.vh_rate_limits)


def _descriptor_figures(message: Any, context: Context) -> dict[Descriptor, Figures]:
    found: dict[Descriptor, Figures] = {}
    for index, item in enumerate(message.descriptors):
        place = context.at("descriptors", index)
        descriptor = tuple((entry.key.encode(), entry.value.encode()) for entry in item.entries)
        if any(not value for _, value in descriptor):
            place.error("entries", "entries without a value (dynamic descriptors) are not supported by pyvoy")
        if descriptor in found:
            text = ", ".join(f"{key.decode()}={value.decode()}" for key, value in descriptor)
            place.error("entries", f"duplicate descriptor in the local rate descriptor: {text}")
        found[descriptor] = _figures(item.token_bucket, place.at("token_bucket"))
    return found


def _figures(message: Any, context: Context) -> Figures:
    from pyvoy.config.compile.token_bucket import MIN_FILL_INTERVAL_S

    interval_s = context.duration_s(message, "fill_interval", None)
    if interval_s is None:
        interval_s = 1.0  # the field is required: the rules have reported it
    elif interval_s < MIN_FILL_INTERVAL_S:
        context.error("fill_interval", "local rate limit token bucket fill timer must be >= 50ms")
        interval_s = MIN_FILL_INTERVAL_S
    return Figures(message.max_tokens, context.wrapped(message, "tokens_per_fill", 1), interval_s)


_: type[HttpFilter] = LocalRateLimit
