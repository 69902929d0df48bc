"""HTTP/1.1, client side: requests out, responses in.  Pure: bytes are handed in, output goes to `write`.

One request at a time.  How responses are read is `response_reader.py`.  Sources: RFC 9112; Envoy's http1 codec.
"""

from __future__ import annotations

from collections.abc import Callable

from pyvoy.http.codec import ResponseSink
from pyvoy.http.h1 import encoder
from pyvoy.http.h1.heads import ResponseHeads
from pyvoy.http.h1.limits import Http1Plan
from pyvoy.http.h1.response_reader import ResponseReader
from pyvoy.http.headers import HeaderMap
from pyvoy.http.hop_by_hop import is_upgrade

_BODYLESS = frozenset((b"GET", b"HEAD", b"DELETE", b"TRACE", b"CONNECT"))
"""Methods whose requests without a body need no `content-length: 0` (Envoy's list; RFC 9110 8.6)."""


class Http1ClientCodec(ResponseReader):
    """One upstream connection.  Owned by the pool's connection."""

    __slots__ = ("_chunked_out", "_held", "_proper_case", "_stream_id", "_write", "corked", "protocol")

    def __init__(
        self,
        write: Callable[[bytes], None],
        on_complete: Callable[[], None],
        plan: Http1Plan,
        heads: ResponseHeads | None = None,
    ) -> None:
        """`on_complete` is called when request and response are both done, and when our side of a tunnel is; `heads` is
        shared by a pool."""
        super().__init__(on_complete, plan, heads)
        self.protocol = "HTTP/1.1"
        self.corked = False
        """True while the body is about to follow: the head is held to leave in one write with it."""
        self._held = b""
        self._write = write
        self._stream_id = 0
        self._proper_case = plan.proper_case
        self._chunked_out = False

    def new_stream(self, sink: ResponseSink) -> int:
        """Begin a request; the connection must be idle."""
        self._sink = sink
        self._stream_id += 1
        self._request_done = False
        self._response_done = False
        self._informational = 0
        self._head_bytes = 0
        return self._stream_id

    @property
    def stream_id(self) -> int:
        """The id of the running (or last) request."""
        return self._stream_id

    def hand_over(self, sink: ResponseSink) -> None:
        """Another sink receives the rest of the response."""
        self._sink = sink

    def encode_request(self, headers: HeaderMap) -> bytes:
        """The bytes of a whole request's head, for `send_request`; neither HEAD nor CONNECT."""
        values = headers.map
        framed = b"content-length" in values or values[b":method"] in _BODYLESS
        extra = b"" if framed else b"content-length: 0\r\n"
        return encoder.request_head(encoder.with_proper_case(headers) if self._proper_case else headers, extra)

    def send_request(self, sink: ResponseSink, encoded: bytes) -> None:
        """A whole request at once: `new_stream`, `send_headers` and `send_data`."""
        self._sink = sink
        self._stream_id += 1
        self._informational = self._head_bytes = 0
        self._response_done = self._is_head = self._upgrade = self._odd = self._chunked_out = False
        self._request_done = True
        self._write(encoded)

    def detach(self) -> None:
        """Forget the stream (it was reset): nothing of it is delivered any more and the connection is not reused."""
        self._sink = None
        self.meter = None
        self.reusable = False

    def send_headers(self, stream_id: int, headers: HeaderMap, end: bool) -> None:
        """The request head with its framing; a body of unknown length goes out chunked."""
        values = headers.map
        method = values[b":method"]
        self._is_head = method == b"HEAD"
        self._connect = method == b"CONNECT"
        # A filter may have written `upgrade` alone: that asks for nothing.
        self._upgrade = self._connect or (b"upgrade" in values and is_upgrade(headers))
        self._odd = self._is_head or self._upgrade
        self._chunked_out = False
        extra = b""
        if self._plan.proper_case:
            headers = encoder.with_proper_case(headers)
        if self._upgrade:
            end = False
        elif end:
            if b"content-length" not in values and method not in _BODYLESS:
                extra = b"content-length: 0\r\n"
        elif b"content-length" not in values:
            self._chunked_out = True
            extra = b"transfer-encoding: chunked\r\n"
        head = encoder.connect_head if method == b"CONNECT" else encoder.request_head
        self._request_done = end
        encoded = head(headers, extra)
        meter = self.meter
        if meter is not None:
            meter.upstream_wire_bytes_sent += len(encoded)
            meter.upstream_header_bytes_sent += encoder.field_bytes(encoded)
        if self.corked and not end:
            self._held = encoded
        else:
            self._write(encoded)

    def uncork(self) -> None:
        """Nothing follows for now: let go what is held."""
        self.corked = False
        held = self._held
        if held:
            self._held = b""
            self._write(held)

    def send_data(self, stream_id: int, data: bytes, end: bool) -> None:
        """A piece of the request body."""
        if self._chunked_out:
            data = (encoder.chunk(data) if data else b"") + (encoder.LAST_CHUNK if end else b"")
        if self.meter is not None:
            self.meter.upstream_wire_bytes_sent += len(data)
        held = self._held
        if held:
            self._held = b""
            data = held + data
        if data:
            self._write(data)
        if end:
            self._request_finished()

    def send_trailers(self, stream_id: int, trailers: HeaderMap) -> None:
        """Trailers; dropped when the request is not chunked or trailers are not enabled."""
        if self._held:
            self.uncork()
        if self._chunked_out:
            block = encoder.trailer_block(trailers) if self._plan.enable_trailers else encoder.LAST_CHUNK
            if self.meter is not None:
                self.meter.upstream_wire_bytes_sent += len(block)
            self._write(block)
        self._request_finished()

    def _request_finished(self) -> None:
        self._request_done = True
        if self._response_done:
            self.meter = None
            self.on_complete()
        elif self._tunnel:
            self.on_complete()
