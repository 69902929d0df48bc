"""The last touches of a Route, alike for plain routes and weighted clusters: finalizers, filter plans, metadata.

Source of behaviour: Envoy's RouteEntryImplBase::finalizeRequestHeaders and its WeightedClusterEntry twin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyvoy.config.compile.route_levels import Level, TableLevel, metadata_dict
from pyvoy.config.compile.route_rewrite import rules_step
from pyvoy.config.context import Context
from pyvoy.config.problems import nearest_name
from pyvoy.http.headers import HeaderMap
from pyvoy.http.routing.direct_response import with_rules
from pyvoy.http.routing.header_rules import Apply, HeaderRules, showing_response
from pyvoy.http.routing.rewrite import Step, combine
from pyvoy.http.routing.table import Route


@dataclass(slots=True, frozen=True)
class Parts:
    """What a route's finalizers are made of."""

    level: Level
    steps: tuple[Step, ...]
    table: TableLevel


def finish(
    route: Route,
    parts: Parts,
    *,
    first: Sequence[Step] = (),
    first_response: Sequence[HeaderRules] = (),
) -> None:
    """Put header rules in their order, rewrites behind them, and set the filter plans.

    `first` goes before all rules whatever their order: the rules of a weighted cluster."""
    level = parts.level
    order = 1 if parts.table.most_specific_wins else -1
    rules = [rules_step(item) for item in level.request_rules[::order]]
    route.finalize_request = combine([*first, *rules, *parts.steps])
    response = [*first_response, *level.response_rules[::order]]
    finalize = _response_finalizer([item.apply for item in response])
    route.reply_rules = route.finalize_response = finalize
    if finalize is not None and route.direct_response is not None:
        route.direct_response = with_rules(route.direct_response, finalize)
    elif finalize is not None and any(rule.formatter is not None for item in response for rule in item.rules):
        route.finalize_response = showing_response(finalize)
    route.filter_plans = level.plans
    route.disabled_filters = level.disabled_filters & parts.table.filters
    route.enabled_filters = level.enabled_filters & parts.table.disabled_filters


def check_cluster(context: Context, field: str, name: str, words: str, table: TableLevel) -> None:
    """Report a cluster that nobody defined, unless `validate_clusters` is off."""
    if table.validate_clusters and name not in context.clusters:
        context.error(field, f"{words} '{name}'", nearest_name(name, context.clusters))


def lb_metadata(message: Any, above: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The `envoy.lb` part of metadata_match, added to what the route says."""
    own = metadata_dict(message, "metadata_match").get("envoy.lb")
    return {**(above or {}), **own} if own is not None else above


def _response_finalizer(rules: list[Apply]) -> Apply | None:
    if len(rules) < 2:
        return rules[0] if rules else None
    wanted = tuple(rules)

    def finalize(stream: Any, headers: HeaderMap) -> None:
        for apply in wanted:
            apply(stream, headers)

    return finalize
