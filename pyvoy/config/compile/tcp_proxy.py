"""TcpProxy -> TcpProxyPlan.

Source: Envoy's TcpProxy::Config (texts of the running 1.40).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from pyvoy.config.compile.access_log import build_access_logs
from pyvoy.config.compile.route_finish import lb_metadata
from pyvoy.config.context import Context
from pyvoy.config.problems import nearest_name
from pyvoy.config.registry import type_name_of
from pyvoy.filters.network.tcp_proxy.plan import (
    Backoff,
    Destination,
    HashPolicy,
    Picker,
    TcpProxyPlan,
    TcpStats,
    weighted,
)
from pyvoy.filters.network.tcp_proxy.tunnel import TunnelPlan
from pyvoy.http.routing import hash_policy as methods

_UUID = "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig"
_TUNNEL_COUNTERS = (
    "no_cluster",
    "no_route",
    "passthrough_internal_redirect_bad_location",
    "passthrough_internal_redirect_no_route",
    "passthrough_internal_redirect_predicate",
    "passthrough_internal_redirect_too_many_redirects",
    "passthrough_internal_redirect_unsafe_scheme",
    "rq_direct_response",
    "rq_overload_local_reply",
    "rq_redirect",
    "rq_reset_after_downstream_response_started",
    "rq_total",
)
"""A router's counters, which Envoy makes for a tunnel and leaves at 0."""
_IMMEDIATE, _ON_DATA, _ON_TLS_HANDSHAKE = range(3)


def tcp_proxy_plan(message: Any, context: Context) -> TcpProxyPlan:
    """The plan of a TcpProxy message."""
    metadata = lb_metadata(message, None)
    plan = TcpProxyPlan(
        stats=TcpStats(context.root_scope.scope(f"tcp.{message.stat_prefix}")),
        pick=_picker(message, context, metadata),
        idle_timeout_s=context.duration_s(message, "idle_timeout", 3600.0) or None,
        max_connect_attempts=context.wrapped(message, "max_connect_attempts", 1),
        backoff=_backoff(message, context),
        hash_policy=_hash_policy(message.hash_policy),
        metadata_match=metadata,
        access_logs=build_access_logs(message.access_log, context, "access_log"),
    )
    if message.HasField("tunneling_config"):
        plan = dataclasses.replace(plan, tunnel=_tunnel(message.tunneling_config, context.at("tunneling_config")))
        scope = context.root_scope.scope(f"tcp.{message.stat_prefix}.tcpproxy_tunneling")
        for name in _TUNNEL_COUNTERS:
            scope.counter(name)
    return dataclasses.replace(
        plan, **_duration(message, context), **_early(message, context), **_log(message, context)
    )


def _picker(message: Any, context: Context, metadata: Any) -> Picker:
    if message.WhichOneof("cluster_specifier") == "cluster":
        _check_cluster(message.cluster, context, "cluster")
        return weighted([Destination(message.cluster, metadata)], [1])
    destinations, weights = [], []
    place = context.at("weighted_clusters")
    for index, cluster in enumerate(message.weighted_clusters.clusters):
        _check_cluster(cluster.name, place.at("clusters", index), "name")
        destinations.append(Destination(cluster.name, lb_metadata(cluster, metadata)))
        weights.append(cluster.weight)
    return weighted(destinations or [Destination("")], weights or [1])


def _check_cluster(name: str, context: Context, field: str) -> None:
    """Envoy loads an unknown cluster too: another source of clusters might bring it."""
    if name and name not in context.clusters:
        nearest = nearest_name(name, context.clusters)
        context.warning(field, f"unknown cluster '{name}': connections will be closed", nearest)


def _backoff(message: Any, context: Context) -> Backoff | None:
    if not message.HasField("backoff_options"):
        return None
    options = message.backoff_options
    place = context.at("backoff_options")
    base_s = place.duration_s(options, "base_interval", 0.0) or 0.0
    base_ms = max(1, int(base_s * 1000))
    max_s = place.duration_s(options, "max_interval", None)
    max_ms = base_ms * 10 if max_s is None else int(max_s * 1000)
    if max_ms < base_ms:
        place.error("max_interval", "max_backoff_interval must be greater or equal to base_backoff_interval")
    return Backoff(base_ms, max(base_ms, max_ms))


def _hash_policy(policies: Sequence[Any]) -> HashPolicy | None:
    if not policies:
        return None
    policy = policies[0]
    if policy.WhichOneof("policy_specifier") == "source_ip":
        return lambda source: methods.source_ip_method(source, None)
    by_state = methods.filter_state_method(policy.filter_state.key)
    return lambda source: by_state(source, None)


def _duration(message: Any, context: Context) -> dict[str, Any]:
    jitter = message.max_downstream_connection_duration_jitter_percentage
    return {
        "max_duration_s": context.duration_s(message, "max_downstream_connection_duration", None) or None,
        "jitter": jitter.value / 100,
    }


def _early(message: Any, context: Context) -> dict[str, Any]:
    mode = message.upstream_connect_mode
    has_limit = message.HasField("max_early_data_bytes")
    if mode != _IMMEDIATE and not has_limit:
        context.error(
            "max_early_data_bytes", "max_early_data_bytes must be set when upstream_connect_mode is not IMMEDIATE"
        )
    return {
        # Without TLS there is no handshake to wait for, and Envoy connects at once.
        "connect_on_data": mode == _ON_DATA,
        "max_early_data_bytes": message.max_early_data_bytes.value if has_limit else None,
    }


def _tunnel(config: Any, context: Context) -> TunnelPlan:
    if config.post_path and not config.use_post:
        context.error("post_path", "Can't set a post path when POST method isn't used")
    id_header = b""
    if config.HasField("request_id_extension"):
        name = type_name_of(config.request_id_extension.typed_config.type_url)
        if name != _UUID:
            context.error("request_id_extension", f"no request id extension of type {name!r}")
        id_header = config.request_id_header.lower().encode() or b"x-request-id"
    return TunnelPlan(
        context.format(config.hostname, "hostname"),
        context.header_rules(config.headers_to_add, (), "headers_to_add"),
        (config.post_path or "/").encode() if config.use_post else None,
        config.propagate_response_headers,
        config.propagate_response_trailers,
        id_header,
        config.request_id_metadata_key or "tunnel_request_id",
    )


def _log(message: Any, context: Context) -> dict[str, Any]:
    options = message.access_log_options
    place = context.at("access_log_options")
    interval_s = place.duration_s(options, "access_log_flush_interval", None)
    if interval_s is None:
        interval_s = context.duration_s(message, "access_log_flush_interval", None)
    return {
        "log_on_connected": options.flush_access_log_on_connected or message.flush_access_log_on_connected,
        "log_interval_s": interval_s,
    }
