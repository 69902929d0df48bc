"""JWT authentication: which rule a request falls under, and the 401 or 403 of one that does not meet it.

Source: Envoy, HTTP filter "JWT Authentication" (texts, details and statistics observed on Envoy 1.40).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import http_filter, supports
from pyvoy.filters.http.jwt_authn import requirement
from pyvoy.filters.http.jwt_authn.faults import AUDIENCE, MISSING
from pyvoy.filters.http.jwt_authn.jwks import Jwks, RemoteJwks, RemotePlan
from pyvoy.filters.http.jwt_authn.provider import (
    DEFAULT_PLACES,
    Place,
    Provider,
    TokenCache,
    audience_set,
)
from pyvoy.filters.http.jwt_authn.requirement import Check, Requirement
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, STOP, HttpFilter, Stream, Verdict

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.extensions.host import Host
    from pyvoy.stats.counters import Counter
    from pyvoy.stats.store import Scope

_PACKAGE = "envoy.extensions.filters.http.jwt_authn.v3."
TYPE = _PACKAGE + "JwtAuthentication"
ROUTE_TYPE = _PACKAGE + "PerRouteConfig"

supports(
    TYPE, "providers rules filter_state_rules bypass_cors_preflight requirement_map strip_failure_response stat_prefix"
)
supports(ROUTE_TYPE, "disabled requirement_name")
supports(
    _PACKAGE + "JwtProvider",
    "issuer audiences subjects require_expiration max_lifetime remote_jwks local_jwks forward from_headers from_params "
    "from_cookies forward_payload_header pad_forward_payload_header payload_in_metadata normalize_payload_in_metadata "
    "header_in_metadata failed_status_in_metadata clock_skew_seconds jwt_cache_config claim_to_headers "
    "clear_route_cache",
)
supports(_PACKAGE + "JwtProvider.NormalizePayload", "space_delimited_claims")
supports(_PACKAGE + "JwtCacheConfig", "jwt_cache_size jwt_max_token_size")
supports(_PACKAGE + "RemoteJwks", "http_uri cache_duration async_fetch")
supports(_PACKAGE + "JwksAsyncFetch", "failed_refetch_duration", tuning="fast_listener")
supports(_PACKAGE + "JwtHeader", "name value_prefix")
supports(_PACKAGE + "JwtClaimToHeader", "header_name claim_name")
supports(_PACKAGE + "ProviderWithAudiences", "provider_name audiences")
supports(
    _PACKAGE + "JwtRequirement",
    "provider_name provider_and_audiences requires_any requires_all allow_missing_or_failed allow_missing",
)
supports(_PACKAGE + "JwtRequirementOrList", "requirements")
supports(_PACKAGE + "JwtRequirementAndList", "requirements")
supports(_PACKAGE + "RequirementRule", "match requires requirement_name")
supports(_PACKAGE + "FilterStateRule", "name requires")
supports("envoy.config.core.v3.HttpUri", "uri cluster timeout")

Rule = tuple[Callable[[Stream, HeaderMap], bool], "Requirement | None"]
_URI_BYTES = 256


@dataclass(slots=True, frozen=True, eq=False)
class JwtAuthnPlan:
    """A JwtAuthentication message."""

    rules: tuple[Rule, ...]
    by_name: Mapping[str, Requirement]
    state_name: str
    by_state: Mapping[str, Requirement]
    bypasses_preflight: bool
    strips: bool
    allowed: Counter
    denied: Counter
    bypassed: Counter

    def requirement(self, stream: Stream, headers: HeaderMap) -> Requirement | None:
        """What the request needs; None for nothing."""
        for matches, found in self.rules:
            if matches(stream, headers):
                return found
        if self.by_state:
            state = stream.info.filter_state.get(self.state_name) or stream.connection.filter_state.get(self.state_name)
            text = state.decode() if isinstance(state, bytes) else str(state or "")
            return self.by_state.get(text)
        return None


@dataclass(slots=True, frozen=True)
class RoutePlan:
    """What a route says: nothing is needed, or the requirement of that name."""

    disabled: bool
    name: str


@http_filter(
    name="envoy.filters.http.jwt_authn",
    type_url=TYPE,
    route_type_url=ROUTE_TYPE,
    posture="robust_to_untrusted_downstream",
)
class JwtAuthn(HttpFilter):
    """Keeps nothing of a stream; a request whose keys have to be fetched is held meanwhile."""

    __slots__ = ("_plan",)

    @staticmethod
    def build(message: Any, context: Context) -> JwtAuthnPlan:
        """The plan of a JwtAuthentication message."""
        from pyvoy.extensions.host import Host

        scope = context.scope.scope("jwt_authn")
        if message.stat_prefix:
            scope = scope.scope(message.stat_prefix)
        host = Host.of(context, scope, "filter")
        makers = sorted(message.providers.items())
        providers = {name: _provider(name, each, context.at("providers", name), scope, host) for name, each in makers}

        def required(each: Any, place: Context) -> Requirement:
            return requirement.build(each, place, providers)

        by_name = {
            name: required(each, context.at("requirement_map", name))
            for name, each in sorted(message.requirement_map.items())
        }
        rules = tuple(_rule(rule, context.at("rules", at), required, by_name) for at, rule in enumerate(message.rules))
        state = message.filter_state_rules
        place = context.at("filter_state_rules")
        return JwtAuthnPlan(
            rules,
            by_name,
            state.name,
            {name: required(each, place.at("requires", name)) for name, each in sorted(state.requires.items())},
            message.bypass_cors_preflight,
            message.strip_failure_response,
            scope.counter("allowed"),
            scope.counter("denied"),
            scope.counter("cors_preflight_bypassed"),
        )

    @staticmethod
    def build_route(message: Any, context: Context) -> RoutePlan:
        """The plan of a PerRouteConfig message."""
        return RoutePlan(message.disabled, message.requirement_name)

    def __init__(self, plan: JwtAuthnPlan) -> None:
        self._plan = plan

    async def request_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Check the request's tokens."""
        plan = self._plan
        if plan.bypasses_preflight and _is_preflight(headers):
            plan.bypassed.inc()
            plan.allowed.inc()
            return CONTINUE
        route = stream.route_plan(self)
        if route is None:
            found = plan.requirement(stream, headers)
        elif route.disabled:
            found = None
        else:
            found = plan.by_name.get(route.name)
            if found is None:
                self._unknown_name(stream, route.name)
                return STOP
        if found is not None:
            uri = _original_uri(headers)
            check = Check(stream, headers)
            fault = await found(check)
            if fault:
                self._refuse(stream, fault, uri)
                return STOP
            check.finish()
        plan.allowed.inc()
        return CONTINUE

    def _unknown_name(self, stream: Stream, name: str) -> None:
        known = ",".join(sorted(self._plan.by_name))
        fault = f"Wrong requirement_name: {name}. It should be one of [{known}]"
        self._plan.denied.inc()
        body = b"" if self._plan.strips else f"Failed JWT authentication: {fault}".encode()
        stream.send_local_reply(403, body, details=_details(fault))

    def _refuse(self, stream: Stream, fault: str, uri: bytes) -> None:
        self._plan.denied.inc()
        status = 403 if fault == AUDIENCE else 401
        if self._plan.strips:
            stream.send_local_reply(status, b"", details=_details(fault))
            return
        challenge = b'Bearer realm="%s"' % uri + (b"" if fault == MISSING else b', error="invalid_token"')
        headers = ((b"www-authenticate", challenge),)
        stream.send_local_reply(status, fault.encode(), details=_details(fault), headers=headers)


def _details(fault: str) -> str:
    return f"jwt_authn_access_denied{{{fault.replace(' ', '_')}}}"


def _is_preflight(headers: HeaderMap) -> bool:
    values = headers.map
    return (
        values.get(b":method") == b"OPTIONS"
        and bool(values.get(b"origin"))
        and bool(values.get(b"access-control-request-method"))
    )


def _original_uri(headers: HeaderMap) -> bytes:
    values = headers.map
    path = values.get(b"x-envoy-original-path") or values.get(b":path", b"")
    return b"%s://%s%s" % (values.get(b":scheme", b""), values.get(b":authority", b""), path[:_URI_BYTES])


def _rule(
    message: Any,
    context: Context,
    required: Callable[[Any, Context], Requirement],
    by_name: Mapping[str, Requirement],
) -> Rule:
    from pyvoy.config.compile import route_match
    from pyvoy.http.routing.match import bare_path

    place = context.at("match")
    path = route_match.path_match(message.match, place, ignore_parameters=False)
    condition = route_match.conditions(message.match, place)

    def matches(stream: Stream, headers: HeaderMap) -> bool:
        values = headers.map
        asked = values.get(b":path")
        if asked is None and path.kind != "connect":
            return False
        return path.test(bare_path(asked or b"")) and (condition is None or condition(stream, values))

    kind = message.WhichOneof("requirement_type")
    if kind == "requires":
        return matches, required(message.requires, context.at("requires"))
    if kind == "requirement_name":
        if message.requirement_name not in by_name:
            context.error("requirement_name", f"Wrong requirement_name: {message.requirement_name}")
        return matches, by_name.get(message.requirement_name)
    return matches, None


def _provider(name: str, message: Any, context: Context, scope: Scope, host: Host) -> Provider:
    places = [
        *(Place("header", each.name.lower().encode(), each.value_prefix.encode()) for each in message.from_headers),
        *(Place("parameter", each.encode()) for each in message.from_params),
        *(Place("cookie", each.encode()) for each in message.from_cookies),
    ]
    cache = TokenCache()
    if message.HasField("jwt_cache_config"):
        config = message.jwt_cache_config
        cache = TokenCache(config.jwt_cache_size or 100, config.jwt_max_token_size or 4096)
    return Provider(
        name=name,
        issuer=message.issuer,
        audiences=audience_set(message.audiences),
        subject=context.string_matcher(message, "subjects") if message.HasField("subjects") else None,
        jwks=_jwks(name, message, context, scope, host, cache),
        places=tuple(places) or DEFAULT_PLACES,
        needs_expiration=message.require_expiration,
        max_lifetime_s=context.duration_s(message, "max_lifetime", None),
        skew_s=message.clock_skew_seconds or 60,
        forward=message.forward,
        payload_header=message.forward_payload_header.lower().encode(),
        pad_payload=message.pad_forward_payload_header,
        payload_key=message.payload_in_metadata,
        spaced_claims=tuple(message.normalize_payload_in_metadata.space_delimited_claims),
        header_key=message.header_in_metadata,
        failure_key=message.failed_status_in_metadata,
        claims=tuple(
            (each.header_name.lower().encode(), tuple(each.claim_name.split("."))) for each in message.claim_to_headers
        ),
        clear_route=message.clear_route_cache,
        cache=cache,
        hits=scope.counter("jwt_cache_hit"),
        misses=scope.counter("jwt_cache_miss"),
    )


def _jwks(name: str, message: Any, context: Context, scope: Scope, host: Host, cache: TokenCache) -> Jwks:
    success, failure = scope.counter("jwks_fetch_success"), scope.counter("jwks_fetch_failed")
    if message.WhichOneof("jwks_source_specifier") == "remote_jwks":
        remote = message.remote_jwks
        place = context.at("remote_jwks")
        uri = place.at("http_uri")
        uri.unknown_cluster("cluster", remote.http_uri.cluster)
        fetch = place.at("async_fetch")
        plan = RemotePlan(
            remote.http_uri.uri,
            remote.http_uri.cluster,
            uri.duration_s(remote.http_uri, "timeout", 1.0) or 0.0,
            place.duration_s(remote, "cache_duration", 600.0) or 600.0,
            remote.HasField("async_fetch"),
            fetch.duration_s(remote.async_fetch, "failed_refetch_duration", 1.0) or 1.0,
        )
        return RemoteJwks(plan, host, success, failure, cache.clear)
    found = Jwks(context.data_source(message, "local_jwks"))
    if found.fault:
        context.error("local_jwks", f"Provider '{name}' in jwt_authn config has invalid local jwks: {found.fault}")
    return found


_: type[HttpFilter] = JwtAuthn
