"""CSRF: where requests come from, which are looked at, and policies of routes."""

from __future__ import annotations

import pytest

from pyvoy.config.problems import ConfigErrors
from pyvoy.filters.http.csrf import Csrf
from pyvoy.testing.contract import check_http_filter
from pyvoy.testing.playbook import Play, forwarded, headers, play, reply

ON = "filter_enabled: {default_value: {numerator: 100}}"
OFF = "filter_enabled: {default_value: {numerator: 0}}"
NAMES = ("missing_source_origin", "request_invalid", "request_valid")

# host, request headers, the counter that moves; as seen on Envoy 1.40
ORIGINS = [
    ("a.test", {}, "missing_source_origin"),
    ("a.test", {"origin": "null"}, "missing_source_origin"),
    ("a.test", {"origin": "null", "referer": "https://a.test/x"}, "missing_source_origin"),
    ("a.test", {"origin": "http://a.test"}, "request_valid"),
    ("a.test", {"origin": "a.test"}, "request_valid"),
    ("a.test", {"origin": "ftp://a.test"}, "request_valid"),
    ("a.test", {"referer": "https://a.test/x/y?z"}, "request_valid"),
    ("a.test:80", {"origin": "http://a.test:80"}, "request_valid"),
    ("[::1]:80", {"origin": "http://[::1]:80"}, "request_valid"),
    ("a.test", {"origin": "http://a.test:80"}, "request_invalid"),
    ("a.test", {"origin": "http://b.test"}, "request_invalid"),
    ("a.test", {"origin": "http://A.test"}, "request_invalid"),
    ("a.test", {"origin": "http://b.test", "referer": "https://a.test/x"}, "request_invalid"),
    ("a.test", {"origin": "http://more.test"}, "request_valid"),
]


def counted(p: Play) -> list[str]:
    return [name for name in NAMES if p.counter(f"http.test.csrf.{name}")]


@pytest.mark.parametrize(("host", "fields", "counter"), ORIGINS)
def test_origins(host: str, fields: dict[str, str], counter: str) -> None:
    p = play(Csrf, f"{ON}\nadditional_origins: [{{exact: more.test}}]")
    p >> headers("POST", "/", *fields.items(), authority=host)
    p << (forwarded() if counter == "request_valid" else reply(403, b"Invalid origin", detail="csrf_origin_mismatch"))
    assert counted(p) == [counter]
    p.stage.close()


@pytest.mark.parametrize(
    ("method", "looked_at"), [("PUT", True), ("DELETE", True), ("PATCH", True), ("GET", False), ("OPTIONS", False)]
)
def test_only_methods_that_change_something_are_looked_at(method: str, looked_at: bool) -> None:
    p = play(Csrf, ON) >> headers(method) << (reply(403) if looked_at else forwarded())
    p.stage.close()


@pytest.mark.parametrize(
    ("config", "counters"), [(OFF, []), (f"{OFF}\nshadow_enabled: {{default_value: {{numerator: 100}}}}", [NAMES[0]])]
)
def test_shadow_only_counts(config: str, counters: list[str]) -> None:
    p = play(Csrf, config) >> headers("POST") << forwarded()
    assert counted(p) == counters
    p.stage.close()


def test_a_route_has_a_policy_of_its_own() -> None:
    p = play(Csrf, OFF, route=ON) >> headers("POST") << reply(403)
    p.end()


def test_the_share_must_be_given() -> None:
    with pytest.raises(ConfigErrors, match="filter_enabled"):
        play(Csrf, "{}")


def test_contract() -> None:
    check_http_filter(Csrf, ON)
    check_http_filter(Csrf, ON, request_headers={"origin": "http://test"})
