"""Route -> the final Route object: route to a cluster, redirect or direct response.

Source of behaviour: Envoy's RouteEntryImplBase constructor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.compile import route_rewrite
from pyvoy.config.compile.direct_response import direct_response, redirect
from pyvoy.config.compile.hash_policy import hash_policy
from pyvoy.config.compile.internal_redirects import internal_redirects
from pyvoy.config.compile.legacy_cors import with_legacy_cors
from pyvoy.config.compile.mirrors import mirror_policies
from pyvoy.config.compile.retry import retry_plan
from pyvoy.config.compile.route_finish import Parts, check_cluster, finish, lb_metadata
from pyvoy.config.compile.route_levels import LEVEL_FIELDS, Level, TableLevel, level_of, metadata_dict
from pyvoy.config.compile.route_match import PathMatch
from pyvoy.config.compile.tracing import route_tracing
from pyvoy.config.compile.weighted_clusters import weighted_clusters
from pyvoy.config.context import Context
from pyvoy.config.registry import supports
from pyvoy.filters.common.descriptors import descriptors_by_stage
from pyvoy.http.routing.match import Picker
from pyvoy.http.routing.retry import RetryPlan
from pyvoy.http.routing.rewrite import Step
from pyvoy.http.routing.table import DEFAULT_TIMEOUT_S, Route, VirtualHost
from pyvoy.http.routing.virtual_cluster import RouteStats, with_route_stats

if TYPE_CHECKING:
    from pyvoy.http.routing.mirror import MirrorPolicy

supports(
    "envoy.config.route.v3.Route",
    "name match route redirect direct_response non_forwarding_action metadata stat_prefix "
    f"per_request_buffer_limit_bytes request_body_buffer_limit decorator tracing {LEVEL_FIELDS}",
)
supports("envoy.config.route.v3.NonForwardingAction")
supports("envoy.config.route.v3.ClusterSpecifierPlugin", "extension")
# Envoy itself does nothing with these two.
supports("envoy.config.route.v3.HedgePolicy", tuning="initial_requests additional_request_chance")
supports(
    "envoy.config.route.v3.RouteAction",
    "cluster cluster_header cluster_specifier_plugin inline_cluster_specifier_plugin weighted_clusters "
    "cluster_not_found_response_code metadata_match timeout idle_timeout "
    "retry_policy priority hash_policy max_grpc_timeout grpc_timeout_offset upgrade_configs max_stream_duration "
    "request_mirror_policies internal_redirect_policy hedge_policy rate_limits include_vh_rate_limits",
    tuning="early_data_policy flush_timeout",
)
supports(
    "envoy.config.route.v3.RouteAction.MaxStreamDuration",
    "max_stream_duration grpc_timeout_header_max grpc_timeout_header_offset",
)
supports("envoy.config.route.v3.RouteAction.UpgradeConfig", "upgrade_type enabled connect_config")
supports("envoy.config.route.v3.RouteAction.UpgradeConfig.ConnectConfig")
supports("envoy.config.route.v3.RouteAction.UpgradeConfig.ConnectConfig", "allow_post")
_NOT_FOUND_CODES = (503, 404, 500)


@dataclass(slots=True, frozen=True)
class HostLevel:
    """What a route gets from its virtual host and table."""

    table: TableLevel
    host: VirtualHost
    level: Level
    retry: RetryPlan | None = None
    buffer_limit_bytes: int | None = None
    mirrors: tuple[MirrorPolicy, ...] = ()


def build_route(message: Any, context: Context, above: HostLevel, path: PathMatch) -> tuple[Route, Picker | None]:
    """The route of one Route message, and how the final one is chosen when there are several."""
    level = level_of(message, context, above.level)
    level = with_legacy_cors(level, message.route, context.at("route"), message.typed_per_filter_config)
    route = Route(
        message.name,
        above.host,
        request_buffer_limit_bytes=buffer_limit(message, above.buffer_limit_bytes),
        metadata=metadata_dict(message, "metadata"),
    )
    route.virtual_cluster = above.host.virtual_cluster
    route.tracing = route_tracing(message, context)
    if message.stat_prefix:
        scope = context.root_scope.scope("vhost").scope(above.host.name).scope("route").scope(message.stat_prefix)
        own = RouteStats("", scope)
        route.virtual_cluster = with_route_stats(above.host.virtual_cluster, above.host.virtual_clusters, own)
    which = message.WhichOneof("action")
    steps: list[Step] = []
    if which == "route":
        _fill(route, message.route, context.at("route"), above)
        steps = route_rewrite.steps(message.route, context.at("route"), path)
    elif which == "redirect":
        route.action = "redirect"
        route.direct_response = redirect(message.redirect, context.at("redirect"), path)
    elif which == "direct_response":
        route.action = "direct_response"
        place = context.at("direct_response")
        route.direct_response = direct_response(message.direct_response, place, above.table.max_body_bytes)
    elif which == "non_forwarding_action":
        route.action = "non_forwarding"
    parts = Parts(level, tuple(steps), above.table)
    finish(route, parts)
    if which == "route" and message.route.WhichOneof("cluster_specifier") == "weighted_clusters":
        place = context.at("route").at("weighted_clusters")
        return route, weighted_clusters(message.route.weighted_clusters, place, route, parts)
    return route, None


def _fill(route: Route, action: Any, context: Context, above: HostLevel) -> None:
    """Cluster, priority, retries, hashes and limits of a RouteAction."""
    which = action.WhichOneof("cluster_specifier")
    if which == "cluster":
        route.cluster = action.cluster
        check_cluster(context, "cluster", action.cluster, "route: unknown cluster", above.table)
    elif which == "cluster_header":
        route.cluster_header = action.cluster_header.lower().encode()
    elif which == "inline_cluster_specifier_plugin":
        place = context.at("inline_cluster_specifier_plugin")
        route.cluster_specifier = cluster_specifier(action.inline_cluster_specifier_plugin, place)
    elif which == "cluster_specifier_plugin":
        name = action.cluster_specifier_plugin
        if name not in above.table.cluster_specifiers:
            context.error(which, f"Unknown cluster specifier plugin name: {name} is used in the route")
        route.cluster_specifier = above.table.cluster_specifiers.get(name)
    route.cluster_not_found_code = _NOT_FOUND_CODES[action.cluster_not_found_response_code]
    route.priority = action.priority
    route.metadata_match = lb_metadata(action, None)
    if action.HasField("retry_policy"):
        route.retry = retry_plan(action.retry_policy, context.at("retry_policy"))
    else:
        route.retry = above.retry
    route.mirrors = mirror_policies(action.request_mirror_policies, context, above.table) or above.mirrors
    route.internal_redirects = internal_redirects(action, context)
    route.rate_limits = descriptors_by_stage(action.rate_limits, context, "rate_limits")
    route.include_host_rate_limits = context.wrapped(action, "include_vh_rate_limits", False)
    route.hash_policy = hash_policy(action.hash_policy, context, "hash_policy")
    route.auto_host_rewrite = context.wrapped(action, "auto_host_rewrite", False)
    route.append_x_forwarded_host = action.append_x_forwarded_host
    _timeouts(route, action, context)
    _upgrades(route, action, context)


def cluster_specifier(message: Any, context: Context) -> Callable[[Any], str] | None:
    """The function of a ClusterSpecifierPlugin; None after a problem."""
    found: Callable[[Any], str] | None = context.extension("cluster_specifier", message.extension, "extension")
    return found


def _timeouts(route: Route, action: Any, context: Context) -> None:
    route.timeout_s = context.duration_s(action, "timeout", DEFAULT_TIMEOUT_S) or None
    route.idle_timeout_s = context.duration_s(action, "idle_timeout")
    route.max_grpc_timeout_s = context.duration_s(action, "max_grpc_timeout")
    route.grpc_timeout_offset_s = context.duration_s(action, "grpc_timeout_offset")
    if action.HasField("max_stream_duration"):
        duration = action.max_stream_duration
        place = context.at("max_stream_duration")
        route.timeout_s = None
        route.has_max_stream_duration = True
        route.max_stream_duration_s = place.duration_s(duration, "max_stream_duration")
        route.grpc_timeout_header_max_s = place.duration_s(duration, "grpc_timeout_header_max")
        route.grpc_timeout_header_offset_s = place.duration_s(duration, "grpc_timeout_header_offset")
    route.limits_streams = route.has_max_stream_duration or route.idle_timeout_s is not None


def _upgrades(route: Route, action: Any, context: Context) -> None:
    upgrades: dict[bytes, bool] = {}
    for index, config in enumerate(action.upgrade_configs):
        place = context.at("upgrade_configs", index)
        name = config.upgrade_type.lower().encode()
        if name in upgrades:
            place.error("upgrade_type", f"Duplicate upgrade {config.upgrade_type}")
        upgrades[name] = place.wrapped(config, "enabled", True)
        if config.HasField("connect_config"):
            if name not in (b"connect", b"connect-udp"):
                place.error("connect_config", f"Non-CONNECT upgrade type {config.upgrade_type} has ConnectConfig")
            elif name == b"connect-udp":
                place.error("upgrade_type", "CONNECT-UDP is not supported")
            else:
                route.ends_connect = True
    route.upgrades = upgrades


def buffer_limit(message: Any, above: int | None) -> int | None:
    """How much of a request is kept for retries; None means the connection's limit."""
    for field in ("request_body_buffer_limit", "per_request_buffer_limit_bytes"):
        if message.HasField(field):
            return int(getattr(message, field).value)
    return above
