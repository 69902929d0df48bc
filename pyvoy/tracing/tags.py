"""What a span says of its request: the standard tags, those that the configuration adds, and when what happened.

Source: Envoy's HttpTracerUtility (finalizeDownstreamSpan, finalizeUpstreamSpan); texts observed on Envoy 1.40.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pyvoy.observe.details import Flag, flags_text
from pyvoy.tracing.decision import CLIENT_TRACE_ID, REQUEST_ID

if TYPE_CHECKING:
    from pyvoy.http.headers import HeaderMap
    from pyvoy.observe.stream_info import StreamInfo
    from pyvoy.tracing.span import Span

TagReader = Callable[[Any], str | None]
"""Reads a tag's value of a stream; None leaves the tag out."""

ERROR = "error"
STATUS = "http.status_code"
_UPSTREAM_EVENTS = (
    ("first_upstream_tx_byte_sent", "first_upstream_tx_s"),
    ("last_upstream_tx_byte_sent", "last_upstream_tx_s"),
    ("first_upstream_rx_byte_received", "first_upstream_rx_s"),
    ("last_upstream_rx_byte_received", "last_upstream_rx_s"),
)
_ALL_EVENTS = (
    ("last_downstream_rx_byte_received", "last_downstream_rx_s"),
    *_UPSTREAM_EVENTS,
    ("first_downstream_tx_byte_sent", "first_downstream_tx_s"),
    ("last_downstream_tx_byte_sent", "last_downstream_tx_s"),
)
_RESETS = (
    (Flag.UPSTREAM_CONNECTION_FAILURE, "remote connection failure"),
    (Flag.UPSTREAM_CONNECTION_TERMINATION, "connection termination"),
    (Flag.UPSTREAM_REMOTE_RESET, "remote reset"),
)
_GRPC = b"application/grpc"


def describe_request(span: Span, stream: Any, max_path_bytes: int) -> None:
    """The tags of the whole request, but those that both kinds of span have."""
    tags, info, headers = span.tags, stream.info, stream.request_headers
    values = headers.map
    tags["guid:x-request-id"] = text(values.get(REQUEST_ID))
    tags["http.url"] = url(headers, max_path_bytes)
    tags["http.method"] = text(values.get(b":method"))
    tags["downstream_cluster"] = text(values.get(b"x-envoy-downstream-service-cluster")) or "-"
    tags["user_agent"] = text(values.get(b"user-agent")) or "-"
    tags["http.protocol"] = info.protocol
    tags["peer.address"] = stream.connection.direct_remote.ip or stream.connection.direct_remote.text
    if CLIENT_TRACE_ID in values:
        tags["guid:x-client-trace-id"] = text(values[CLIENT_TRACE_ID])
    if _is_grpc(values.get(b"content-type", b"")):
        tags["grpc.path"] = text(values.get(b":path"))
        tags["grpc.authority"] = text(values.get(b":authority"))
        tags["grpc.content_type"] = text(values.get(b"content-type"))
        if b"grpc-timeout" in values:
            tags["grpc.timeout"] = text(values[b"grpc-timeout"])
    tags["request_size"] = str(info.bytes_received)
    tags["response_size"] = str(info.bytes_sent)


def describe_outcome(
    span: Span, stream: Any, code: int, custom: Mapping[str, TagReader], *, verbose: bool, upstream: bool
) -> None:
    """What both kinds of span say at the end; `code` is the status that this side saw."""
    tags, info = span.tags, stream.info
    tags["component"] = "proxy"
    if info.upstream_cluster:
        tags["upstream_cluster"] = info.upstream_cluster
        tags["upstream_cluster.name"] = info.upstream_cluster_observability_name or info.upstream_cluster
    tags[STATUS] = str(code)
    tags["response_flags"] = flags_text(info.response_flags)
    _describe_grpc_status(tags, stream)
    if not code or code >= 500:
        tags[ERROR] = "true"
    if verbose:
        _note_events(span, info, upstream=upstream)
    for name, read in custom.items():
        value = read(stream)
        if value:
            tags[name] = value


def _note_events(span: Span, info: StreamInfo, *, upstream: bool) -> None:
    wall_offset_s = info.start_wall_s - info.start_s
    for name, field in _UPSTREAM_EVENTS if upstream else _ALL_EVENTS:
        time_s = getattr(info, field)
        if time_s is not None:
            span.events.append((name, time_s + wall_offset_s))
        elif field == "last_downstream_rx_s" and not info.bytes_received:
            span.events.append((name, span.start_s))  # answered before the router has seen the end
        elif field == "last_downstream_tx_s" and info.first_downstream_tx_s is not None:
            span.events.append((name, span.end_s))


def describe_call(span: Span, info: StreamInfo) -> int:
    """What only the span of a call upstream says; answers the status that came."""
    tags = span.tags
    came = info.first_upstream_rx_s is not None
    reset = next((reason for flag, reason in _RESETS if info.response_flags & flag), None)
    if reset is not None:
        tags[ERROR] = "true"
        tags["error.reason"] = reset
    tags["http.protocol"] = info.upstream_protocol if came else "-"
    if info.upstream_host is not None:
        tags["upstream_address"] = tags["peer.address"] = info.upstream_host.address.text
    return info.response_code if came else 0


def _describe_grpc_status(tags: dict[str, str], stream: Any) -> None:
    for headers in (stream.response_headers, stream.response_trailers):
        status = None if headers is None else headers.map.get(b"grpc-status")
        if status is not None:
            tags["grpc.status_code"] = text(status)
            message = headers.map.get(b"grpc-message")
            if message:
                tags["grpc.message"] = text(message)
            if status != b"0":
                tags[ERROR] = "true"


def url(headers: HeaderMap, max_path_bytes: int) -> str:
    """What the client asked for, its path cut."""
    values = headers.map
    path = values.get(b"x-envoy-original-path") or values.get(b":path", b"")
    scheme = values.get(b"x-forwarded-proto") or values.get(b":scheme", b"")
    return text(b"%b://%b%b" % (scheme, values.get(b":authority", b""), path[:max_path_bytes]))


def text(value: bytes | None) -> str:
    """A header's value as a tag has it."""
    return "" if value is None else value.decode("utf-8", "replace")


def _is_grpc(content_type: bytes) -> bool:
    return content_type.startswith(_GRPC) and content_type[len(_GRPC) : len(_GRPC) + 1] in (b"", b"+")
