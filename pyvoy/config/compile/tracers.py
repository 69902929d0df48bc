"""Tracing providers: Zipkin and OpenTelemetry; the others are known and told nothing.

Source: Envoy's tracer extensions (the four others of 1.40 have protocols of their own).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from pyvoy.config.context import Context
from pyvoy.config.registry import extension, supports
from pyvoy.extensions.host import Host
from pyvoy.filters.common.grpc_service import GrpcServer, grpc_server
from pyvoy.network.local_address import local_ip
from pyvoy.tracing.batch import FLUSH_INTERVAL_MS, MIN_FLUSH_SPANS, Batch
from pyvoy.tracing.collector import Collector
from pyvoy.tracing.opentelemetry import Export, OpenTelemetryTracer, OtelPlan
from pyvoy.tracing.span import Tracer
from pyvoy.tracing.zipkin import Reports, ZipkinPlan, ZipkinTracer
from pyvoy.version import VERSION

TRACER = "tracer"
_PACKAGE = "envoy.config.trace.v3."
_HTTP_PROTO, _GRPC = 2, 3
_ZIPKIN_TIMEOUT_S = 5.0
_SERVICE, _METHOD = "opentelemetry.proto.collector.trace.v1.TraceService", "Export"
_UNKNOWN_SERVICE = "unknown_service:envoy"

supports(_PACKAGE + "Tracing.Http", "name typed_config")
supports(
    _PACKAGE + "ZipkinConfig",
    "collector_cluster collector_endpoint collector_endpoint_version trace_id_128bit shared_span_context "
    "collector_hostname trace_context_option collector_service",
    # The deprecated one asks for what spawn_upstream_span does.
    tuning="split_spans_for_request",
)
supports(
    _PACKAGE + "OpenTelemetryConfig",
    "grpc_service http_service service_name",
    tuning="resource_detectors sampler max_cache_size",
)
supports("envoy.config.core.v3.HttpService", "http_uri request_headers_to_add")
supports(_PACKAGE + "DatadogConfig", tuning="collector_cluster service_name collector_hostname remote_config")
supports(_PACKAGE + "SkyWalkingConfig", tuning="grpc_service client_config")
supports(_PACKAGE + "XRayConfig", tuning="daemon_endpoint segment_name sampling_rule_manifest segment_fields")
supports("envoy.extensions.tracers.fluentd.v3.FluentdConfig", tuning="cluster tag stat_prefix buffer_flush_interval")


@extension(TRACER, name="envoy.tracers.zipkin", type_url=_PACKAGE + "ZipkinConfig")
class Zipkin:
    """Spans go to a Zipkin collector."""

    @staticmethod
    def build(message: Any, context: Context) -> Tracer:
        """The tracer of a ZipkinConfig message."""
        scope = context.root_scope.scope("tracing.zipkin")
        scope.counter("reports_failed")  # Envoy's calls have always an answer to drop the report for
        host = Host.of(context, scope, "filter")
        if message.collector_endpoint_version == _HTTP_PROTO:
            context.warning("collector_endpoint_version", "spans are sent as JSON, which the same endpoint takes")
        elif message.collector_endpoint_version == _GRPC:
            context.error("collector_endpoint_version", "GRPC is not supported")
        node = context.node
        service = node.cluster if node else ""
        plan = ZipkinPlan(
            wide=message.trace_id_128bit,
            shared=context.wrapped(message, "shared_span_context", True),
            w3c=message.trace_context_option == 1,
            endpoint={"ipv4": local_ip(), "port": 0, "serviceName": service},
        )
        names = ("spans_sent", "reports_sent", "reports_dropped", "reports_skipped_no_cluster")
        reports = Reports(*(scope.counter(name) for name in names))
        tracer = ZipkinTracer(plan, _zipkin_collector(message, context, host), reports, context.random)
        tracer.batch = _batch("tracing.zipkin", context, host, tracer.send)
        return tracer


def _zipkin_collector(message: Any, context: Context, host: Host) -> Collector:
    if message.HasField("collector_service"):
        return _collector(message.collector_service, context.at("collector_service"), host)
    if not message.collector_cluster:
        context.error("collector_cluster", "collector_cluster must be specified when not using collector_service")
    elif not context.unknown_cluster("collector_cluster", message.collector_cluster) and not message.collector_endpoint:
        context.error("collector_endpoint", "has to be set")
    authority = message.collector_hostname or message.collector_cluster
    timeout_s = context.runtime.integer("tracing.zipkin.request_timeout", int(_ZIPKIN_TIMEOUT_S * 1000)) / 1000
    return Collector(
        host, message.collector_cluster, authority.encode(), message.collector_endpoint.encode(), timeout_s
    )


@extension(TRACER, name="envoy.tracers.opentelemetry", type_url=_PACKAGE + "OpenTelemetryConfig")
class OpenTelemetry:
    """Spans go to an OpenTelemetry collector."""

    @staticmethod
    def build(message: Any, context: Context) -> Tracer:
        """The tracer of an OpenTelemetryConfig message."""
        scope = context.root_scope.scope("tracing.opentelemetry")
        scope.counter("spans_dropped")
        host = Host.of(context, scope, "filter")
        resource = {
            "telemetry.sdk.version": VERSION,
            "telemetry.sdk.name": "envoy",
            "service.name": message.service_name or _UNKNOWN_SERVICE,
            "telemetry.sdk.language": "python",
        }
        plan = OtelPlan(resource, VERSION, scope.counter("spans_sent"))
        tracer = OpenTelemetryTracer(plan, _export(message, context, host), context.random)
        tracer.batch = _batch("tracing.opentelemetry", context, host, tracer.send)
        return tracer


def _export(message: Any, context: Context, host: Host) -> Export:
    if message.HasField("http_service"):
        if message.HasField("grpc_service"):
            context.error("", "OpenTelemetry Tracer cannot have both gRPC and HTTP exporters configured.")
        collector = _collector(message.http_service, context.at("http_service"), host)
        return lambda body: collector.post(b"application/x-protobuf", body, lambda _: None)
    if not message.HasField("grpc_service"):
        return lambda _: None
    place = context.at("grpc_service")
    server = grpc_server(message.grpc_service, place, place.duration_s(message.grpc_service, "timeout", 0.0) or 0.0)
    return lambda body: _call(server, body)


def _call(server: GrpcServer, body: bytes) -> None:
    from pyvoy.extensions.http_call import CallOptions, CallRefused
    from pyvoy.http.headers import HeaderMap

    with suppress(CallRefused):  # as for a collector that is down: the spans are lost
        server.host.grpc_call(
            server.cluster,
            _SERVICE,
            _METHOD,
            body,
            lambda _: None,
            metadata=HeaderMap(server.metadata),
            authority=server.authority,
            options=CallOptions(timeout_s=server.timeout_s),
        )


def _collector(message: Any, context: Context, host: Host) -> Collector:
    """The server of an HttpService message."""
    uri, place = message.http_uri, context.at("http_uri")
    place.unknown_cluster("cluster", uri.cluster)
    parts = urlsplit(uri.uri)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = []
    for index, option in enumerate(message.request_headers_to_add):
        header = option.header
        if "%" in header.value:
            context.warning(f"request_headers_to_add[{index}]", "the value is sent as it is written")
        headers.append((header.key.lower().encode(), bytes(header.raw_value) or header.value.encode()))
    timeout_s = place.duration_s(uri, "timeout", 0.0) or 0.0
    return Collector(host, uri.cluster, parts.netloc.encode(), path.encode(), timeout_s, tuple(headers))


def _batch(prefix: str, context: Context, host: Host, send: Callable[[list[Any]], None]) -> Batch:
    runtime = context.runtime
    return Batch(
        host,
        send,
        interval_s=runtime.integer(f"{prefix}.flush_interval_ms", FLUSH_INTERVAL_MS) / 1000,
        at_least=runtime.integer(f"{prefix}.min_flush_spans", MIN_FLUSH_SPANS),
        timer_flushed=context.root_scope.counter(f"{prefix}.timer_flushed"),
    )


class _Untold:
    @staticmethod
    def build(_message: Any, context: Context) -> None:
        """Requests are marked in their ids, and nobody is told."""
        context.warning("", "no spans are made for this provider, and the upstream is not told of any")


@extension(TRACER, name="envoy.tracers.datadog", type_url=_PACKAGE + "DatadogConfig")
class Datadog(_Untold):
    """Datadog's agent."""


@extension(TRACER, name="envoy.tracers.skywalking", type_url=_PACKAGE + "SkyWalkingConfig")
class SkyWalking(_Untold):
    """Apache SkyWalking."""


@extension(TRACER, name="envoy.tracers.xray", type_url=_PACKAGE + "XRayConfig")
class XRay(_Untold):
    """AWS X-Ray."""


@extension(TRACER, name="envoy.tracers.fluentd", type_url="envoy.extensions.tracers.fluentd.v3.FluentdConfig")
class Fluentd(_Untold):
    """Fluentd."""
