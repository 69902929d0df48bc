"""The memory of heads: what it keeps, that what it gives is one's own, and that it stays small."""

from __future__ import annotations

from pyvoy.http.h1.heads import RequestHead, RequestHeads, ResponseHeads
from pyvoy.http.h1.limits import Http1Plan
from pyvoy.http.h1.pipeline import GET_MODE

PLAN = Http1Plan()
BLOCK = b"Host: h\r\nX-A: 1\r\n\r\n"


def kept(heads: RequestHeads) -> int:
    return sum(len(block.heads) for block in heads.blocks.values())


def accept(heads: RequestHeads, line: bytes, block: bytes = BLOCK) -> RequestHead:
    fields = heads.fields(block, 100)
    assert fields is not None
    head = RequestHead({**fields, b":path": line.split(b" ")[1], b":method": b"GET"}, GET_MODE)
    heads.keep(line, block, head)
    return head


def test_a_head_is_kept_from_its_second_time_on() -> None:
    heads = RequestHeads()
    accept(heads, b"GET /a HTTP/1.1\r\n")
    assert not heads.blocks
    second = accept(heads, b"GET /a HTTP/1.1\r\n")
    assert heads.blocks[BLOCK].heads == {b"GET /a HTTP/1.1\r\n": second}


def test_targets_that_never_repeat_are_not_kept_and_their_field_lines_are() -> None:
    heads = RequestHeads()
    for number in range(100):
        accept(heads, b"GET /%d HTTP/1.1\r\n" % number)
    assert list(heads.blocks) == [BLOCK]
    assert not kept(heads)


def test_the_memory_of_requests_is_bounded() -> None:
    heads = RequestHeads()
    most = 0
    for number in range(5000):
        for _ in range(2):
            accept(heads, b"GET /%d HTTP/1.1\r\n" % number, b"Host: h%d\r\n\r\n" % (number % 700))
        most = max(most, kept(heads) + len(heads.blocks))
    assert 500 < most <= 1024


def test_heads_that_are_long_are_not_kept() -> None:
    heads = RequestHeads()
    block = b"Host: h\r\nX-A: " + b"x" * 5000 + b"\r\n\r\n"
    for _ in range(3):
        accept(heads, b"GET / HTTP/1.1\r\n", block)
    assert not heads.blocks


def test_what_a_request_does_with_its_headers_is_its_own() -> None:
    head = accept(RequestHeads(), b"GET /a HTTP/1.1\r\n")
    head.headers().set(b"x-a", b"2")
    assert head.headers().get(b"x-a") == b"1"


def test_a_response_head_is_kept_from_its_second_time_on() -> None:
    heads = ResponseHeads()
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 2"
    for expected in (False, True):
        head = heads.read(raw, PLAN)
        assert head is not None
        assert (head.size_bytes, head.length_bytes) == (len(raw) + 4, 2)
        heads.keep(raw, head)
        assert (heads.known(raw) is head) is expected


def test_the_memory_of_responses_is_bounded() -> None:
    heads = ResponseHeads()
    first = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nEtag: 0"
    for number in range(3000):
        raw = first[:-1] + b"%d" % number
        for _ in range(2):
            head = heads.read(raw, PLAN)
            assert head is not None
            heads.keep(raw, head)
    assert heads.known(first) is None
    assert heads.known(raw) is not None
