"""A streaming gRPC call of an extension to a cluster: messages out and in, as they come.

Events and statuses come in the order of Envoy's gRPC client: initial metadata (empty when the answer is trailers only,
or not gRPC's), messages, trailing metadata (empty when there are none), and the status, always, once and last, unless
the call is cancelled.  What fails is what `grpc_call.py` says of unary calls.
Sources: the gRPC protocol over HTTP/2; Envoy, Grpc::AsyncStreamImpl.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pyvoy.extensions.call_stream import RunningStream
from pyvoy.extensions.grpc_call import (
    COMPRESSED,
    NO_TRAILERS,
    GrpcStatus,
    failed_status,
    http_status,
    read_end,
)
from pyvoy.extensions.http_call import CallMaker, CallOptions, CallResult, Failure
from pyvoy.http.grpc_frames import FrameReader, frame
from pyvoy.http.headers import HeaderMap
from pyvoy.observe.details import VIA_UPSTREAM

_OK = b"200"


@dataclass(slots=True, frozen=True)
class GrpcEnd:
    """How a call has ended.  `number` is the status as the upstream sent it, -1 for one that gRPC does not define.

    `failure` says which way the call broke off, None when the upstream has ended it.  `wire_message` is the message as
    it was sent, empty where there was none, `code_details` what Envoy's %RESPONSE_CODE_DETAILS% of the call are."""

    status: GrpcStatus
    message: str
    number: int
    failure: Failure | None = None
    wire_message: bytes = b""
    code_details: str = VIA_UPSTREAM


class GrpcEvents(Protocol):
    """Hears what comes back.  Nothing is told while the call is being begun, nor after it was cancelled."""

    def on_initial_metadata(self, metadata: HeaderMap) -> None:
        """The head of the answer."""

    def on_message(self, message: bytes) -> None:
        """A serialized message."""

    def on_trailing_metadata(self, metadata: HeaderMap) -> None:
        """The metadata behind the last message."""

    def on_end(self, end: GrpcEnd) -> None:
        """The status: the end."""

    def on_writable(self) -> None:
        """The call was `full` and is no longer."""


class GrpcCallStream:
    """A call under way; implements `StreamEvents`.  `done` once nothing more comes of it."""

    __slots__ = ("_events", "_reader", "_stream", "done", "half_closed")

    def __init__(self, events: GrpcEvents, max_message_bytes: int) -> None:
        self._events = events
        self._reader = MessageReader(max_message_bytes)
        self._stream: RunningStream
        self.done = False
        self.half_closed = False
        """Our side has ended."""

    def begin(self, caller: CallMaker, cluster: str, headers: HeaderMap, options: CallOptions) -> None:
        """Begin the call.  Raises UnknownCluster, CallRefused."""
        self._stream = caller.stream(cluster, headers, options, self)

    # ---- what a caller may do ----

    @property
    def failed_at_once(self) -> bool:
        """Whether the call, just begun, has failed already; the events of it still come."""
        return self._stream.done

    @property
    def full(self) -> bool:
        """Whoever sends should wait for `on_writable`; what is sent all the same is kept."""
        return not self.done and self._stream.full

    def send(self, message: bytes, *, end: bool = False) -> None:
        """Send a serialized message; without effect after the end of either side."""
        if not self.done and not self.half_closed:
            self.half_closed = end
            self._stream.send_data(frame(message), end)

    def end(self) -> None:
        """No more messages."""
        if not self.done and not self.half_closed:
            self.half_closed = True
            self._stream.send_data(b"", True)

    def pause(self, pause: bool) -> None:
        """Give the upstream no more credit, or again; what is under way still comes."""
        if not self.done:
            self._stream.pause(pause)

    def cancel(self) -> None:
        """Give the call up: it is reset, and nothing more is heard of it."""
        self.done = True
        self._stream.cancel()

    # ---- StreamEvents ----

    def on_headers(self, headers: HeaderMap, end: bool) -> None:
        """The response head, or all there is."""
        status = headers.map[b":status"]
        self._events.on_initial_metadata(HeaderMap() if end or status != _OK else headers)
        if self.done:
            return
        if status != _OK and not (end and b"grpc-status" in headers.map):
            code = int(status)
            self._break_off(http_status(code), f"HTTP status {code}")
        elif end:
            self.on_trailers(headers)

    def on_data(self, data: bytes, end: bool) -> None:
        """A piece of the body."""
        reader = self._reader
        reader.feed(data)
        while not self.done:
            message = reader.next()
            if message is None:
                break
            self._events.on_message(message)
        if self.done:
            return
        if reader.fault is not None:
            self._break_off(GrpcStatus.INTERNAL, reader.fault, Failure.TOO_LARGE if reader.too_large else None)
        elif end:
            self._break_off(GrpcStatus.UNKNOWN, NO_TRAILERS)

    def on_trailers(self, trailers: HeaderMap) -> None:
        """The upstream has ended the call."""
        self._events.on_trailing_metadata(trailers)
        self._finish(GrpcEnd(*read_end(trailers), wire_message=trailers.map.get(b"grpc-message", b"")))

    def on_failure(self, result: CallResult) -> None:
        """The call broke off; before the head Envoy's router answers in the upstream's place."""
        status, text = failed_status(result)
        wire = result.body if result.answered else b""
        end = GrpcEnd(status, text, status, result.failure, wire, result.code_details)
        if result.answered:
            self._events.on_initial_metadata(HeaderMap())
        self._tell_end(_local_trailers(end) if result.answered else HeaderMap(), end)

    def on_writable(self) -> None:
        """There is room again."""
        if not self.done:
            self._events.on_writable()

    def _break_off(self, status: GrpcStatus, text: str, failure: Failure | None = None) -> None:
        self._tell_end(HeaderMap(), GrpcEnd(status, text, status, failure))

    def _tell_end(self, metadata: HeaderMap, end: GrpcEnd) -> None:
        if not self.done:
            self._events.on_trailing_metadata(metadata)
        self._finish(end)

    def _finish(self, end: GrpcEnd) -> None:
        if self.done:
            return
        self.cancel()
        self._events.on_end(end)


def _local_trailers(end: GrpcEnd) -> HeaderMap:
    """What Envoy's router answers a gRPC call when there is no answer of the upstream."""
    return HeaderMap(
        [
            (b":status", _OK),
            (b"content-type", b"application/grpc"),
            (b"grpc-status", b"%d" % end.status),
            (b"grpc-message", end.wire_message),
        ]
    )


class MessageReader:
    """The messages that a call takes; holds at most one message and what came with it."""

    __slots__ = ("_frames", "_limit_bytes", "fault", "too_large")

    def __init__(self, limit_bytes: int) -> None:
        self._frames = FrameReader()
        self._limit_bytes = limit_bytes
        self.fault: str | None = None
        """What is wrong with the body: there are no more messages in it."""
        self.too_large = False

    def feed(self, data: bytes) -> None:
        """A piece of the body."""
        self._frames.feed(data)

    def next(self) -> bytes | None:
        """The next message that is whole; None when there is none, or a fault."""
        head = None if self.fault is not None else self._frames.head()
        if head is None:
            return None
        flag, size = head
        if flag > 1 or (flag and size):
            self.fault = COMPRESSED
        elif size > self._limit_bytes:
            self.fault = f"a message of {size} bytes is too large"
            self.too_large = True
        else:
            return self._frames.message()
        return None
