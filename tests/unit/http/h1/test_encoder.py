"""Heads and chunks as bytes; a head without fields must not end twice."""

from __future__ import annotations

import pytest

from pyvoy.http.h1 import encoder
from pyvoy.http.headers import HeaderMap, Pair

PSEUDO: tuple[Pair, ...] = ((b":authority", b"h"), (b":path", b"/p"), (b":method", b"GET"), (b":scheme", b"http"))
LENGTH = b"content-length: 0\r\n"


@pytest.mark.parametrize(
    ("pairs", "extra", "expected"),
    [
        (PSEUDO, b"", b"GET /p HTTP/1.1\r\nhost: h\r\n\r\n"),
        (PSEUDO, LENGTH, b"GET /p HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n"),
        ((*PSEUDO, (b"a", b"1")), LENGTH, b"GET /p HTTP/1.1\r\nhost: h\r\na: 1\r\ncontent-length: 0\r\n\r\n"),
        ((*PSEUDO, (b"a", b""), (b"b", b"2")), b"", b"GET /p HTTP/1.1\r\nhost: h\r\na: \r\nb: 2\r\n\r\n"),
        ((*PSEUDO, (b"a", b"1"), (b"a", b"2")), b"", b"GET /p HTTP/1.1\r\nhost: h\r\na: 1\r\na: 2\r\n\r\n"),
        ((*PSEUDO[::-1], (b"a", b"1")), b"", b"GET /p HTTP/1.1\r\nhost: h\r\na: 1\r\n\r\n"),
        (((b"a", b"1"), *PSEUDO), b"", b"GET /p HTTP/1.1\r\nhost: h\r\na: 1\r\n\r\n"),
        ((*PSEUDO, (b":odd", b"1"), (b"a", b"1")), b"", b"GET /p HTTP/1.1\r\nhost: h\r\na: 1\r\n\r\n"),
        ((*PSEUDO, (b"a", b"1"), (b":odd", b"1")), LENGTH,
         b"GET /p HTTP/1.1\r\nhost: h\r\na: 1\r\ncontent-length: 0\r\n\r\n"),
    ],
)  # fmt: skip
def test_request_heads(pairs: tuple[Pair, ...], extra: bytes, expected: bytes) -> None:
    assert encoder.request_head(HeaderMap(pairs), extra) == expected


@pytest.mark.parametrize(
    ("pairs", "extra", "expected"),
    [
        (((b":status", b"200"),), b"", b"HTTP/1.1 200 OK\r\n\r\n"),
        (((b":status", b"200"),), LENGTH, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
        (((b":status", b"503"), (b"a", b"1")), LENGTH,
         b"HTTP/1.1 503 Service Unavailable\r\na: 1\r\ncontent-length: 0\r\n\r\n"),
        (((b":status", b"200"), (b"a", b"1"), (b"a", b"2")), b"", b"HTTP/1.1 200 OK\r\na: 1\r\na: 2\r\n\r\n"),
        (((b"a", b"1"), (b":status", b"404")), b"", b"HTTP/1.1 404 Not Found\r\na: 1\r\n\r\n"),
        (((b":status", b"799"), (b"a", b"1")), b"", b"HTTP/1.1 799 Unknown\r\na: 1\r\n\r\n"),
        (((b":status", b"200"), (b":odd", b"1"), (b"a", b"1")), b"", b"HTTP/1.1 200 OK\r\na: 1\r\n\r\n"),
        (((b":status", b"200"), (b"a", b"1"), (b":path", b"/")), b"", b"HTTP/1.1 200 OK\r\na: 1\r\n\r\n"),
    ],
)  # fmt: skip
def test_response_heads(pairs: tuple[Pair, ...], extra: bytes, expected: bytes) -> None:
    assert encoder.response_head(HeaderMap(pairs), extra) == expected


def test_connect_heads_have_the_authority_as_target() -> None:
    head = encoder.connect_head(HeaderMap([(b":method", b"CONNECT"), (b":authority", b"h:1"), (b"a", b"1")]), b"")
    assert head == b"CONNECT h:1 HTTP/1.1\r\nhost: h:1\r\na: 1\r\n\r\n"


def test_chunks() -> None:
    assert encoder.chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"
    assert encoder.trailer_block(HeaderMap([(b"a", b"1"), (b"b", b"2")])) == b"0\r\na: 1\r\nb: 2\r\n\r\n"
