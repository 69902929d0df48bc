"""The rules that the API's messages carry; each row is a rule kind with a message type that has it."""

from __future__ import annotations

import pytest

from pyvoy.config import rules
from pyvoy.config.message_types import message_class
from pyvoy.config.problems import Problems, Where
from tests.unit.config.reading import lines, read


def against(type_name, text):
    """`path: what` of what the rules say against a message of the type."""
    message = message_class(type_name)()
    return [f"{problem.path}: {problem.what}" for problem in read(text, message)[2]]


CASES = [
    ("envoy.type.v3.TokenBucket", "{max_tokens: 1}", "fill_interval: is required"),
    ("envoy.type.v3.TokenBucket", "{max_tokens: 1, fill_interval: 0s}", "fill_interval: must be greater than 0s"),
    (
        "envoy.type.v3.TokenBucket",
        "{max_tokens: 1, fill_interval: 1s, tokens_per_fill: 0}",
        "tokens_per_fill: must be greater than 0",
    ),
    ("envoy.config.core.v3.CidrRange", "{address_prefix: a, prefix_len: 129}", "prefix_len: must be at most 128"),
    ("envoy.config.core.v3.CidrRange", "{address_prefix: ''}", "address_prefix: must not be empty"),
    ("envoy.config.core.v3.SocketAddress", "{address: a, port_value: 65536}", "port_value: must be at most 65535"),
    ("envoy.config.core.v3.SocketAddress", "{address: a}", ": needs one of: port_value, named_port"),
    ("envoy.config.core.v3.SocketAddress", "{address: a, port_value: 1, protocol: 7}", "protocol: 7 is no value of"),
    ("envoy.config.core.v3.HeaderValue", "{key: ''}", "key: must not be empty"),
    ("envoy.config.core.v3.HeaderValue", '{key: "a\\nb"}', "key: 'a\\nb' is no header name"),
    ("envoy.config.core.v3.HeaderValue", '{key: a, value: "a\\rb"}', "value: must not contain control characters"),
    ("envoy.config.core.v3.HeaderValue", f"{{key: a, value: {'b' * 16385}}}", "value: must have at most 16384 bytes"),
    ("envoy.config.core.v3.HeaderValueOption", "{}", "header: is required"),
    ("envoy.config.route.v3.VirtualHost", "{name: v, domains: []}", "domains: must have at least 1 entry"),
    (
        "envoy.config.route.v3.VirtualHost",
        "{name: v, domains: [a], request_headers_to_remove: ['']}",
        "request_headers_to_remove[0]: must not be empty",
    ),
    ("envoy.config.listener.v3.FilterChainMatch", "{source_ports: [1, 0]}", "source_ports[1]: must be at least 1"),
    (
        "envoy.config.listener.v3.FilterChainMatch",
        "{destination_port: 65536}",
        "destination_port: must be at most 65535",
    ),
    ("envoy.type.v3.HttpStatus", "{code: 0}", "code: must not be Empty"),
    (
        "envoy.extensions.filters.http.router.v3.Router",
        "{strict_check_headers: [x]}",
        "strict_check_headers[0]: must be one of",
    ),
    ("envoy.config.route.v3.DirectResponseAction", "{status: 199}", "status: must be at least 200"),
    ("envoy.config.route.v3.DirectResponseAction", "{status: 600}", "status: must be less than 600"),
    ("xds.type.matcher.v3.Matcher.MatcherTree.MatchMap", "{map: {}}", "map: must have at least 1 entry"),
    (
        "envoy.extensions.filters.http.compressor.v3.Compressor.ResponseDirectionConfig",
        "{uncompressible_response_codes: [200, 200]}",
        "uncompressible_response_codes: must not repeat a value",
    ),
    ("envoy.type.matcher.v3.ValueMatcher", "{}", ": needs one of: null_match, double_match"),
]


@pytest.mark.parametrize(("type_name", "text", "expected"), CASES)
def test_a_violation(type_name, text, expected):
    (problem,) = against(type_name, text)
    assert problem.startswith(expected)


@pytest.mark.parametrize(
    ("type_name", "text"),
    [
        ("envoy.type.v3.TokenBucket", "{max_tokens: 0, fill_interval: 0.001s}"),
        ("envoy.config.core.v3.SocketAddress", "{address: a, port_value: 0}"),
        ("envoy.config.core.v3.HeaderValue", "{key: x-a, value: 'a\tb'}"),
        ("envoy.config.route.v3.RouteAction", "{cluster: c}"),
        ("envoy.config.route.v3.WeightedCluster.ClusterWeight", "{name: c, weight: 0}"),
        ("envoy.config.route.v3.RouteMatch", "{prefix: ''}"),
    ],
)
def test_no_violation(type_name, text):
    assert against(type_name, text) == []


def test_what_was_reported_while_reading_is_not_reported_again():
    problems = read("static_resources: {clusters: [{nam: c}, {name: [x]}, {name: d, connect_timeout: 0}]}")[2]
    assert [problem.path for problem in problems] == [
        "static_resources.clusters[0].nam",
        "static_resources.clusters[1].name",
        "static_resources.clusters[2].connect_timeout",
    ]


def test_a_missing_field_is_shown_at_the_message_that_lacks_it():
    problems = read("admin:\n  access_log:\n  - filter: {not_health_check_filter: {}}\n")[2]
    assert lines(problems) == []
    problems = read("static_resources:\n  listeners:\n  - filter_chains:\n    - filters:\n      - {}\n")[2]
    assert lines(problems) == [
        "5:9: error: static_resources.listeners[0].filter_chains[0].filters[0].name: is required"
    ]


def test_messages_without_places_are_checked_too():
    problems = Problems()
    rules.check(message_class("envoy.type.v3.TokenBucket")(), Where(), "bucket", problems)
    assert [str(problem) for problem in problems] == [
        "error: bucket.fill_interval: is required",
    ]


def test_every_rule_of_every_type_compiles():
    for name in ("envoy.config.bootstrap.v3.Bootstrap", "envoy.config.route.v3.RouteConfiguration"):
        pending, seen = [message_class(name).DESCRIPTOR], set()
        while pending:
            descriptor = pending.pop()
            if descriptor.full_name in seen:
                continue
            seen.add(descriptor.full_name)
            rules.rules_of(descriptor)
            pending += [field.message_type for field in descriptor.fields if field.message_type is not None]
        assert len(seen) > 50
