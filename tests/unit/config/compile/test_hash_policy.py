"""RouteAction.HashPolicy messages."""

from __future__ import annotations

import xxhash

from tests.unit.config.compile.tables import routes, stream


def hashed(policies: str, request) -> int | None:
    route = routes(f"{{match: {{prefix: /}}, route: {{cluster: a, hash_policy: [{policies}]}}}}").find(request)
    return route.hash_policy(request)


def xx(value: bytes) -> int:
    return xxhash.xxh64_intdigest(value)


def test_each_kind():
    request = stream(b"/?q=1", headers=((b"x-k", b"ab1"), (b"cookie", b"c=v")))
    request.info.filter_state["s"] = "t"
    rewrite = "regex_rewrite: {pattern: {regex: '[a-z]+'}, substitution: z}"
    assert hashed("{header: {header_name: X-K}}", request) == xx(b"ab1")
    assert hashed(f"{{header: {{header_name: x-k, {rewrite}}}}}", request) == xx(b"z1")
    assert hashed("{cookie: {name: c}}", request) == xx(b"v")
    assert hashed("{connection_properties: {source_ip: true}}", request) == xx(b"10.0.0.1")
    assert hashed("{query_parameter: {name: q}}", request) == xx(b"1")
    assert hashed("{filter_state: {key: s}}", request) == xx(b"t")


def test_terminal():
    request = stream(headers=((b"a", b"1"), (b"b", b"2")))
    assert hashed("{header: {header_name: a}, terminal: true}, {header: {header_name: b}}", request) == xx(b"1")


def test_a_cookie_with_a_ttl_is_handed_to_the_router():
    route = routes("{match: {prefix: /}, route: {cluster: a, hash_policy: [{cookie: {name: c, ttl: 0s}}]}}").find(
        stream()
    )
    cookies: list[bytes] = []
    assert route.hash_policy(stream(), cookies) is not None
    assert cookies[0].startswith(b'c="')
    assert route.hash_policy(stream()) is None


def test_source_ip_off_is_no_policy():
    route = routes(
        "{match: {prefix: /}, route: {cluster: a, hash_policy: [{connection_properties: {source_ip: false}}]}}"
    ).find(stream())
    assert route.hash_policy is None
