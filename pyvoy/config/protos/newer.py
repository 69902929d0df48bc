"""Fields and types that Envoy 1.40 knows and the published generated modules do not (yet).

They cannot be read, so setting one is reported as what it is instead of as a mistake of the user.
Source: tried on Envoy 1.40 (`--mode validate`) against xds-protos 1.85.
"""

from __future__ import annotations

# Message type -> fields that change what traffic sees: an error when set.
FIELDS: dict[str, frozenset[str]] = {
    "envoy.config.listener.v3.Listener": frozenset(("per_connection_buffer_high_watermark_timeout",)),
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager": frozenset(
        ("forward_proto_config",)
    ),
    "envoy.config.cluster.v3.OutlierDetection": frozenset(("detect_degraded_hosts",)),
    "envoy.config.core.v3.HttpProtocolOptions": frozenset(("max_connection_duration_jitter",)),
    "envoy.config.route.v3.RouteMatch": frozenset(("cookies",)),
    "envoy.config.route.v3.RetryPolicy": frozenset(("refresh_cluster_on_retry",)),
    "envoy.type.matcher.v3.AddressMatcher": frozenset(("invert_match",)),
}

# Message type -> fields that only tune: a warning when set.
TUNING: dict[str, frozenset[str]] = {
    "envoy.config.listener.v3.Listener": frozenset(("stats_matcher", "tcp_keepalive")),
}

TYPES = frozenset(("envoy.extensions.filters.http.file_server.v3.FileServerConfig",))
