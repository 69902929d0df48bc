"""The `cors` fields of virtual hosts and route actions, from before per-filter configuration, as plans of the filter.

The message has the fields of the filter's own CorsPolicy, so that the filter's builder reads it as it is.
Source of behaviour: Envoy's CorsFilter::initializeCorsPolicies; the fields are deprecated but honoured (1.40).
"""

from __future__ import annotations

import dataclasses
from typing import Any

from pyvoy.config import registry
from pyvoy.config.compile.route_levels import Level
from pyvoy.config.context import Context

FILTER = "envoy.filters.http.cors"
registry.supports(
    "envoy.config.route.v3.CorsPolicy",
    "allow_origin_string_match allow_methods allow_headers expose_headers max_age allow_credentials filter_enabled "
    "shadow_enabled allow_private_network_access forward_not_matching_preflights",
)
registry.supports("envoy.config.route.v3.VirtualHost", "cors")
registry.supports("envoy.config.route.v3.RouteAction", "cors")


def with_legacy_cors(level: Level, message: Any, context: Context, typed: Any) -> Level:
    """The level with the policy of `message.cors`, unless `typed` (the typed_per_filter_config) has one already."""
    if not message.HasField("cors") or FILTER in typed:
        return level
    found = registry.by_name("http_filter", FILTER)
    if found is None:
        context.error("cors", "needs the CORS filter, which this build does not have")
        return level
    plan = found.factory.build_route(message.cors, context.at("cors"))
    return dataclasses.replace(level, plans={**level.plans, FILTER: (*level.plans.get(FILTER, ()), plan)})
