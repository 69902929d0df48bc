"""gRPC over HTTP as filters see it: which messages are gRPC, where their frames end, whose statistics they are.  Pure.

Source: the gRPC protocol over HTTP/2 (length-prefixed messages); Envoy's Grpc::Common, FrameInspector and Context.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyvoy.http.headers import HeaderMap

if TYPE_CHECKING:
    from pyvoy.stats.store import Scope

GRPC = b"application/grpc"
PREFIX_BYTES = 5
"""Of a message on the wire: its flag and its length."""
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


class MessageCounter:
    """Counts the length-prefixed messages in a body that comes in pieces; holds at most a prefix."""

    __slots__ = ("_left", "_prefix", "count")

    def __init__(self) -> None:
        self.count = 0
        self._left = 0
        self._prefix = b""

    def take(self, data: bytes) -> int:
        """A piece of the body; returns how many messages begin in it (their prefix is whole)."""
        begun = 0
        while data:
            if self._left:
                step = min(self._left, len(data))
                self._left -= step
                data = data[step:]
                continue
            need = PREFIX_BYTES - len(self._prefix)
            self._prefix += data[:need]
            data = data[need:]
            if len(self._prefix) == PREFIX_BYTES:
                self._left = int.from_bytes(self._prefix[1:], "big")
                self._prefix = b""
                begun += 1
        self.count += begun
        return begun


def frame(message: bytes | bytearray) -> bytes:
    """A message with its prefix, not compressed."""
    return b"\0" + len(message).to_bytes(4, "big") + message


class MessageCutter:
    """Cuts a body into whole length-prefixed messages, prefixes included; holds at most one message."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = b""

    def take(self, data: bytes) -> list[bytes]:
        """A piece of the body; the messages that are whole with it."""
        held = self._held + data
        found = []
        at = 0
        while len(held) - at >= PREFIX_BYTES:
            stop = at + PREFIX_BYTES + int.from_bytes(held[at + 1 : at + PREFIX_BYTES], "big")
            if stop > len(held):
                break
            found.append(held[at:stop])
            at = stop
        self._held = held[at:]
        return found


def charge_status(scope: Scope, names: str, status: bytes | None) -> None:
    """Count the end of a call below `names` (Envoy: ContextImpl::chargeStat)."""
    if status is None:
        return
    text = status.decode("latin-1")
    scope.counter(f"{names}{text}").inc()
    scope.counter(f"{names}{'success' if text == '0' else 'failure'}").inc()
    scope.counter(f"{names}total").inc()
