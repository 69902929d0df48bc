"""What a Cluster of type ORIGINAL_DST says -> OriginalDstPlan.

Source of behaviour: Envoy, OriginalDstClusterFactory (texts of its refusals).
"""

from __future__ import annotations

from typing import Any

from pyvoy.config.context import Context
from pyvoy.config.registry import supports
from pyvoy.upstream.original_dst import DEFAULT_HEADER, OriginalDstPlan

supports(
    "envoy.config.cluster.v3.Cluster.OriginalDstLbConfig", "use_http_header http_header_name upstream_port_override"
)


def original_dst(cluster: Any, context: Context) -> OriginalDstPlan:
    """The plan of the cluster; `context` stands at it."""
    from envoy.config.cluster.v3 import cluster_pb2

    policy = cluster_pb2.Cluster.LbPolicy.Name(cluster.lb_policy)
    if policy != "CLUSTER_PROVIDED":
        text = f"LB policy {policy} is not valid for Cluster type ORIGINAL_DST. Only 'CLUSTER_PROVIDED' is allowed"
        context.error("lb_policy", text)
    if cluster.HasField("load_assignment"):
        context.error("load_assignment", "ORIGINAL_DST clusters must have no load assignment configured")
    config = cluster.original_dst_lb_config
    if config.http_header_name and not config.use_http_header:
        context.at("original_dst_lb_config").error("http_header_name", "needs use_http_header")
    header = (config.http_header_name.lower().encode() or DEFAULT_HEADER) if config.use_http_header else None
    return OriginalDstPlan(
        header,
        context.at("original_dst_lb_config").wrapped(config, "upstream_port_override", 0),
        context.duration_s(cluster, "cleanup_interval", 5.0) or 5.0,
    )
