"""One unary gRPC call of an extension to a cluster: an HTTP call whose bodies are length-prefixed messages.

The statuses are those of Envoy's gRPC client: what fails before the answer is UNAVAILABLE, an answer that is not gRPC's
has the status of its HTTP code, one that breaks off or cannot be read is INTERNAL.  Two differ: a time-out is
DEADLINE_EXCEEDED as in gRPC's own clients (Envoy: UNAVAILABLE, INTERNAL once the answer has begun), and a status that
gRPC does not define is UNKNOWN (Envoy: -1).
Sources: the gRPC protocol over HTTP/2 and its HTTP status mapping; Envoy, Grpc::AsyncClientImpl and Grpc::Common.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from pyvoy.extensions.encoding import base64_encode
from pyvoy.extensions.http_call import CallMaker, CallOptions, CallRefused, CallResult, Failure, RunningCall
from pyvoy.http.grpc import GRPC, timeout_text
from pyvoy.http.grpc_frames import FrameReader, frame
from pyvoy.http.headers import HeaderMap
from pyvoy.http.local_reply import GRPC_STATUS

_NAME = re.compile(r"[\w.\-]+", re.ASCII).fullmatch
COMPRESSED = "the response is compressed"
NO_TRAILERS = "the response has no trailers"
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")


class GrpcStatus(enum.IntEnum):
    """The codes that gRPC defines."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


_FAILURES = {
    Failure.TIMEOUT: GrpcStatus.DEADLINE_EXCEEDED,
    Failure.INCOMPLETE: GrpcStatus.INTERNAL,
    Failure.TOO_LARGE: GrpcStatus.INTERNAL,
}


@dataclass(slots=True, frozen=True)
class GrpcResult:
    """What came of a call.  `response` is the serialized message when `status` is OK, else empty.

    `failure` says which way the call broke off, None when the upstream has answered.  A call that was refused without a
    message has all its metadata in `trailing_metadata`."""

    status: GrpcStatus
    message: str
    response: bytes
    initial_metadata: HeaderMap
    trailing_metadata: HeaderMap
    failure: Failure | None = None


OnGrpcDone = Callable[[GrpcResult], None]


class BadFrames(ValueError):
    """A body that does not consist of whole, uncompressed messages."""


def begin(
    caller: CallMaker,
    cluster: str,
    service: str,
    method: str,
    request: bytes,
    on_done: OnGrpcDone,
    *,
    metadata: HeaderMap | None,
    authority: str,
    options: CallOptions,
) -> RunningCall:
    """Begin a call; see `Host.grpc_call`.  Raises UnknownCluster, CallRefused."""
    headers = request_head(service, method, (authority or cluster).encode("latin-1"), metadata, options.timeout_s)
    options = replace(options, content_length=False)
    return caller.call(cluster, headers, frame(request), None, options, lambda result: on_done(read_result(result)))


def request_head(
    service: str, method: str, authority: bytes, metadata: HeaderMap | None, timeout_s: float | None
) -> HeaderMap:
    """The head of a call.  Raises CallRefused for names that make no path, and for pseudo headers in the metadata."""
    if _NAME(service) is None or _NAME(method) is None:
        raise CallRefused(f"{service!r} and {method!r} are no gRPC service and method")
    path = f"/{service}/{method}".encode()
    headers = HeaderMap([(b":method", b"POST"), (b":path", path), (b":authority", authority)])
    if timeout_s:
        headers.add(b"grpc-timeout", timeout_text(timeout_s))
    headers.add(b"te", b"trailers")
    headers.add(b"content-type", GRPC)
    for name, value in () if metadata is None else metadata.items():
        if name.startswith(b":"):
            raise CallRefused(f"{name!r} cannot be metadata")
        headers.add(name, base64_encode(value) if name.endswith(b"-bin") else value)
    return headers


def messages(body: bytes) -> list[bytes]:
    """The messages of a body.  Raises BadFrames."""
    frames = FrameReader()
    frames.feed(body)
    found = []
    while (head := frames.head()) is not None:
        flag, size = head
        message = frames.message()
        if message is None:
            break
        if flag > 1 or (flag and size):
            raise BadFrames(COMPRESSED)
        found.append(message)
    if frames.held_bytes:
        raise BadFrames("the response is cut short")
    return found


def read_result(result: CallResult) -> GrpcResult:
    """What an HTTP call brought, as gRPC reads it."""
    failure = result.failure
    if failure is not None:
        status, text = failed_status(result)
        return GrpcResult(status, text, b"", HeaderMap(), HeaderMap(), failure)
    headers, body, trailers = result.headers, result.body, result.trailers
    if trailers is None and not body and (result.status == 200 or b"grpc-status" in headers.map):
        return _closed(HeaderMap(), headers, b"")
    if result.status != 200:
        return _broken(http_status(result.status), f"HTTP status {result.status}", headers)
    return _closed(headers, trailers, body)


def _closed(initial: HeaderMap, trailing: HeaderMap | None, body: bytes) -> GrpcResult:
    """The upstream has ended the call, or the body without the call's end."""
    try:
        found = messages(body)
    except BadFrames as error:
        return _broken(GrpcStatus.INTERNAL, str(error), initial)
    if trailing is None:
        return _broken(GrpcStatus.UNKNOWN, NO_TRAILERS, initial)
    status, message, _ = read_end(trailing)
    if status is GrpcStatus.OK:
        if found:
            return GrpcResult(status, message, found[-1], initial, trailing)
        status, message = GrpcStatus.INTERNAL, "the response has no message"
    return GrpcResult(status, message, b"", initial, trailing)


def _broken(status: GrpcStatus, message: str, initial: HeaderMap) -> GrpcResult:
    return GrpcResult(status, message, b"", initial, HeaderMap())


def failed_status(result: CallResult) -> tuple[GrpcStatus, str]:
    """Status and text of a call that broke off (`result.failure` says how)."""
    status = GrpcStatus.UNAVAILABLE if result.failure is None else _FAILURES.get(result.failure, GrpcStatus.UNAVAILABLE)
    return status, result.body.decode("latin-1") or result.detail


def http_status(code: int) -> GrpcStatus:
    """The status of an answer that is no gRPC's."""
    return GrpcStatus(GRPC_STATUS.get(code, 2))


def read_end(trailers: HeaderMap) -> tuple[GrpcStatus, str, int]:
    """What trailers say: the status, its text, and its number.

    A status that gRPC does not define is UNKNOWN, and its number -1, as in Envoy; so is one that is missing, whose
    number is UNKNOWN's."""
    text = trailers.map.get(b"grpc-status")
    message = _ESCAPE.sub(_unescape, trailers.map.get(b"grpc-message", b"")).decode("utf-8", "replace")
    if text is None:
        return GrpcStatus.UNKNOWN, message, GrpcStatus.UNKNOWN
    if not text.isdigit() or len(text) > 2 or int(text) > GrpcStatus.UNAUTHENTICATED:
        return GrpcStatus.UNKNOWN, message, -1
    return GrpcStatus(int(text)), message, int(text)


def _unescape(found: re.Match[bytes]) -> bytes:
    return bytes((int(found[1], 16),))
