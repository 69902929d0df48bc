"""The meters of downstream streams: Envoy's values for every way in which bytes can be cut into reads."""

from __future__ import annotations

from typing import Any

import pytest

from pyvoy.http.h1.heads import RequestHead
from pyvoy.http.h1.limits import Http1Plan
from pyvoy.http.h1.metered import MeteredServerCodec, received_field_bytes
from pyvoy.http.headers import HeaderMap, header_map
from pyvoy.observe.stream_info import StreamInfo

GET = b"GET /p/%b HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /p/%b HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n"
PAIR = GET % b"par" + b"GET /p/ti HTTP/1.1\r\nHo"


class Stream:
    """A stream that knows its meters and whether its request is whole."""

    def __init__(self) -> None:
        self.info = StreamInfo()
        self.ended = False

    def on_headers(self, headers: HeaderMap, end: bool) -> None:
        self.ended = end

    def on_data(self, data: bytes, end: bool) -> None:
        self.ended = self.ended or end

    def on_trailers(self, trailers: HeaderMap) -> None:
        self.ended = True

    def on_codec_error(self, error: Any) -> None:
        self.ended = True


class Server:
    """Streams in their order; `answer` ends the running one with a response."""

    def __init__(self) -> None:
        self.streams: list[Stream] = []
        self.out = b""
        self.codec = MeteredServerCodec(self, self.write, Http1Plan())  # type: ignore[arg-type]

    def write(self, data: bytes) -> None:
        self.out += data

    def new_stream(self, stream_id: int) -> Stream:
        stream = Stream()
        self.streams.append(stream)
        self.codec.begin(stream.info)
        return stream

    def on_request(self, stream_id: int, head: RequestHead, body: bytes) -> None:
        stream = self.new_stream(stream_id)
        stream.on_headers(head.headers(), not body)
        if body:
            stream.on_data(body, True)

    def on_backlog(self, full: bool) -> None:
        pass

    def on_partial_head(self, stream: Any) -> None:
        pass

    def on_head_complete(self, stream: Any) -> None:
        pass

    def read(self, data: bytes) -> None:
        if not self.codec.feed_request(data):
            self.codec.feed(data)

    def answer(self) -> None:
        headers = header_map({b":status": b"200", b"content-length": b"2"})
        self.codec.send_response(1, headers, b"ok")
        if self.codec.finish(1):
            self.codec.deliver_next()

    def received(self) -> list[int]:
        return [stream.info.downstream_wire_bytes_received for stream in self.streams]


@pytest.mark.parametrize(
    ("reads", "want"),
    [
        ([GET % b"1"], [30]),
        ([b"\r\n" + GET % b"crlf"], [35]),
        ([b"GET /p/spl HTTP/1.1\r\nHo", b"st: a\r\nX-A", b":  b \r\n\r\n"], [42]),
        ([POST % (b"post", b"Content-Length: 5") + b"hello"], [58]),
        ([POST % (b"post2", b"Content-Length: 5") + b"he", b"llo"], [59]),
        ([POST % (b"chk", b"Transfer-Encoding: chunked") + b"5\r\nhello\r\n", b"3\r\nabc\r\n0\r\n", b"\r\n"], [84]),
        ([GET % b"pipe1" + GET % b"pipe22" + GET % b"pipe333"], [105, 71, 36]),
        ([GET % b"a" + GET % b"a"], [60, 30]),
        ([POST % (b"pp", b"Content-Length: 5") + b"hello" + GET % b"pq"], [87, 31]),
        ([b"GET /p/bad HTTP/1.1\r\nHost: a\r\nX A: 1\r\n\r\n"], [40]),
    ],
)
def test_what_is_read_while_a_stream_runs_is_its_own_and_the_rest_the_next_ones_too(
    reads: list[bytes], want: list[int]
) -> None:
    server = Server()
    for data in reads:
        server.read(data)
    for _ in want:
        server.answer()
    assert server.received() == want


def test_a_head_begun_behind_a_request_counts_for_both() -> None:
    server = Server()
    server.read(PAIR)
    server.answer()
    server.read(b"st: a\r\n\r\n")
    assert server.received() == [54, 31]


def test_a_head_completed_while_another_runs_counts_from_its_first_byte() -> None:
    server = Server()
    server.read(PAIR)
    server.read(b"st: a\r\n\r\n")
    server.answer()
    assert server.received() == [63, 31]


def test_requests_one_after_the_other_do_not_add_up() -> None:
    server = Server()
    for _ in range(2):
        server.read(GET % b"ka")
        server.answer()
    assert server.received() == [31, 31]


def test_what_is_sent_counts_whole_and_its_field_lines() -> None:
    server = Server()
    server.read(GET % b"1")
    server.answer()
    info = server.streams[0].info
    assert info.downstream_wire_bytes_sent == len(server.out)
    assert info.downstream_header_bytes_sent == len(b"content-length: 2\r\n")


def test_a_chunked_answer_counts_its_framing() -> None:
    server = Server()
    server.read(GET % b"1")
    server.codec.send_headers(1, header_map({b":status": b"200"}), False)
    server.codec.send_data(1, b"hello", False)
    server.codec.send_data(1, b"", True)
    info = server.streams[0].info
    assert info.downstream_wire_bytes_sent == len(server.out)
    assert info.downstream_header_bytes_sent == len(b"transfer-encoding: chunked\r\n")


@pytest.mark.parametrize(
    ("fields", "want"),
    [
        ([(b":authority", b"a"), (b":path", b"/p"), (b":method", b"GET")], 8),
        ([(b":authority", b"a"), (b"x-a", b"1"), (b"x-a", b"2"), (b"connection", b"close")], 40),
        ([(b":status", b"200"), (b"content-length", b"2")], 18),
    ],
)
def test_received_field_lines_count_name_value_and_three(fields: list[tuple[bytes, bytes]], want: int) -> None:
    headers = HeaderMap()
    for name, value in fields:
        headers.add(name, value)
    assert received_field_bytes(headers) == want
