"""HealthCheck messages -> HealthCheckPlan, and what an endpoint says of its own checks.

Source of behaviour: Envoy, HealthCheckerFactory and config.core.v3.HealthCheck (defaults, one check for a cluster).
"""

from __future__ import annotations

from typing import Any

from pyvoy.config.context import Context
from pyvoy.config.registry import supports
from pyvoy.http.routing.header_rules import HeaderRules
from pyvoy.upstream.health.plan import (
    CHECKED_AS_IT_IS,
    CheckTarget,
    GrpcProbePlan,
    HealthCheckPlan,
    HttpProbePlan,
    TcpProbePlan,
)

_HTTP1, _HTTP2 = 0, 1
_CHECK = "envoy.config.core.v3.HealthCheck"

supports(
    _CHECK,
    "timeout interval initial_jitter interval_jitter interval_jitter_percent unhealthy_threshold healthy_threshold "
    "reuse_connection http_health_check tcp_health_check grpc_health_check no_traffic_interval "
    "no_traffic_healthy_interval unhealthy_interval unhealthy_edge_interval healthy_edge_interval",
    tuning="alt_port event_log_path event_logger event_service always_log_health_check_failures "
    "always_log_health_check_success",
)
supports(
    _CHECK + ".HttpHealthCheck",
    "host path receive response_buffer_size request_headers_to_add request_headers_to_remove expected_statuses "
    "retriable_statuses codec_client_type service_name_matcher method",
)
supports(_CHECK + ".TcpHealthCheck", "send receive")
supports(_CHECK + ".GrpcHealthCheck", "service_name authority initial_metadata")
supports(_CHECK + ".Payload", "text binary")
supports("envoy.type.v3.Int64Range", "start end")
supports(
    "envoy.config.endpoint.v3.Endpoint.HealthCheckConfig", "port_value hostname address disable_active_health_check"
)


def build_health_check(cluster: Any, context: Context, *, speaks_http2: bool) -> HealthCheckPlan | None:
    """The check of a Cluster, None without one; `context` stands at the cluster, whose requests may go by HTTP/2."""
    if not cluster.health_checks:
        return None
    if len(cluster.health_checks) > 1:
        context.error("health_checks", "multiple health checks not supported")
    message = cluster.health_checks[0]
    place = context.at("health_checks", 0)
    probe = _probe(message, cluster.name, place, speaks_http2=speaks_http2)
    if probe is None:
        return None
    interval_s = place.duration_s(message, "interval", 0.0) or 0.0
    unhealthy_s = place.duration_s(message, "unhealthy_interval", interval_s) or interval_s
    idle_s = place.duration_s(message, "no_traffic_interval", 60.0) or 60.0
    return HealthCheckPlan(
        probe,
        timeout_s=place.duration_s(message, "timeout", 0.0) or 0.0,
        interval_s=interval_s,
        unhealthy_threshold=place.wrapped(message, "unhealthy_threshold", 0),
        healthy_threshold=place.wrapped(message, "healthy_threshold", 0),
        unhealthy_interval_s=unhealthy_s,
        unhealthy_edge_interval_s=place.duration_s(message, "unhealthy_edge_interval", unhealthy_s) or unhealthy_s,
        healthy_edge_interval_s=place.duration_s(message, "healthy_edge_interval", interval_s) or interval_s,
        no_traffic_interval_s=idle_s,
        no_traffic_healthy_interval_s=place.duration_s(message, "no_traffic_healthy_interval", idle_s) or idle_s,
        initial_jitter_s=place.duration_s(message, "initial_jitter", 0.0) or 0.0,
        interval_jitter_s=place.duration_s(message, "interval_jitter", 0.0) or 0.0,
        interval_jitter_percent=message.interval_jitter_percent,
        reuse_connection=place.wrapped(message, "reuse_connection", True),
    )


def check_target(endpoint: Any) -> CheckTarget:
    """What an Endpoint's health_check_config says."""
    if not endpoint.HasField("health_check_config"):
        return CHECKED_AS_IT_IS
    config = endpoint.health_check_config
    return CheckTarget(
        config.address.socket_address.address,
        config.port_value or config.address.socket_address.port_value,
        config.hostname,
        config.disable_active_health_check,
    )


def _probe(
    message: Any, cluster_name: str, context: Context, *, speaks_http2: bool
) -> HttpProbePlan | TcpProbePlan | GrpcProbePlan | None:
    kind = message.WhichOneof("health_checker")
    if kind == "http_health_check":
        return _http(message.http_health_check, cluster_name, context.at("http_health_check"))
    if kind == "tcp_health_check":
        tcp = message.tcp_health_check
        place = context.at("tcp_health_check")
        return TcpProbePlan(
            _payload(tcp.send, place.at("send")) if tcp.HasField("send") else b"",
            tuple(_payload(item, place.at("receive", index)) for index, item in enumerate(tcp.receive)),
        )
    if kind == "grpc_health_check":
        if not speaks_http2:
            context.error(kind, f"{cluster_name} cluster must support HTTP/2 for gRPC healthchecking")
        return _grpc(message.grpc_health_check, cluster_name, context.at(kind))
    return None  # the walk over unsupported fields, or the rule that one is needed, has reported it


def _http(message: Any, cluster_name: str, context: Context) -> HttpProbePlan:
    rules = _constant_headers(
        message.request_headers_to_add, message.request_headers_to_remove, context, "request_headers_to_add"
    )
    if message.codec_client_type not in (_HTTP1, _HTTP2):
        context.error("codec_client_type", "health checks speak HTTP/1 or HTTP/2 in pyvoy")
    expected = _ranges(message.expected_statuses, context, "expected_statuses")
    matches = (
        context.string_matcher(message, "service_name_matcher") if message.HasField("service_name_matcher") else None
    )
    return HttpProbePlan(
        message.path.encode(),
        message.host.encode() or cluster_name.encode(),
        _method(message, context),
        rules,
        expected or ((200, 201),),
        _ranges(message.retriable_statuses, context, "retriable_statuses"),
        matches,
        tuple(_payload(item, context.at("receive", index)) for index, item in enumerate(message.receive)),
        context.wrapped(message, "response_buffer_size", 1024),
        message.codec_client_type == _HTTP2,
    )


def _grpc(message: Any, cluster_name: str, context: Context) -> GrpcProbePlan:
    return GrpcProbePlan(
        message.service_name,
        message.authority.encode() or cluster_name.encode(),
        _constant_headers(message.initial_metadata, (), context, "initial_metadata"),
    )


def _constant_headers(add: Any, remove: Any, context: Context, field: str) -> HeaderRules:
    rules = context.header_rules(add, remove, field)
    assert isinstance(rules, HeaderRules)
    for index, rule in enumerate(rules.rules):
        if rule.formatter is not None:
            context.error(f"{field}[{index}]", "a health check's headers must be constant in pyvoy")
    return rules


def _method(message: Any, context: Context) -> bytes:
    from envoy.config.core.v3 import base_pb2

    if not message.method:
        return b"GET"
    name = base_pb2.RequestMethod.Name(message.method)
    if name == "CONNECT":
        context.error("method", "a health check cannot be a CONNECT request")
    return bytes(name.encode())


def _ranges(ranges: Any, context: Context, field: str) -> tuple[tuple[int, int], ...]:
    found = []
    for index, item in enumerate(ranges):
        if item.start >= item.end:
            context.error(
                f"{field}[{index}]",
                f"Invalid http status range: expecting start < end, but found start={item.start} and end={item.end}",
            )
        elif item.start < 100 or item.end > 600:
            context.error(f"{field}[{index}]", "Invalid http status range: must be within 100 and 600")
        found.append((item.start, item.end))
    return tuple(found)


def _payload(message: Any, context: Context) -> bytes:
    """Bytes of a Payload: hexadecimal text, or as they are."""
    if message.WhichOneof("payload") != "text":
        return bytes(message.binary)
    try:
        return bytes.fromhex(message.text)
    except ValueError:
        context.error("text", f"invalid hex string '{message.text}'")
        return b""
