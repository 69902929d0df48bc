"""ExternalProcessor messages -> ProcPlan.

Source: Envoy's ext_proc FilterConfig and its checks (observed on Envoy 1.40).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pyvoy.extensions.attributes import compile_attribute, place_of
from pyvoy.filters.common.grpc_service import grpc_server
from pyvoy.filters.common.mutation_rules import mutation_rules
from pyvoy.filters.http.ext_proc.mutations import HeaderChanges
from pyvoy.filters.http.ext_proc.plan import Attributes, Bodies, Heads, Mode, ProcPlan, RouteCache, RoutePlan

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyvoy.config.context import Context
    from pyvoy.stats.store import Scope

_COUNTERS = (
    "clear_route_cache_disabled",
    "clear_route_cache_ignored",
    "clear_route_cache_upstream_ignored",
    "failure_mode_allowed",
    "http_not_ok_resp_received",
    "immediate_responses_sent",
    "message_timeouts",
    "override_message_timeout_ignored",
    "override_message_timeout_received",
    "rejected_header_mutations",
    "server_half_closed",
    "spurious_msgs_received",
    "stream_msgs_received",
    "stream_msgs_sent",
    "streams_closed",
    "streams_failed",
    "streams_started",
)
_LOWEST_ERROR = 400
_PATH = re.compile(r"[a-zA-Z_]\w*(?:\.[a-zA-Z_]\w*|\[(?:'[^'\\]*'|\"[^\"\\]*\")\])*")
_PART = re.compile(r"([a-zA-Z_]\w*)|\[(?:'([^']*)'|\"([^\"]*)\")\]")
_METADATA = ("cluster", "route", "virtual_host", "upstream_host", "upstream_host_locality", "listener")
_MAPS = frozenset(f"xds.{each}_metadata" for each in _METADATA) | {
    "request.headers",
    "response.headers",
    "response.trailers",
    "metadata",
    "filter_state",
    "upstream_filter_state",
    "xds.node",
}
_DURATIONS = frozenset(("request.duration", "response.backend_latency"))
_TIMES = frozenset(("request.time",))


def processing_plan(message: Any, context: Context) -> ProcPlan:
    """The plan of an ExternalProcessor message."""
    scope: Scope = context.scope.scope("ext_proc")
    if message.stat_prefix:
        scope = scope.scope(message.stat_prefix)
    counters = {name: scope.counter(name) for name in _COUNTERS}
    server: Any = None
    if message.HasField("grpc_service"):
        server = grpc_server(message.grpc_service, context.at("grpc_service"), 0.0)
    elif not message.HasField("http_service"):  # which is reported for itself
        context.error("", "needs a grpc_service")
    route_cache = RouteCache(message.route_cache_action)
    if message.disable_clear_route_cache:
        if route_cache is not RouteCache.DEFAULT:
            context.error("route_cache_action", "cannot be set together with disable_clear_route_cache")
        route_cache = RouteCache.RETAIN
    rules = message.forward_rules
    place = context.at("forward_rules")
    options = message.metadata_options
    longest_s = context.duration_s(message, "max_message_timeout", 0.0) or 0.0
    return ProcPlan(
        server,
        checked_mode(message.processing_mode, context.at("processing_mode")),
        message.failure_mode_allow,
        message.observability_mode,
        message.allow_mode_override,
        frozenset(
            mode_of(mode, context.at("allowed_override_modes", index)).without_request_headers()
            for index, mode in enumerate(message.allowed_override_modes)
        ),
        not message.disable_immediate_response,
        message.send_body_without_waiting_for_header_response,
        route_cache,
        message.status_on_error.code if message.status_on_error.code >= _LOWEST_ERROR else 500,
        _seconds(context.duration_s(message, "message_timeout"), 0.2),
        longest_s,
        _seconds(context.duration_s(message, "deferred_close_timeout"), 5.0),
        _attributes(message.request_attributes, context, "request_attributes"),
        _attributes(message.response_attributes, context, "response_attributes"),
        _names(rules, place, "allowed_headers"),
        _names(rules, place, "disallowed_headers"),
        tuple(options.forwarding_namespaces.untyped),
        tuple(options.receiving_namespaces.untyped),
        HeaderChanges(
            mutation_rules(message.mutation_rules, context.at("mutation_rules")), counters["rejected_header_mutations"]
        ),
        counters,
    )


def route_plan(message: Any, context: Context) -> RoutePlan:
    """The plan of an ExtProcPerRoute message."""
    overrides = message.overrides
    place = context.at("overrides")
    options = overrides.metadata_options
    return RoutePlan(
        message.disabled,
        mode_of(overrides.processing_mode, place.at("processing_mode"))
        if overrides.HasField("processing_mode")
        else None,
        grpc_server(overrides.grpc_service, place.at("grpc_service"), 0.0)
        if overrides.HasField("grpc_service")
        else None,
        tuple((each.key.lower().encode(), each.value.encode()) for each in overrides.grpc_initial_metadata),
        overrides.failure_mode_allow.value if overrides.HasField("failure_mode_allow") else None,
        tuple(options.forwarding_namespaces.untyped) if options.HasField("forwarding_namespaces") else None,
        tuple(options.receiving_namespaces.untyped) if options.HasField("receiving_namespaces") else None,
    )


def _seconds(seconds: float | None, default: float) -> float:
    return default if seconds is None else seconds


def read_mode(message: Any) -> Mode | None:
    """A ProcessingMode; None when a body is to be sent in a way that is not there."""
    bodies = {int(body) for body in Bodies}
    if message.request_body_mode not in bodies or message.response_body_mode not in bodies:
        return None
    return Mode(
        Heads(message.request_header_mode),
        Heads(message.response_header_mode),
        Bodies(message.request_body_mode),
        Bodies(message.response_body_mode),
        Heads(message.request_trailer_mode),
        Heads(message.response_trailer_mode),
    )


def mode_of(message: Any, context: Context) -> Mode:
    """A ProcessingMode of the configuration."""
    mode = read_mode(message)
    if mode is None:
        context.error("", "the body mode GRPC is not supported by pyvoy")
        return Mode()
    return mode


def checked_mode(message: Any, context: Context) -> Mode:
    """The mode of the filter itself, which has to send the trailers behind a duplex body."""
    mode = mode_of(message, context)
    for side, body, trailers in (
        ("request", mode.request_body, mode.request_trailers),
        ("response", mode.response_body, mode.response_trailers),
    ):
        if body is Bodies.FULL_DUPLEX_STREAMED and trailers is not Heads.SEND:
            context.error(f"{side}_body_mode", f"FULL_DUPLEX_STREAMED needs {side}_trailer_mode: SEND")
    return mode


def _names(message: Any, context: Context, field: str) -> Callable[[bytes], bool] | None:
    from pyvoy.config.compile.matchers import string_matchers

    patterns = getattr(message, field).patterns
    return string_matchers(patterns, context.at(field), "patterns") if patterns else None


def _attributes(paths: Any, context: Context, field: str) -> Attributes:
    found = []
    for index, path in enumerate(paths):
        if _PATH.fullmatch(path) is None:
            context.at(field, index).error("", f"the expression {path!r} is not supported by pyvoy: it is no attribute")
            continue
        parts = tuple(next(filter(None, part.groups()), "") for part in _PART.finditer(path))
        dotted = ".".join(parts)
        if dotted in _MAPS or dotted in _DURATIONS:
            context.at(field, index).error("", f"the attribute {path!r} as a whole is not supported by pyvoy")
            continue
        get = compile_attribute(parts, place_of(context))
        if get is not None:
            found.append((path, _as_time(get) if dotted in _TIMES else get))
    return tuple(found)


def _as_time(get: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A time as Envoy prints it: RFC 3339, with as much of the microseconds as there is."""

    def text(stream: Any) -> str | None:
        nanoseconds = get(stream)
        if nanoseconds is None:
            return None
        when = datetime.fromtimestamp(nanoseconds // 10**9, UTC)
        fraction = f".{nanoseconds % 10**9 // 1000:06d}".rstrip("0.")
        return f"{when:%Y-%m-%dT%H:%M:%S}{fraction}+00:00"

    return text
