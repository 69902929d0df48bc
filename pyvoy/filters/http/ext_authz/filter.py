"""External authorization: hold the request, ask, and let it go on or answer in the server's name.

Source: Envoy, HTTP filter "External Authorization" (statistics, details and flags observed on Envoy 1.40).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import http_filter, supports
from pyvoy.filters.common.cluster_counters import ClusterCounters
from pyvoy.filters.http.ext_authz.answer import ERROR, Answer, Change, Client, Outcome, Question, apply
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, STOP, STOP_AND_BUFFER, HttpFilter, Stream, Verdict
from pyvoy.observe.details import Flag

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.stats.counters import Counter

_PACKAGE = "envoy.extensions.filters.http.ext_authz.v3."
TYPE = _PACKAGE + "ExtAuthz"
ROUTE_TYPE = _PACKAGE + "ExtAuthzPerRoute"
_METADATA = "envoy.filters.http.ext_authz"
_COUNTERS = ("ok", "denied", "error", "disabled", "failure_mode_allowed")
_IDLE_COUNTERS = (
    "filter_state_name_collision",
    "ignored_dynamic_metadata",
    "invalid",
    "omitted_response_headers",
    "request_header_limits_reached",
    "response_header_limits_reached",
    "shadow_denied",
    "shadow_error",
)
"""Counters of what is not there, which Envoy shows too."""
_FIXED_NAMES = (b"host",)

supports(
    TYPE,
    "grpc_service http_service transport_api_version failure_mode_allow failure_mode_allow_header_add "
    "with_request_body clear_route_cache status_on_error metadata_context_namespaces "
    "route_metadata_context_namespaces filter_enabled filter_enabled_metadata deny_at_disable "
    "include_peer_certificate stat_prefix allowed_headers disallowed_headers include_tls_session "
    "charge_cluster_response_stats",
)
supports(ROUTE_TYPE, "disabled check_settings")
supports(_PACKAGE + "CheckSettings", "context_extensions disable_request_body_buffering with_request_body")
supports(_PACKAGE + "BufferSettings", "max_request_bytes allow_partial_message pack_as_bytes")
supports(_PACKAGE + "HttpService", "server_uri path_prefix authorization_request authorization_response")
supports(_PACKAGE + "AuthorizationRequest", "allowed_headers headers_to_add")
supports(
    _PACKAGE + "AuthorizationResponse",
    "allowed_upstream_headers allowed_upstream_headers_to_append allowed_client_headers "
    "allowed_client_headers_on_success dynamic_metadata_from_headers",
)
supports("envoy.type.v3.HttpStatus", "code")


@dataclass(slots=True, frozen=True)
class BodyPlan:
    """How much of a body is shown; `partial`: a longer one is cut, instead of refused."""

    limit_bytes: int
    partial: bool


@dataclass(slots=True, frozen=True, eq=False)
class ExtAuthzPlan:
    """An ExtAuthz message.  `enabled` throws the dice for a request; `enabled_by` looks at its metadata."""

    client: Client
    body: BodyPlan | None
    fails_open: bool
    tells_failure: bool
    error_status: int
    clears_route: bool
    enabled: Callable[[], bool]
    enabled_by: Callable[[Mapping[str, Any]], bool] | None
    denies_disabled: bool
    charges_cluster: bool
    by_cluster: ClusterCounters
    counters: Mapping[str, Counter]


@dataclass(slots=True, frozen=True)
class RoutePlan:
    """What a route says."""

    disabled: bool
    context: Mapping[str, str]
    no_body: bool
    body: BodyPlan | None


@http_filter(
    name="envoy.filters.http.ext_authz",
    type_url=TYPE,
    route_type_url=ROUTE_TYPE,
    posture="robust_to_untrusted_downstream",
)
class ExtAuthz(HttpFilter):
    """One request: whether it waits for its body, and what the answer puts into the response."""

    __slots__ = ("_body", "_checked", "_plan", "_response_changes")

    @staticmethod
    def build(message: Any, context: Context) -> ExtAuthzPlan:
        """The plan of an ExtAuthz message."""
        from pyvoy.filters.http.ext_authz.configuring import ext_authz_plan

        scope = context.scope.scope("ext_authz")
        if message.stat_prefix:
            scope = scope.scope(message.stat_prefix)
        for name in _IDLE_COUNTERS:
            scope.counter(name)
        return ext_authz_plan(message, context, {name: scope.counter(name) for name in _COUNTERS})

    @staticmethod
    def build_route(message: Any, context: Context) -> RoutePlan:
        """The plan of an ExtAuthzPerRoute message."""
        from pyvoy.filters.http.ext_authz.configuring import body_plan

        settings = message.check_settings
        if settings.disable_request_body_buffering and settings.HasField("with_request_body"):
            text = "only one of disable_request_body_buffering and with_request_body can be set"
            context.error("check_settings", text)
        return RoutePlan(
            message.disabled,
            dict(sorted(settings.context_extensions.items())),
            settings.disable_request_body_buffering,
            body_plan(settings),
        )

    def __init__(self, plan: ExtAuthzPlan) -> None:
        self._plan = plan
        self._body: BodyPlan | None = None
        self._checked = True
        self._response_changes: tuple[Change, ...] = ()

    async def request_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Ask, unless the body is wanted too."""
        plan = self._plan
        route: RoutePlan | None = stream.route_plan(self)
        if route is not None and route.disabled:
            return CONTINUE
        by = plan.enabled_by
        if not plan.enabled() or (by is not None and not by(stream.info.dynamic_metadata)):
            return self._disabled(stream)
        body = plan.body
        if route is not None:
            body = None if route.no_body else route.body or body
        if body is None or end or b"upgrade" in headers.map:
            return await self._check(stream, headers, b"", None)
        self._body = body
        self._checked = False
        if not body.partial:
            stream.set_request_buffer_limit(body.limit_bytes)
        return STOP

    async def request_data(self, stream: Stream, data: bytes, end: bool) -> Verdict:
        """Gather the body until there is enough of it."""
        body = self._body
        if self._checked or body is None:
            return CONTINUE
        whole = stream.request_body(self) + data
        if not end and len(whole) < body.limit_bytes:
            return STOP_AND_BUFFER
        if len(whole) > body.limit_bytes and not body.partial:
            return STOP_AND_BUFFER  # the chain answers 413
        self._checked = True
        return await self._check(
            stream, stream.request_headers, whole[: body.limit_bytes], len(whole) > body.limit_bytes
        )

    async def request_trailers(self, stream: Stream, _trailers: HeaderMap) -> Verdict:
        """The body is whole."""
        if self._checked:
            return CONTINUE
        self._checked = True
        return await self._check(stream, stream.request_headers, stream.request_body(self), False)

    def _disabled(self, stream: Stream) -> Verdict:
        self._plan.counters["disabled"].inc()
        if not self._plan.denies_disabled:
            return CONTINUE
        self._refuse(stream, self._plan.error_status, b"", "ext_authz_error")
        return STOP

    @staticmethod
    def _refuse(
        stream: Stream, status: int, body: bytes, details: str, headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        flags = Flag.UNAUTHORIZED_EXTERNAL_SERVICE
        stream.send_local_reply(status, body, details=details, flags=flags, headers=headers)

    async def _check(self, stream: Stream, headers: HeaderMap, body: bytes, partial: bool | None) -> Verdict:
        context: dict[str, str] = {}
        for plan in stream.route_plans(self):
            context.update(plan.context)
        client = self._plan.client
        answer = ERROR if client is None else await client.check(Question(stream, headers, body, partial, context))
        if answer.metadata:
            stream.info.dynamic_metadata.setdefault(_METADATA, {}).update(answer.metadata)
        if answer.outcome is Outcome.OK:
            self._count(stream, "ok")
            self._let_through(stream, headers, answer)
            return CONTINUE
        if answer.outcome is Outcome.DENIED:
            self._count(stream, "denied", answer.status)
            self._refuse(stream, answer.status, answer.body, "ext_authz_denied", answer.client_headers)
            return STOP
        return self._failed(stream, headers)

    def _failed(self, stream: Stream, headers: HeaderMap) -> Verdict:
        plan = self._plan
        self._count(stream, "error")
        if plan.fails_open:
            self._count(stream, "failure_mode_allowed")
            if plan.tells_failure:
                headers.add(b"x-envoy-auth-failure-mode-allowed", b"true")
            return CONTINUE
        self._refuse(stream, plan.error_status, b"", "ext_authz_error")
        return STOP

    def _let_through(self, stream: Stream, headers: HeaderMap, answer: Answer) -> None:
        changed = answer.changes or answer.to_remove or answer.query_to_set or answer.query_to_remove
        if changed and self._plan.clears_route:
            stream.clear_route_cache()
        apply(answer.changes, headers)
        for name in answer.to_remove:
            if name[:1] != b":" and name not in _FIXED_NAMES:
                headers.remove(name)
        if answer.query_to_set or answer.query_to_remove:
            headers.set(b":path", _with_query(headers.map[b":path"], answer))
        self._response_changes = answer.response_changes

    def _count(self, stream: Stream, name: str, status: int = 0) -> None:
        """Count for the filter and for the route's cluster."""
        plan = self._plan
        plan.counters[name].inc()
        plan.by_cluster.count(stream, name, charge=status if plan.charges_cluster else 0)

    def response_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Write what the server wants the client to see."""
        if self._response_changes:
            apply(self._response_changes, headers)
        return CONTINUE


def _with_query(path: bytes, answer: Answer) -> bytes:
    """The path with other query parameters, in the order of their names (as Envoy writes them)."""
    bare, _, query = path.partition(b"?")
    found = {name: value for name, _, value in (item.partition(b"=") for item in query.split(b"&")) if name}
    found.update(answer.query_to_set)
    for name in answer.query_to_remove:
        found.pop(name, None)
    rest = b"&".join(b"%s=%s" % pair for pair in sorted(found.items()))
    return bare + (b"?" + rest if rest else b"")


_: type[HttpFilter] = ExtAuthz
