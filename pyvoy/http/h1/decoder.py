"""The common half of both HTTP/1 decoders: collecting a head or trailers from httptools' callbacks, and its limits.

httptools (llhttp, all lenient flags off) refuses malformed syntax and double framing; what it never does is count, so
every size is bounded here.  A fault found inside a callback is kept in `fault` and raised, which stops the parser.
"""

from __future__ import annotations

from httptools import HttpParserError

from pyvoy.http.codec import CodecError
from pyvoy.http.h1.limits import Http1Plan, Underscores
from pyvoy.http.headers import HeaderMap, Pair

CODEC_ERROR = "http1.codec_error"
_FRAMING_TWICE = "can't be present with"
_BAD_CODING = "Transfer-Encoding` "


class Silent:
    """The protocol object of a parser that only checks: it has no callbacks."""


_NEEDS_PARSER = frozenset((b"content-length", b"transfer-encoding", b"upgrade"))
"""A head with one of these goes through the parser's callbacks."""
_KNOWN_LINES = 4096
_KNOWN_LINE_BYTES = 160
_LENGTH_DIGITS = 12


class HeadLines:
    """Splits the lines of a head that the parser has accepted (or is about to) into names and values.

    Peers send the same lines again and again, so those seen are remembered; the memory is bounded.  One per plan,
    shared by its connections.
    """

    __slots__ = ("_known", "_statuses", "get", "last_block", "last_fields", "last_head", "last_length", "last_values")

    def __init__(self) -> None:
        self.last_block = b""
        self.last_fields: dict[bytes, bytes] = {}
        self.last_head = b""
        self.last_values: dict[bytes, bytes] = {}
        self.last_length = 0
        self._statuses: dict[bytes, bytes | None] = {}
        self._known: dict[bytes, Pair] = {}
        self.get = self._known.get
        """The pair of a line seen before, or None."""

    def split(self, line: bytes) -> Pair:
        """The lower-case name and the trimmed value of a field line."""
        name, _, value = line.partition(b":")
        pair = (name.lower(), value.strip(b" \t"))
        if len(line) <= _KNOWN_LINE_BYTES:
            if len(self._known) >= _KNOWN_LINES:
                self._known.clear()
            self._known[line] = pair
        return pair

    def request_block(self, block: bytes, count_limit: int) -> dict[bytes, bytes] | None:
        """The values of a request whose field lines are `block` (with the blank line), pseudo headers first and empty
        but for the host; None when the block needs the parser's callbacks: a repeated name, no host, a body."""
        if block == self.last_block:
            return self.last_fields
        if block.find(b"\r\n\r\n") != len(block) - 4:
            return None
        get = self.get
        split = self.split
        pairs = [get(line) or split(line) for line in block[:-4].split(b"\r\n")]
        fields = dict(pairs)
        host = fields.pop(b"host", None)
        if host is None or len(fields) != len(pairs) - 1 or len(pairs) > count_limit:
            return None
        if not _NEEDS_PARSER.isdisjoint(fields):
            return None
        self.last_block = block
        self.last_fields = {b":authority": host, b":path": b"", b":method": b"", b":scheme": b"", **fields}
        return self.last_fields

    def response_head(self, head: bytes, plan: Http1Plan) -> tuple[dict[bytes, bytes], int] | None:
        """Values and Content-Length of a whole response head (without the blank line); None when it needs the
        parser's callbacks: another framing, a repeated name, an unusual status.  The last one is kept: until the date
        changes, an upstream's answers of one length have the same head."""
        lines = head.split(b"\r\n")
        status = self.status(lines.pop(0))
        if status is None or len(lines) > plan.count_limit or len(head) > plan.head_limit_bytes:
            return None
        get = self.get
        split = self.split
        values = {b":status": status}
        values.update([get(line) or split(line) for line in lines])
        length = values.get(b"content-length", b"")
        if not length.isdigit() or len(length) > _LENGTH_DIGITS:
            return None
        if b"transfer-encoding" in values or len(values) != len(lines) + 1:
            return None
        self.last_head = head
        self.last_values = values
        self.last_length = int(length)
        return values, self.last_length

    def status(self, line: bytes) -> bytes | None:
        """The code of a final HTTP/1.1 response that may have a body; None for any other status line."""
        known = self._statuses
        if line in known:
            return known[line]
        code = line[9:12]
        plain = line[:9] == b"HTTP/1.1 " and code.isdigit() and code[:1] in b"2345" and code not in (b"204", b"304")
        if len(known) >= _KNOWN_LINES:
            known.clear()
        known[line] = code if plain and line[12:13] in (b"", b" ") else None
        return known[line]


class Http1Decoder:
    """Collects one message after the other; the subclasses know what a request or a response is.

    Single owner: the codec that inherits from it.
    """

    __slots__ = (
        "_headers",
        "_in_body",
        "_plan",
        "_quiet_bytes",
        "_remaining",
        "_trailers",
        "_values",
        "fault",
    )

    def __init__(self, plan: Http1Plan) -> None:
        self._plan = plan
        self._in_body = False
        self._remaining = -1
        self._quiet_bytes = 0
        self._trailers: HeaderMap | None = None
        self.fault: CodecError | None = None
        self._values: dict[bytes, bytes] = {}

    def _begin_head(self) -> None:
        self._headers = HeaderMap()
        self._values = self._headers.map

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
