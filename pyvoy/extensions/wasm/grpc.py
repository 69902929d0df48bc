"""gRPC calls and streams of a plugin: what a module may do to them, and the callbacks that tell it what comes back.

All belong to the root context.  A call tells of its message, or of its status when it has none; a stream of everything.
Source: Envoy's Wasm Context, GrpcCallClientHandler and GrpcStreamClientHandler (observed on 1.40).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pyvoy.extensions.grpc_call import GrpcStatus
from pyvoy.extensions.grpc_stream import GrpcCallStream, GrpcEnd
from pyvoy.extensions.http_call import Failure
from pyvoy.extensions.wasm import abi

if TYPE_CHECKING:
    from pyvoy.extensions.wasm.root import RootContext
    from pyvoy.http.headers import HeaderMap

HTTP_CALL = 0
GRPC_CALL = 1
GRPC_STREAM = 2
KINDS = 3
"""The low two bits of a callout's id say what it is."""


class Callout:
    """One call or stream; implements `GrpcEvents`.  Owned by its root until the module has heard of its end."""

    __slots__ = ("_began", "_root", "_token", "half_closed", "stream")

    def __init__(self, root: RootContext, token: int) -> None:
        self.stream: GrpcCallStream
        self.half_closed = False
        """The module has closed its side."""
        self._root = root
        self._token = token
        self._began = False

    def cancel(self) -> None:
        """Give it up."""
        self.stream.cancel()

    def on_writable(self) -> None:
        """Modules cannot wait: what they send is kept."""

    def _tell(self, tell: Callable[[], None]) -> None:
        """Run a callback, behind the one that runs, unless the module has given the callout up by then."""
        root = self._root

        def run() -> None:
            if root.calls.get(self._token) is self:
                tell()

        root.vm.when_idle(run)


class GrpcCall(Callout):
    """A unary call."""

    __slots__ = ("_response",)

    def __init__(self, root: RootContext, token: int) -> None:
        super().__init__(root, token)
        self._response: bytes | None = None

    def on_initial_metadata(self, metadata: HeaderMap) -> None:
        """Nothing is told of it."""
        self._began = bool(metadata.map)

    def on_message(self, message: bytes) -> None:
        """The last message is the answer."""
        self._response = message

    def on_trailing_metadata(self, metadata: HeaderMap) -> None:
        """Nothing is told of it."""

    def on_end(self, end: GrpcEnd) -> None:
        """The message, or why there is none."""
        self._tell(lambda: self._finish(end))

    def _finish(self, end: GrpcEnd) -> None:
        root, token = self._root, self._token
        if end.status is not GrpcStatus.OK:
            root.tell_grpc_end(token, *_status(end, began=self._began))
        elif self._response is None:
            root.tell_grpc_end(token, GrpcStatus.INTERNAL, b"")
        else:
            root.tell_grpc_message(token, self._response)
        root.calls.pop(token, None)


class GrpcStream(Callout):
    """A stream.  It is known until both sides have ended it."""

    __slots__ = ()

    def on_initial_metadata(self, metadata: HeaderMap) -> None:
        """The head of the answer."""
        self._began = bool(metadata.map)
        self._tell(lambda: self._root.tell_grpc_metadata(self._token, metadata, trailing=False))

    def on_message(self, message: bytes) -> None:
        """A message."""
        self._tell(lambda: self._root.tell_grpc_message(self._token, message))

    def on_trailing_metadata(self, metadata: HeaderMap) -> None:
        """The metadata behind the last message."""
        self._tell(lambda: self._root.tell_grpc_metadata(self._token, metadata, trailing=True))

    def on_end(self, end: GrpcEnd) -> None:
        """The status."""
        self._tell(lambda: self._finish(end))

    def _finish(self, end: GrpcEnd) -> None:
        self._root.tell_grpc_end(self._token, *_status(end, began=self._began))
        if self.half_closed:
            self._root.calls.pop(self._token, None)


AnyCallout = GrpcCall | GrpcStream


def _status(end: GrpcEnd, *, began: bool) -> tuple[int, bytes]:
    """Number and text as Envoy's client gives them: the details stand behind the message."""
    number = end.number
    if end.failure is Failure.TIMEOUT:
        number = GrpcStatus.INTERNAL if began else GrpcStatus.UNAVAILABLE
    details = end.code_details.encode()
    return number & 0xFFFFFFFF, end.wire_message + b"{%s}" % details if end.wire_message else details


def close(root: RootContext, token: int) -> int:
    """proxy_grpc_close: the module sends no more on a stream; a call is given up."""
    callout = root.calls.get(token)
    kind = token & KINDS
    if kind not in (GRPC_CALL, GRPC_STREAM):
        return abi.BAD_ARGUMENT
    if not isinstance(callout, Callout):
        return abi.NOT_FOUND
    if kind == GRPC_CALL:
        return cancel(root, token)
    if callout.stream.done:
        del root.calls[token]
    else:
        callout.half_closed = True
        callout.stream.end()
    return abi.OK


def cancel(root: RootContext, token: int) -> int:
    """proxy_grpc_cancel: nothing more is heard of it."""
    if token & KINDS not in (GRPC_CALL, GRPC_STREAM):
        return abi.BAD_ARGUMENT
    callout = root.calls.pop(token, None)
    if callout is None:
        return abi.NOT_FOUND
    callout.cancel()
    return abi.OK


def send(root: RootContext, token: int, message: bytes, *, end: bool) -> int:
    """proxy_grpc_send: a message on a stream; without effect when the upstream has ended it."""
    if token & KINDS != GRPC_STREAM:
        return abi.BAD_ARGUMENT
    callout = root.calls.get(token)
    if not isinstance(callout, Callout):
        return abi.NOT_FOUND
    callout.stream.send(message, end=end)
    return abi.OK
