"""Fields and types that Envoy 1.40 knows and the published generated modules do not (yet).

They cannot be read, so setting one is reported as not supported instead of as a mistake of the user.
Source: Envoy's API reference for 1.40 against xds-protos 1.85.
"""

from __future__ import annotations

FIELDS: dict[str, frozenset[str]] = {
    "envoy.config.listener.v3.Listener": frozenset(("stats_matcher", "tcp_keepalive")),
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager": frozenset(
        ("forward_proto_config",)
    ),
    "envoy.type.matcher.v3.AddressMatcher": frozenset(("invert_match",)),
    "envoy.config.cluster.v3.OutlierDetection": frozenset(("detect_degraded_hosts",)),
}

TYPES = frozenset(("envoy.extensions.filters.http.file_server.v3.FileServerConfig",))
