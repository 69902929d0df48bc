"""HTTP/1.1, server side: requests in, responses out.  Pure: bytes are handed in, output goes to `write`.

How requests are read, and take turns, is `request_reader.py`.  Sources: RFC 9112; Envoy's http1 codec.
"""

from __future__ import annotations

from collections.abc import Callable

from pyvoy.http.codec import ServerSink
from pyvoy.http.h1 import encoder
from pyvoy.http.h1.heads import RequestHeads
from pyvoy.http.h1.limits import Http1Plan
from pyvoy.http.h1.request_reader import RequestReader
from pyvoy.http.headers import HeaderMap

Write = Callable[[bytes], None]

_NO_LENGTH = (b"204", b"304")
_JOIN_LIMIT = 65536
"""Above this size copying a body costs more than a second write."""


def _discard(data: bytes) -> None:
    """Output of a connection that is gone."""


class Http1ServerCodec(RequestReader):
    """One downstream connection.  Owned by the connection manager."""

    __slots__ = ("_chunked_out", "_held", "_reason", "_write", "corked")

    def __init__(self, server: ServerSink, write: Write, plan: Http1Plan, heads: RequestHeads | None = None) -> None:
        """`heads` is shared by the connections of one connection manager."""
        super().__init__(server, plan, heads)
        self.corked = False
        """True while more output is about to come: a head is then held to leave in one write with what follows."""
        self._held = b""
        self._reason = b""
        """The reason phrase of the head that comes next."""
        self._write = write
        self._chunked_out = False

    @property
    def must_close(self) -> bool:
        """True when the running request asked for the connection to end behind its response (RFC 9112 9.3)."""
        return self._mode.close

    @property
    def special(self) -> bool:
        """True when the running request's answer needs a `connection` header: it asked to close, or is HTTP/1.0."""
        return self._mode.special

    @property
    def is_http_10(self) -> bool:
        """True when the running request is HTTP/1.0."""
        return self._mode.old

    def release(self) -> None:
        """The connection is gone and has no streams: let go of the others, so that the collector has no circle to
        find."""
        self.broken = True
        self._parser = self._sink = None
        self._write = _discard
        del self.server

    # ---- output ----

    def send_informational(self, stream_id: int, headers: HeaderMap) -> None:
        """A 1xx head."""
        self._write(encoder.response_head(headers, b""))

    def send_response(self, stream_id: int, headers: HeaderMap, body: bytes) -> None:
        """A whole response in one write."""
        head = self.encode_headers(headers, not body)
        if not body or self._mode.head:
            self._write(head)
        elif self._chunked_out:
            self._write(head + encoder.chunk(body) + encoder.LAST_CHUNK)
        else:
            self._write(head + body)

    def send_headers(self, stream_id: int, headers: HeaderMap, end: bool) -> None:
        """The response head with its framing (RFC 9112 6.3); HTTP/1.0 clients get an unframed body."""
        head = self.encode_headers(headers, end)
        if self.corked and not end:
            self._held = head
        else:
            self._write(head)

    def uncork(self) -> None:
        """No more output for now: let go what is held."""
        self.corked = False
        held = self._held
        if held:
            self._held = b""
            self._write(held)

    def encode_headers(self, headers: HeaderMap, end: bool) -> bytes:
        """The bytes of the response head; remembers whether the body is chunked."""
        values = headers.map
        mode = self._mode
        extra = b""
        self._chunked_out = False
        if b"content-length" not in values:
            extra = self._framing(values[b":status"], end)
        if self._plan.proper_case:
            headers = encoder.with_proper_case(headers)
            extra = extra.replace(b"content-length", b"Content-Length").replace(b"transfer-enc", b"Transfer-Enc")
        head = encoder.response_head(headers, extra)
        if self._reason:
            head = b"%b %b%b" % (head[:12], self._reason, head[head.index(b"\r\n") :])
            self._reason = b""
        return b"HTTP/1.0" + head[8:] if mode.old else head

    def next_reason(self, phrase: bytes) -> None:
        """The reason phrase of the next head; what could end the line is left out."""
        self._reason = bytes([octet for octet in phrase if octet >= 32 and octet != 127])

    def _framing(self, status: bytes, end: bool) -> bytes:
        """The framing header of a response without a length (RFC 9112 6.3); like Envoy's, the answer to HEAD tells the
        coding that the answer to GET would have."""
        mode = self._mode
        if mode.upgrade and (status == b"101" or (mode.connect and status[:1] == b"2")):
            return b""  # what follows is the tunnel
        if end and not mode.head:
            return b"" if status in _NO_LENGTH else b"content-length: 0\r\n"
        if mode.old or status in _NO_LENGTH:
            return b""
        self._chunked_out = not mode.head
        return b"transfer-encoding: chunked\r\n"

    def send_data(self, stream_id: int, data: bytes, end: bool) -> None:
        """A piece of the body."""
        data = self.encode_data(data, end)
        held = self._held
        if held:
            self._held = b""
            if len(data) > _JOIN_LIMIT:
                self._write(held)
            else:
                data = held + data
        if data:
            self._write(data)

    def encode_data(self, data: bytes, end: bool) -> bytes:
        """The bytes of a piece of the body."""
        if self._mode.head:
            return b""
        if not self._chunked_out:
            return data
        if not end:
            return encoder.chunk(data) if data else b""
        return encoder.chunk(data) + encoder.LAST_CHUNK if data else encoder.LAST_CHUNK

    def send_trailers(self, stream_id: int, trailers: HeaderMap) -> None:
        """Trailers, when chunked coding can carry them and they are enabled."""
        if self._held:
            self.uncork()
        if not self._chunked_out:
            return
        self._write(encoder.trailer_block(trailers) if self._plan.enable_trailers else encoder.LAST_CHUNK)

    def reset(self, stream_id: int, reason: str) -> None:
        """Nothing on the wire tells a reset: the connection manager closes the connection."""
        self.broken = True
