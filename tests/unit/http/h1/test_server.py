"""The server codec: every table row is fed whole, byte by byte, and with another request behind it."""

from __future__ import annotations

from typing import Any

import pytest

from pyvoy.http.codec import CodecError
from pyvoy.http.h1.heads import RequestHead, RequestHeads
from pyvoy.http.h1.limits import Http1Plan, Underscores
from pyvoy.http.h1.server import Http1ServerCodec
from pyvoy.http.headers import HeaderMap, Pair

NEXT = b"GET /next HTTP/1.1\r\nHost: n\r\n\r\n"
LOOSE = Http1Plan(accept_http_10=True, enable_trailers=True)


class Request:
    """One stream's sink: what arrived, pieces of the body joined."""

    def __init__(self) -> None:
        self.headers: HeaderMap | None = None
        self.body = b""
        self.pieces: list[bytes] = []
        self.ended = False
        self.trailers: list[Pair] = []
        self.error: CodecError | None = None

    def on_headers(self, headers: HeaderMap, end: bool) -> None:
        assert self.headers is None
        self.headers = headers
        self.ended = end

    def on_data(self, data: bytes, end: bool) -> None:
        assert not self.ended
        self.body += data
        self.pieces.append(data)
        self.ended = end

    def on_trailers(self, trailers: HeaderMap) -> None:
        assert not self.ended
        self.trailers = list(trailers.items())
        self.ended = True

    def on_reset(self, reason: str) -> None:
        raise AssertionError(reason)

    def on_codec_error(self, error: CodecError) -> None:
        assert self.error is None
        self.error = error

    @property
    def line(self) -> tuple[bytes | None, ...]:
        assert self.headers is not None
        return tuple(self.headers.map.get(name) for name in (b":method", b":path", b":authority", b":scheme"))

    @property
    def fields(self) -> list[Pair]:
        assert self.headers is not None
        return [pair for pair in self.headers.items() if pair[0][:1] != b":"]


class Server:
    """The connection's side: gathers streams; answers nothing."""

    def __init__(self, plan: Http1Plan = Http1Plan(), heads: RequestHeads | None = None) -> None:  # noqa: B008 - immutable
        self.requests: list[Request] = []
        self.partial: list[Any] = []
        self.backlog: list[bool] = []
        self.out = b""
        self.codec = Http1ServerCodec(self, self.write, plan, heads)

    def write(self, data: bytes) -> None:
        self.out += data

    def new_stream(self, stream_id: int) -> Request:
        self.requests.append(Request())
        return self.requests[-1]

    def on_request(self, stream_id: int, head: RequestHead, body: bytes) -> None:
        stream = self.new_stream(stream_id)
        stream.on_headers(head.headers(), not body)
        if body:
            stream.on_data(body, True)

    def on_connection_error(self, error: CodecError) -> None:
        raise AssertionError(error)

    def on_partial_head(self, stream: Any) -> None:
        self.partial.append(stream)

    def on_head_complete(self, stream: Any) -> None:
        self.partial.remove(stream)

    def on_backlog(self, full: bool) -> None:
        self.backlog.append(full)

    def feed(self, data: bytes) -> None:
        if not self.codec.feed_request(data):
            self.codec.feed(data)

    def answer(self, *pairs: Pair, body: bytes = b"", end: bool = True) -> bytes:
        """Answer the running request; the bytes that went out."""
        before = len(self.out)
        self.codec.send_headers(1, HeaderMap([(b":status", b"200"), *pairs]), end and not body)
        if body or not end:
            self.codec.send_data(1, body, end)
        return self.out[before:]

    def finish(self) -> None:
        if self.codec.finish(1):
            self.codec.deliver_next()


def post(rest: bytes, version: bytes = b"1.1") -> bytes:
    return b"POST /p HTTP/" + version + b"\r\nHost: h\r\n" + rest


H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"
GOOD: dict[str, tuple[bytes, tuple[Any, ...], list[Pair], bytes]] = {
    "get": (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", (b"GET", b"/", b"h", b""), [], b""),
    "query": (b"GET /a?b=c HTTP/1.1\r\nHost: h:1\r\n\r\n", (b"GET", b"/a?b=c", b"h:1", b""), [], b""),
    "fields": (
        b"GET / HTTP/1.1\r\nX-One:  1 \t\r\nHOST: h\r\nx-two:2\r\nx-none:\r\n\r\n",
        (b"GET", b"/", b"h", b""),
        [(b"x-one", b"1"), (b"x-two", b"2"), (b"x-none", b"")],
        b"",
    ),
    "repeated": (
        b"GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\nB: x\r\na: 2\r\n\r\n",
        (b"GET", b"/", b"h", b""),
        [(b"a", b"1"), (b"b", b"x"), (b"a", b"2")],
        b"",
    ),
    "joined": (
        b"GET / HTTP/1.1\r\nHost: h\r\nAccept: 1\r\nB: x\r\naccept: 2\r\n\r\n",
        (b"GET", b"/", b"h", b""),
        [(b"accept", b"1,2"), (b"b", b"x")],
        b"",
    ),
    "no host": (b"GET / HTTP/1.1\r\nA: 1\r\n\r\n", (b"GET", b"/", None, b""), [(b"a", b"1")], b""),
    "leading lines": (b"\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", (b"GET", b"/", b"h", b""), [], b""),
    "absolute": (b"GET http://u@o:1/x HTTP/1.1\r\nHost: h\r\n\r\n", (b"GET", b"/x", b"o:1", b"http"), [], b""),
    "asterisk": (b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", (b"OPTIONS", b"*", b"h", b""), [], b""),
    "length": (
        post(b"Content-Length: 5\r\n\r\nhello"),
        (b"POST", b"/p", b"h", b""),
        [(b"content-length", b"5")],
        b"hello",
    ),
    "length 0": (
        post(b"Content-Length: 0\r\n\r\n"),
        (b"POST", b"/p", b"h", b""),
        [(b"content-length", b"0")],
        b"",
    ),
    "chunked": (
        post(b"Transfer-Encoding: Chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"),
        (b"POST", b"/p", b"h", b""),
        [(b"transfer-encoding", b"Chunked")],
        b"hello",
    ),
    "h2c is ignored": (
        b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AA\r\n\r\n",
        (b"GET", b"/", b"h", b""),
        [],
        b"",
    ),
    "h2c is ignored, and its body is none of the next request": (
        post(H2C + b"Content-Length: 31\r\n\r\nGET /evil HTTP/1.1\r\nHost: e\r\n\r\n"),
        (b"POST", b"/p", b"h", b""),
        [(b"content-length", b"31")],
        b"GET /evil HTTP/1.1\r\nHost: e\r\n\r\n",
    ),
    "h2c is ignored, without a body": (
        post(H2C + b"Content-Length: 0\r\n\r\n"),
        (b"POST", b"/p", b"h", b""),
        [(b"content-length", b"0")],
        b"",
    ),
    "h2c is ignored, chunked": (
        post(H2C + b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"),
        (b"POST", b"/p", b"h", b""),
        [(b"transfer-encoding", b"chunked")],
        b"hello",
    ),
}


def not_new(data: bytes) -> Server:
    """A connection whose manager has read these bytes before, on other connections."""
    heads = RequestHeads()
    for _ in range(3):
        Server(heads=heads).feed(data)
    return Server(heads=heads)


@pytest.mark.parametrize("row", GOOD.values(), ids=GOOD)
@pytest.mark.parametrize("pieces", ["whole", "bytes", "with more", "not new"])
def test_requests(row: tuple[bytes, tuple[Any, ...], list[Pair], bytes], pieces: str) -> None:
    data, line, fields, body = row
    server = Server() if pieces != "not new" else not_new(data)
    if pieces in ("whole", "not new"):
        server.feed(data)
    elif pieces == "bytes":
        for at in range(len(data)):
            server.feed(data[at : at + 1])
    else:
        server.feed(data + NEXT)
    request = server.requests[0]
    assert request.error is None
    assert request.line == line
    assert request.fields == fields
    assert request.body == body
    assert request.ended
    assert not server.partial
    assert len(server.requests) == 1  # what comes behind waits for the answer
    server.finish()
    if pieces == "with more":
        assert server.requests[1].line == (b"GET", b"/next", b"n", b"")
        assert server.backlog == [True, False]
    else:
        server.feed(NEXT)
        assert server.requests[1].line == (b"GET", b"/next", b"n", b"")


BAD: dict[str, tuple[bytes, int, str]] = {
    "no request": (b"BAD\r\n\r\n", 400, "http1.codec_error"),
    "bad version": (b"GET / HTTP/3.7\r\nHost: h\r\n\r\n", 400, "http1.codec_error"),
    "old version": (b"GET / HTTP/1.0\r\nHost: h\r\n\r\n", 426, "low_version"),
    "bad name": (b"GET / HTTP/1.1\r\nHost: h\r\nX Y: 1\r\n\r\n", 400, "http1.codec_error"),
    "space before colon": (b"GET / HTTP/1.1\r\nHost: h\r\nX : 1\r\n\r\n", 400, "http1.codec_error"),
    "nul": (b"GET / HTTP/1.1\r\nHost: h\r\nX: \0\r\n\r\n", 400, "http1.codec_error"),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n", 400, "http1.codec_error"),
    "length twice": (post(b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"), 400, "http1.codec_error"),
    "length and coding": (
        post(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        400,
        "http1.content_length_and_chunked_not_allowed",
    ),
    "gzip coding": (post(b"Transfer-Encoding: gzip\r\n\r\n"), 501, "http1.invalid_transfer_encoding"),
    "no target": (b"GET x HTTP/1.1\r\nHost: h\r\n\r\n", 400, ""),
    "asterisk with get": (b"GET * HTTP/1.1\r\nHost: h\r\n\r\n", 400, "http1.invalid_url"),
    "bad port": (b"GET http://h:99999/ HTTP/1.1\r\nHost: h\r\n\r\n", 400, "http1.invalid_url"),
    "connect with body": (
        b"CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\nContent-Length: 3\r\n\r\nabc",
        400,
        "http1.content_length_not_allowed",
    ),
    "many fields": (
        b"GET / HTTP/1.1\r\nHost: h\r\n" + b"".join(b"x%d: 1\r\n" % n for n in range(101)) + b"\r\n",
        431,
        "http1.too_many_headers",
    ),
    "long field": (
        b"GET / HTTP/1.1\r\nHost: h\r\nA: " + b"y" * 61441 + b"\r\n\r\n",
        431,
        "http1.headers_too_large",
    ),
    "long target": (b"GET /" + b"y" * 61441 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 431, "http1.headers_too_large"),
}


@pytest.mark.parametrize("row", BAD.values(), ids=BAD)
@pytest.mark.parametrize("pieces", ["whole", "bytes", "with more", "not new"])
def test_faults_are_answered_on_their_stream(row: tuple[bytes, int, str], pieces: str) -> None:
    data, status, detail = row
    server = Server() if pieces != "not new" else not_new(data)
    if pieces == "bytes":
        step = 1 if len(data) < 2000 else 997
        for at in range(0, len(data), step):
            server.feed(data[at : at + step])
    else:
        server.feed(data + NEXT if pieces == "with more" else data)
    server.feed(NEXT)
    assert len(server.requests) == 1
    error = server.requests[0].error
    assert error is not None
    assert error.status == status
    assert not detail or error.details == detail
    assert server.codec.broken


@pytest.mark.parametrize(
    "body",
    [b"x\r\n", b"5\r\nhelloX", b"-1\r\n", b"fffffffffffffffff\r\n"],
    ids=["no size", "no line end", "negative", "huge"],
)
@pytest.mark.parametrize("whole", [True, False])
def test_faults_in_the_body_come_behind_the_head(body: bytes, whole: bool) -> None:
    server = Server()
    head = post(b"Transfer-Encoding: chunked\r\n\r\n")
    for data in [head + body] if whole else [head, body]:
        server.feed(data)
    request = server.requests[0]
    assert request.line[0] == b"POST"
    assert request.error is not None
    assert not request.ended


def test_the_chunks_of_a_read_are_one_piece() -> None:
    server = Server()
    server.feed(post(b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n3\r\nd"))
    server.feed(b"ef\r\n1\r\ng\r\n0\r\n\r\n")
    assert server.requests[0].pieces == [b"abcd", b"efg", b""]
    assert server.requests[0].ended


def test_chunk_extensions_are_limited() -> None:
    server = Server()
    for data in (post(b"Transfer-Encoding: chunked\r\n\r\n"), b"1;", *[b"e" * 1000] * 62):
        server.feed(data)
    error = server.requests[0].error
    assert error is not None
    assert error.status == 431


def test_trailers_are_kept_when_enabled() -> None:
    data = post(b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-T: v\r\n\r\n")
    for plan, kept in ((LOOSE, [(b"x-t", b"v")]), (Http1Plan(), [])):
        server = Server(plan)
        server.feed(data)
        assert (server.requests[0].trailers, server.requests[0].ended) == (kept, True)


def test_trailers_are_limited() -> None:
    server = Server(LOOSE)
    server.feed(post(b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"))
    for _ in range(200):
        server.feed(b"x: " + b"y" * 500 + b"\r\n")
    error = server.requests[0].error
    assert error is not None
    assert error.status == 431


@pytest.mark.parametrize(
    ("action", "expected"),
    [(Underscores.ALLOW, [b"x_a", b"b"]), (Underscores.DROP, [b"b"]), (Underscores.REJECT, None)],
)
def test_underscores(action: Underscores, expected: list[bytes] | None) -> None:
    server = Server(Http1Plan(underscores=action))
    server.feed(b"GET / HTTP/1.1\r\nHost: h\r\nx_a: 1\r\nb: 2\r\n\r\n")
    request = server.requests[0]
    if expected is None:
        assert request.error is not None
        assert request.error.details == "http1.unexpected_underscore"
    else:
        assert [name for name, _ in request.fields] == expected


# ---- heads that come slowly ----


def test_a_partial_head_has_its_stream_at_once() -> None:
    server = Server()
    server.feed(b"GE")
    assert server.partial == server.requests
    server.feed(b"T / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert not server.partial
    assert len(server.requests) == 1
    assert server.requests[0].ended


def test_blank_lines_begin_nothing() -> None:
    server = Server()
    server.feed(b"\r\n\r\n")
    assert not server.requests


def test_a_partial_head_behind_a_request_begins_when_that_is_answered() -> None:
    server = Server()
    server.feed(b"GET / HTTP/1.1\r\nHost: h\r\n\r\nGET /s")
    assert len(server.requests) == 1
    server.finish()
    assert server.partial == server.requests[1:]
    server.feed(b"low HTTP/1.1\r\nHost: h\r\n\r\n")
    assert server.requests[1].line[1] == b"/slow"


def test_a_fault_behind_a_request_waits_for_its_turn() -> None:
    server = Server()
    server.feed(b"GET / HTTP/1.1\r\nHost: h\r\n\r\nBAD\r\n\r\n")
    assert [request.error for request in server.requests] == [None]
    server.finish()
    error = server.requests[1].error
    assert error is not None
    assert error.status == 400


def test_many_pipelined_requests_keep_their_order() -> None:
    server = Server()
    server.feed(b"".join(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % n for n in range(500)))
    for _ in range(500):
        server.finish()
    assert [request.line[1] for request in server.requests] == [b"/%d" % n for n in range(500)]
    assert server.backlog == [True, False]


# ---- upgrades ----

WEBSOCKET = b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


@pytest.mark.parametrize(
    "head", [WEBSOCKET, b"CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n"], ids=["websocket", "connect"]
)
@pytest.mark.parametrize("pieces", ["whole", "bytes"])
def test_what_follows_an_upgrade_is_data(head: bytes, pieces: str) -> None:
    server = Server()
    for data in [head + b"GET ", b"\x00more"] if pieces == "whole" else [*(bytes((b,)) for b in head), b"GET \x00more"]:
        server.feed(data)
    request = server.requests[0]
    assert (request.body, request.ended, request.error) == (b"GET \x00more", False, None)


# ---- responses ----


def test_a_length_is_kept_and_a_missing_one_is_framed() -> None:
    server = Server()
    server.feed(GOOD["get"][0])
    assert server.answer((b"content-length", b"2"), body=b"ok") == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
    assert server.answer() == b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    assert server.answer(body=b"ok") == b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"


@pytest.mark.parametrize("status", [b"204", b"304"])
def test_no_length_where_none_may_be(status: bytes) -> None:
    server = Server()
    server.feed(GOOD["get"][0])
    server.codec.send_headers(1, HeaderMap([(b":status", status)]), True)
    assert b"length" not in server.out
    assert b"chunked" not in server.out


def test_the_answer_to_head_has_no_body_but_tells_its_framing() -> None:
    server = Server()
    server.feed(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert server.answer((b"content-length", b"9")) == b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"
    assert server.answer(body=b"ok") == b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    assert server.answer() == b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def test_http_10_gets_its_version_and_no_chunks() -> None:
    server = Server(LOOSE)
    server.feed(b"GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n")
    assert server.codec.protocol == "HTTP/1.0"
    assert server.codec.is_http_10
    assert not server.codec.must_close
    assert server.answer(body=b"ok") == b"HTTP/1.0 200 OK\r\n\r\nok"


@pytest.mark.parametrize(
    ("version", "connection", "close"),
    [
        (b"1.1", b"", False),
        (b"1.1", b"Connection: keep-alive\r\n", False),
        (b"1.1", b"Connection: x, Close\r\n", True),
        (b"1.0", b"", True),
        (b"1.0", b"Connection: keep-alive\r\n", False),
    ],
)
def test_who_wants_the_connection_closed(version: bytes, connection: bytes, close: bool) -> None:
    server = Server(LOOSE)
    server.feed(b"GET / HTTP/" + version + b"\r\nHost: h\r\n" + connection + b"\r\n")
    assert server.codec.must_close is close


def test_nothing_is_framed_behind_101() -> None:
    server = Server()
    server.feed(WEBSOCKET)
    server.codec.send_headers(1, HeaderMap([(b":status", b"101"), (b"upgrade", b"websocket")]), False)
    server.codec.send_data(1, b"raw", False)
    assert server.out == b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\nraw"


def test_trailers_go_out_chunked_when_enabled() -> None:
    for plan, tail in ((LOOSE, b"0\r\nx-t: v\r\n\r\n"), (Http1Plan(), b"0\r\n\r\n")):
        server = Server(plan)
        server.feed(GOOD["get"][0])
        server.answer(body=b"a", end=False)
        server.codec.send_trailers(1, HeaderMap([(b"x-t", b"v")]))
        assert server.out.endswith(b"1\r\na\r\n" + tail)


def test_a_corked_head_leaves_with_its_body() -> None:
    server = Server()
    server.feed(GOOD["get"][0])
    writes: list[bytes] = []
    server.codec._write = writes.append
    server.codec.corked = True
    server.codec.send_headers(1, HeaderMap([(b":status", b"200"), (b"content-length", b"2")]), False)
    assert not writes
    server.codec.send_data(1, b"ok", True)
    server.codec.uncork()
    assert writes == [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"]


def test_proper_case() -> None:
    server = Server(Http1Plan(proper_case=True))
    server.feed(GOOD["get"][0])
    out = server.answer((b"x-foo-bar", b"1"), body=b"ok")
    assert out.startswith(b"HTTP/1.1 200 OK\r\nX-Foo-Bar: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
