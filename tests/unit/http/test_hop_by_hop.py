"""Connection, TE, Upgrade and Referer, as the running Envoy 1.40 treats them."""

from __future__ import annotations

import pytest

from pyvoy.http.headers import HeaderMap, Pair
from pyvoy.http.hop_by_hop import clean_request, clean_response, is_upgrade, remove_nominated, valid_referer


def request(*pairs: Pair) -> tuple[bool, list[Pair]]:
    """Whether the request passes, and what is left of it."""
    headers = HeaderMap([(b":authority", b"a"), *pairs])
    connection = headers.map.get(b"connection")
    accepted = connection is None or remove_nominated(headers, connection)
    if accepted:
        clean_request(headers)
    return accepted, [pair for pair in headers if pair[0] != b":authority"]


@pytest.mark.parametrize(
    ("pairs", "left"),
    [
        ([(b"connection", b"close, X-Secret"), (b"x-secret", b"1"), (b"x-keep", b"2")], [(b"x-keep", b"2")]),
        ([(b"connection", b",, x-a ,keep-alive,,"), (b"x-a", b"1")], []),
        ([(b"connection", b"x-a"), (b"x-a", b"1"), (b"x-a", b"2")], []),
        ([(b"connection", b"cookie"), (b"cookie", b"1"), (b"x-envoy-foo", b"3")], [(b"x-envoy-foo", b"3")]),
        ([(b"connection", b"TE"), (b"te", b"gzip, trailers")], [(b"te", b"trailers")]),
        ([(b"te", b"gzip, trailers")], [(b"te", b"trailers")]),
        ([(b"te", b"gzip")], []),
        ([(b"te", b"trailers;q=0.5, deflate")], []),
        ([(b"te", b"Trailers")], []),
        ([(b"keep-alive", b"5"), (b"proxy-connection", b"x"), (b"x-envoy-internal", b"true")], []),
        ([(b"transfer-encoding", b"chunked")], []),
        ([(b"upgrade", b"foo")], []),
        ([(b"connection", b"upgrade")], []),
        ([(b"referer", b"http://u@a.b/c")], []),
        ([(b"referer", b"/foo")], [(b"referer", b"/foo")]),
    ],
)
def test_what_is_left_of_a_request(pairs: list[Pair], left: list[Pair]) -> None:
    assert request(*pairs) == (True, left)


def test_nominating_host_removes_it() -> None:
    headers = HeaderMap([(b":authority", b"a")])
    assert remove_nominated(headers, b"close, Host")
    assert b":authority" not in headers


@pytest.mark.parametrize(
    "value",
    [b"x-forwarded-for", b"a, X-Forwarded-Proto", b"x-forwarded-host", b":path", b"x0,x1,x2,x3,x4,x5,x6,x7,x8,x9"],
)
def test_nominations_that_are_refused(value: bytes) -> None:
    assert not request((b"connection", value))[0]


def test_an_oversized_te_is_refused_when_nominated() -> None:
    assert not request((b"connection", b"te"), (b"te", b"x" * 256))[0]


def test_an_upgrade_keeps_its_headers() -> None:
    accepted, left = request(
        (b"connection", b"Upgrade, x-a"), (b"upgrade", b"websocket"), (b"x-a", b"1"), (b"te", b"gzip")
    )
    assert accepted
    assert left == [
        (b"connection", b"Upgrade"),
        (b"upgrade", b"websocket"),
        (b"te", b"gzip"),
    ]


@pytest.mark.parametrize(
    ("connection", "upgrade", "expected"),
    [
        (b"Upgrade", b"websocket", True),
        (b"keep-alive, upgrade", b"x", True),
        (b"close", b"x", False),
        (None, b"x", False),
        (b"upgrade", None, False),
    ],
)
def test_is_upgrade(connection: bytes | None, upgrade: bytes | None, expected: bool) -> None:
    pairs = [(b"connection", connection), (b"upgrade", upgrade)]
    assert is_upgrade(HeaderMap([(name, value) for name, value in pairs if value is not None])) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"http://a/b", True),
        (b"HTTP://a/", True),
        (b"ftp://a/b", True),
        (b"foo", True),
        (b"/foo", True),
        (b"", True),
        (b"http://a/,http://b/", True),
        (b"https://a b/", False),
        (b"http://u@a.b/c", False),
        (b"http:///c", False),
        (b"http://a#c", False),
        (b"http://a:999999/", False),
        (b"about:blank", False),
        (b"/a#b", False),
    ],
)
def test_valid_referer(value: bytes, expected: bool) -> None:
    assert valid_referer(value) is expected


def test_a_response_loses_its_hop_by_hop_headers_but_not_what_they_nominate() -> None:
    headers = HeaderMap(
        [
            (b":status", b"200"),
            (b"connection", b"x-q"),
            (b"x-q", b"1"),
            (b"upgrade", b"a"),
            (b"proxy-connection", b"1"),
            (b"transfer-encoding", b"chunked"),
        ]
    )
    clean_response(headers, upgraded=False)
    assert list(headers) == [(b":status", b"200"), (b"x-q", b"1")]


def test_a_granted_upgrade_keeps_its_headers() -> None:
    headers = HeaderMap([(b":status", b"101"), (b"connection", b"upgrade"), (b"upgrade", b"websocket")])
    clean_response(headers, upgraded=True)
    assert list(headers) == [(b":status", b"101"), (b"connection", b"upgrade"), (b"upgrade", b"websocket")]
