"""What builders see: places, converters, extensions."""

from __future__ import annotations

import pytest

from pyvoy.config import registry
from pyvoy.config.context import Chained
from pyvoy.config.extensions import RouteConfig, chained
from pyvoy.config.registry import Extension, Registry
from tests.unit.config.building import built, reported

BUCKET = "envoy.type.v3.TokenBucket"
BUFFER = "envoy.extensions.filters.http.buffer.v3.Buffer"
HTTP_FILTER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter"
ROUTE = "envoy.config.route.v3.Route"


def test_a_problem_has_place_and_full_path():
    _, context = built(ROUTE, "match:\n  prefix: /\n  headers:\n  - name: a\n")
    context.at("match").at("headers", 0).error("name", "is wrong", "b")
    context.at("match").warning("", "is odd")
    context.error("route.cluster", "is missing")
    assert reported(context) == [
        "1:1: warning: match: is odd",
        "1:1: error: route.cluster: is missing",
        '4:11: error: match.headers[0].name: is wrong; did you mean "b"?',
    ]


def test_a_map_key_in_a_path():
    _, context = built(ROUTE, "typed_per_filter_config:\n  a.b: {'@type': t/google.protobuf.Empty}\n")
    context.at("typed_per_filter_config", "a.b").error("", "is wrong")
    assert reported(context) == ['2:3: error: typed_per_filter_config["a.b"]: is wrong']


def test_require():
    message, context = built(BUCKET, "{max_tokens: 5, tokens_per_fill: 3}")
    assert context.require(message, "max_tokens", at_least=1) == 5
    assert context.require(message, "tokens_per_fill", at_least=4) == 4
    assert reported(context) == ["1:34: error: tokens_per_fill: must be at least 4, not 3"]


def test_require_what_is_missing():
    message, context = built(BUCKET, "{}")
    assert context.require(message, "max_tokens", at_least=1) == 1
    assert context.require(message, "tokens_per_fill") == 0
    assert len(reported(context)) == 2


def test_durations_and_wrappers():
    message, context = built(BUCKET, "{fill_interval: 0.25s, tokens_per_fill: 3}")
    assert context.duration_s(message, "fill_interval") == 0.25
    assert context.wrapped(message, "tokens_per_fill", 1) == 3
    message, context = built(BUCKET, "{}")
    assert context.duration_s(message, "fill_interval", 7.0) == 7.0
    assert context.duration_s(message, "fill_interval") is None
    assert context.wrapped(message, "tokens_per_fill", 1) == 1


def test_an_unknown_cluster_names_the_nearest():
    _, context = built("envoy.config.route.v3.RouteAction", "{cluster: servce}", clusters={"service"})
    assert context.unknown_cluster("cluster", "servce")
    assert not context.unknown_cluster("cluster", "service")
    assert reported(context) == ["1:11: error: cluster: unknown cluster 'servce'; did you mean \"service\"?"]


def test_the_place_of_a_listener_is_inherited():
    _, context = built(ROUTE, "match: {prefix: /}")
    inside = context.inside("ingress", 1, None).at("match")
    assert (inside.listener_name, inside.direction) == ("ingress", 1)


class Buffer:
    @staticmethod
    def build(message, context):
        if message.max_request_bytes.value > 100:
            context.error("max_request_bytes", "is too much")
        return message.max_request_bytes.value

    @staticmethod
    def build_route(message, context):
        return f"disabled {message.disabled}"


@pytest.fixture
def _buffer(monkeypatch):
    made = Registry()
    entry = Extension(
        "http_filter", "envoy.filters.http.buffer", BUFFER, (BUFFER + "PerRoute",), "stable", "unknown", Buffer
    )
    made.add(entry)
    monkeypatch.setattr(registry, "REGISTRY", made)


def extension(text):
    message, context = built(HTTP_FILTER, text)
    return context.extension("http_filter", message, ""), reported(context)


@pytest.mark.usefixtures("_buffer")
def test_the_plan_of_an_extension():
    assert extension(f"{{name: b, typed_config: {{'@type': t/{BUFFER}, max_request_bytes: 5}}}}") == (5, [])


@pytest.mark.usefixtures("_buffer")
def test_a_problem_within_an_extension_has_its_place():
    text = f"name: b\ntyped_config:\n  '@type': t/{BUFFER}\n  max_request_bytes: 500\n"
    assert extension(text)[1] == ["4:22: error: typed_config.max_request_bytes: is too much"]


@pytest.mark.usefixtures("_buffer")
@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{name: b}", "error: 'b' needs a typed_config that names its type"),
        (
            "{name: b, typed_config: {'@type': t/google.protobuf.Empty}}",
            "no http filter of type 'google.protobuf.Empty'",
        ),
        (f"{{name: b, typed_config: {{'@type': t/{BUFFER}PerRoute, disabled: true}}}}", f'did you mean "{BUFFER}"?'),
        (
            "{name: b, typed_config: {'@type': t/xds.type.v3.TypedStruct, type_url: foo.Bar}}",
            "no http filter of type 'foo.Bar'",
        ),
        ("{name: b, typed_config: {'@type': t/xds.type.v3.TypedStruct}}", "no http filter of type ''"),
    ],
)
def test_what_is_no_extension(text, what):
    plan, (problem,) = extension(text)
    assert plan is None
    assert what in problem


@pytest.mark.usefixtures("_buffer")
@pytest.mark.parametrize(
    "text",
    [
        "{name: b, is_optional: true}",
        "{name: b, is_optional: true, typed_config: {'@type': t/google.protobuf.Empty}}",
        "{name: b, is_optional: true, typed_config: {'@type': t/xds.type.v3.TypedStruct, type_url: foo.Bar}}",
    ],
)
def test_an_optional_extension_that_is_not_there(text):
    assert extension(text) == (None, [])


def route_configs(text, **environment):
    message, context = built(ROUTE, f"typed_per_filter_config: {{b: {text}}}", **environment)
    return context.route_extensions("http_filter", message, "typed_per_filter_config"), reported(context)


FILTER_CONFIG = "'@type': t/envoy.config.route.v3.FilterConfig"
PER_ROUTE = f"{{'@type': t/{BUFFER}PerRoute, disabled: true}}"


@pytest.mark.usefixtures("_buffer")
@pytest.mark.parametrize("text", [PER_ROUTE, f"{{{FILTER_CONFIG}, config: {PER_ROUTE}}}"])
def test_per_route_configuration(text):
    configs, problems = route_configs(text)
    assert problems == []
    assert configs["b"].built.plan == "disabled True"
    assert configs["b"].disabled is False


@pytest.mark.usefixtures("_buffer")
def test_per_route_configuration_of_another_filter_has_no_effect():
    buffer = registry.REGISTRY.lookup("http_filter", BUFFER)
    other = Extension("http_filter", "other", "a.Other", (), "stable", "unknown", Buffer)
    configs, problems = route_configs(PER_ROUTE, chain={"b": Chained((other,), disabled=False)})
    assert configs["b"] == RouteConfig(None)
    assert problems == [
        '1:27: warning: typed_per_filter_config["b"]: has no effect: it is for envoy.filters.http.buffer, '
        "and the filter of that name is other"
    ]
    configs, problems = route_configs(PER_ROUTE, chain={"b": Chained((buffer, buffer), disabled=False)})
    assert configs["b"].built.plan == "disabled True"
    assert problems == []
    configs, problems = route_configs(PER_ROUTE, chain={"b": Chained((other, buffer), disabled=False)})
    assert configs == {}
    assert problems == [
        '1:27: error: typed_per_filter_config["b"]: stands for filters of different types that have one name: '
        "envoy.filters.http.buffer and other"
    ]


@pytest.mark.parametrize("wrap", [False, True])
def test_what_stands_under_a_name_in_a_chain(wrap):
    cors = "'@type': t/envoy.extensions.filters.http.cors.v3.Cors"
    delegate = "'@type': t/envoy.extensions.common.matching.v3.ExtensionWithMatcher"
    inner = f"{{{delegate}, extension_config: {{name: i, typed_config: {{{cors}}}}}}}" if wrap else f"{{{cors}}}"
    registry.load_builtin()
    entries = [f"{{name: a, typed_config: {inner}}}", "{name: b, typed_config: {'@type': t/google.protobuf.Empty}}"]
    messages = [built(HTTP_FILTER, text)[0] for text in (*entries, "{name: c, disabled: true}", entries[0])]
    found = chained(messages)
    assert list(found) == ["a"]
    assert {each.name for each in found["a"].extensions} == {"envoy.filters.http.cors"}
    assert not found["a"].disabled


@pytest.mark.usefixtures("_buffer")
def test_a_filter_that_is_off_for_a_route():
    configs, problems = route_configs(f"{{{FILTER_CONFIG}, disabled: true}}")
    assert problems == []
    assert configs["b"].built is None
    assert configs["b"].disabled is True


@pytest.mark.usefixtures("_buffer")
@pytest.mark.parametrize(
    ("text", "what"),
    [
        (f"{{{FILTER_CONFIG}}}", "is empty: needs config or disabled"),
        (f"{{{FILTER_CONFIG}, config: {{'@type': t/google.protobuf.Empty}}}}", "no http filter takes per-route"),
        (f"{{'@type': t/{BUFFER}, max_request_bytes: 1}}", f'did you mean "{BUFFER}PerRoute"?'),
    ],
)
def test_what_is_no_per_route_configuration(text, what):
    configs, (problem,) = route_configs(text)
    assert configs == {}
    assert what in problem


@pytest.mark.usefixtures("_buffer")
def test_optional_per_route_configuration_that_nobody_takes():
    text = f"{{{FILTER_CONFIG}, is_optional: true, config: {{'@type': t/google.protobuf.Empty}}}}"
    assert route_configs(text) == ({}, [])
