"""The two levels of a Python HTTP filter.

`Filter` for the ordinary case: whole requests and responses, awaited.  `StreamFilter` for streaming: the events of the
chain as they come.  The upper level is built on the lower one (see `upper.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyvoy.extensions.native.extension import Extension
from pyvoy.http.http_filter import HttpFilter

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from pyvoy.extensions.native.grpc_stream import GrpcStream
    from pyvoy.extensions.native.messages import Message, Request, Response, UpstreamResponse
    from pyvoy.http.http_filter import Stream

    Answer = Awaitable[Response | None] | Response | None


class StreamFilter(Extension, HttpFilter):
    """A filter of the lower level.  One instance per stream, made without arguments.

    Methods, all optional, each plain or (but for those without a verdict) `async def`; what is not defined costs
    nothing.  Names and values are bytes here.  A method answers CONTINUE (or None), STOP, STOP_AND_BUFFER or
    STOP_AND_WATERMARK; `stream` is the interface `pyvoy.http.http_filter.Stream`.

    on_request_headers(stream, headers, end)
    on_request_data(stream, data, end)
    on_request_trailers(stream, trailers)
    on_response_headers(stream, headers, end)
    on_response_data(stream, data, end)
    on_response_trailers(stream, trailers)
    on_informational(stream, headers)     a 1xx response other than 101
    on_local_reply(stream, reply)         before a reply of the proxy itself passes the response filters
    on_log(stream)                        once, when the stream is complete
    on_destroy(stream)                    once, last
    """

    own_stream: Stream | None = None
    """The stream, while a coroutine of the lower level runs."""
    request_message: Message | None = None
    response_message: Message | None = None
    """The messages of the upper level, once there are any."""
    routed: bool = False
    """The route's configuration has been asked for."""
    bypassed: bool = False
    """The filter has failed on this stream and is left out of the rest of it (failure_policy FAIL_OPEN)."""

    def __init__(self) -> None:
        """Filters may keep what they need for one stream."""

    def _bind(self, call: GrpcStream) -> None:
        message = self.response_message or self.request_message
        stream: Any = self.own_stream if message is None else message.stream
        if stream is None:
            return
        if stream.finished:
            call.cancel()
        else:
            stream.spawn(call.until_over(), "gRPC call").add_done_callback(lambda _: call.cancel())


class Filter(StreamFilter):
    """A filter of the upper level: override one or both, plain or `async def`.

    While a method waits the request (or response) is held.  Answering a `Response` ends the request with it; answering
    nothing lets it go on, as the method has changed it.  One instance serves a request and its response, so attributes
    of `self` connect the two.  `on_log(stream)` and `on_local_reply(stream, reply)` of the lower level work here too.

        class Hello(Filter):
            async def on_request(self, request):
                if "x-token" not in request.headers:
                    return Response(403, "no token\\n")
    """

    if TYPE_CHECKING:

        def on_request(self, request: Request) -> Answer:
            """A request has come; its head is there, `await request.body()` waits for the rest."""

        def on_response(self, response: UpstreamResponse) -> Answer:
            """A response goes back to the client; `await response.body()` waits for all of it."""
