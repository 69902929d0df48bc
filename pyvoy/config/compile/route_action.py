"""Route -> the final Route objects: its action, timeouts and what the levels above add.

Source of behaviour: Envoy's RouteEntryImplBase.
"""

from __future__ import annotations

from typing import Any

from pyvoy.config.compile.route_levels import VirtualHostLevel
from pyvoy.config.compile.route_match import PathMatch
from pyvoy.config.context import Context
from pyvoy.config.registry import supports
from pyvoy.http.routing.match import Picker
from pyvoy.http.routing.table import DEFAULT_TIMEOUT_S, Route

supports(
    "envoy.config.route.v3.RouteAction",
    "cluster cluster_header cluster_not_found_response_code timeout idle_timeout priority auto_host_rewrite "
    "append_x_forwarded_host",
)

_NOT_FOUND_CODES = (503, 404, 500)


def build_route(
    message: Any, context: Context, level: VirtualHostLevel, path: PathMatch
) -> tuple[Route, Picker | None]:
    """The route of one Route message, and how the final one is chosen when there are several."""
    route = Route(message.name, level.host)
    if message.WhichOneof("action") == "route":
        _route_action(message.route, context.at("route"), level, route)
    return route, None


def _route_action(action: Any, context: Context, level: VirtualHostLevel, route: Route) -> None:
    which = action.WhichOneof("cluster_specifier")
    if which == "cluster":
        route.cluster = action.cluster
        if level.table.validate_clusters:
            context.unknown_cluster("cluster", action.cluster)
    elif which == "cluster_header":
        route.cluster_header = action.cluster_header.lower().encode()
    route.cluster_not_found_code = _NOT_FOUND_CODES[action.cluster_not_found_response_code]
    route.priority = action.priority
    route.timeout_s = context.duration_s(action, "timeout", DEFAULT_TIMEOUT_S) or None
    route.idle_timeout_s = context.duration_s(action, "idle_timeout")
    route.auto_host_rewrite = context.wrapped(action, "auto_host_rewrite", False)
    route.append_x_forwarded_host = action.append_x_forwarded_host
