"""WeightedCluster -> one variant of the route per cluster, and the picker that chooses between them.

Source of behaviour: Envoy's WeightedClusterSpecifierPlugin.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from pyvoy.config.compile import route_rewrite
from pyvoy.config.compile.route_finish import Parts, check_cluster, finish, lb_metadata
from pyvoy.config.compile.route_levels import LEVEL_FIELDS, Level, level_of
from pyvoy.config.context import Context
from pyvoy.config.registry import supports
from pyvoy.http.routing.match import Picker
from pyvoy.http.routing.table import Route
from pyvoy.http.routing.weighted import weighted_picker

supports(
    "envoy.config.route.v3.WeightedCluster", "clusters header_name use_hash_policy runtime_key_prefix total_weight"
)
supports(
    "envoy.config.route.v3.WeightedCluster.ClusterWeight",
    f"name cluster_header weight metadata_match host_rewrite_literal {LEVEL_FIELDS}",
)

_MAX_TOTAL_WEIGHT = (1 << 32) - 1


def weighted_clusters(message: Any, context: Context, parent: Route, parts: Parts) -> Picker | None:
    """The picker of a WeightedCluster; None after a problem.  `total_weight` is deprecated and without effect."""
    variants = []
    weights = []
    prefix = message.runtime_key_prefix
    for index, cluster in enumerate(message.clusters):
        place = context.at("clusters", index)
        variants.append(_variant(cluster, place, parent, parts))
        if not cluster.HasField("weight"):
            place.error("weight", "is required")
        key = f"{prefix}.{cluster.name}" if prefix else ""
        weights.append(context.runtime.integer(key, cluster.weight.value))
    total = sum(weights)
    if total == 0:
        context.error("", "Sum of weights in the weighted_cluster must be greater than 0.")
        return None
    if total > _MAX_TOTAL_WEIGHT:
        text = f"The sum of weights of all weighted clusters of route {parent.name} exceeds {_MAX_TOTAL_WEIGHT}"
        context.error("", text)
    return weighted_picker(
        variants,
        weights,
        header_name=message.header_name.lower().encode(),
        use_hash_policy=context.wrapped(message, "use_hash_policy", False),
    )


def _variant(cluster: Any, context: Context, parent: Route, parts: Parts) -> Route:
    _check_name(cluster, context)
    if cluster.name:
        check_cluster(context, "name", cluster.name, "route: unknown weighted cluster", parts.table)
    route = dataclasses.replace(
        parent,
        cluster=cluster.name or None,
        cluster_header=cluster.cluster_header.lower().encode() or None,
        metadata_match=lb_metadata(cluster, parent.metadata_match),
    )
    above = parts.level
    own = level_of(cluster, context, Level(plans=above.plans, disabled=above.disabled))
    first = [route_rewrite.rules_step(rules) for rules in own.request_rules]
    if cluster.host_rewrite_literal:
        first.append(route_rewrite.set_host(cluster.host_rewrite_literal.encode()))
    level = dataclasses.replace(above, plans=own.plans, disabled=own.disabled)
    finish(route, dataclasses.replace(parts, level=level), first=first, first_response=own.response_rules)
    return route


def _check_name(cluster: Any, context: Context) -> None:
    if cluster.name and cluster.cluster_header:
        context.error("cluster_header", "Only one of name or cluster_header can be specified")
    elif not cluster.name and not cluster.cluster_header:
        context.error("", "At least one of name or cluster_header need to be specified")
