"""gRPC over HTTP as filters see it: what is a call, its names, its statuses, whose statistics they are.  Pure.

Where its messages begin and end in a body is `grpc_frames.py`.
Source: the gRPC protocol over HTTP/2; Envoy's Grpc::Common and Context.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyvoy.http.headers import HeaderMap

if TYPE_CHECKING:
    from pyvoy.stats.store import Scope

GRPC = b"application/grpc"
_MAX_TIMEOUT = 99_999_999
_TIMEOUT_UNITS = ((b"m", 1000), (b"S", 60), (b"M", 60), (b"H", 1))
_AS_HTTP = (200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401)


def http_status_of(grpc_status: int) -> int:
    """The HTTP status that says what a gRPC status says (Envoy: Grpc::Utility::grpcToHttpStatus)."""
    return _AS_HTTP[grpc_status] if grpc_status < len(_AS_HTTP) else 500


def has_grpc_type(headers: HeaderMap) -> bool:
    """content-type is application/grpc, or that with a suffix behind `+`."""
    value = headers.map.get(b"content-type", b"")
    return value == GRPC or value.startswith(b"application/grpc+")


def is_grpc_request(headers: HeaderMap) -> bool:
    """Whether a request calls a gRPC method."""
    return b":path" in headers.map and has_grpc_type(headers)


def is_grpc_response(headers: HeaderMap, end: bool) -> bool:
    """Whether a response head is gRPC's; one without a body is if it tells the status."""
    if end:
        return b"grpc-status" in headers.map
    return headers.map.get(b":status") == b"200" and has_grpc_type(headers)


def method_of(path: bytes) -> tuple[str, str] | None:
    """(service, method) of a path; None when it names no method."""
    parts = path.partition(b"?")[0].split(b"/")
    if len(parts) != 3 or parts[0] or not parts[1] or not parts[2]:
        return None
    return parts[1].decode("latin-1"), parts[2].decode("latin-1")


def cluster_scope(stream: Any) -> Scope | None:
    """Where the statistics of the request's cluster are; None when its route leads to none."""
    route = stream.route
    name = None if route is None else route.cluster
    cluster = None if name is None else stream.services.clusters.get(name)
    return None if cluster is None else cluster.scope


def timeout_text(timeout_s: float) -> bytes:
    """A grpc-timeout: milliseconds, or the first larger unit in which it has at most eight digits; 0 is no time."""
    value = max(1, int(timeout_s * 1000 + 1e-6)) if timeout_s > 0 else 0
    for unit, size in _TIMEOUT_UNITS:
        if value <= _MAX_TIMEOUT:
            return b"%d%s" % (value, unit)
        value //= size
    return b"%dH" % _MAX_TIMEOUT


def charge_status(scope: Scope, names: str, status: bytes | None) -> None:
    """Count the end of a call below `names` (Envoy: ContextImpl::chargeStat)."""
    if status is None:
        return
    text = status.decode("latin-1")
    scope.counter(f"{names}{text}").inc()
    scope.counter(f"{names}{'success' if text == '0' else 'failure'}").inc()
    scope.counter(f"{names}total").inc()
