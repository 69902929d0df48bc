"""The far end of a streaming gRPC call, for the unit tests of filters: it hears what is sent and answers when told to.

stream = FakeStream(Chat, streams=["chat"])
stream.request("GET", "/")
peer = stream.peers[0]
assert peer.messages == [b"hello"]
peer.sends(b"hi").finishes()
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from pyvoy.extensions.call_stream import StreamEvents
from pyvoy.extensions.grpc_stream import MessageReader
from pyvoy.extensions.http_call import MAX_RESPONSE_BYTES, CallOptions, CallResult, Failure
from pyvoy.extensions.native.headers import HeaderInput, Headers, pairs
from pyvoy.http.grpc_frames import frame
from pyvoy.http.headers import HeaderMap
from pyvoy.http.local_reply import percent_encode
from pyvoy.testing.fakes import FakeServices


@dataclass(slots=True)
class GrpcReply:
    """What a gRPC call or stream is answered: messages, and a status with its text."""

    messages: list[bytes] = field(default_factory=list)
    status: int = 0
    text: str = ""


class GrpcPeer:
    """One call, as its server sees it; what the filter holds of it is a `RunningStream`.

    `messages` came from the filter, `ended` says that there will be no more, `cancelled` that it has given the call up,
    `paused` that it takes no more for now.  `metadata` and `options` are those of the call."""

    def __init__(
        self, fakes: FakeServices, cluster: str, headers: HeaderMap, options: CallOptions, events: StreamEvents
    ) -> None:
        self.cluster = cluster
        self.metadata = Headers(headers)
        self.options = options
        self.messages: list[bytes] = []
        self.ended = False
        self.cancelled = False
        self.paused = False
        self.done = False
        self.full = False
        self._fakes = fakes
        self._events = events
        self._reader = MessageReader(MAX_RESPONSE_BYTES)
        self._begun = False
        if options.timeout_s:
            fakes.timers.call_later(options.timeout_s, lambda: self._fail(Failure.TIMEOUT))

    @property
    def path(self) -> str:
        """`/service/method`."""
        return self.metadata[":path"]

    # ---- what a test does ----

    def answers(self, metadata: HeaderInput | None = None) -> GrpcPeer:
        """The metadata in front of the first message; without it the first message sends an empty one."""
        self._begun = True
        head = HeaderMap([(b":status", b"200"), (b"content-type", b"application/grpc"), *pairs(metadata)])
        self._happen(partial(self._events.on_headers, head, False))
        return self

    def sends(self, *messages: bytes) -> GrpcPeer:
        """Messages to the filter."""
        if not self._begun:
            self.answers()
        for message in messages:
            self._happen(partial(self._events.on_data, frame(message), False))
        return self

    def finishes(self, status: int = 0, message: str = "", metadata: HeaderInput | None = None) -> GrpcPeer:
        """The end of the call."""
        text = percent_encode(message.encode())
        end = [(b"grpc-status", b"%d" % status), (b"grpc-message", text), *pairs(metadata)]
        if self._begun:
            self._happen(partial(self._events.on_trailers, HeaderMap(end)), end=True)
        else:
            head = HeaderMap([(b":status", b"200"), *end])
            self._happen(partial(self._events.on_headers, head, True), end=True)
        return self

    def plays(self, reply: GrpcReply) -> None:
        """The whole answer, from inside the loop; it stops where the filter gives the call up."""
        end = HeaderMap(
            [(b"grpc-status", b"%d" % reply.status), (b"grpc-message", percent_encode(reply.text.encode()))]
        )
        head = [(b":status", b"200"), (b"content-type", b"application/grpc")]
        events: list[Callable[[], None]] = [partial(self._events.on_headers, HeaderMap(head), False)]
        events += [partial(self._events.on_data, frame(message), False) for message in reply.messages]
        if not reply.messages and reply.status:
            events = [partial(self._events.on_headers, HeaderMap([*head, *end.items()]), True)]
        else:
            events.append(partial(self._events.on_trailers, end))
        for at, event in enumerate(events):
            if not self.done:
                self.done = at == len(events) - 1
                event()

    def fails(self, failure: Failure = Failure.RESET) -> GrpcPeer:
        """The call breaks off."""
        self._fakes.loop.happen(self._fail, failure)
        return self

    def blocks(self, block: bool = True) -> GrpcPeer:
        """Take no more messages for now, or again."""
        self.full = block
        if not block:
            self._happen(self._events.on_writable)
        return self

    def _happen(self, event: Callable[[], None], *, end: bool = False) -> None:
        def happen() -> None:
            if not self.done:
                self.done = end
                event()

        self._fakes.loop.happen(happen)

    def _fail(self, failure: Failure) -> None:
        if not self.done:
            self.done = True
            headers = HeaderMap([(b":status", b"503")])
            result = CallResult(headers, b"", None, failure, failure.value, answered=not self._begun)
            self._events.on_failure(result)

    # ---- RunningStream ----

    def send_data(self, data: bytes, end: bool) -> None:
        """The filter sends."""
        self._reader.feed(data)
        while (message := self._reader.next()) is not None:
            self.messages.append(message)
        self.ended = end

    def pause(self, pause: bool) -> None:
        """The filter takes no more for now."""
        self.paused = pause

    def cancel(self) -> None:
        """The filter has given the call up, or it is over."""
        if not self.done:
            self.done = self.cancelled = True
