"""Protocol options of a cluster -> HttpPlan and the TCP idle time-out.

Reads `typed_extension_protocol_options` (HttpProtocolOptions, TcpProtocolOptions) and the deprecated fields of the
cluster itself that mean the same.
Source of behaviour: Envoy, extensions.upstreams.http.v3 and tcp.v3, ClusterInfoImpl.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pyvoy.config.compile.http2 import client_http2
from pyvoy.config.context import Context
from pyvoy.config.message_types import TypeNotFoundError, unpack
from pyvoy.config.registry import supports, type_name_of
from pyvoy.upstream.cluster_plan import HttpPlan, UpstreamProtocol

HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
TCP_OPTIONS = "envoy.extensions.upstreams.tcp.v3.TcpProtocolOptions"
_CORE = "envoy.config.core.v3."
_UPSTREAM_CODEC = "envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"

supports(
    HTTP_OPTIONS,
    "common_http_protocol_options explicit_http_config use_downstream_protocol_config auto_config http_filters "
    "upstream_http_protocol_options",
)
supports(_CORE + "UpstreamHttpProtocolOptions", "auto_sni auto_san_validation override_auto_sni_header")
supports(HTTP_OPTIONS + ".ExplicitHttpConfig", "http_protocol_options http2_protocol_options")
supports(HTTP_OPTIONS + ".UseDownstreamHttpConfig", "http_protocol_options http2_protocol_options")
supports(HTTP_OPTIONS + ".AutoHttpConfig", "http_protocol_options http2_protocol_options")
supports(
    _CORE + "HttpProtocolOptions",
    "idle_timeout max_connection_duration max_headers_count max_response_headers_kb max_stream_duration "
    "max_requests_per_connection",
)
supports(_CORE + "Http1ProtocolOptions", "enable_trailers header_key_format", tuning="use_balsa_parser")
supports(_CORE + "Http1ProtocolOptions.HeaderKeyFormat", "proper_case_words")
supports(_CORE + "Http1ProtocolOptions.HeaderKeyFormat.ProperCaseWords")
supports(TCP_OPTIONS, "idle_timeout")
supports(_UPSTREAM_CODEC)

_USE_DOWNSTREAM = 1
DEFAULT_IDLE_TIMEOUT_S = 3600.0
DEFAULT_TCP_IDLE_TIMEOUT_S = 600.0


def build_http(cluster: Any, context: Context) -> HttpPlan:
    """The HTTP plan of a Cluster; `context` stands at the cluster."""
    options = _typed_options(cluster, HTTP_OPTIONS, context)
    if options is None:
        return _plan(
            _legacy_protocol(cluster),
            cluster.common_http_protocol_options,
            cluster.http_protocol_options,
            context.wrapped(cluster, "max_requests_per_connection", 0),
            context,
            cluster.http2_protocol_options,
        )
    at = context.at("typed_extension_protocol_options", HTTP_OPTIONS)
    protocol, http1, http2 = _protocol(options, at)
    if options.http_filters:
        only_codec(options.http_filters, at, "http_filters")
    plan = _plan(
        protocol,
        options.common_http_protocol_options,
        http1,
        context.wrapped(cluster, "max_requests_per_connection", 0),
        at,
        http2,
    )
    names = options.upstream_http_protocol_options
    return replace(
        plan,
        auto_sni=names.auto_sni,
        auto_sni_header=names.override_auto_sni_header.lower().encode() or b":authority",
        auto_san_validation=names.auto_san_validation,
    )


def tcp_idle_timeout_s(cluster: Any, context: Context) -> float | None:
    """Seconds that a pooled TCP connection may wait; None for ever."""
    options = _typed_options(cluster, TCP_OPTIONS, context)
    if options is None:
        return DEFAULT_TCP_IDLE_TIMEOUT_S
    at = context.at("typed_extension_protocol_options", TCP_OPTIONS)
    return at.duration_s(options, "idle_timeout", DEFAULT_TCP_IDLE_TIMEOUT_S) or None


def _typed_options(cluster: Any, type_name: str, context: Context) -> Any:
    for key, value in sorted(cluster.typed_extension_protocol_options.items()):
        if type_name_of(value.type_url) == type_name:
            try:
                return unpack(value, type_name)
            except (TypeNotFoundError, ValueError) as error:
                context.at("typed_extension_protocol_options", key).error("", str(error))
    return None


def _legacy_protocol(cluster: Any) -> UpstreamProtocol:
    """What the deprecated fields of the cluster say."""
    if cluster.protocol_selection == _USE_DOWNSTREAM:
        return UpstreamProtocol.DOWNSTREAM
    return UpstreamProtocol.HTTP2 if cluster.HasField("http2_protocol_options") else UpstreamProtocol.HTTP1


def _protocol(options: Any, context: Context) -> tuple[UpstreamProtocol, Any, Any]:
    """The protocol, and the options of HTTP/1 and HTTP/2 that go with it."""
    if options.HasField("use_downstream_protocol_config"):
        config = options.use_downstream_protocol_config
        return UpstreamProtocol.DOWNSTREAM, config.http_protocol_options, config.http2_protocol_options
    if options.HasField("auto_config"):
        config = options.auto_config
        return UpstreamProtocol.AUTO, config.http_protocol_options, config.http2_protocol_options
    if not options.HasField("explicit_http_config"):
        context.error("", "needs explicit_http_config, use_downstream_protocol_config or auto_config")
    config = options.explicit_http_config
    protocol = UpstreamProtocol.HTTP2 if config.HasField("http2_protocol_options") else UpstreamProtocol.HTTP1
    return protocol, config.http_protocol_options, config.http2_protocol_options


def _plan(
    protocol: UpstreamProtocol, common: Any, http1: Any, max_requests: int, context: Context, http2: Any
) -> HttpPlan:
    """`context` stands at what holds the options."""
    header_format = http1.header_key_format
    speaks_http2 = protocol is not UpstreamProtocol.HTTP1
    http2_plan = client_http2(http2, common, context.at("http2_protocol_options")) if speaks_http2 else None
    context = context.at("common_http_protocol_options")
    plan = HttpPlan(
        protocol=protocol,
        idle_timeout_s=context.duration_s(common, "idle_timeout", DEFAULT_IDLE_TIMEOUT_S) or None,
        max_connection_duration_s=context.duration_s(common, "max_connection_duration") or None,
        max_stream_duration_s=context.duration_s(common, "max_stream_duration") or None,
        max_requests_per_connection=context.wrapped(common, "max_requests_per_connection", max_requests),
        max_response_headers_kb=context.wrapped(common, "max_response_headers_kb", None),
        max_headers_count=context.wrapped(common, "max_headers_count", 100),
        enable_trailers=http1.enable_trailers,
        header_case="proper" if header_format.HasField("proper_case_words") else "lower",
    )
    return plan if http2_plan is None else replace(plan, http2=http2_plan)


def only_codec(filters: Any, context: Context, field: str) -> None:
    """The list that says what happens without a list is accepted."""
    for index, entry in enumerate(filters):
        if type_name_of(entry.typed_config.type_url) != _UPSTREAM_CODEC:
            context.at(field, index).error("", "upstream HTTP filters are not supported by pyvoy")
