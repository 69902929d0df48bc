"""What the levels of a route configuration have in common: header rules, per-filter plans, metadata.

A route inherits from its virtual host, that from the table, and a weighted cluster from its route; a level hands the
next one a `Level` that already holds all that lies above.
Source of behaviour: Envoy's CommonConfigImpl, CommonVirtualHostImpl, PerFilterConfigs and getHeaderParsers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pyvoy.config.context import Context
from pyvoy.config.registry import supports
from pyvoy.http.routing.header_rules import HeaderRules

supports("envoy.config.core.v3.Metadata", "filter_metadata")
supports("envoy.config.route.v3.FilterConfig", "config is_optional disabled")

LEVEL_FIELDS = (
    "request_headers_to_add request_headers_to_remove response_headers_to_add response_headers_to_remove "
    "typed_per_filter_config"
)
"""Fields that every level has and `level_of` reads."""


@dataclass(slots=True, frozen=True)
class TableLevel:
    """Facts of the whole RouteConfiguration that its routes need."""

    validate_clusters: bool = True
    ignore_path_parameters: bool = False
    most_specific_wins: bool = False
    max_body_bytes: int = 4096
    cluster_specifiers: Mapping[str, Any] = field(default_factory=dict)
    """By name: functions from a stream to the name of its cluster; None for one that could not be built."""
    filters: frozenset[str] = frozenset()
    """The names in the filter chain."""
    disabled_filters: frozenset[str] = frozenset()
    """Those of them that are off where no route turns them on."""


@dataclass(slots=True, frozen=True)
class Level:
    """Header rules (least specific first) and filter plans of this level and all above it."""

    request_rules: tuple[HeaderRules, ...] = ()
    response_rules: tuple[HeaderRules, ...] = ()
    plans: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    disabled: Mapping[str, bool] = field(default_factory=dict)
    """Filters that a level switches off (True) or names (False); the most specific level decides."""

    @property
    def disabled_filters(self) -> frozenset[str]:
        """Filters that are off here."""
        return frozenset(name for name, off in self.disabled.items() if off)

    @property
    def enabled_filters(self) -> frozenset[str]:
        """Filters that are on here even if the connection manager has them disabled."""
        return frozenset(name for name, off in self.disabled.items() if not off)


def level_of(message: Any, context: Context, above: Level) -> Level:
    """The level of a RouteConfiguration, VirtualHost, Route or ClusterWeight."""
    request = context.header_rules(
        message.request_headers_to_add, message.request_headers_to_remove, "request_headers_to_add"
    )
    response = context.header_rules(
        message.response_headers_to_add, message.response_headers_to_remove, "response_headers_to_add"
    )
    plans = dict(above.plans)
    disabled = dict(above.disabled)
    if message.typed_per_filter_config:
        found = context.route_extensions("http_filter", message, "typed_per_filter_config")
        for name, config in found.items():
            disabled[name] = bool(config.disabled)
            if config.built is not None:
                plans[name] = (*plans.get(name, ()), config.built.plan)
    return Level(
        above.request_rules if request.empty else (*above.request_rules, request),
        above.response_rules if response.empty else (*above.response_rules, response),
        plans,
        disabled,
    )


def metadata_dict(message: Any, field_name: str) -> dict[str, Any]:
    """A Metadata field as {namespace: {key: value}} of plain Python values."""
    if not message.HasField(field_name):
        return {}
    from pyvoy.filters.common.metadata import plain_struct

    structs = getattr(message, field_name).filter_metadata
    return {name: plain_struct(structs[name]) for name in structs}
