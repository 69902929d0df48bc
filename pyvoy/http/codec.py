"""The codec interface: HTTP bytes <-> headers, data, trailers.  Sans-I/O: a codec owns no socket, timer or clock.

The shape is HTTP/2's (streams by id, pause and credit per stream, reset with a code, goaway); HTTP/1 is the case of one
stream at a time.  A codec calls its sinks directly; there are no event objects.  Output goes to the `write` callable
that the codec was made with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pyvoy.http.headers import HeaderMap

if TYPE_CHECKING:
    from pyvoy.http.h1.heads import RequestHead, ResponseHead


class CodecError(Exception):
    """The peer broke the protocol.

    `status` and `body` are the answer a server gives (0: close without an answer), `details` is Envoy's stable
    response code detail.
    """

    def __init__(self, details: str, status: int = 400, body: bytes = b"Bad Request") -> None:
        super().__init__(details)
        self.details = details
        self.status = status
        self.body = body


class RequestSink(Protocol):
    """Receives one request (the connection manager's stream)."""

    def on_headers(self, headers: HeaderMap, end: bool) -> None:
        """The request head; `end` when there is neither body nor trailers."""

    def on_data(self, data: bytes, end: bool) -> None:
        """A piece of the body."""

    def on_trailers(self, trailers: HeaderMap) -> None:
        """The trailers; always the end."""

    def on_reset(self, reason: str) -> None:
        """The client gave the stream up."""

    def on_codec_error(self, error: CodecError) -> None:
        """The rest of this request cannot be read."""


class ServerSink(Protocol):
    """The connection manager's side of a server codec."""

    def new_stream(self, stream_id: int) -> RequestSink:
        """A request begins."""

    def on_request(self, stream_id: int, head: RequestHead, body: bytes) -> None:
        """A whole request: the same as `new_stream`, `on_headers` and, with a body, `on_data`."""

    def on_connection_error(self, error: CodecError) -> None:
        """A fault outside any stream: answer with `error.status` (if not 0) and close."""

    def on_partial_head(self, stream: RequestSink) -> None:
        """A request's head has begun and is not whole; `stream` is the one that began with it."""

    def on_head_complete(self, stream: RequestSink) -> None:
        """The head of the stream that began early is whole; `on_headers` follows."""

    def on_backlog(self, full: bool) -> None:
        """Pipelined requests wait (True) or have been taken (False): hold back what comes, or hand it on."""


class ServerCodec(Protocol):
    """The server side of a connection."""

    protocol: str

    def feed(self, data: bytes) -> None:
        """Bytes from the client."""

    def send_informational(self, stream_id: int, headers: HeaderMap) -> None:
        """A 1xx response."""

    def send_headers(self, stream_id: int, headers: HeaderMap, end: bool) -> None:
        """The response head."""

    def send_data(self, stream_id: int, data: bytes, end: bool) -> None:
        """A piece of the response body."""

    def send_trailers(self, stream_id: int, trailers: HeaderMap) -> None:
        """Trailers; the end of the response."""

    def next_reason(self, phrase: bytes) -> None:
        """The reason phrase of the response head that comes next; without effect in HTTP/2."""

    def reset(self, stream_id: int, reason: str) -> None:
        """Give the stream up (HTTP/1: the connection must be closed)."""

    def finish(self, stream_id: int) -> bool:
        """The stream is done on both sides; True when a pipelined request waits for `deliver_next`."""

    def deliver_next(self) -> None:
        """Begin the pipelined request that waits; never called inside an upstream's read."""


class ResponseSink(Protocol):
    """Receives one response (the router's upstream request)."""

    def on_informational(self, headers: HeaderMap) -> None:
        """A 1xx response other than 101."""

    def on_response(self, head: ResponseHead, body: bytes) -> None:
        """A whole response at once: the same as on_headers and on_data, in one call."""

    def on_headers(self, headers: HeaderMap, end: bool) -> None:
        """The response head."""

    def on_data(self, data: bytes, end: bool) -> None:
        """A piece of the body."""

    def on_trailers(self, trailers: HeaderMap) -> None:
        """The trailers; always the end."""

    def on_reset(self, reason: str, detail: str) -> None:
        """The stream ended early; `detail` says more than the reason where there is more to say."""

    def on_high_watermark(self) -> None:
        """The upstream reads too slowly: stop sending the request body."""

    def on_low_watermark(self) -> None:
        """The upstream has caught up."""


class ClientCodec(Protocol):
    """The client side of a connection."""

    def new_stream(self, sink: ResponseSink) -> int:
        """Begin a request; returns its stream id."""

    def feed(self, data: bytes) -> None:
        """Bytes from the upstream; raises CodecError."""

    def feed_eof(self) -> bool:
        """The upstream closed; True when that was the proper end of the running response."""

    def send_headers(self, stream_id: int, headers: HeaderMap, end: bool) -> None:
        """The request head."""

    def send_data(self, stream_id: int, data: bytes, end: bool) -> None:
        """A piece of the request body."""

    def send_trailers(self, stream_id: int, trailers: HeaderMap) -> None:
        """Trailers; the end of the request."""
