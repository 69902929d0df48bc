"""Dynamic forward proxy clusters and the DNS cache they share with the filter of that name.

Source: Envoy, the dynamic forward proxy cluster's factory and DnsCacheManagerImpl.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pyvoy.config.compile.cluster_dns import CLUSTER, DiscoveryPlan, cache_dns
from pyvoy.config.context import Context
from pyvoy.config.registry import extension, supports
from pyvoy.upstream.cluster_plan import ClusterPlan, Discovery, DnsCachePlan

_TYPE = "envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig"
_COMMON = "envoy.extensions.common.dynamic_forward_proxy.v3."

supports(_TYPE, "dns_cache_config allow_insecure_cluster_options", tuning="allow_coalesced_connections")
supports(
    _COMMON + "DnsCacheConfig",
    "name dns_lookup_family dns_refresh_rate dns_min_refresh_rate host_ttl max_hosts dns_failure_refresh_rate "
    "dns_cache_circuit_breaker use_tcp_for_dns_lookups dns_resolution_config typed_dns_resolver_config "
    "preresolve_hostnames dns_query_timeout",
)
supports(_COMMON + "DnsCacheCircuitBreakers", "max_pending_requests")


@extension(CLUSTER, name="envoy.clusters.dynamic_forward_proxy", type_url=_TYPE)
class ForwardProxyCluster:
    """The hosts that requests name."""

    @staticmethod
    def build(message: Any, context: Context) -> DiscoveryPlan:
        """The cache, and whether TLS may go unchecked."""
        if not message.HasField("dns_cache_config"):
            context.error("", "needs dns_cache_config")
        return DiscoveryPlan(
            Discovery.FORWARD_PROXY,
            cache=dns_cache(message.dns_cache_config, context.at("dns_cache_config")),
            unchecked_tls=message.allow_insecure_cluster_options,
        )


def dns_cache(message: Any, context: Context) -> DnsCachePlan:
    """The plan of a DnsCacheConfig; two of the same name must be alike."""
    refresh_s = context.duration_s(message, "dns_refresh_rate", 60.0) or 60.0
    preresolve = tuple((each.address, each.port_value) for each in message.preresolve_hostnames)
    breaker = message.dns_cache_circuit_breaker
    plan = DnsCachePlan(
        message.name,
        cache_dns(message, context),
        refresh_s=refresh_s,
        min_refresh_s=context.duration_s(message, "dns_min_refresh_rate", 5.0) or 5.0,
        host_ttl_s=context.duration_s(message, "host_ttl", 300.0) or 300.0,
        max_hosts=context.wrapped(message, "max_hosts", 1024),
        max_pending=context.at("dns_cache_circuit_breaker").wrapped(breaker, "max_pending_requests", 1024),
        query_timeout_s=context.duration_s(message, "dns_query_timeout", 5.0) or None,
        preresolve=preresolve,
    )
    known = context.env.shared.setdefault("dns_cache", {}).setdefault(plan.name, plan)
    if known != plan:
        context.error("", f"config specified DNS cache '{plan.name}' with different settings")
    return plan


def with_names(plan: ClusterPlan, cluster: Any, found: DiscoveryPlan, context: Context) -> ClusterPlan:
    """The plan of such a cluster: TLS asks for the name of the request and checks it."""
    http = plan.http
    if "envoy.extensions.upstreams.http.v3.HttpProtocolOptions" not in cluster.typed_extension_protocol_options:
        http = replace(http, auto_sni=True, auto_san_validation=True)
    elif not found.unchecked_tls and not (http.auto_sni and http.auto_san_validation):
        context.error(
            "cluster_type",
            "dynamic_forward_proxy cluster must have auto_sni and auto_san_validation true unless "
            "allow_insecure_cluster_options is set.",
        )
    return replace(plan, http=http, dns_cache=found.cache)
