"""Path normalisation: every expectation was seen on the running Envoy 1.40."""

from __future__ import annotations

import pytest

from pyvoy.http.headers import HeaderMap
from pyvoy.http.path_rules import EscapedSlashes, canonical_path, compile_path_rules, merged_slashes


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/plain/path", b"/plain/path"),
        (b"/a/../../etc/passwd", b"/etc/passwd"),
        (b"/a/%2e%2e/%2E/etc", b"/etc"),
        (b"/a/.%2e/b", b"/b"),
        (b"/a\\..\\b", b"/b"),
        (b"/a%5c..%5Cb", b"/a%5c..%5Cb"),
        (b"//a//b", b"//a//b"),
        (b"/%zz", b"/%zz"),
        (b"/%00", None),
        (b"/a%20b", b"/a%20b"),
        (b"/%7Efoo", b"/~foo"),
        (b"/%41%5a", b"/AZ"),
        (b"/a;b=c/../d", b"/d"),
        (b"/a/./b/.", b"/a/b/"),
        (b"/a/..", b"/"),
        (b"/..", b"/"),
        (b"/.", b"/"),
        (b"/%c3%a9", b"/%c3%a9"),
        (b"/%C3%A9", b"/%C3%A9"),
        (b"/a//../b", b"/a/b"),
        (b"//../a", b"/a"),
        (b"/a//..//b", b"/a//b"),
        (b"/a/..;/b", b"/b"),
        (b"/a/..;x=1/b", b"/b"),
        (b"/a/.;x/b", b"/a/b"),
        (b"/a/..;", b"/"),
        (b"/a/.;", b"/a/"),
        (b"/a/%2e%2e;/b", b"/a/..;/b"),
        (b"/a/..;../b", b"/b"),
        (b"/a/;../b", b"/a/;../b"),
        (b"/a/..,/b", b"/a/..,/b"),
        (b"/%2e", b"/"),
        (b"/a%", b"/a%"),
        (b"/a%2", b"/a%2"),
        (b"/a!$&'()*,;=:@b", b"/a!$&'()*,;=:@b"),
        (b'/a"b<>^`{|}', b"/a%22b%3C%3E%5E%60%7B%7C%7D"),
        (b"/a/b/../", b"/a/"),
        (b"//", b"//"),
        (b"/a%2e/b", b"/a./b"),
        (b"/.../x", b"/.../x"),
        (b"/a/..b", b"/a/..b"),
        (b"/%2e%2e%2f", b"/..%2f"),
        (b"/a[b]", b"/a[b]"),
        (b"/\\a", b"//a"),
        (b"/a\\", b"/a/"),
    ],
)
def test_canonical_path(path: bytes, expected: bytes | None) -> None:
    assert canonical_path(path) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [(b"//a//b", b"/a/b"), (b"/a", b"/a"), (b"/a/", b"/a/"), (b"//", b"//"), (b"///", b"//"), (b"/a///", b"/a/")],
)
def test_merged_slashes(path: bytes, expected: bytes) -> None:
    assert merged_slashes(path) == expected


def apply(path: bytes, normalize: bool, merge: bool, escaped: EscapedSlashes) -> tuple[bytes, int, bytes]:
    rule = compile_path_rules(normalize, merge, escaped)
    assert rule is not None
    headers = HeaderMap([(b":path", path)])
    rejection = rule(headers)
    location = dict(rejection.headers).get(b"location", b"") if rejection else b""
    return headers.map[b":path"], rejection.status if rejection else 0, location


@pytest.mark.parametrize(
    ("path", "normalized", "escaped", "expected"),
    [
        (b"/a%2fb", False, EscapedSlashes.REJECT, (b"/a/b", 400, b"")),
        (b"/a%2fb", False, EscapedSlashes.REDIRECT, (b"/a/b", 307, b"/a/b")),
        (b"/a%2fb", False, EscapedSlashes.FORWARD, (b"/a/b", 0, b"")),
        (b"/a%5cb", False, EscapedSlashes.FORWARD, (b"/a\\b", 0, b"")),
        (b"/a%5cb", True, EscapedSlashes.FORWARD, (b"/a/b", 0, b"")),
        (b"/a%2F..%2fb", False, EscapedSlashes.REDIRECT, (b"/a/../b", 307, b"/a/../b")),
        (b"/a%2F..%2fb", True, EscapedSlashes.REDIRECT, (b"/b", 307, b"/b")),
        (b"/a?b=%2f", True, EscapedSlashes.REJECT, (b"/a?b=%2f", 0, b"")),
        (b"/%2f", True, EscapedSlashes.FORWARD, (b"//", 0, b"")),
        (b"/a//b%2f", True, EscapedSlashes.FORWARD, (b"/a/b/", 0, b"")),
        (b"/a//b%2f", False, EscapedSlashes.FORWARD, (b"/a//b/", 0, b"")),
        (b"/plain", False, EscapedSlashes.REDIRECT, (b"/plain", 0, b"")),
    ],
)
def test_escaped_slashes(
    path: bytes, normalized: bool, escaped: EscapedSlashes, expected: tuple[bytes, int, bytes]
) -> None:
    assert apply(path, normalized, normalized, escaped) == expected


def test_the_query_is_never_touched() -> None:
    assert apply(b"/a/../b?c=//d/../%41", True, True, EscapedSlashes.KEEP) == (b"/b?c=//d/../%41", 0, b"")


def test_a_path_that_cannot_be_normalised_is_refused() -> None:
    rule = compile_path_rules(True, False, EscapedSlashes.KEEP)
    assert rule is not None
    rejection = rule(HeaderMap([(b":path", b"/a%00b")]))
    assert rejection is not None
    assert (rejection.status, rejection.details, rejection.close) == (400, "path_normalization_failed", True)


def test_without_options_there_is_no_rule() -> None:
    assert compile_path_rules(False, False, EscapedSlashes.KEEP) is None
