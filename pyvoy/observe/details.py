"""Response flags, response code details and reset reasons: the one place that spells them.

Filters, pools and the connection manager name what happened by these constants; access logs, traces and the admin page
print them.  Source of names, texts and order: Envoy's CoreResponseFlag, ResponseCodeDetailValues,
LocalCloseReasonValues and the HTTP/1 codec's detail strings (1.40).
"""

from __future__ import annotations

from typing import Final


class Flag:
    """Bits of `StreamInfo.response_flags`: plain ints, so that setting one is a single `|=`."""

    NONE: Final = 0
    FAILED_LOCAL_HEALTH_CHECK: Final = 1 << 0
    NO_HEALTHY_UPSTREAM: Final = 1 << 1
    UPSTREAM_REQUEST_TIMEOUT: Final = 1 << 2
    LOCAL_RESET: Final = 1 << 3
    UPSTREAM_REMOTE_RESET: Final = 1 << 4
    UPSTREAM_CONNECTION_FAILURE: Final = 1 << 5
    UPSTREAM_CONNECTION_TERMINATION: Final = 1 << 6
    UPSTREAM_OVERFLOW: Final = 1 << 7
    NO_ROUTE_FOUND: Final = 1 << 8
    DELAY_INJECTED: Final = 1 << 9
    FAULT_INJECTED: Final = 1 << 10
    RATE_LIMITED: Final = 1 << 11
    UNAUTHORIZED_EXTERNAL_SERVICE: Final = 1 << 12
    RATE_LIMIT_SERVICE_ERROR: Final = 1 << 13
    DOWNSTREAM_CONNECTION_TERMINATION: Final = 1 << 14
    UPSTREAM_RETRY_LIMIT_EXCEEDED: Final = 1 << 15
    STREAM_IDLE_TIMEOUT: Final = 1 << 16
    INVALID_ENVOY_REQUEST_HEADERS: Final = 1 << 17
    DOWNSTREAM_PROTOCOL_ERROR: Final = 1 << 18
    UPSTREAM_MAX_STREAM_DURATION_REACHED: Final = 1 << 19
    RESPONSE_FROM_CACHE_FILTER: Final = 1 << 20
    NO_FILTER_CONFIG_FOUND: Final = 1 << 21
    DURATION_TIMEOUT: Final = 1 << 22
    UPSTREAM_PROTOCOL_ERROR: Final = 1 << 23
    NO_CLUSTER_FOUND: Final = 1 << 24
    OVERLOAD_MANAGER_TERMINATED: Final = 1 << 25
    DNS_RESOLUTION_FAILED: Final = 1 << 26
    DROP_OVERLOAD: Final = 1 << 27
    DOWNSTREAM_REMOTE_RESET: Final = 1 << 28
    UNCONDITIONAL_DROP_OVERLOAD: Final = 1 << 29
    UPSTREAM_CONNECT_ATTEMPTS_EXCEEDED: Final = 1 << 30
    """tcp_proxy's UPSTREAM_RETRY_LIMIT_EXCEEDED: noticed behind the failure, and logged behind it."""


FLAG_NAMES: Final[tuple[tuple[int, str, str], ...]] = (
    (Flag.UPSTREAM_RETRY_LIMIT_EXCEEDED, "URX", "UpstreamRetryLimitExceeded"),
    (Flag.FAILED_LOCAL_HEALTH_CHECK, "LH", "FailedLocalHealthCheck"),
    (Flag.NO_HEALTHY_UPSTREAM, "UH", "NoHealthyUpstream"),
    (Flag.UPSTREAM_REQUEST_TIMEOUT, "UT", "UpstreamRequestTimeout"),
    (Flag.LOCAL_RESET, "LR", "LocalReset"),
    (Flag.UPSTREAM_REMOTE_RESET, "UR", "UpstreamRemoteReset"),
    (Flag.UPSTREAM_CONNECTION_FAILURE, "UF", "UpstreamConnectionFailure"),
    (Flag.UPSTREAM_CONNECTION_TERMINATION, "UC", "UpstreamConnectionTermination"),
    (Flag.UPSTREAM_OVERFLOW, "UO", "UpstreamOverflow"),
    (Flag.NO_ROUTE_FOUND, "NR", "NoRouteFound"),
    (Flag.DELAY_INJECTED, "DI", "DelayInjected"),
    (Flag.FAULT_INJECTED, "FI", "FaultInjected"),
    (Flag.RATE_LIMITED, "RL", "RateLimited"),
    (Flag.UNAUTHORIZED_EXTERNAL_SERVICE, "UAEX", "UnauthorizedExternalService"),
    (Flag.RATE_LIMIT_SERVICE_ERROR, "RLSE", "RateLimitServiceError"),
    (Flag.DOWNSTREAM_CONNECTION_TERMINATION, "DC", "DownstreamConnectionTermination"),
    (Flag.STREAM_IDLE_TIMEOUT, "SI", "StreamIdleTimeout"),
    (Flag.INVALID_ENVOY_REQUEST_HEADERS, "IH", "InvalidEnvoyRequestHeaders"),
    (Flag.DOWNSTREAM_PROTOCOL_ERROR, "DPE", "DownstreamProtocolError"),
    (Flag.UPSTREAM_MAX_STREAM_DURATION_REACHED, "UMSDR", "UpstreamMaxStreamDurationReached"),
    (Flag.RESPONSE_FROM_CACHE_FILTER, "RFCF", "ResponseFromCacheFilter"),
    (Flag.NO_FILTER_CONFIG_FOUND, "NFCF", "NoFilterConfigFound"),
    (Flag.DURATION_TIMEOUT, "DT", "DurationTimeout"),
    (Flag.UPSTREAM_PROTOCOL_ERROR, "UPE", "UpstreamProtocolError"),
    (Flag.NO_CLUSTER_FOUND, "NC", "NoClusterFound"),
    (Flag.OVERLOAD_MANAGER_TERMINATED, "OM", "OverloadManagerTerminated"),
    (Flag.DNS_RESOLUTION_FAILED, "DF", "DnsResolutionFailed"),
    (Flag.DROP_OVERLOAD, "DO", "DropOverload"),
    (Flag.DOWNSTREAM_REMOTE_RESET, "DR", "DownstreamRemoteReset"),
    (Flag.UNCONDITIONAL_DROP_OVERLOAD, "UDO", "UnconditionalDropOverload"),
    (Flag.UPSTREAM_CONNECT_ATTEMPTS_EXCEEDED, "URX", "UpstreamRetryLimitExceeded"),
)
"""(bit, short name, long name) in log order.  Envoy logs flags in the order they were set; a bit set has this
fixed order instead, in which the retry limit comes first, because it is noticed before the failure that hits it."""

FLAGS_BY_SHORT_NAME: Final[dict[str, int]] = {
    short: sum(bit for bit, other, _ in FLAG_NAMES if other == short) for _, short, _ in FLAG_NAMES
}
"""Short name -> its bits: one, but two for the retry limit."""


def flags_text(bits: int) -> str:
    """%RESPONSE_FLAGS%: short names joined with commas, "-" when no flag is set."""
    return ",".join([short for bit, short, _ in FLAG_NAMES if bits & bit]) if bits else "-"


def flags_long_text(bits: int) -> str:
    """%RESPONSE_FLAGS_LONG%: long names joined with commas, "-" when no flag is set."""
    return ",".join([long for bit, _, long in FLAG_NAMES if bits & bit]) if bits else "-"


# --- %RESPONSE_CODE_DETAILS% of the core -----------------------------------------------------------------------------
VIA_UPSTREAM: Final = "via_upstream"
REQUEST_PAYLOAD_TOO_LARGE: Final = "request_payload_too_large"
RESPONSE_PAYLOAD_TOO_LARGE: Final = "response_payload_too_large"
REQUEST_PAYLOAD_EXCEEDED_RETRY_BUFFER_LIMIT: Final = "request_payload_exceeded_retry_buffer_limit"
STREAM_IDLE_TIMEOUT: Final = "stream_idle_timeout"
MAX_DURATION_TIMEOUT: Final = "max_duration_timeout"
REQUEST_OVERALL_TIMEOUT: Final = "request_overall_timeout"
REQUEST_HEADER_TIMEOUT: Final = "request_header_timeout"
OVERLOAD: Final = "overload"
LOW_VERSION: Final = "low_version"
MISSING_HOST: Final = "missing_host_header"
INVALID_ENVOY_REQUEST_HEADERS: Final = "request_headers_failed_strict_check"
MISSING_PATH: Final = "missing_path_rejected"
INVALID_PATH: Final = "invalid_path"
ABSOLUTE_PATH: Final = "absolute_path_rejected"
PATH_NORMALIZATION_FAILED: Final = "path_normalization_failed"
UPGRADE_FAILED: Final = "upgrade_failed"
WEBSOCKET_HANDSHAKE_UNSUCCESSFUL: Final = "websocket_handshake_unsuccessful"
ROUTE_CONFIGURATION_NOT_FOUND: Final = "route_configuration_not_found"
ROUTE_NOT_FOUND: Final = "route_not_found"
DIRECT_RESPONSE: Final = "direct_response"
CLUSTER_NOT_FOUND: Final = "cluster_not_found"
MAINTENANCE_MODE: Final = "maintenance_mode"
DROP_OVERLOAD: Final = "drop_overload"
UNCONDITIONAL_DROP_OVERLOAD: Final = "unconditional_drop_overload"
NO_HEALTHY_UPSTREAM: Final = "no_healthy_upstream"
RESPONSE_TIMEOUT: Final = "response_timeout"
UPSTREAM_PER_TRY_TIMEOUT: Final = "upstream_per_try_timeout"
UPSTREAM_PER_TRY_IDLE_TIMEOUT: Final = "upstream_per_try_idle_timeout"
UPSTREAM_MAX_STREAM_DURATION_REACHED: Final = "upstream_max_stream_duration_reached"
EARLY_UPSTREAM_RESET: Final = "upstream_reset_before_response_started"
LATE_UPSTREAM_RESET: Final = "upstream_reset_after_response_started"
FILTER_CHAIN_NOT_FOUND: Final = "filter_chain_not_found"
DOWNSTREAM_REMOTE_DISCONNECT: Final = "downstream_remote_disconnect"
DURATION_TIMEOUT: Final = "duration_timeout"
DOWNSTREAM_HEADER_TIMEOUT: Final = "downstream_header_timeout"
ADMIN_FILTER_RESPONSE: Final = "admin_filter_response"
INTERNAL_REDIRECT: Final = "internal_redirect"
FILTER_REMOVED_REQUIRED_REQUEST_HEADERS: Final = "filter_removed_required_request_headers"
FILTER_REMOVED_REQUIRED_RESPONSE_HEADERS: Final = "filter_removed_required_response_headers"
ORIGINAL_IP_DETECTION_FAILED: Final = "rejecting_because_detection_failed"
FILTER_ADDED_INVALID_REQUEST_DATA: Final = "filter_added_invalid_request_data"
FILTER_ADDED_INVALID_RESPONSE_DATA: Final = "filter_added_invalid_response_data"
EARLY_CONNECT_DATA: Final = "early_connect_data"
FILTER_CONFIG_NOT_FOUND: Final = "filter_config_not_found"

# --- the HTTP/1 codec ------------------------------------------------------------------------------------------------
HTTP1_CODEC_ERROR: Final = "http1.codec_error"
HTTP1_TOO_MANY_HEADERS: Final = "http1.too_many_headers"
HTTP1_TOO_MANY_TRAILERS: Final = "http1.too_many_trailers"
HTTP1_HEADERS_TOO_LARGE: Final = "http1.headers_too_large"
HTTP1_TRAILERS_TOO_LARGE: Final = "http1.trailers_too_large"
HTTP1_TRANSFER_ENCODING_NOT_ALLOWED: Final = "http1.transfer_encoding_not_allowed"
HTTP1_CONTENT_LENGTH_NOT_ALLOWED: Final = "http1.content_length_not_allowed"
HTTP1_CONTENT_LENGTH_AND_CHUNKED: Final = "http1.content_length_and_chunked_not_allowed"
HTTP1_INVALID_CHARACTERS: Final = "http1.invalid_characters"
HTTP1_CONNECTION_HEADER_REJECTED: Final = "http1.connection_header_rejected"
HTTP1_INVALID_TRANSFER_ENCODING: Final = "http1.invalid_transfer_encoding"
HTTP1_INVALID_URL: Final = "http1.invalid_url"
HTTP1_INVALID_SCHEME: Final = "http1.invalid_scheme"
HTTP1_UNEXPECTED_UNDERSCORE: Final = "http1.unexpected_underscore"
HTTP1_BODY_DISALLOWED: Final = "http1.body_disallowed"
HTTP1_HTTPS_ON_PLAIN_TEXT: Final = "http1.https_url_on_plaintext_connection"
HTTP_INVALID_AUTHORITY: Final = "http.invalid_authority"
HTTP1_RESPONSE_FLOOD: Final = "http1.response_flood"

# --- built-in filters ------------------------------------------------------------------------------------------------
FAULT_FILTER_ABORT: Final = "fault_filter_abort"
FAULT_FILTER_OVERFLOW: Final = "fault_filter_overflow"
LOCAL_RATE_LIMITED: Final = "local_rate_limited"
REQUEST_RATE_LIMITED: Final = "request_rate_limited"
CORS_RESPONSE: Final = "cors_response"
HEALTH_CHECK_OK: Final = "health_check_ok"
HEALTH_CHECK_CACHED: Final = "health_check_cached"
HEALTH_CHECK_FAILED: Final = "health_check_failed"
HEALTH_CHECK_CLUSTER_HEALTHY: Final = "health_check_ok_cluster_healthy"
HEALTH_CHECK_CLUSTER_UNHEALTHY: Final = "health_check_failed_cluster_unhealthy"
RBAC_DENIED_PREFIX: Final = "rbac_access_denied_matched_policy"

# --- %CONNECTION_TERMINATION_DETAILS% and local close reasons -----------------------------------------------------
CLOSE_DEFERRED_ON_DRAINED_CONNECTION: Final = "deferred_close_on_drained_connection"
CLOSE_IDLE_TIMEOUT: Final = "on_idle_timeout"
CLOSE_FOR_CONNECT: Final = "close_for_connect_request_or_tcp_tunneling"
CLOSE_TRANSPORT_SOCKET_TIMEOUT: Final = "transport socket timeout was reached"
CLOSE_TRIGGERED_DELAYED_CLOSE_TIMEOUT: Final = "triggered_delayed_close_timeout"
CLOSE_TCP_PROXY_INITIALIZATION_FAILURE: Final = "tcp_initializion_failure:"
CLOSE_TCP_SESSION_IDLE_TIMEOUT: Final = "tcp_session_idle_timeout"
CLOSE_MAX_CONNECTION_DURATION_REACHED: Final = "max_connection_duration_reached"
CLOSE_UPSTREAM_DOWNSTREAM_REMOTE_CLOSE: Final = "closing_upstream_tcp_connection_due_to_downstream_remote_close"
CLOSE_UPSTREAM_DOWNSTREAM_LOCAL_CLOSE: Final = "closing_upstream_tcp_connection_due_to_downstream_local_close"
CLOSE_UPSTREAM_DOWNSTREAM_RESET_CLOSE: Final = "closing_upstream_tcp_connection_due_to_downstream_reset_close"


# --- stream resets ---------------------------------------------------------------------------------------------------
class Reset:
    """Reasons of a stream reset by their text in bodies ("reset reason: ...").

    In details blanks become underscores (`reset_details`)."""

    LOCAL_RESET: Final = "local reset"
    LOCAL_REFUSED_STREAM_RESET: Final = "local refused stream reset"
    REMOTE_RESET: Final = "remote reset"
    REMOTE_REFUSED_STREAM_RESET: Final = "remote refused stream reset"
    LOCAL_CONNECTION_FAILURE: Final = "local connection failure"
    REMOTE_CONNECTION_FAILURE: Final = "remote connection failure"
    CONNECTION_TIMEOUT: Final = "connection timeout"
    CONNECTION_TERMINATION: Final = "connection termination"
    OVERFLOW: Final = "overflow"
    CONNECT_ERROR: Final = "remote error with CONNECT request"
    PROTOCOL_ERROR: Final = "protocol error"
    OVERLOAD_MANAGER: Final = "overload manager reset"
    HTTP1_PREMATURE_UPSTREAM_HALF_CLOSE: Final = "HTTP/1 premature upstream half close"


RESET_FLAGS: Final[dict[str, int]] = {
    Reset.LOCAL_CONNECTION_FAILURE: Flag.UPSTREAM_CONNECTION_FAILURE,
    Reset.REMOTE_CONNECTION_FAILURE: Flag.UPSTREAM_CONNECTION_FAILURE,
    Reset.CONNECTION_TIMEOUT: Flag.UPSTREAM_CONNECTION_FAILURE,
    Reset.CONNECTION_TERMINATION: Flag.UPSTREAM_CONNECTION_TERMINATION,
    Reset.LOCAL_RESET: Flag.LOCAL_RESET,
    Reset.LOCAL_REFUSED_STREAM_RESET: Flag.LOCAL_RESET,
    Reset.OVERFLOW: Flag.UPSTREAM_OVERFLOW,
    Reset.REMOTE_RESET: Flag.UPSTREAM_REMOTE_RESET,
    Reset.REMOTE_REFUSED_STREAM_RESET: Flag.UPSTREAM_REMOTE_RESET,
    Reset.CONNECT_ERROR: Flag.UPSTREAM_REMOTE_RESET,
    Reset.PROTOCOL_ERROR: Flag.UPSTREAM_PROTOCOL_ERROR,
    Reset.OVERLOAD_MANAGER: Flag.OVERLOAD_MANAGER_TERMINATED,
    Reset.HTTP1_PREMATURE_UPSTREAM_HALF_CLOSE: Flag.UPSTREAM_CONNECTION_TERMINATION,
}
"""The response flag that the router sets for an upstream reset."""


def reset_details(details: str, reason: str, transport_failure_reason: str = "") -> str:
    """`upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_...}` and its like."""
    inner = f"{reason}|{transport_failure_reason}" if transport_failure_reason else reason
    return f"{details}{{{inner}}}".replace(" ", "_")


def downstream_local_disconnect(reason: str) -> str:
    """The details of a stream whose client connection the proxy closed itself."""
    return f"downstream_local_disconnect({reason})".replace(" ", "_")
