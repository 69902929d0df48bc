"""Header to metadata: headers and cookies, present and missing, types, encodings, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from pyvoy.config.problems import ConfigErrors
from pyvoy.filters.http.header_to_metadata import HeaderToMetadata
from pyvoy.testing.contract import check_http_filter
from pyvoy.testing.playbook import forwarded, headers, play, response, sent


def target(more: str = "") -> str:
    return f"{{metadata_namespace: ns, key: k{more}}}"


# rule, request headers, metadata of "ns"; as seen on Envoy 1.40
RULES: list[tuple[str, list[tuple[str, str]], Any]] = [
    (f"header: x-a, on_header_present: {target()}", [("x-a", "1")], {"k": "1"}),
    (f"header: X-A, on_header_present: {target()}", [("x-a", "1"), ("x-a", "2")], {"k": "1,2"}),
    (f"header: x-a, on_header_present: {target()}", [], None),
    (f"header: x-a, on_header_present: {target()}", [("x-a", "")], None),
    (f"header: x-a, on_header_present: {target(', value: v')}", [("x-a", "1")], {"k": "v"}),
    (f"header: x-a, on_header_missing: {target(', value: gone')}", [], {"k": "gone"}),
    (f"header: x-a, on_header_missing: {target(', value: gone')}", [("x-a", "1")], None),
    (f"header: x-a, on_header_present: {target(', type: NUMBER')}", [("x-a", "1.50")], {"k": 1.5}),
    (f"header: x-a, on_header_present: {target(', type: NUMBER')}", [("x-a", "7")], {"k": 7}),
    (f"header: x-a, on_header_present: {target(', type: NUMBER')}", [("x-a", "no")], None),
    (f"header: x-a, on_header_present: {target(', encode: BASE64')}", [("x-a", "aGVsbG8=")], {"k": "hello"}),
    (f"header: x-a, on_header_present: {target(', encode: BASE64')}", [("x-a", "???")], None),
    (f"header: x-a, on_header_present: {target()}", [("x-a", "y" * 8193)], None),
    (
        "header: ':path', on_header_present: "
        + target(", regex_value_rewrite: {pattern: {regex: '^/(\\w+)/.*'}, substitution: '\\1'}"),
        [],
        {"k": "abc"},
    ),
    (f"cookie: c, on_header_present: {target()}", [("cookie", "a=1; c=v1; c=v2")], {"k": "v1"}),
    (f"cookie: c, on_header_present: {target()}", [("cookie", 'c="x y"')], {"k": "x y"}),
    (f"cookie: c, on_header_present: {target(', value: v')}", [("cookie", "c=")], None),
    (f"cookie: c, on_header_missing: {target(', value: gone')}", [("cookie", "a=1")], {"k": "gone"}),
]


@pytest.mark.parametrize(("rule", "fields", "wanted"), RULES)
def test_request_rules(rule: str, fields: list[tuple[str, str]], wanted: Any) -> None:
    p = play(HeaderToMetadata, f"request_rules: [{{{rule}}}]") >> headers("GET", "/abc/def", *fields) << forwarded()
    assert p.stream.info.dynamic_metadata.get("ns") == wanted
    p.stage.close()


def test_headers_may_be_removed() -> None:
    p = play(HeaderToMetadata, f"request_rules: [{{header: x-a, on_header_present: {target()}, remove: true}}]")
    p >> headers(x_a="1") << forwarded(x_a=None)
    assert p.stream.info.dynamic_metadata == {"ns": {"k": "1"}}
    p.stage.close()


def test_response_rules_and_the_default_namespace() -> None:
    p = play(HeaderToMetadata, "response_rules: [{header: ':status', on_header_present: {key: s}}]") >> headers()
    p << forwarded() >> response(201, end=True) << sent(201)
    assert p.stream.info.dynamic_metadata == {"envoy.filters.http.header_to_metadata": {"s": "201"}}
    p.end()


def test_a_route_has_rules_of_its_own() -> None:
    rule = "request_rules: [{header: x-a, on_header_present: {metadata_namespace: NS, key: k}}]"
    p = play(HeaderToMetadata, rule.replace("NS", "own"), route=rule.replace("NS", "route")) >> headers(x_a="1")
    assert p.stream.info.dynamic_metadata == {"route": {"k": "1"}}
    p.stage.close()


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ("header: x-a", "has neither `on_header_present` nor"),
        ("on_header_present: {key: a}", "One of Cookie or Header"),
        ("header: a, cookie: b, on_header_present: {key: a}", "Cannot specify both header and cookie"),
        ("cookie: b, remove: true, on_header_present: {key: a}", "Cannot specify remove for cookie"),
        ("header: a, on_header_missing: {key: a}", "on_header_missing rule with an empty value"),
        ("header: a, on_header_present: {value: b}", "key"),
        ("header: a, on_header_present: {key: a, type: PROTOBUF_VALUE}", "not supported"),
        (
            "header: a, on_header_present: {key: a, value: b, "
            "regex_value_rewrite: {pattern: {regex: a}, substitution: b}}",
            "Cannot specify both value and regex_value_rewrite",
        ),
    ],
)
def test_what_is_refused(rule: str, complaint: str) -> None:
    with pytest.raises(ConfigErrors, match=complaint):
        play(HeaderToMetadata, f"request_rules: [{{{rule}}}]")


def test_contract() -> None:
    rules = f"[{{header: x-a, on_header_present: {target()}, on_header_missing: {target(', value: v')}, remove: true}}]"
    check_http_filter(HeaderToMetadata, f"request_rules: {rules}\nresponse_rules: {rules}")
