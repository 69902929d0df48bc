"""Http2ProtocolOptions -> Http2Plan, for connection managers and for clusters.

Source: Envoy's core.v3.Http2ProtocolOptions (defaults and bounds) and Http2::Utility::initializeAndValidateOptions.
"""

from __future__ import annotations

from typing import Any

from pyvoy.config.context import Context
from pyvoy.config.registry import supports
from pyvoy.http.h1.limits import Underscores
from pyvoy.http.h2.limits import Http2Plan, KeepAlive

_OPTIONS = "envoy.config.core.v3.Http2ProtocolOptions"
supports(
    _OPTIONS,
    """hpack_table_size max_concurrent_streams initial_stream_window_size initial_connection_window_size allow_connect
    max_outbound_frames max_outbound_control_frames max_consecutive_inbound_frames_with_empty_payload
    max_inbound_priority_frames_per_stream max_inbound_window_update_frames_per_data_frame_sent
    stream_error_on_invalid_http_messaging override_stream_error_on_invalid_http_message custom_settings_parameters
    connection_keepalive""",
    # METADATA frames are an extension that only Envoys speak among themselves; they are skipped.
    tuning="allow_metadata use_oghttp2_codec max_metadata_size",
)
supports(_OPTIONS + ".SettingsParameter", "identifier value")
supports("envoy.config.core.v3.KeepaliveSettings", "interval timeout interval_jitter connection_idle_interval")

_ENABLE_PUSH = 2
_NAMED = {1: "hpack_table_size", 3: "max_concurrent_streams", 4: "initial_stream_window_size", 8: "allow_connect"}


def server_http2(message: Any, context: Context) -> Http2Plan:
    """The plan of an HttpConnectionManager's codec; `context` stands at the message."""
    common = message.common_http_protocol_options
    kilobytes = message.max_request_headers_kb.value if message.HasField("max_request_headers_kb") else 60
    options = message.http2_protocol_options
    stream_errors = context.wrapped(message, "stream_error_on_invalid_http_message", False)
    return _plan(
        options,
        context.at("http2_protocol_options"),
        head_limit_bytes=kilobytes * 1024,
        count_limit=context.wrapped(common, "max_headers_count", 100),
        underscores=(Underscores.ALLOW, Underscores.REJECT, Underscores.DROP)[common.headers_with_underscores_action],
        stream_errors=stream_errors or options.stream_error_on_invalid_http_messaging,
    )


def client_http2(options: Any, common: Any, context: Context) -> Http2Plan:
    """The plan of a cluster's codecs; `common` are its HttpProtocolOptions."""
    return _plan(
        options,
        context,
        head_limit_bytes=context.wrapped(common, "max_response_headers_kb", 60) * 1024,
        count_limit=context.wrapped(common, "max_headers_count", 100),
        underscores=Underscores.ALLOW,
        stream_errors=options.stream_error_on_invalid_http_messaging,
    )


def _plan(
    options: Any,
    context: Context,
    *,
    head_limit_bytes: int,
    count_limit: int,
    underscores: Underscores,
    stream_errors: bool,
) -> Http2Plan:
    def value(field: str, default: int) -> int:
        return int(context.wrapped(options, field, default))

    return Http2Plan(
        head_limit_bytes=head_limit_bytes,
        count_limit=count_limit,
        underscores=underscores,
        hpack_table_bytes=value("hpack_table_size", 4096),
        max_concurrent_streams=value("max_concurrent_streams", 1024),
        stream_window_bytes=value("initial_stream_window_size", 16 * 1024 * 1024),
        connection_window_bytes=value("initial_connection_window_size", 24 * 1024 * 1024),
        allow_connect=options.allow_connect,
        stream_errors=context.wrapped(options, "override_stream_error_on_invalid_http_message", stream_errors),
        max_outbound_frames=value("max_outbound_frames", 10_000),
        max_outbound_control_frames=value("max_outbound_control_frames", 1_000),
        max_empty_frames=value("max_consecutive_inbound_frames_with_empty_payload", 1),
        max_priority_frames_per_stream=value("max_inbound_priority_frames_per_stream", 100),
        max_window_updates_per_data_frame=value("max_inbound_window_update_frames_per_data_frame_sent", 10),
        keepalive=_keepalive(options, context.at("connection_keepalive")),
        custom_settings=_custom(options, context),
    )


def _keepalive(options: Any, context: Context) -> KeepAlive | None:
    if not options.HasField("connection_keepalive"):
        return None
    settings = options.connection_keepalive
    interval_s = context.duration_s(settings, "interval") or 0.0
    idle_s = context.duration_s(settings, "connection_idle_interval") or 0.0
    if not interval_s and not idle_s:
        context.error("", "needs interval or connection_idle_interval")
    jitter = settings.interval_jitter.value if settings.HasField("interval_jitter") else 15.0
    return KeepAlive(interval_s, context.duration_s(settings, "timeout") or 0.0, jitter, idle_s)


def _custom(options: Any, context: Context) -> tuple[tuple[int, int], ...]:
    found: dict[int, int] = {}
    for index, parameter in enumerate(options.custom_settings_parameters):
        identifier, value = parameter.identifier.value, parameter.value.value
        place = context.at("custom_settings_parameters", index)
        if identifier == _ENABLE_PUSH:
            place.error("identifier", "server push is not supported by Envoy and can not be enabled")
        elif identifier in _NAMED:
            place.error("identifier", f"the setting with this number is {_NAMED[identifier]}")
        elif found.setdefault(identifier, value) != value:
            place.error("value", "another value for the same identifier")
    return tuple(found.items())
