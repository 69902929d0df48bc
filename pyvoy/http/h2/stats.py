"""The HTTP/2 codec's statistics under Envoy's names: `http2.*`, and `cluster.<name>.http2.*` for upstreams.

The annotations are the list.  Envoy counts which of its two codecs serves a connection; its defaults choose nghttp2.
Source: Envoy, ALL_HTTP2_CODEC_STATS.
"""

from __future__ import annotations

from pyvoy.stats.counters import Counter, Gauge
from pyvoy.stats.store import Scope


class CodecStats:
    """Counters and gauges of all codecs below one scope."""

    cookies_total_bytes_too_large: Counter
    dropped_headers_with_underscores: Counter
    goaway_sent: Counter
    header_list_size_too_large: Counter
    header_overflow: Counter
    headers_cb_no_stream: Counter
    inbound_empty_frames_flood: Counter
    inbound_priority_frames_flood: Counter
    inbound_window_update_frames_flood: Counter
    keepalive_timeout: Counter
    metadata_empty_frames: Counter
    nghttp2_downstream_connections: Counter
    nghttp2_upstream_connections: Counter
    oghttp2_downstream_connections: Counter
    oghttp2_upstream_connections: Counter
    outbound_control_flood: Counter
    outbound_flood: Counter
    requests_rejected_with_underscores_in_headers: Counter
    rx_messaging_error: Counter
    rx_reset: Counter
    stream_refused_errors: Counter
    trailers: Counter
    tx_flush_timeout: Counter
    tx_reset: Counter
    deferred_stream_close: Gauge
    outbound_control_frames_active: Gauge
    outbound_frames_active: Gauge
    pending_send_bytes: Gauge
    streams_active: Gauge

    def __init__(self, root: Scope) -> None:
        """`root` is above `http2.`."""
        scope = root.scope("http2")
        for name, kind in CodecStats.__annotations__.items():
            setattr(self, name, (scope.gauge if kind == "Gauge" else scope.counter)(name))
