"""The common half of both HTTP/1 decoders: collecting a head or trailers from httptools' callbacks, and its limits.

httptools (llhttp, all lenient flags off) refuses malformed syntax and double framing; what it never does is count, so
every size is bounded here.  A fault found inside a callback is kept in `fault` and raised, which stops the parser.
"""

from __future__ import annotations

from httptools import HttpParserError

from pyvoy.http.codec import CodecError, RequestSink, ResponseSink
from pyvoy.http.h1.limits import Http1Plan, Underscores
from pyvoy.http.headers import HeaderMap

CODEC_ERROR = "http1.codec_error"
_FRAMING_TWICE = "can't be present with"
_BAD_CODING = "Transfer-Encoding` "


class Silent:
    """The protocol object of a parser that only checks: it has no callbacks."""


class Http1Decoder:
    """Collects one message after the other; the subclasses know what a request or a response is.

    Single owner: the codec that inherits from it.
    """

    __slots__ = (
        "_chunks",
        "_headers",
        "_in_body",
        "_plan",
        "_quiet_bytes",
        "_remaining",
        "_sink",
        "_trailers",
        "_values",
        "fault",
    )

    _sink: RequestSink | ResponseSink | None

    def __init__(self, plan: Http1Plan) -> None:
        self._plan = plan
        self._in_body = False
        self._chunks: list[bytes] = []
        """The chunks of the read that is being parsed."""
        self._remaining = -1
        self._quiet_bytes = 0
        self._sink = None
        """Who gets the message."""
        self._trailers: HeaderMap | None = None
        self.fault: CodecError | None = None
        self._values: dict[bytes, bytes] = {}

    def _begin_head(self) -> None:
        self._headers = HeaderMap()
        self._values = self._headers.map

    def _give_chunks(self) -> None:
        """The chunks of a read go on as one piece, as in Envoy."""
        chunks = self._chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        if self._sink is not None:
            self._sink.on_data(data, False)

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools: one complete header or trailer field."""
        name = name.lower()
        if value[-1:] in b" \t":
            value = value.rstrip(b" \t")
        if self._in_body:
            self._on_trailer(name, value)
        elif name in self._values:
            self._repeated(name, value)
        else:
            self._values[name] = value
            if self._headers.pairs is not None:
                self._headers.pairs.append((name, value))

    def _repeated(self, name: bytes, value: bytes) -> None:
        if name == b"host":
            raise self.refuse(CodecError(CODEC_ERROR))
        self._headers.add(name, value)

    def _on_trailer(self, name: bytes, value: bytes) -> None:
        self._quiet_bytes = 0
        trailers = self._trailers
        if trailers is None:
            trailers = self._trailers = HeaderMap()
        trailers.add(name, value)
        if len(trailers) > self._plan.count_limit or trailers.byte_size() > self._plan.head_limit_bytes:
            raise self.refuse(self.too_large())

    def refuse(self, error: CodecError) -> CodecError:
        """Keep the fault for the caller of the parser, which wraps what a callback raises."""
        if self.fault is None:
            self.fault = error
        return error

    def too_large(self) -> CodecError:
        """Head or trailers over the limit."""
        return CodecError("http1.headers_too_large", 431, b"Request Header Fields Too Large")

    def _check_head(self, head_bytes: int, target_bytes: int = 0) -> None:
        """Limits of a complete head; `head_bytes` is an upper bound that spares the exact sum."""
        headers = self._headers
        if len(headers) > self._plan.count_limit:
            raise self.refuse(CodecError("http1.too_many_headers", 431, b"Request Header Fields Too Large"))
        limit = self._plan.head_limit_bytes
        if head_bytes > limit and headers.byte_size() + target_bytes > limit:
            raise self.refuse(self.too_large())
        if self._plan.underscores is not Underscores.ALLOW:
            self._underscores(headers)

    def _underscores(self, headers: HeaderMap) -> None:
        for name in [name for name in headers.map if b"_" in name]:
            if self._plan.underscores is Underscores.REJECT:
                raise self.refuse(CodecError("http1.unexpected_underscore"))
            headers.remove(name)

    def explain(self, error: HttpParserError) -> CodecError:
        """The codec error of a parser error, with Envoy's detail and status."""
        if self.fault is not None:
            return self.fault
        text = str(error)
        if _FRAMING_TWICE in text:
            return CodecError("http1.content_length_and_chunked_not_allowed")
        if _BAD_CODING in text or text.endswith("`Transfer-Encoding`"):
            return CodecError("http1.invalid_transfer_encoding", 501, b"Not Implemented")
        return CodecError(CODEC_ERROR)
