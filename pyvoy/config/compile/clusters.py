"""Cluster messages -> ClusterPlans.

Endpoints, balancing, DNS and protocol options have their own files; this one puts them together, reads the circuit
breakers and says what a cluster may not be.  What pyvoy does not implement (EDS, HTTP/2, ...) is in no `supports`
list and reported by the walk over the message.
Source of behaviour: Envoy, ClusterFactoryImplBase, ClusterInfoImpl, ClusterManagerImpl.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from pyvoy.config.compile.cluster_balancing import build_balance, needs_own_balancer, override_healths, panic_percent
from pyvoy.config.compile.cluster_dns import CLUSTER, DiscoveryPlan, cluster_dns
from pyvoy.config.compile.cluster_endpoints import build_assignment
from pyvoy.config.compile.cluster_protocol import build_http, tcp_idle_timeout_s
from pyvoy.config.compile.discovery import file_of
from pyvoy.config.compile.forward_proxy import with_names
from pyvoy.config.compile.health_checks import build_health_check
from pyvoy.config.compile.original_dst import original_dst
from pyvoy.config.compile.outlier_detection import build_outlier
from pyvoy.config.compile.route_levels import metadata_dict
from pyvoy.config.compile.subsets import subsets
from pyvoy.config.compile.tls_upstream import build_transport_sockets
from pyvoy.config.context import Context
from pyvoy.config.registry import supports
from pyvoy.upstream.aggregate import AggregatePlan
from pyvoy.upstream.balancing.plans import DEFAULT_BALANCE
from pyvoy.upstream.cluster_plan import (
    MIB,
    ClusterPlan,
    Discovery,
    RetryBudgetPlan,
    RoutingPriority,
    ThresholdsPlan,
    UpstreamProtocol,
)

_CLUSTER = "envoy.config.cluster.v3."

supports(
    _CLUSTER + "Cluster",
    """
    name alt_stat_name type cluster_type connect_timeout per_connection_buffer_limit_bytes lb_policy load_assignment
    health_checks outlier_detection original_dst_lb_config cleanup_interval dns_resolvers dns_resolution_config
    protocol_selection upstream_bind_config lb_subset_config
    max_requests_per_connection circuit_breakers common_http_protocol_options http_protocol_options
    http2_protocol_options
    typed_extension_protocol_options dns_refresh_rate dns_jitter dns_failure_refresh_rate respect_dns_ttl
    dns_lookup_family use_tcp_for_dns_lookups typed_dns_resolver_config ring_hash_lb_config maglev_lb_config
    least_request_lb_config round_robin_lb_config common_lb_config transport_socket transport_socket_matches
    metadata load_balancing_policy
    """,
    tuning="""
    upstream_http_protocol_options wait_for_warm_on_init upstream_connection_options
    close_connections_on_host_health_failure ignore_health_on_host_removal lrs_server lrs_report_endpoint_metrics
    track_timeout_budgets track_cluster_stats preconnect_policy
    """,
)
_CHOOSERS = (Discovery.ORIGINAL_DST, Discovery.AGGREGATE, Discovery.FORWARD_PROXY)
"""Clusters whose hosts are no matter of a balancer of theirs."""

supports(_CLUSTER + "Cluster.CustomClusterType", "name typed_config")
supports(_CLUSTER + "CircuitBreakers", "thresholds")
supports(
    _CLUSTER + "CircuitBreakers.Thresholds",
    "priority max_connections max_pending_requests max_requests max_retries retry_budget track_remaining",
    tuning="max_connection_pools",
)
supports(_CLUSTER + "CircuitBreakers.Thresholds.RetryBudget", "budget_percent min_retry_concurrency")
supports("envoy.config.core.v3.BindConfig", "source_address")
supports("envoy.config.core.v3.TransportSocket", "name typed_config")


def build_clusters(messages: Iterable[Any], context: Context, field: str = "clusters") -> list[ClusterPlan]:
    """The plans of all clusters; `context` stands at the message whose `field` the list is."""
    plans = []
    names: set[str] = set()
    for index, message in enumerate(messages):
        at = context.at(field, index)
        if message.name in names:
            at.error("name", f"cluster manager: duplicate cluster '{message.name}'")
            continue
        names.add(message.name)
        plans.append(build_cluster(message, at))
    return plans


def build_cluster(message: Any, context: Context) -> ClusterPlan:
    """The plan of one Cluster; `context` stands at it."""
    found = _discovery(message, context)
    if found.discovery in _CHOOSERS:
        balance = DEFAULT_BALANCE
    else:
        balance = build_balance(message, found.discovery, context)
    transport_sockets = build_transport_sockets(message, context)
    http = build_http(message, context)
    speaks_http2 = http.protocol is not UpstreamProtocol.HTTP1
    health_check = build_health_check(message, context, speaks_http2=speaks_http2)
    if health_check is not None:
        health_check = replace(health_check, transport_sockets=transport_sockets)
    if http.protocol is UpstreamProtocol.AUTO and not (transport_sockets and transport_sockets.all_secure):
        text = f"ALPN configured for cluster {message.name} which has a non-ALPN transport socket"
        context.error("transport_socket", text)
    thresholds = (
        _thresholds(message, RoutingPriority.DEFAULT, context),
        _thresholds(message, RoutingPriority.HIGH, context),
    )
    plan = ClusterPlan(
        name=message.name,
        discovery=found.discovery,
        alt_stat_name=message.alt_stat_name,
        connect_timeout_s=context.duration_s(message, "connect_timeout", 5.0) or 5.0,
        per_connection_buffer_limit_bytes=context.wrapped(message, "per_connection_buffer_limit_bytes", MIB),
        assignment=build_assignment(message.load_assignment, found.discovery, context.at("load_assignment")),
        balance=balance,
        thresholds=thresholds,
        http=http,
        tcp_idle_timeout_s=tcp_idle_timeout_s(message, context),
        dns=found.dns,
        metadata=metadata_dict(message, "metadata"),
        transport_sockets=transport_sockets,
        override_host_healths=override_healths(message),
        close_connections_on_host_set_change=message.common_lb_config.close_connections_on_host_set_change,
        health_check=health_check,
        outlier=build_outlier(message, context),
        bind_ip=_bind_ip(message, context),
        subsets=subsets(message, context),
        aggregate=_aggregate(message, found, context),
        original_dst=original_dst(message, context) if found.discovery is Discovery.ORIGINAL_DST else None,
        fingerprint=_fingerprint(message, balance, thresholds),
    )
    if found.cache is None:
        return plan
    needs_own_balancer(message, "envoy.clusters.dynamic_forward_proxy", context)
    return with_names(plan, message, found, context)


def _fingerprint(message: Any, *from_runtime: object) -> str:
    """Differs when the message does, or what the runtime made of it."""
    text = message.SerializeToString(deterministic=True) + repr(from_runtime).encode()
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def _discovery(message: Any, context: Context) -> DiscoveryPlan:
    if message.HasField("cluster_type"):
        built = context.extension(CLUSTER, message.cluster_type, "cluster_type")
        return built if isinstance(built, DiscoveryPlan) else DiscoveryPlan(Discovery.STATIC)
    from envoy.config.cluster.v3 import cluster_pb2

    name = cluster_pb2.Cluster.DiscoveryType.Name(message.type)
    if name == "EDS" and file_of(message.eds_cluster_config.eds_config):
        return DiscoveryPlan(Discovery.STATIC)  # its endpoints are in place
    if name not in Discovery.__members__:
        context.error("type", f"clusters of type {name} are not supported by pyvoy")
        return DiscoveryPlan(Discovery.STATIC)
    discovery = Discovery[name]
    resolves = discovery in (Discovery.STRICT_DNS, Discovery.LOGICAL_DNS)
    return DiscoveryPlan(discovery, cluster_dns(message, context) if resolves else None)


def _aggregate(message: Any, found: DiscoveryPlan, context: Context) -> AggregatePlan | None:
    if found.discovery is not Discovery.AGGREGATE:
        return None
    needs_own_balancer(message, "envoy.clusters.aggregate", context)
    return AggregatePlan(found.members, panic_percent(message, context))


def _bind_ip(message: Any, context: Context) -> str:
    """The local address of upstream connections, "" for the kernel's choice."""
    address = message.upstream_bind_config.source_address.address
    if not address:
        return ""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        context.at("upstream_bind_config").error("source_address.address", f"malformed IP address: {address}")
        return ""


def _thresholds(cluster: Any, priority: RoutingPriority, context: Context) -> ThresholdsPlan:
    """The first thresholds of that priority; the runtime's static layers may override the numbers."""
    entries = enumerate(cluster.circuit_breakers.thresholds)
    index, entry = next(((index, entry) for index, entry in entries if entry.priority == priority), (0, None))
    key = f"circuit_breakers.{cluster.name}.{priority.name.lower()}."
    runtime = context.runtime
    if entry is None:
        return ThresholdsPlan(
            runtime.integer(key + "max_connections", 1024),
            runtime.integer(key + "max_pending_requests", 1024),
            runtime.integer(key + "max_requests", 1024),
            runtime.integer(key + "max_retries", 3),
        )
    at = context.at("circuit_breakers").at("thresholds", index)
    return ThresholdsPlan(
        runtime.integer(key + "max_connections", at.wrapped(entry, "max_connections", 1024)),
        runtime.integer(key + "max_pending_requests", at.wrapped(entry, "max_pending_requests", 1024)),
        runtime.integer(key + "max_requests", at.wrapped(entry, "max_requests", 1024)),
        runtime.integer(key + "max_retries", at.wrapped(entry, "max_retries", 3)),
        _retry_budget(entry, key, at) if entry.HasField("retry_budget") else None,
        entry.track_remaining,
    )


def _retry_budget(entry: Any, key: str, context: Context) -> RetryBudgetPlan:
    budget = entry.retry_budget
    percent = budget.budget_percent.value if budget.HasField("budget_percent") else 20.0
    return RetryBudgetPlan(
        context.runtime.number(key + "retry_budget.budget_percent", percent),
        context.runtime.integer(
            key + "retry_budget.min_retry_concurrency", context.wrapped(budget, "min_retry_concurrency", 3)
        ),
    )
