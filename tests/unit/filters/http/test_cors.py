"""CORS: preflights, simple requests, origins, and policies of several levels."""

from __future__ import annotations

import pytest

from pyvoy.filters.http.cors import Cors
from pyvoy.testing.contract import check_http_filter
from pyvoy.testing.playbook import Event, Play, forwarded, headers, play, reply, response, sent

POLICY = """
allow_origin_string_match: [{exact: 'http://good.test'}, {suffix: '.any.test'}]
allow_methods: GET,POST
allow_headers: x-a
expose_headers: x-e
max_age: '600'
"""
OFF = "filter_enabled: {default_value: {numerator: 0}}\n"
ORIGIN = "access-control-allow-origin"


def preflight(origin: str = "http://good.test", **more: str) -> Event:
    return headers("OPTIONS", "/", ("access-control-request-method", "GET"), origin=origin, **more)


def cors(*policies: str) -> Play:
    return play(Cors, "", route=policies)


def counted(p: Play) -> tuple[int, int]:
    return p.counter("http.test.cors.origin_valid"), p.counter("http.test.cors.origin_invalid")


@pytest.mark.parametrize("origin", ["http://good.test", "http://x.any.test"])
def test_a_preflight_of_an_allowed_origin_is_answered(origin: str) -> None:
    p = cors(POLICY) >> preflight(origin)
    p << reply(
        200,
        b"",
        (ORIGIN, origin),
        ("access-control-allow-methods", "GET,POST"),
        ("access-control-allow-headers", "x-a"),
        ("access-control-max-age", "600"),
        ("access-control-expose-headers", "x-e"),
        ("access-control-allow-credentials", None),
        detail="cors_response",
        flags="-",
    )
    assert counted(p) == (1, 0)
    p.end()


def test_credentials_and_private_networks() -> None:
    p = cors(POLICY + "allow_credentials: true\nallow_private_network_access: true\n")
    p >> preflight(access_control_request_private_network="true")
    p << reply(
        200,
        b"",
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-private-network", "true"),
    )
    p.end()


@pytest.mark.parametrize(
    "request_", [headers("OPTIONS", "/", origin="http://good.test"), headers("GET", "/", origin="http://good.test")]
)
def test_a_request_of_an_allowed_origin_has_its_response_marked(request_: Event) -> None:
    p = cors(POLICY) >> request_ << forwarded()
    p >> response(200, (ORIGIN, "*"), end=True)
    p << sent(200, (ORIGIN, "http://good.test"), ("access-control-expose-headers", "x-e"))
    p.end()


def test_an_origin_that_is_not_allowed_is_forwarded_without_marks() -> None:
    p = cors(POLICY) >> preflight("http://bad.test") << forwarded()
    p >> response(200, end=True) << sent(200, (ORIGIN, None), ("access-control-expose-headers", None))
    assert counted(p) == (0, 1)
    p.end()


def test_a_preflight_of_another_origin_may_be_answered_without_a_word_about_origins() -> None:
    p = cors(POLICY + "forward_not_matching_preflights: false\n") >> preflight("http://bad.test")
    p << reply(
        200,
        b"",
        (ORIGIN, None),
        ("access-control-allow-methods", "GET,POST"),
        ("access-control-max-age", "600"),
        ("access-control-expose-headers", None),
        detail="cors_response",
    )
    p.end()


def test_every_origin_is_allowed_by_a_star() -> None:
    p = (
        cors("allow_origin_string_match: [{exact: '*'}]")
        >> preflight("http://any")
        << reply(200, b"", (ORIGIN, "http://any"))
    )
    p.end()


@pytest.mark.parametrize("policies", [(), (POLICY + OFF,)])
def test_without_a_policy_or_when_it_is_off_nothing_happens(policies: tuple[str, ...]) -> None:
    p = cors(*policies) >> preflight() << forwarded() >> response(200, end=True) << sent(200, (ORIGIN, None))
    assert counted(p) == (0, 0)
    p.end()


def test_shadow_only_counts() -> None:
    p = cors(POLICY + OFF + "shadow_enabled: {default_value: {numerator: 100}}\n") >> preflight() << forwarded()
    p >> response(200, end=True) << sent(200, (ORIGIN, None))
    assert counted(p) == (1, 0)
    p.end()


def test_requests_without_origin_pass() -> None:
    p = cors(POLICY) >> headers("OPTIONS", "/", ("access-control-request-method", "GET")) << forwarded()
    p.stage.close()


def test_the_host_says_what_the_route_leaves_out() -> None:
    p = cors(POLICY, "allow_methods: PUT") >> preflight()
    p << reply(
        200,
        b"",
        (ORIGIN, "http://good.test"),
        ("access-control-allow-methods", "PUT"),
        ("access-control-max-age", "600"),
    )
    p.end()


def test_contract() -> None:
    check_http_filter(Cors, "", route=POLICY, request_headers={"origin": "http://good.test"})
