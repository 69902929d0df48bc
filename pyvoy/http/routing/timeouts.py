"""The times that hold for one request, from its route and from the headers that may change them.  Pure.

Source of behaviour: Envoy's FilterUtility::finalTimeout, ConnectionManagerImpl::refreshDurationTimeout and
Grpc::Common::getGrpcTimeout.
"""

from __future__ import annotations

from pyvoy.http.headers import HeaderMap
from pyvoy.http.routing.table import Route

_GRPC_UNITS_S = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_LONGEST = 9
"""Octets of a grpc-timeout: eight digits and the unit, as the protocol has it."""
EXPECTED = b"x-envoy-expected-rq-timeout-ms"
"""Tells the upstream how long the proxy will wait."""
_GLOBAL = b"x-envoy-upstream-rq-timeout-ms"
_PER_TRY = b"x-envoy-upstream-rq-per-try-timeout-ms"
_STREAM_DURATION = b"x-envoy-upstream-stream-duration-ms"


def grpc_timeout_s(headers: HeaderMap) -> float | None:
    """The `grpc-timeout` header in seconds (up to whole milliseconds), None when absent or malformed."""
    value = headers.get(b"grpc-timeout")
    if value is None or not value[:-1].isdigit() or value[-1:] not in _GRPC_UNITS_S or len(value) > _LONGEST:
        return None
    number = int(value[:-1])
    unit = value[-1:]
    if unit == b"u":
        return -(-number // 1_000) / 1000
    if unit == b"n":
        return -(-number // 1_000_000) / 1000
    return number * _GRPC_UNITS_S[unit]


def request_timeouts(
    route: Route, headers: HeaderMap, *, respect_expected: bool = False
) -> tuple[float | None, float | None]:
    """(whole request, one try) in seconds, None without a limit; takes the steering headers out of the request.

    `respect_expected` is the router's `respect_expected_rq_timeout`."""
    values = headers.map
    total_s = route.timeout_s
    if has_own_grpc_timeout(route, headers):
        total_s = _grpc_total_s(route, headers)
    per_try_s = route.retry.per_try_timeout_s if route.retry is not None else None
    if respect_expected and EXPECTED in values:
        total_s = _milliseconds(values[EXPECTED], total_s)
    elif _GLOBAL in values:
        total_s = _milliseconds(values[_GLOBAL], total_s)
        headers.remove(_GLOBAL)
    if _PER_TRY in values:
        per_try_s = _milliseconds(values[_PER_TRY], per_try_s)
        headers.remove(_PER_TRY)
    if per_try_s is not None and total_s is not None and per_try_s >= total_s:
        per_try_s = None
    return total_s, per_try_s


def remaining_s(total_s: float | None, per_try_s: float | None, elapsed_s: float = 0.0) -> float | None:
    """How long the next attempt may take, at least a millisecond; None when there is no limit."""
    wanted_s = per_try_s if per_try_s is not None else total_s
    if wanted_s is None:
        return None
    if total_s is not None:
        wanted_s = min(wanted_s, total_s - elapsed_s)
    return max(wanted_s, 0.001)


def expected_timeout(total_s: float | None, per_try_s: float | None, elapsed_s: float = 0.0) -> bytes | None:
    """The value of x-envoy-expected-rq-timeout-ms, None when there is no limit."""
    left_s = remaining_s(total_s, per_try_s, elapsed_s)
    return None if left_s is None else b"%d" % round(left_s * 1000)


def stream_duration_s(route: Route | None, headers: HeaderMap, default_s: float | None) -> float | None:
    """How long the stream may last, None without a limit.  `default_s` is the connection manager's limit."""
    if route is None or route.action != "route":
        return default_s
    maximum_s = route.grpc_timeout_header_max_s
    wanted_s = grpc_timeout_s(headers) if maximum_s is not None else None
    if wanted_s is None or maximum_s is None:
        if route.max_stream_duration_s is not None:
            return route.max_stream_duration_s or None
        return default_s or None
    if maximum_s and wanted_s > maximum_s:
        wanted_s = maximum_s
    offset_s = route.grpc_timeout_header_offset_s
    if wanted_s and offset_s is not None:
        wanted_s = max(wanted_s - offset_s, 0.0)
    return wanted_s


def told_deadline_s(route: Route, headers: HeaderMap, total_s: float | None, per_try_s: float | None) -> float | None:
    """What the upstream of a gRPC call is told as grpc-timeout; None leaves what the client has said.

    `total_s` and `per_try_s` are the request's time-outs.  Source: FilterUtility::setTimeoutHeaders; observed."""
    if not is_grpc(headers):
        return None
    if route.has_max_stream_duration:
        return stream_duration_s(route, headers, None)
    return None if route.max_grpc_timeout_s is None else per_try_s or total_s


def has_own_grpc_timeout(route: Route, headers: HeaderMap) -> bool:
    """Whether max_grpc_timeout rules a gRPC call's time.  A further attempt is told what is left of that, where that
    of max_stream_duration stays (FilterUtility::setTimeoutHeaders; observed)."""
    return route.max_grpc_timeout_s is not None and not route.has_max_stream_duration and is_grpc(headers)


def _grpc_total_s(route: Route, headers: HeaderMap) -> float | None:
    """The header's time less the offset, at most `max_grpc_timeout`; 0 stands for no limit in both."""
    wanted_s = grpc_timeout_s(headers) or 0.0
    offset_s = route.grpc_timeout_offset_s
    if offset_s is not None and offset_s < wanted_s:
        wanted_s -= offset_s
    maximum_s = route.max_grpc_timeout_s
    if maximum_s and (not wanted_s or wanted_s > maximum_s):
        wanted_s = maximum_s
    return wanted_s or None


def stream_limit_s(headers: HeaderMap, default_s: float | None) -> float | None:
    """How long one attempt may last, None without a limit: the cluster's time, or that of the header, which is taken
    out of the request."""
    value = headers.map.get(_STREAM_DURATION)
    if value is None:
        return default_s
    headers.remove(_STREAM_DURATION)
    return _milliseconds(value, default_s)


def is_grpc(headers: HeaderMap) -> bool:
    """Whether a request is gRPC by its content type."""
    content_type = headers.map.get(b"content-type", b"")
    return content_type == b"application/grpc" or content_type.startswith(b"application/grpc+")


def _milliseconds(value: bytes, otherwise_s: float | None) -> float | None:
    """Seconds of a whole number of milliseconds (0: no limit); the other value when it is none."""
    return (int(value) / 1000 or None) if value.isdigit() else otherwise_s
