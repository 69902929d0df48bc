"""Targets, authorities and names."""

from __future__ import annotations

import pytest

from pyvoy.http.h1 import grammar


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        (b"http://h/x?y", (b"http", b"h", b"/x?y")),
        (b"HTTPS://h:1", (b"https", b"h:1", b"/")),
        (b"http://h?y", (b"http", b"h", b"/?y")),
        (b"http://u:p@h/x", (b"http", b"h", b"/x")),
        (b"http://[::1]:80/", (b"http", b"[::1]:80", b"/")),
        (b"http:///x", None),
        (b"http://h:65536/", None),
        (b"http://h/x#f", None),
        (b"ftp://h/x", None),
        (b"h/x", None),
    ],
)
def test_absolute_targets(target: bytes, parts: tuple[bytes, bytes, bytes] | None) -> None:
    assert grammar.split_absolute(target) == parts


@pytest.mark.parametrize(
    ("authority", "valid"),
    [
        (b"a.test", True),
        (b"a.test:0", True),
        (b"a.test:65535", True),
        (b"a.test:65536", False),
        (b"a.test:x", False),
        (b"[::1]", True),
        (b"a b", False),
        (b"a/b", False),
        (b"u@a", False),
        (b"", True),
    ],
)
def test_authorities(authority: bytes, valid: bool) -> None:
    assert grammar.valid_authority(authority) is valid


def test_tokens() -> None:
    assert grammar.tokens(b"Close, x ,Keep-Alive") == [b"close", b"x", b"keep-alive"]


def test_proper_case() -> None:
    assert grammar.proper_case(b"x-foo1bar_baz") == b"X-Foo1bar_Baz"


def test_status_lines() -> None:
    assert grammar.status_line(b"404") == b"HTTP/1.1 404 Not Found\r\n"
    assert grammar.status_line(b"299") == b"HTTP/1.1 299 Unknown\r\n"
