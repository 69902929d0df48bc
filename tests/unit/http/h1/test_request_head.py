"""Pseudo headers and upgrades, on header maps alone."""

from __future__ import annotations

import pytest

from pyvoy.http.codec import CodecError
from pyvoy.http.h1.limits import Http1Plan
from pyvoy.http.h1.request_head import place_pseudo_headers, upgrade_counts
from pyvoy.http.headers import HeaderMap, Pair

PLAN = Http1Plan(ignored_upgrades=(b"tls/1.0",))


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([(b"a", b"1"), (b"host", b"h"), (b"b", b"2")], [(b"a", b"1"), (b"b", b"2")]),
        ([(b"a", b"1"), (b"host", b"h"), (b"a", b"2")], [(b"a", b"1"), (b"a", b"2")]),
    ],
)
def test_pseudo_headers_stand_first_and_host_goes(pairs: list[Pair], expected: list[Pair]) -> None:
    headers = HeaderMap(pairs)
    place_pseudo_headers(headers, b"GET", b"/x", PLAN)
    pseudo = [(b":authority", b"h"), (b":path", b"/x"), (b":method", b"GET"), (b":scheme", b"")]
    assert list(headers.items()) == pseudo + expected


@pytest.mark.parametrize("target", [b"x", b"", b"*", b"http://", b"ftp://h/"])
def test_bad_targets(target: bytes) -> None:
    with pytest.raises(CodecError):
        place_pseudo_headers(HeaderMap([(b"host", b"h")]), b"GET", target, PLAN)


def test_absolute_targets_can_be_switched_off() -> None:
    with pytest.raises(CodecError):
        place_pseudo_headers(HeaderMap(), b"GET", b"http://h/", Http1Plan(allow_absolute_url=False))


@pytest.mark.parametrize(
    ("connection", "upgrade", "counts", "left"),
    [
        (b"Upgrade", b"websocket", True, b"Upgrade"),
        (b"keep-alive", b"websocket", False, b"keep-alive"),
        (b"upgrade, http2-settings", b"h2c", False, None),
        (b"upgrade, x", b"H2C", False, b"x"),
        (b"upgrade", b"TLS/1.0", False, None),
    ],
)
def test_upgrades(connection: bytes, upgrade: bytes, counts: bool, left: bytes | None) -> None:
    headers = HeaderMap([(b"connection", connection), (b"upgrade", upgrade)])
    assert upgrade_counts(headers, b"GET", PLAN) is counts
    assert headers.get(b"connection") == left
