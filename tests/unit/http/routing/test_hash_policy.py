"""Hashes of requests; the cookies are those that Envoy 1.40 made for the same addresses."""

from __future__ import annotations

import xxhash

from pyvoy.http.routing import hash_policy as methods
from pyvoy.network.address import Address
from tests.unit.http.routing.streams import stream


def xx(value: bytes, seed: int = 0) -> int:
    return xxhash.xxh64_intdigest(value, seed)


def test_a_header_with_several_values_hashes_alike_in_any_order():
    method = methods.header_method(b"k")
    one = method(stream(headers=((b"k", b"a"), (b"k", b"b"))), None)
    assert one == method(stream(headers=((b"k", b"b"), (b"k", b"a"))), None) == xx(b"b", xx(b"a"))
    assert method(stream(headers=((b"k", b"a"),)), None) == xx(b"a")
    assert method(stream(), None) is None


def test_a_header_can_be_rewritten_first():
    assert methods.header_method(b"k", bytes.upper)(stream(headers=((b"k", b"a"),)), None) == xx(b"A")


def test_cookie():
    method = methods.cookie_method(b"ck", None)
    assert method(stream(headers=((b"cookie", b"a=b; ck=v; ck=w"),)), []) == xx(b"v")
    assert method(stream(headers=((b"cookie", b'ck="v"'),)), []) == xx(b"v")
    assert method(stream(), []) is None


def test_a_missing_cookie_with_a_ttl_is_made_and_sent():
    attributes = [(b"SameSite", b"Strict"), (b"Secure", b"")]
    method = methods.cookie_method(b"ck", 60, b"/p", attributes)
    request = stream()
    request.connection.remote = Address("127.0.0.1", 1)
    request.connection.local = Address("127.0.0.1", 2)
    cookies: list[bytes] = []
    made = b"%016x" % xx(b"127.0.0.1:1127.0.0.1:2")
    assert method(request, cookies) == xx(made)
    assert cookies == [b'ck="' + made + b'"; Max-Age=60; Path=/p; SameSite=Strict; Secure; HttpOnly']
    assert method(request, None) is None


def test_a_session_cookie_has_no_age():
    cookies: list[bytes] = []
    methods.cookie_method(b"ck", 0)(stream(), cookies)
    assert cookies[0].endswith(b'"; HttpOnly')


def test_address_query_and_filter_state():
    request = stream(b"/?a=1&a=2")
    request.info.filter_state["s"] = "text"
    assert methods.source_ip_method(request, None) == xx(b"10.0.0.1")
    assert methods.query_method(b"a")(request, None) == xx(b"1")
    assert methods.query_method(b"b")(request, None) is None
    assert methods.filter_state_method("s")(request, None) == xx(b"text")
    assert methods.filter_state_method("t")(request, None) is None
    request.connection.remote = Address("", 0, "/run/x")
    assert methods.source_ip_method(request, None) is None


def test_methods_are_mixed_until_a_terminal_one_has_spoken():
    a, b = methods.header_method(b"a"), methods.header_method(b"b")
    request = stream(headers=((b"a", b"1"), (b"b", b"2")))
    rotated = ((xx(b"1") << 1) & (2**64 - 1)) | (xx(b"1") >> 63)
    assert methods.hash_policy([(a, False), (b, False)])(request) == rotated ^ xx(b"2")
    assert methods.hash_policy([(a, True), (b, False)])(request) == xx(b"1")
    assert methods.hash_policy([(methods.header_method(b"z"), True), (b, False)])(request) == xx(b"2")
    assert methods.hash_policy([(methods.header_method(b"z"), True)])(request) is None
