"""Aggregate clusters -> the names of their members.

Source: Envoy, AggregateClusterFactory (names that nobody defines are left out at run time: observed on 1.40).
"""

from __future__ import annotations

from typing import Any

from pyvoy.config.compile.cluster_dns import CLUSTER, DiscoveryPlan
from pyvoy.config.context import Context
from pyvoy.config.problems import nearest_name
from pyvoy.config.registry import extension, supports
from pyvoy.upstream.cluster_plan import Discovery

_TYPE = "envoy.extensions.clusters.aggregate.v3.ClusterConfig"

supports(_TYPE, "clusters")


@extension(CLUSTER, name="envoy.clusters.aggregate", type_url=_TYPE)
class AggregateCluster:
    """The hosts of other clusters, one after the other."""

    @staticmethod
    def build(message: Any, context: Context) -> DiscoveryPlan:
        """The members in the order of preference."""
        for index, name in enumerate(message.clusters):
            if name not in context.clusters:
                nearest = nearest_name(name, context.clusters)
                context.warning(f"clusters[{index}]", f"unknown cluster '{name}' is left out", nearest)
        return DiscoveryPlan(Discovery.AGGREGATE, members=tuple(message.clusters))
