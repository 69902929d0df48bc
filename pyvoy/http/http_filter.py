"""The HTTP filter interface: what the chain calls (HttpFilter) and what a filter may do to its stream (Stream).

Modelled on Envoy's StreamDecoderFilter/StreamEncoderFilter and their callbacks.  One class serves both directions; a
method that a filter does not define costs nothing, because the chain compiles per-event tuples of the methods that
exist.  Every method that answers a Verdict may be `async def`: the stream is then held (as
STOP_AND_WATERMARK) until it returns, and what comes meanwhile is shown to the filter afterwards.

No re-entry: a local reply, a resume or a reset asked for inside a callback is recorded, and done by the chain when the
callback has returned.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pyvoy.http.headers import HeaderMap, Pair
from pyvoy.observe.stream_info import ConnectionInfo, StreamInfo

if TYPE_CHECKING:
    from pyvoy.server.services import Services


class Verdict(Enum):
    """What a filter callback answers.

    CONTINUE: hand the event to the next filter.
    STOP: later filters wait.  For headers: data still comes to this filter, and a CONTINUE from its data callback
        releases the headers too.  For data: the chunk is dropped by the chain, the filter has taken it
        (Envoy: StopIteration, StopIterationNoBuffer).
    STOP_AND_BUFFER: for headers: nothing more comes to this filter until it resumes, the chain buffers.  For data: the
        chunk joins the chain's buffer.  A buffer over the limit ends the stream with 413 or 500
        (Envoy: StopAllIterationAndBuffer, StopIterationAndBuffer).
    STOP_AND_WATERMARK: the same, but a buffer over the limit stops reading from the peer instead of ending the stream.
    """

    CONTINUE = 0
    STOP = 1
    STOP_AND_BUFFER = 2
    STOP_AND_WATERMARK = 3


CONTINUE = Verdict.CONTINUE
STOP = Verdict.STOP
STOP_AND_BUFFER = Verdict.STOP_AND_BUFFER
STOP_AND_WATERMARK = Verdict.STOP_AND_WATERMARK


class HttpFilter:
    """Base class of all HTTP filters; one instance per stream, made as `cls(plan)`.

    The event methods are documented here and deliberately *not* defined, so that the chain can see which exist:

    request_headers(stream, headers, end) -> Verdict
    request_data(stream, data, end) -> Verdict
    request_trailers(stream, trailers) -> Verdict
    response_informational(stream, headers) -> Verdict      a 1xx response other than 101
    response_headers(stream, headers, end) -> Verdict
    response_data(stream, data, end) -> Verdict
    response_trailers(stream, trailers) -> Verdict
    on_local_reply(stream, reply) -> None                    before a local reply passes the response filters
    on_log(stream) -> None                                   once, when the stream is complete, before on_destroy
    on_destroy(stream) -> None                               once, last; no call comes after it

    `slot` is the filter's place in the chain and is set by the chain.  A class with `stateless = True` is instantiated
    once per chain at load and shared by all streams.  Events that a class names in `on_demand` pass it by until it
    asks for them with `stream.demand(self)`: data that nobody looks at takes the short way.  `knows_heads` says that
    its headers events mostly do without a map's inside (see `known_heads`): they are then shown a `KnownHeaders` where
    there is one.
    """

    __slots__ = ("slot",)

    terminal: ClassVar[bool] = False
    stateless: ClassVar[bool] = False
    knows_heads: ClassVar[bool] = False
    on_demand: ClassVar[frozenset[str]] = frozenset()
    slot: int

    def __init__(self, plan: Any) -> None:
        """Filters keep what they need of their plan."""

    def own_call(self, call: Callable[..., Any], *arguments: Any, request: bool) -> Any:
        """Go on with a direction outside the chain's events (a call that this filter waited for was answered).  In a
        chain that is timed (see `filter_timing`) that time is the filter's."""
        return call(*arguments)

    def own_coroutine(self, coroutine: Coroutine[Any, Any, Any], *, request: bool) -> Coroutine[Any, Any, Any]:
        """The same for a coroutine that goes on in a task."""
        return coroutine


class LocalReply:
    """A reply made by the proxy itself; `on_local_reply` and the reply mappers may change it before it is sent."""

    __slots__ = ("body", "content_type", "details", "flags", "grpc_status", "headers", "status")

    def __init__(
        self,
        status: int,
        body: bytes = b"",
        *,
        details: str,
        flags: int = 0,
        headers: Sequence[Pair] = (),
        grpc_status: int | None = None,
    ) -> None:
        self.status = status
        self.body = body
        self.details = details
        self.flags = flags
        self.headers = headers
        self.grpc_status = grpc_status
        self.content_type = b"text/plain"


class Stream(Protocol):
    """What a filter may do to its stream.  Calls that name `self_filter` take the calling filter itself."""

    info: StreamInfo
    connection: ConnectionInfo
    services: Services
    local_replied: bool
    suspect_headers: bool
    reason_phrase: bytes
    request_buffer_limit_bytes: int
    response_buffer_limit_bytes: int
    request_headers: HeaderMap
    request_trailers: HeaderMap | None
    response_headers: HeaderMap | None
    response_trailers: HeaderMap | None
    upstream_override_host: tuple[str, bool] | None
    """A host that the router has to take (its address, and whether there is no answer without it)."""
    answers_grpc: bool | None
    """Whether a reply made here has gRPC's form; None: if the request's content-type is gRPC's.  For filters that
    change the content-type."""

    @property
    def route(self) -> Any:
        """The chosen route (pyvoy.http.routing.table.Route) or None; looked up on first need and kept."""

    def clear_route_cache(self) -> None:
        """Forget the chosen route: the next look-up matches the request headers anew."""

    def route_plan(self, self_filter: HttpFilter) -> Any:
        """The most specific per-route plan of this filter (weighted cluster, route, virtual host, table) or None."""

    def route_plans(self, self_filter: HttpFilter) -> tuple[Any, ...]:
        """Every per-route plan of this filter, least specific first."""

    def filter_name(self, self_filter: HttpFilter) -> str:
        """The configured name of this filter."""

    def demand(self, self_filter: HttpFilter) -> None:
        """From now on the filter sees its `on_demand` events of this stream too."""

    def replace_filter(self, self_filter: HttpFilter, other: HttpFilter) -> None:
        """From now on `other` stands in the filter's place on this stream."""

    def continue_request(self, self_filter: HttpFilter) -> None:
        """Resume the request behind this filter after a STOP of any kind; without effect when not stopped."""

    def continue_response(self, self_filter: HttpFilter) -> None:
        """Resume the response behind this filter."""

    def request_body(self, self_filter: HttpFilter) -> bytes:
        """What the chain has buffered of the request at this filter."""

    def response_body(self, self_filter: HttpFilter) -> bytes:
        """What the chain has buffered of the response at this filter."""

    def was_held(self, *, request: bool) -> bool:
        """Whether the piece of body at hand was held by a filter, so that it has not just been read from the peer."""

    def note_held(self, *, request: bool) -> None:
        """Say that the piece at hand, the last one, was held by this filter, within this very event."""

    def replace_request_body(self, self_filter: HttpFilter, body: bytes) -> None:
        """Put `body` in place of what is buffered at this filter (Envoy: modifyDecodingBuffer)."""

    def replace_response_body(self, self_filter: HttpFilter, body: bytes) -> None:
        """Put `body` in place of what is buffered of the response at this filter."""

    def add_request_data(self, self_filter: HttpFilter, data: bytes) -> None:
        """Append data behind what is buffered at this filter; from a headers callback with `end` it gives a
        body to a request that has none (Envoy: addDecodedData)."""

    def add_response_data(self, self_filter: HttpFilter, data: bytes) -> None:
        """The same for the response."""

    def replace_request_data(self, self_filter: HttpFilter, data: bytes) -> None:
        """Hand on `data` in place of the piece that the running data callback was given (Envoy: the callback's own
        buffer is changed)."""

    def replace_response_data(self, self_filter: HttpFilter, data: bytes) -> None:
        """The same for the response."""

    def inject_request_data(self, self_filter: HttpFilter, data: bytes, end: bool) -> None:
        """Hand data to the filters behind this one, past the chain's buffer (Envoy: injectDecodedData...)."""

    def inject_response_data(self, self_filter: HttpFilter, data: bytes, end: bool) -> None:
        """The same for the response."""

    def add_request_trailers(self) -> HeaderMap:
        """Give a request trailers it does not have; valid in the last data callback."""

    def add_response_trailers(self) -> HeaderMap:
        """The same for the response."""

    def set_request_buffer_limit(self, limit_bytes: int) -> None:
        """Raise or lower the limit of the chain's request buffer for this stream."""

    def set_response_buffer_limit(self, limit_bytes: int) -> None:
        """The same for the response."""

    def send_local_reply(
        self,
        status: int,
        body: bytes = b"",
        *,
        details: str,
        flags: int = 0,
        headers: Sequence[Pair] = (),
        grpc_status: int | None = None,
    ) -> None:
        """Answer from here; the reply passes the response filters.  After response headers have gone out the stream is
        reset instead.  A second call is ignored."""

    def reset(self, details: str, flags: int = 0) -> None:
        """End the stream without an answer (HTTP/1: the connection is closed)."""
