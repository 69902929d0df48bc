"""The client codec: every response is fed whole, byte by byte, and with bytes behind it; requests and their framing."""

from __future__ import annotations

import pytest

from pyvoy.http.codec import CodecError
from pyvoy.http.h1.client import Http1ClientCodec
from pyvoy.http.h1.heads import ResponseHead, ResponseHeads
from pyvoy.http.h1.limits import Http1Plan
from pyvoy.http.headers import HeaderMap, Pair
from pyvoy.observe.stream_info import StreamInfo

PLAN = Http1Plan(head_limit_bytes=80 * 1024)


class Response:
    """One request's sink."""

    def __init__(self) -> None:
        self.informational: list[bytes] = []
        self.headers: HeaderMap | None = None
        self.body = b""
        self.pieces: list[bytes] = []
        self.ended = False
        self.trailers: list[Pair] = []

    def on_informational(self, headers: HeaderMap) -> None:
        self.informational.append(headers.map[b":status"])

    def on_response(self, head: ResponseHead, body: bytes) -> None:
        self.on_headers(head.headers(), not body)
        if body:
            self.on_data(body, True)

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

    def on_reset(self, reason: str, detail: str) -> None:
        raise AssertionError(reason)

    def on_high_watermark(self) -> None: ...

    def on_low_watermark(self) -> None: ...


class Client:
    """A connection with one request on it."""

    def __init__(
        self,
        method: bytes = b"GET",
        plan: Http1Plan = PLAN,
        *pairs: Pair,
        end: bool = True,
        heads: ResponseHeads | None = None,
    ) -> None:
        self.out = b""
        self.completed = 0
        self.response = Response()
        self.codec = Http1ClientCodec(self.write, self.complete, plan, heads)
        self.request(method, *pairs, end=end)

    def request(self, method: bytes, *pairs: Pair, end: bool = True) -> None:
        self.response = Response()
        self.codec.new_stream(self.response)
        pseudo = [(b":authority", b"h"), (b":path", b"/p"), (b":method", method), (b":scheme", b"http")]
        self.codec.send_headers(1, HeaderMap([*pseudo, *pairs]), end)

    def write(self, data: bytes) -> None:
        self.out += data

    def complete(self) -> None:
        self.completed += 1

    def feed(self, data: bytes) -> None:
        if not self.codec.feed_whole(data):
            self.codec.feed(data)


Row = tuple[bytes, bytes, list[Pair], bytes, bool]
"""Request method, response, fields, body, whether the connection can be used again."""

GOOD: dict[str, Row] = {
    "length": (b"GET", b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 2\r\n\r\nok",
               [(b"a", b"b"), (b"content-length", b"2")], b"ok", True),
    "length 0": (b"GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", [(b"content-length", b"0")], b"", True),
    "no reason": (b"GET", b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", [(b"content-length", b"0")], b"", True),
    "chunked": (b"GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1;x\r\nk\r\n0\r\n\r\n",
                [(b"transfer-encoding", b"chunked")], b"ok", True),
    "repeated": (b"GET", b"HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nVary: x\r\nset-cookie: b\r\nvary: y\r\n"
                 b"Content-Length: 0\r\n\r\n",
                 [(b"set-cookie", b"a"), (b"vary", b"x,y"), (b"set-cookie", b"b"), (b"content-length", b"0")], b"",
                 True),
    "keep-alive": (b"GET", b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5\r\nContent-Length: 1\r\n\r\nx",
                   [(b"content-length", b"1")], b"x", True),
    "keep-alive chunked": (b"GET", b"HTTP/1.1 200 OK\r\nKeep-Alive: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                           [(b"transfer-encoding", b"chunked")], b"", True),
    "head": (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", [(b"content-length", b"10")], b"", True),
    "head chunked": (b"HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                     [(b"transfer-encoding", b"chunked")], b"", True),
    "204": (b"GET", b"HTTP/1.1 204 No Content\r\n\r\n", [], b"", True),
    "304": (b"GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", [(b"content-length", b"9")], b"", True),
    "says close": (b"GET", b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 1\r\n\r\nx",
                   [(b"connection", b"Close"), (b"content-length", b"1")], b"x", False),
    "1.0": (b"GET", b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", [(b"content-length", b"1")], b"x", False),
    "1.0 keeps": (b"GET", b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx",
                  [(b"connection", b"keep-alive"), (b"content-length", b"1")], b"x", True),
}  # fmt: skip


@pytest.mark.parametrize("row", GOOD.values(), ids=GOOD)
@pytest.mark.parametrize("pieces", ["whole", "bytes", "with more", "not new"])
def test_responses(row: Row, pieces: str) -> None:
    method, data, fields, body, reusable = row
    heads = ResponseHeads()
    for _ in range(3 if pieces == "not new" else 0):
        Client(method, heads=heads).feed(data)
    client = Client(method, heads=heads)
    if pieces == "bytes":
        for at in range(len(data)):
            client.feed(data[at : at + 1])
    else:
        client.feed(data + b"HTTP/1.1 200 OK\r\n" if pieces == "with more" else data)
    response = client.response
    assert response.headers is not None
    assert [pair for pair in response.headers.items() if pair[0] != b":status"] == fields
    assert response.headers.map[b":status"] == data[9:12]
    assert (response.body, response.ended) == (body, True)
    assert client.completed == 1
    assert client.codec.reusable is (reusable and pieces != "with more")
    if client.codec.reusable:
        client.request(b"GET")
        client.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes")
        assert client.response.body == b"yes"


@pytest.mark.parametrize("pieces", ["whole", "bytes"])
def test_informational_responses_come_before_the_real_one(pieces: str) -> None:
    client = Client()
    data = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + GOOD["length"][1]
    for piece in [data] if pieces == "whole" else [bytes((b,)) for b in data]:
        client.feed(piece)
    assert client.response.informational == [b"100", b"103"]
    assert client.response.body == b"ok"
    assert client.codec.reusable


def test_the_end_of_the_connection_ends_a_body_without_length() -> None:
    client = Client()
    client.feed(b"HTTP/1.1 200 OK\r\n\r\nhe")
    client.feed(b"llo")
    assert not client.response.ended
    assert client.codec.feed_eof()
    assert (client.response.body, client.response.ended) == (b"hello", True)
    assert not client.codec.reusable


@pytest.mark.parametrize(
    ("data", "began"),
    [
        (b"", False),
        (b"HTTP/1.1 200", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe", True),
    ],
    ids=["nothing", "half a head", "half a body", "half a chunk"],
)
def test_the_end_of_the_connection_cuts_everything_else(data: bytes, began: bool) -> None:
    client = Client()
    if data:
        client.feed(data)
    assert client.codec.mid_message is began
    assert not client.codec.feed_eof()
    assert not client.response.ended


def feed_all(client: Client, pieces: list[bytes]) -> None:
    for piece in pieces:
        client.feed(piece)


BAD = {
    "garbage": b"nonsense\r\n\r\n",
    "blank line first": b"\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "length and coding": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "gzip coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "204 with length": b"HTTP/1.1 204 No\r\nContent-Length: 3\r\n\r\n",
    "204 chunked": b"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n",
    "101 unasked": b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    "nul": b"HTTP/1.1 200 OK\r\nA: \0\r\n\r\n",
    "long head": b"HTTP/1.1 200 OK\r\nA: " + b"y" * 90_000,
    "many fields": b"HTTP/1.1 200 OK\r\n" + b"".join(b"x%d: 1\r\n" % n for n in range(101)) + b"\r\n",
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
@pytest.mark.parametrize("pieces", ["whole", "bytes", "not new"])
def test_faults(data: bytes, pieces: str) -> None:
    heads = ResponseHeads()
    for _ in range(3 if pieces == "not new" else 0):
        with pytest.raises(CodecError):
            Client(heads=heads).feed(data)
    client = Client(heads=heads)
    step = len(data) if pieces != "bytes" else 1 if len(data) < 3000 else 997
    with pytest.raises(CodecError):
        feed_all(client, [data[at : at + step] for at in range(0, len(data), step)])
    assert not client.response.ended


# ---- upgrades ----

UPGRADE: tuple[Pair, ...] = ((b"connection", b"upgrade"), (b"upgrade", b"websocket"))
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"


@pytest.mark.parametrize(
    ("method", "pairs", "answer"),
    [(b"GET", UPGRADE, SWITCH), (b"CONNECT", (), b"HTTP/1.1 200 OK\r\n\r\n")],
    ids=["websocket", "connect"],
)
@pytest.mark.parametrize("pieces", ["whole", "bytes"])
def test_a_granted_upgrade_is_a_tunnel_without_a_proper_end(
    method: bytes, pairs: tuple[Pair, ...], answer: bytes, pieces: str
) -> None:
    client = Client(method, PLAN, *pairs)
    raw = b"HTTP/1.1 \x00"
    for piece in [answer + raw] if pieces == "whole" else [bytes((b,)) for b in answer + raw]:
        client.feed(piece)
    assert (client.response.body, client.response.ended) == (raw, False)
    assert client.codec.tunnelling
    assert not client.codec.mid_message
    assert not client.codec.feed_eof()


def test_a_refused_upgrade_is_a_response() -> None:
    client = Client(b"GET", PLAN, *UPGRADE)
    client.feed(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
    assert (client.response.body, client.response.ended) == (b"no", True)
    assert not client.codec.tunnelling


# ---- requests ----


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"DELETE", b"TRACE"])
def test_methods_that_need_no_length(method: bytes) -> None:
    assert Client(method).out == method + b" /p HTTP/1.1\r\nhost: h\r\n\r\n"


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"PATCH", b"OPTIONS", b"PROPFIND"])
def test_other_methods_say_that_nothing_follows(method: bytes) -> None:
    assert Client(method).out == method + b" /p HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n"


def test_a_connect_names_its_target() -> None:
    assert Client(b"CONNECT").out == b"CONNECT h HTTP/1.1\r\nhost: h\r\n\r\n"


def test_an_upgrade_goes_out_as_it_is() -> None:
    out = Client(b"GET", PLAN, *UPGRADE).out
    assert out == b"GET /p HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"


def test_the_chunks_of_a_read_are_one_piece() -> None:
    client = Client()
    client.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n3\r\nd")
    client.feed(b"ef\r\n1\r\ng\r\n0\r\n\r\n")
    assert client.response.pieces == [b"abcd", b"efg", b""]
    assert client.response.ended


def test_a_body_of_unknown_length_is_chunked() -> None:
    client = Client(b"POST", PLAN, end=False)
    client.codec.send_data(1, b"abc", False)
    client.codec.send_data(1, b"", False)
    client.codec.send_data(1, b"d", True)
    assert client.out.endswith(b"\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n")


def test_a_body_of_known_length_is_not() -> None:
    client = Client(b"POST", PLAN, (b"content-length", b"3"), end=False)
    client.codec.send_data(1, b"abc", True)
    assert client.out == b"POST /p HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\nabc"


@pytest.mark.parametrize("enabled", [True, False])
def test_trailers(enabled: bool) -> None:
    client = Client(b"POST", Http1Plan(enable_trailers=enabled), end=False)
    client.codec.send_data(1, b"a", False)
    client.codec.send_trailers(1, HeaderMap([(b"x-t", b"v")]))
    assert client.out.endswith(b"1\r\na\r\n0\r\nx-t: v\r\n\r\n" if enabled else b"1\r\na\r\n0\r\n\r\n")
    client.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-R: w\r\n\r\n")
    assert client.response.trailers == ([(b"x-r", b"w")] if enabled else [])
    assert client.response.ended


def test_a_response_before_the_request_is_whole_keeps_the_connection_until_it_is() -> None:
    client = Client(b"POST", PLAN, (b"content-length", b"1"), end=False)
    client.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert client.completed == 0
    client.codec.send_data(1, b"a", True)
    assert client.completed == 1


def test_a_detached_request_hears_nothing_more() -> None:
    client = Client()
    client.codec.detach()
    client.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert client.response.headers is None
    assert not client.codec.reusable


def test_bytes_on_an_idle_connection_spoil_it() -> None:
    client = Client()
    client.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert client.codec.reusable
    client.feed(b"x")
    assert client.codec.stray
    assert not client.codec.reusable


def test_a_corked_head_leaves_with_its_body() -> None:
    client = Client()
    writes: list[bytes] = []
    client.codec._write = writes.append
    client.codec.corked = True
    client.request(b"POST", (b"content-length", b"1"), end=False)
    assert not writes
    client.codec.send_data(1, b"a", True)
    client.codec.uncork()
    assert writes == [b"POST /p HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\n\r\na"]


def test_proper_case() -> None:
    client = Client(b"GET", Http1Plan(proper_case=True), (b"x-foo", b"1"))
    assert b"\r\nX-Foo: 1\r\n" in client.out


def metered(method: bytes, *pairs: Pair, end: bool = True) -> tuple[Client, StreamInfo]:
    """A client whose request is counted."""
    client = Client()
    client.codec.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    client.out = b""
    info = StreamInfo()
    client.codec.meter = info
    client.request(method, *pairs, end=end)
    return client, info


def test_a_counted_request_has_all_it_sent_and_its_field_lines() -> None:
    client, info = metered(b"POST", end=False)
    client.codec.send_data(1, b"hello", False)
    client.codec.send_data(1, b"", True)
    assert info.upstream_wire_bytes_sent == len(client.out)
    assert info.upstream_header_bytes_sent == len(b"host: h\r\ntransfer-encoding: chunked\r\n")


@pytest.mark.parametrize("cut", [1, 20, 45])
def test_a_counted_response_has_every_read_until_it_is_whole(cut: int) -> None:
    client, info = metered(b"GET")
    response = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    client.codec.feed(response[:cut])
    client.codec.feed(response[cut:])
    assert info.upstream_wire_bytes_received == len(response)
    assert client.codec.meter is None
