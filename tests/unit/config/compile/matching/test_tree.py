"""Matcher trees: lists, maps, networks, names, inputs and tests, and what is refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pyvoy.config.compile.matching.tree import LISTENER_INPUTS, ROUTE_INPUTS, STREAM_INPUTS, compile_matcher
from pyvoy.config.message_types import unpack
from pyvoy.http.headers import HeaderMap
from pyvoy.network.address import Address
from pyvoy.observe.stream_info import ConnectionInfo
from pyvoy.stats.store import memory_store
from tests.unit.config.building import built, reported

TYPE = "xds.type.matcher.v3.Matcher"
_TEXT = "type.googleapis.com/google.protobuf.StringValue"
_URL = "type.googleapis.com/"
_NET = "envoy.extensions.matching.common_inputs.network.v3."
HEADER = (
    f"{{name: h, typed_config: {{'@type': {_URL}envoy.type.matcher.v3.HttpRequestHeaderMatchInput, header_name: x}}}}"
)


def given(name: str, more: str = "") -> str:
    """An input."""
    return f"{{name: i, typed_config: {{'@type': {_URL}{name}{more}}}}}"


def act(name: str) -> str:
    return f"action: {{name: a, typed_config: {{'@type': {_TEXT}, value: {name}}}}}"


def mapped(kind: str, read: str, entries: dict[str, str], more: str = "") -> str:
    pairs = ", ".join(f"'{key}': {{{value}}}" for key, value in entries.items())
    return f"{{matcher_tree: {{input: {read}, {kind}: {{map: {{{pairs}}}}}}}{more}}}"


def with_test(read: str, test: str) -> str:
    predicate = f"single_predicate: {{input: {read}, {test}}}"
    return f"{{matcher_list: {{matchers: [{{predicate: {{{predicate}}}, on_match: {{{act('good')}}}}}]}}}}"


def compiled(text: str, inputs: tuple[str, ...] = STREAM_INPUTS) -> tuple[Any, list[str]]:
    message, context = built(TYPE, text)
    context = context.within(memory_store().root)

    def action(config: Any, _context: Any) -> str:
        return str(unpack(config.typed_config, "google.protobuf.StringValue").value)

    return compile_matcher(message, context, action, inputs), reported(context)


def source(*pairs: tuple[bytes, bytes], **facts: Any) -> Any:
    connection = ConnectionInfo()
    connection.remote = connection.direct_remote = Address("10.1.2.3", 1234)
    connection.local = Address("10.1.2.4", 80)
    for name, value in facts.items():
        setattr(connection, name, value)
    info = SimpleNamespace(filter_state={}, dynamic_metadata={"ns": {"a": {"b": "deep"}}})
    return SimpleNamespace(
        request_headers=HeaderMap([(b":path", b"/?q=1&q=2"), *pairs]), connection=connection, info=info
    )


def find(text: str, *pairs: tuple[bytes, bytes], **facts: Any) -> Any:
    match, problems = compiled(text)
    assert problems == []
    return match(source(*pairs, **facts))


@pytest.mark.parametrize(
    ("value", "exact", "prefix"), [(b"a", "A", "A"), (b"ab", None, "AB"), (b"abc", None, "AB"), (b"z", None, None)]
)
def test_maps(value: bytes, exact: str | None, prefix: str | None) -> None:
    assert find(mapped("exact_match_map", HEADER, {"a": act("A")}), (b"x", value)) == exact
    assert find(mapped("prefix_match_map", HEADER, {"a": act("A"), "ab": act("AB")}), (b"x", value)) == prefix


def test_a_longer_prefix_that_finds_nothing_gives_way() -> None:
    nested = "matcher: " + mapped("exact_match_map", HEADER, {"zz": act("Z")})
    assert find(mapped("prefix_match_map", HEADER, {"a": act("A"), "ab": nested}), (b"x", b"abc")) == "A"


def test_no_value_is_no_match() -> None:
    text = mapped("prefix_match_map", HEADER, {"": act("A")}, f", on_no_match: {{{act('none')}}}")
    assert find(text) == "none"


def test_values_of_one_name_are_joined() -> None:
    assert find(mapped("exact_match_map", HEADER, {"a,b": act("A")}), (b"x", b"a"), (b"x", b"b")) == "A"


NETWORKS = (
    "custom_match: {name: c, typed_config: {'@type': type.googleapis.com/xds.type.matcher.v3.IPMatcher, "
    "range_matchers: ["
    "{ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}], on_match: {%s}}, "
    "{ranges: [{address_prefix: 10.1.0.0, prefix_len: 16}], exclusive: true, on_match: {%s}}]}}"
)


@pytest.mark.parametrize(("ip", "found"), [("10.1.2.3", "narrow"), ("10.2.2.3", "wide"), ("11.0.0.1", None)])
def test_the_narrowest_network_counts(ip: str, found: str | None) -> None:
    text = f"{{matcher_tree: {{input: {given(_NET + 'SourceIPInput')}, {NETWORKS % (act('wide'), act('narrow'))}}}}}"
    assert find(text, remote=Address(ip, 1)) == found


NAMES = (
    "custom_match: {name: c, typed_config: {'@type': type.googleapis.com/xds.type.matcher.v3.ServerNameMatcher, "
    "domain_matchers: [{domains: [a.test], on_match: {%s}}, {domains: ['*.test'], on_match: {%s}}, "
    "{domains: ['*'], on_match: {%s}}]}}"
)


@pytest.mark.parametrize(
    ("name", "found"), [("A.test", "one"), ("b.a.test", "wild"), ("other", "any"), ("test", "any"), ("", None)]
)
def test_the_narrowest_name_counts(name: str, found: str | None) -> None:
    tree = NAMES % (act("one"), act("wild"), act("any"))
    text = f"{{matcher_tree: {{input: {given(_NET + 'ServerNameInput')}, {tree}}}}}"
    assert find(text, requested_server_name=name) == found


@pytest.mark.parametrize(
    ("name", "more", "value"),
    [
        ("SourceIPInput", "", "10.1.2.3"),
        ("SourcePortInput", "", "1234"),
        ("DestinationIPInput", "", "10.1.2.4"),
        ("DestinationPortInput", "", "80"),
        ("DirectSourceIPInput", "", "10.1.2.3"),
        ("DynamicMetadataInput", ", filter: ns, path: [{key: a}, {key: b}]", "deep"),
    ],
)
def test_facts_of_the_connection(name: str, more: str, value: str) -> None:
    assert find(mapped("exact_match_map", given(_NET + name, more), {value: act("good")})) == "good"


@pytest.mark.parametrize(
    ("name", "facts", "value"),
    [
        ("SourceTypeInput", {"remote": Address("127.0.0.1", 1)}, "local"),
        ("TransportProtocolInput", {"transport_protocol": "tls"}, "tls"),
        ("ApplicationProtocolInput", {"application_protocols": ("h2", "http/1.1")}, "''h2'',''http/1.1''"),
    ],
)
def test_facts_that_only_listeners_look_at(name: str, facts: dict[str, Any], value: str) -> None:
    text = mapped("exact_match_map", given(_NET + name), {value: act("good")})
    match, problems = compiled(text, LISTENER_INPUTS)
    assert problems == []
    assert match(source(**facts)) == "good"
    assert "no matching input" in compiled(text)[1][0]


def test_a_query_parameter() -> None:
    read = given("envoy.type.matcher.v3.HttpRequestQueryParamMatchInput", ", query_param: q")
    assert find(mapped("exact_match_map", read, {"1": act("good")})) == "good"


def test_a_variable_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYVOY_TEST", "here")
    read = given("envoy.extensions.matching.common_inputs.environment_variable.v3.Config", ", name: PYVOY_TEST")
    assert find(mapped("exact_match_map", read, {"here": act("good")})) == "good"


_TESTS = "custom_match: {name: t, typed_config: {'@type': type.googleapis.com/envoy.extensions.matching.input_matchers."


@pytest.mark.parametrize(
    ("test", "value", "found"),
    [
        ("value_match: {safe_regex: {google_re2: {}, regex: 'a+'}}", b"aaa", "good"),
        ("value_match: {contains: B, ignore_case: true}", b"abc", "good"),
        (
            _TESTS + "ip.v3.Ip, stat_prefix: s, cidr_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}]}}",
            b"10.1.1.1",
            "good",
        ),
        (_TESTS + "ip.v3.Ip, stat_prefix: s, cidr_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}]}}", b"no", None),
        (_TESTS + "consistent_hashing.v3.ConsistentHashing, threshold: 0, modulo: 10}}", b"any", "good"),
        (_TESTS + "consistent_hashing.v3.ConsistentHashing, threshold: 10, modulo: 10}}", b"any", None),
        (
            _TESTS + "runtime_fraction.v3.RuntimeFraction, runtime_fraction: {default_value: {numerator: 100}}}}",
            b"any",
            "good",
        ),
    ],
)
def test_tests_of_values(test: str, value: bytes, found: str | None) -> None:
    assert find(with_test(HEADER, test), (b"x", value)) == found


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            mapped("exact_match_map", HEADER, {"a": act("A") + ", keep_matching: true"}),
            "keep_matching is not supported",
        ),
        (mapped("exact_match_map", given("google.protobuf.StringValue"), {"a": act("A")}), "no matching input of type"),
        (
            f"{{matcher_tree: {{input: {HEADER}, custom_match: {{name: c, typed_config: {{'@type': {_TEXT}}}}}}}}}",
            "no matcher tree of type",
        ),
    ],
)
def test_what_is_refused(text: str, problem: str) -> None:
    assert problem in compiled(text)[1][0]


def test_routes_look_at_request_headers_only() -> None:
    text = mapped("exact_match_map", given(_NET + "SourceIPInput"), {"a": act("A")})
    assert "takes request header input" in compiled(text, ROUTE_INPUTS)[1][0]
