"""CORS: answer preflight requests, and mark responses for the origins that a route's or virtual host's policy allows.

The policy lives on routes and virtual hosts; what the more specific one leaves out, the other says.  An origin that is
not allowed is not refused: its browser does that, for want of headers.
Source: Envoy, HTTP filter "CORS"; the Fetch standard 3.2 (header order observed on Envoy 1.40).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import http_filter, supports
from pyvoy.http.headers import HeaderMap, Pair
from pyvoy.http.http_filter import CONTINUE, STOP, HttpFilter, Stream, Verdict
from pyvoy.observe.details import CORS_RESPONSE

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.stats.counters import Counter

TYPE = "envoy.extensions.filters.http.cors.v3.Cors"
ROUTE_TYPE = "envoy.extensions.filters.http.cors.v3.CorsPolicy"

supports(TYPE)
supports(
    ROUTE_TYPE,
    "allow_origin_string_match allow_methods allow_headers expose_headers max_age allow_credentials filter_enabled "
    "shadow_enabled allow_private_network_access forward_not_matching_preflights",
)

_ALLOW_ORIGIN = b"access-control-allow-origin"
_ALLOW_CREDENTIALS = b"access-control-allow-credentials"
_EXPOSE_HEADERS = b"access-control-expose-headers"
_REQUEST_METHOD = b"access-control-request-method"
_REQUEST_PRIVATE_NETWORK = b"access-control-request-private-network"


@dataclass(slots=True, frozen=True)
class CorsPlan:
    """The counters `http.<stat_prefix>.cors.`."""

    origin_valid: Counter
    origin_invalid: Counter


@dataclass(slots=True, frozen=True, eq=False)
class CorsPolicy:
    """A CorsPolicy message; None and empty where it says nothing."""

    origins: tuple[Callable[[bytes], bool], ...]
    methods: bytes
    headers: bytes
    expose: bytes
    max_age: bytes
    credentials: bool | None
    private_network: bool | None
    forward_preflights: bool | None
    enabled: Callable[[], bool]
    shadow: Callable[[], bool]

    def allows(self, origin: bytes) -> bool:
        """Whether the origin, or every origin ("*"), is allowed."""
        return any(test(b"*") or test(origin) for test in self.origins)

    def over(self, other: CorsPolicy) -> CorsPolicy:
        """This policy, with what `other` says where it says nothing itself."""
        return CorsPolicy(
            self.origins or other.origins,
            self.methods or other.methods,
            self.headers or other.headers,
            self.expose or other.expose,
            self.max_age or other.max_age,
            _first(self.credentials, other.credentials),
            _first(self.private_network, other.private_network),
            _first(self.forward_preflights, other.forward_preflights),
            self.enabled,
            self.shadow,
        )


def _first(value: bool | None, other: bool | None) -> bool | None:
    return other if value is None else value


@http_filter(
    name="envoy.filters.http.cors", type_url=TYPE, route_type_url=ROUTE_TYPE, posture="robust_to_untrusted_downstream"
)
class Cors(HttpFilter):
    """One per stream."""

    __slots__ = ("_origin", "_plan", "_policy")

    @staticmethod
    def build(message: Any, context: Context) -> CorsPlan:
        """The plan of a Cors message, which says nothing."""
        scope = context.scope.scope("cors")
        return CorsPlan(scope.counter("origin_valid"), scope.counter("origin_invalid"))

    @staticmethod
    def build_route(message: Any, context: Context) -> CorsPolicy:
        """The policy of a CorsPolicy message."""
        return _policy(message, context)

    def __init__(self, plan: CorsPlan) -> None:
        self._plan = plan
        self._policy: CorsPolicy | None = None
        self._origin = b""

    def request_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Judge the origin; answer a preflight."""
        origin = headers.map.get(b"origin")
        if not origin:
            return CONTINUE
        plans = stream.route_plans(self)
        if not plans:
            return CONTINUE
        policy = plans[0] if len(plans) == 1 else _merged(plans)
        enabled = policy.enabled()
        if not enabled and not policy.shadow():
            return CONTINUE
        values = headers.map
        preflight = values[b":method"] == b"OPTIONS" and bool(values.get(_REQUEST_METHOD))
        if not policy.allows(origin):
            self._plan.origin_invalid.inc()
            if enabled and preflight and policy.forward_preflights is False:
                return self._answer(stream, policy, b"", headers)
            return CONTINUE
        self._plan.origin_valid.inc()
        if not enabled:
            return CONTINUE
        self._policy = policy
        self._origin = origin
        return self._answer(stream, policy, origin, headers) if preflight else CONTINUE

    def _answer(self, stream: Stream, policy: CorsPolicy, origin: bytes, headers: HeaderMap) -> Verdict:
        """Answer a preflight; one of an origin that is not allowed gets no word about origins."""
        answer: list[Pair] = []
        if origin:
            answer.append((_ALLOW_ORIGIN, origin))
            if policy.credentials:
                answer.append((_ALLOW_CREDENTIALS, b"true"))
        for name, value in (
            (b"access-control-allow-methods", policy.methods),
            (b"access-control-allow-headers", policy.headers),
            (b"access-control-max-age", policy.max_age),
        ):
            if value:
                answer.append((name, value))
        if policy.private_network and headers.map.get(_REQUEST_PRIVATE_NETWORK) == b"true":
            answer.append((b"access-control-allow-private-network", b"true"))
        stream.send_local_reply(200, details=CORS_RESPONSE, headers=answer)
        return STOP

    def response_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Mark the response to an allowed origin."""
        policy = self._policy
        if policy is not None:
            headers.set(_ALLOW_ORIGIN, self._origin)
            if policy.credentials:
                headers.set(_ALLOW_CREDENTIALS, b"true")
            if policy.expose:
                headers.set(_EXPOSE_HEADERS, policy.expose)
        return CONTINUE


def _merged(plans: Sequence[CorsPolicy]) -> CorsPolicy:
    """One policy of those of all levels, least specific first."""
    policy = plans[-1]
    for other in reversed(plans[:-1]):
        policy = policy.over(other)
    return policy


def _policy(message: Any, context: Context) -> CorsPolicy:
    from pyvoy.config.compile.matchers import string_matcher

    return CorsPolicy(
        tuple(
            string_matcher(item, context.at("allow_origin_string_match", index))
            for index, item in enumerate(message.allow_origin_string_match)
        ),
        message.allow_methods.encode(),
        message.allow_headers.encode(),
        message.expose_headers.encode(),
        message.max_age.encode(),
        context.wrapped(message, "allow_credentials", None),
        context.wrapped(message, "allow_private_network_access", None),
        context.wrapped(message, "forward_not_matching_preflights", None),
        context.fraction(message, "filter_enabled") if message.HasField("filter_enabled") else _always,
        context.fraction(message, "shadow_enabled"),
    )


def _always() -> bool:
    return True


_: type[HttpFilter] = Cors
