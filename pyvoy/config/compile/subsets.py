"""Cluster.LbSubsetConfig -> SubsetPlan.

Source of behaviour: Envoy, LoadBalancerSubsetInfoImpl.
"""

from __future__ import annotations

from typing import Any

from pyvoy.config.context import Context
from pyvoy.config.registry import supports
from pyvoy.filters.common.metadata import plain_struct
from pyvoy.upstream.balancing.subset import Fallback, SelectorPlan, SubsetPlan

_CONFIG = "envoy.config.cluster.v3.Cluster.LbSubsetConfig"
supports(_CONFIG, "fallback_policy default_subset subset_selectors panic_mode_any")
supports(_CONFIG + ".LbSubsetSelector", "keys fallback_policy fallback_keys_subset")

_POLICIES = (Fallback.NO_FALLBACK, Fallback.ANY_ENDPOINT, Fallback.DEFAULT_SUBSET)


def subsets(cluster: Any, context: Context) -> SubsetPlan | None:
    """The plan of a Cluster, None without selectors; `context` stands at the cluster."""
    message = cluster.lb_subset_config
    if not cluster.HasField("lb_subset_config") or not message.subset_selectors:
        return None
    place = context.at("lb_subset_config")
    selectors = []
    for index, selector in enumerate(message.subset_selectors):
        fallback = Fallback(selector.fallback_policy)
        keys = frozenset(selector.fallback_keys_subset)
        if fallback is Fallback.KEYS_SUBSET and not keys < set(selector.keys):
            text = "must be a subset of the selector's keys, and not all of them"
            place.at("subset_selectors", index).error("fallback_keys_subset", text)
        if fallback is Fallback.KEYS_SUBSET and not keys:
            place.at("subset_selectors", index).error("fallback_keys_subset", "cannot be empty")
        selectors.append(SelectorPlan(tuple(sorted(set(selector.keys))), fallback, keys))
    default = plain_struct(message.default_subset) if message.HasField("default_subset") else {}
    return SubsetPlan(_POLICIES[message.fallback_policy], default, tuple(selectors), message.panic_mode_any)
