"""Limits and switches of the HTTP/2 codec, decided at load.  Defaults are Envoy's (core.v3.Http2ProtocolOptions)."""

from __future__ import annotations

from dataclasses import dataclass

from pyvoy.http.h1.limits import Underscores

LARGEST_WINDOW = (1 << 31) - 1
DEFAULT_WINDOW = 65535
DEFAULT_FRAME_BYTES = 16384
LARGEST_FRAME_BYTES = (1 << 24) - 1


@dataclass(slots=True, frozen=True)
class KeepAlive:
    """connection_keepalive: a PING every `interval_s` (0: only with `idle_interval_s`, before a request on a connection
    that was idle as long), answered within `timeout_s`; the interval varies by `jitter_percent`."""

    interval_s: float
    timeout_s: float
    jitter_percent: float = 15.0
    idle_interval_s: float = 0.0


@dataclass(slots=True, frozen=True)
class Http2Plan:
    """Settings of one codec, on either side.

    `head_limit_bytes` bounds the decoded head (names and values), `count_limit` the number of fields, cookie crumbs
    each for itself.  The limits from `max_outbound_frames` on are the flood limits of the API's fields of these names.
    """

    head_limit_bytes: int = 60 * 1024
    count_limit: int = 100
    underscores: Underscores = Underscores.ALLOW
    hpack_table_bytes: int = 4096
    max_concurrent_streams: int = 1024
    stream_window_bytes: int = 16 * 1024 * 1024
    connection_window_bytes: int = 24 * 1024 * 1024
    allow_connect: bool = False
    stream_errors: bool = False
    """A malformed message ends its stream, not the connection (override_stream_error_on_invalid_http_message)."""
    max_outbound_frames: int = 10_000
    max_outbound_control_frames: int = 1_000
    max_empty_frames: int = 1
    max_priority_frames_per_stream: int = 100
    max_window_updates_per_data_frame: int = 10
    keepalive: KeepAlive | None = None
    custom_settings: tuple[tuple[int, int], ...] = ()
    """Further settings to announce (custom_settings_parameters): identifier, value."""
