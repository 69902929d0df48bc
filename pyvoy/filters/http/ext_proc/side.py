"""One direction of a stream that a processor looks at: what it has been told, what waits for it, what its answers do.

Source: Envoy's ext_proc ProcessorState (states, their order and what each answer does, as in Envoy 1.40).
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from pyvoy.filters.http.ext_proc.mutations import changed_body
from pyvoy.filters.http.ext_proc.plan import Attributes, Bodies, Heads, Mode, ProcPlan

if TYPE_CHECKING:
    from pyvoy.http.headers import HeaderMap
    from pyvoy.http.http_filter import HttpFilter
    from pyvoy.network.timers import Timer

SPURIOUS = "spurious message"
NO_STREAMED_RESPONSE = "spurious message: streamed_response is received while body_mode_ is not FULL_DUPLEX_STREAMED"
NO_BODY_RESPONSE = (
    "spurious message: Normal body mutation response is received while body_mode_ is FULL_DUPLEX_STREAMED"
)
WRONG_LENGTH = "mismatch between content length and the length of the mutated body"
_REPLACE = 1
"""CommonResponse.CONTINUE_AND_REPLACE."""


class Spurious(Exception):
    """An answer that nobody waits for."""


class Rejected(Exception):
    """An answer that cannot be carried out."""


class Wait(Enum):
    """What answer a direction waits for."""

    NOTHING = 0
    HEADERS = 1
    BUFFERED_BODY = 2
    STREAMED_BODY = 3
    PARTIAL_BODY = 4
    TRAILERS = 5


class Exchange(Protocol):
    """The exchange with the processor, as a direction sees it."""

    plan: ProcPlan

    def send_body(self, side: Side, data: bytes, end: bool, wait: Wait) -> None:
        """Tell a piece of the body."""

    def send_trailers(self, side: Side, trailers: HeaderMap) -> None:
        """Tell the trailers."""

    def forget_route(self, common: Any) -> None:
        """What a CommonResponse means for the chosen route."""


class Side:
    """A direction.  Owned by its filter instance, which breaks the cycle in `close`."""

    __slots__ = (
        "_bytes",
        "_exchange",
        "_filter",
        "_injected_end",
        "_queue",
        "_stream",
        "attributes_told",
        "body",
        "body_came",
        "body_replaced",
        "closed",
        "complete",
        "extended",
        "full",
        "headers",
        "is_request",
        "no_body",
        "partial_done",
        "paused",
        "sends_headers",
        "sends_trailers",
        "timer",
        "trailers",
        "trailers_told",
        "wait",
    )

    def __init__(self, exchange: Exchange, filter_: HttpFilter, stream: Any, *, is_request: bool) -> None:
        self._exchange = exchange
        self._filter = filter_
        self._stream = stream
        self._queue: deque[tuple[bytes, bool]] = deque()
        self._bytes = 0
        self._injected_end = False
        self.is_request = is_request
        self.wait = Wait.NOTHING
        self.headers: HeaderMap | None = None
        """The head while it can still be changed."""
        self.trailers: HeaderMap | None = None
        self.no_body = self.complete = self.body_came = self.body_replaced = self.partial_done = False
        self.attributes_told = self.trailers_told = False
        self.closed = False
        """The stream is over; handing something on may bring that about."""
        self.paused = False
        """The filter holds the direction back."""
        self.full = False
        """The sender is paused: too much waits for the processor."""
        self.timer: Timer | None = None
        self.extended = False
        """The processor has asked for more time for the answer that is awaited."""
        self.follow(exchange.plan.mode)

    def follow(self, mode: Mode) -> None:
        """Go by this mode from now on."""
        request = self.is_request
        self.sends_headers = (mode.request_headers if request else mode.response_headers) is not Heads.SKIP
        self.sends_trailers = (mode.request_trailers if request else mode.response_trailers) is Heads.SEND
        self.body: Bodies = mode.request_body if request else mode.response_body

    @property
    def attributes(self) -> Attributes:
        """What is told of the stream with the first message."""
        plan = self._exchange.plan
        return plan.request_attributes if self.is_request else plan.response_attributes

    @property
    def tells_nothing(self) -> bool:
        """Nothing of this direction is the processor's to see."""
        return not (self.sends_headers or self.sends_trailers) and self.body is Bodies.NONE

    @property
    def drops_length(self) -> bool:
        """Whether the body may become another one after the head has left."""
        if self.body is Bodies.BUFFERED:
            return not self.sends_headers
        return self.body is not Bodies.NONE

    @property
    def last_piece_is_next(self) -> bool:
        """Whether the piece that the next answer is for ends the body."""
        return bool(self._queue) and self._queue[0][1]

    # ---- the queue of pieces ----

    def enqueue(self, data: bytes, end: bool) -> None:
        """Keep a piece until its answer comes."""
        self._queue.append((data, end))
        self._bytes += len(data)
        if self._bytes > self._limit_bytes:
            self._fill(True)

    @property
    def queue_is_full(self) -> bool:
        """Whether BUFFERED_PARTIAL has gathered what it may."""
        return self._bytes > self._limit_bytes

    def gathered(self) -> tuple[bytes, bool]:
        """All pieces as one, which takes their place in the queue."""
        whole = b"".join(data for data, _ in self._queue), self._queue[-1][1]
        self._queue = deque((whole,))
        return whole

    @property
    def is_empty(self) -> bool:
        """Nothing waits in the queue."""
        return not self._queue

    def _pop(self) -> tuple[bytes, bool]:
        data, end = self._queue.popleft()
        self._bytes -= len(data)
        if self._bytes < self._limit_bytes // 2:
            self._fill(False)
        return data, end

    @property
    def _limit_bytes(self) -> int:
        stream = self._stream
        limit: int = stream.request_buffer_limit_bytes if self.is_request else stream.response_buffer_limit_bytes
        return limit

    def _fill(self, full: bool) -> None:
        if full is not self.full and not self.closed:
            self.full = full
            stream = self._stream
            (stream.pause_request if self.is_request else stream.pause_response)(full)

    # ---- what the chain holds for this filter ----

    def buffered(self) -> bytes:
        """What the chain has buffered at this filter."""
        stream = self._stream
        body: bytes = (stream.request_body if self.is_request else stream.response_body)(self._filter)
        return body

    def _replace(self, body: bytes) -> None:
        stream = self._stream
        (stream.replace_request_body if self.is_request else stream.replace_response_body)(self._filter, body)

    def _inject(self, data: bytes, end: bool) -> None:
        self._injected_end = end
        stream = self._stream
        (stream.inject_request_data if self.is_request else stream.inject_response_data)(self._filter, data, end)

    def go_on(self) -> None:
        """Let go of what is held, once."""
        if self.paused:
            self.paused = False
            if not self._injected_end:
                stream = self._stream
                (stream.continue_request if self.is_request else stream.continue_response)(self._filter)

    # ---- answers ----

    def finish(self, wait: Wait = Wait.NOTHING) -> None:
        """An answer has come, or none will."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        self.wait = wait
        self.extended = False

    def give_up(self) -> None:
        """No more answers: what waits goes on as it came."""
        self.finish()
        if self._queue:
            data, end = self.gathered()
            self._pop()
            self._hand_on(data, end)
        self._fill(False)
        self.go_on()

    def close(self) -> None:
        """The stream is over."""
        self.finish()
        self._queue.clear()
        self.closed = True
        self.paused = False
        del self._exchange, self._stream, self._filter

    def on_headers(self, common: Any) -> None:
        """The answer to the head."""
        if self.wait is not Wait.HEADERS or self.headers is None:
            raise Spurious(SPURIOUS)
        self._mutate(common)
        self._exchange.forget_route(common)
        replaced = common.status == _REPLACE
        self.finish(Wait.NOTHING if replaced else self._wait_after_headers())
        if replaced:
            self._take_replacement(common)
        elif self.no_body:
            self._pass_headers()
        elif self.complete and self.body is not Bodies.NONE:
            self._on_whole_body()
        else:
            self._on_open_body()

    def _mutate(self, common: Any) -> None:
        if common.HasField("header_mutation") and self.headers is not None:
            fault = self._exchange.plan.changes.apply(
                common.header_mutation,
                self.headers,
                replacing=common.status == _REPLACE,
                fixed_length=self.drops_length,
            )
            if fault:
                raise Rejected(fault)

    def _wait_after_headers(self) -> Wait:
        if self.body is Bodies.STREAMED and self._exchange.plan.eager_body and self._queue:
            return Wait.STREAMED_BODY
        if self.body is Bodies.FULL_DUPLEX_STREAMED:
            if self.body_came:
                return Wait.STREAMED_BODY
            if self.trailers is not None:
                return Wait.TRAILERS
        return Wait.NOTHING

    def _take_replacement(self, common: Any) -> None:
        """CONTINUE_AND_REPLACE: the processor's body, and no more questions."""
        if common.HasField("body_mutation") and self.headers is not None:
            self.headers.remove(b"content-length")
            self.body_replaced = True
            body = changed_body(common.body_mutation, self.buffered())
            if self.buffered():
                self._replace(body)
            elif body:
                stream = self._stream
                (stream.add_request_data if self.is_request else stream.add_response_data)(self._filter, body)
        self._queue.clear()
        self._bytes = 0
        self._fill(False)
        self.body = Bodies.NONE
        self.sends_trailers = False
        self.headers = None
        self.go_on()

    def _pass_headers(self) -> None:
        """The body is not the processor's to see, or there is none."""
        if self.sends_trailers and self.trailers is not None:
            self._exchange.send_trailers(self, self.trailers)
            return
        self.headers = None
        self.go_on()

    def _on_whole_body(self) -> None:
        """All of the body came while the head was looked at."""
        end = self.trailers is None
        if self.wait is not Wait.NOTHING:
            self._send_buffered(end)
        elif self.buffered() or self.body_came:
            self._exchange.send_body(self, self.buffered(), end, Wait.BUFFERED_BODY)
        else:
            self._pass_headers()

    def _on_open_body(self) -> None:
        if self.body is Bodies.NONE:
            self._pass_headers()
        elif self.body is Bodies.STREAMED:
            self._send_buffered(False)
            self.go_on()
        elif self.body is Bodies.FULL_DUPLEX_STREAMED:
            self.go_on()
        elif self.body is Bodies.BUFFERED_PARTIAL:
            data = self.buffered()
            if data:
                self._replace(b"")
                self.enqueue(data, False)
            if self.queue_is_full:
                self._exchange.send_body(self, self.gathered()[0], False, Wait.PARTIAL_BODY)

    def _send_buffered(self, end: bool) -> None:
        """What was buffered is a piece of a streamed body."""
        data = self.buffered()
        if data:
            self._replace(b"")
            self.enqueue(data, end)
            self._exchange.send_body(self, data, end, Wait.STREAMED_BODY)

    def on_body(self, common: Any) -> None:
        """The answer to (a piece of) the body."""
        if self.wait is Wait.BUFFERED_BODY:
            goes_on = self._on_buffered(common)
        elif self.wait is Wait.STREAMED_BODY:
            goes_on = self._on_streamed(common)
        elif self.wait is Wait.PARTIAL_BODY:
            goes_on = self._on_partial(common)
        else:
            raise Spurious(SPURIOUS)
        if self.closed:
            return
        self._exchange.forget_route(common)
        self.headers = None
        if self.sends_trailers and self.trailers is not None and not self._queue:
            self._exchange.send_trailers(self, self.trailers)
        elif goes_on or (self.trailers is not None and not self._queue):
            self.go_on()

    def _on_buffered(self, common: Any) -> bool:
        self._mutate(common)
        if common.HasField("body_mutation"):
            length = None if self.headers is None else self.headers.map.get(b"content-length")
            if length is not None and length.isdigit() and int(length) != len(common.body_mutation.body):
                raise Rejected(WRONG_LENGTH)
            self._replace(changed_body(common.body_mutation, self.buffered()))
        self.finish()
        return True

    def _on_streamed(self, common: Any) -> bool:
        streamed = common.HasField("body_mutation") and common.body_mutation.HasField("streamed_response")
        duplex = self.body is Bodies.FULL_DUPLEX_STREAMED
        if streamed is not duplex:
            raise Spurious(NO_STREAMED_RESPONSE if streamed else NO_BODY_RESPONSE)
        if duplex:
            answer = common.body_mutation.streamed_response
            self._hand_on(answer.body, answer.end_of_stream)
            self.finish(Wait.NOTHING if answer.end_of_stream else Wait.STREAMED_BODY)
            return bool(answer.end_of_stream)
        if self._exchange.plan.eager_body:
            self._mutate(common)
        if not self._queue:
            raise Spurious(SPURIOUS)
        data, end = self._pop()
        self._hand_on(changed_body(common.body_mutation, data), end)
        self.finish(Wait.STREAMED_BODY if self._queue else Wait.NOTHING)
        return end

    def _on_partial(self, common: Any) -> bool:
        self._mutate(common)
        data, end = self._pop()
        self._hand_on(changed_body(common.body_mutation, data), end)
        self.finish()
        self.partial_done = True
        if self._queue and not self.closed:
            data, end = self.gathered()
            self._pop()
            self._hand_on(data, end)
        return True

    def _hand_on(self, data: bytes, end: bool) -> None:
        if data:
            self._inject(data, end)

    def on_trailers(self, response: Any) -> None:
        """The answer to the trailers."""
        if self.wait is not Wait.TRAILERS and self.body is not Bodies.FULL_DUPLEX_STREAMED:
            raise Spurious(SPURIOUS)
        if response.HasField("header_mutation") and self.trailers is not None:
            fault = self._exchange.plan.changes.apply(response.header_mutation, self.trailers)
            if fault:
                raise Rejected(fault)
        self.finish()
        self.go_on()
