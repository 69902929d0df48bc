"""HTTP detection, by a table whose expectations were seen on Envoy 1.40's http_inspector."""

from __future__ import annotations

import pytest

from pyvoy.network.http_sniff import HTTP2_PREFACE, MAX_INSPECT_BYTES, HttpSniff, sniff

MORE, HTTP10, HTTP11, HTTP2 = HttpSniff.NEED_MORE, HttpSniff.HTTP10, HttpSniff.HTTP11, HttpSniff.HTTP2
NOT_HTTP, TOO_LARGE = HttpSniff.NOT_HTTP, HttpSniff.TOO_LARGE

LINES = [
    (b"GET / HTTP/1.1\r\n", HTTP11),
    (b"GET / HTTP/1.1\n", HTTP11),
    (b"GET / HTTP/1.0\r\n", HTTP10),
    (b"GET /\r\n", HTTP10),
    (b"GET / \r\n", HTTP10),
    (b"GET / HTTP/0.9\r\n", HTTP10),
    (b"GET / HTTP/2.0\r\n", HTTP10),
    (b"GET / HTTP/1.2\r\n", HTTP10),
    (b"GET  / HTTP/1.1\r\n", HTTP11),
    (b"GET / HTTP/1.1 \r\n", HTTP11),
    (b"GET\t/\tHTTP/1.1\r\n", HTTP11),
    (b"GET / HTTP/1.1\x01\r\n", HTTP11),
    (b"FOO / HTTP/1.1\r\n", HTTP11),
    (b"GET http://a/ HTTP/1.1\r\n", HTTP11),
    (b"GET http://[::1]/ HTTP/1.1\r\n", HTTP11),
    (b"GET http:// HTTP/1.1\r\n", HTTP11),
    (b"OPTIONS * HTTP/1.1\r\n", HTTP11),
    (b"CONNECT a:1 HTTP/1.1\r\n", HTTP11),
    (b"CONNECT 1 HTTP/1.1\r\n", HTTP11),
    (b"PRI / HTTP/1.1\r\n", HTTP11),
    (b"GET / HTTP/1.10\r\n", NOT_HTTP),
    (b"GET / http/1.1\r\n", NOT_HTTP),
    (b"GET / HTTP/1.1 x\r\n", NOT_HTTP),
    (b"GET / x HTTP/1.1\r\n", NOT_HTTP),
    (b"GET / HTTP/1\r\n", NOT_HTTP),
    (b"GET\r\n", NOT_HTTP),
    (b"GET HTTP/1.1\r\n", NOT_HTTP),
    (b"GET foo HTTP/1.1\r\n", NOT_HTTP),
    (b"GET http:/a HTTP/1.1\r\n", NOT_HTTP),
    (b"GET http://a@@b/ HTTP/1.1\r\n", NOT_HTTP),
    (b"GET /\x7f HTTP/1.1\r\n", NOT_HTTP),
    (b"GET /\xff HTTP/1.1\r\n", NOT_HTTP),
    (b"CONNECT a@@b HTTP/1.1\r\n", NOT_HTTP),
    (b"hello\r\n", NOT_HTTP),
    (b"EHLO a\r\n", NOT_HTTP),
    (b"SSH-2.0-x\r\n", NOT_HTTP),
]

OTHERS = [
    (b"\r\nGET / HTTP/1.1\r\n", NOT_HTTP),
    (b"\nGET / HTTP/1.1\r\n", NOT_HTTP),
    (b" GET / HTTP/1.1\r\n", NOT_HTTP),
    (b"\x16\x03\x01\x00\x10abc", NOT_HTTP),
    (b"\x00", NOT_HTTP),
    (b"FO=O", NOT_HTTP),
    (b"F(O ", NOT_HTTP),
    (b"hello", MORE),
    (b"GET / HTTP/1.1\r", MORE),
    (b"GET \xff", MORE),
    (b"P", MORE),
    (b"PRI * HTTP/2.0\r\n", MORE),
    (b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", HTTP10),
    (HTTP2_PREFACE, HTTP2),
    (HTTP2_PREFACE + b"more", HTTP2),
    (b"x" * MAX_INSPECT_BYTES, TOO_LARGE),
    (b"GET /" + b"x" * 65520 + b" HTTP/1.1\r\n", HTTP11),
    (b"GET /" + b"x" * 65521 + b" HTTP/1.1\r\n", TOO_LARGE),
]


@pytest.mark.parametrize(("data", "expected"), LINES + OTHERS)
def test_whole(data: bytes, expected: HttpSniff) -> None:
    assert sniff(data) is expected


@pytest.mark.parametrize(("data", "expected"), LINES)
def test_the_request_line_decides_whatever_follows(data: bytes, expected: HttpSniff) -> None:
    assert sniff(data + b"host: a\r\n\r\nbody") is expected
    assert sniff(bytearray(data + b"\x00\xff")) is expected


@pytest.mark.parametrize(("data", "expected"), [*LINES, (HTTP2_PREFACE, HTTP2)])
def test_byte_by_byte(data: bytes, expected: HttpSniff) -> None:
    seen = [sniff(data[:end]) for end in range(1, len(data) + 1)]
    decided = next(state for state in seen if state is not MORE)
    assert decided is expected


@pytest.mark.parametrize("method", [b"GET", b"CONNECT"])
def test_lines_made_to_be_slow_are_judged_at_once(method: bytes) -> None:
    assert sniff(method + b" " * 65000 + b"\xff\n") is NOT_HTTP
    assert sniff(method + b" / " + b" " * 65000 + b"x\n") is NOT_HTTP
    assert sniff(method + b" http://" + b"a@" * 32000 + b"\xff\n") is NOT_HTTP
