"""Tracing in bootstraps: what is refused, what is told to do nothing, and what tags read."""

# ruff: noqa: E501 - a table: a case reads best on its own line

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pyvoy.config.compile.tracing import _tag
from pyvoy.config.load import load
from pyvoy.config.message_types import message_class
from pyvoy.config.problems import ConfigErrors
from pyvoy.http.headers import HeaderMap
from pyvoy.server.local_arena import LocalArena
from pyvoy.server.plans import try_build
from pyvoy.stats.store import memory_store

_MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_TRACE = "type.googleapis.com/envoy.config.trace.v3."


def bootstrap(tracing: str, route: str = "") -> str:
    return f"""
static_resources:
  clusters: [{{name: app}}]
  listeners:
  - name: web
    address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/{_MANAGER}
          stat_prefix: web
          tracing: {{{tracing}}}
          route_config: {{virtual_hosts: [{{name: v, domains: ['*'], routes: [{{match: {{prefix: /}}, route: {{cluster: app}}{route}}}]}}]}}
          http_filters: [{{name: r, typed_config: {{'@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}}}]
"""


def problems(tracing: str, route: str = "") -> tuple[list[str], list[str]]:
    """Errors and warnings, without the place of the connection manager."""
    try:
        loaded = load(config_yaml=bootstrap(tracing, route))
        found = [*loaded.warnings, *try_build(loaded)]
    except ConfigErrors as errors:
        found = list(errors.problems)
    place = "static_resources.listeners[0].filter_chains[0].filters[0].typed_config."
    texts = [(problem.is_error, f"{problem.path.removeprefix(place)}: {problem.what}") for problem in found]
    return [text for is_error, text in texts if is_error], [text for is_error, text in texts if not is_error]


def provider(name: str, **fields: str) -> str:
    settings = "".join(f", {field}: {value}" for field, value in fields.items())
    return f"provider: {{name: x, typed_config: {{'@type': {_TRACE}{name}{settings}}}}}"


ZIPKIN = {"collector_cluster": "app", "collector_endpoint": "/s", "collector_endpoint_version": "HTTP_JSON"}


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (provider("ZipkinConfig", collector_endpoint="/s"), "collector_cluster: collector_cluster must be specified when not using collector_service"),
        (provider("ZipkinConfig", **{**ZIPKIN, "collector_cluster": "ap"}), "collector_cluster: unknown cluster 'ap'"),
        (provider("ZipkinConfig", collector_cluster="app"), "collector_endpoint: has to be set"),
        (provider("ZipkinConfig", **{**ZIPKIN, "collector_endpoint_version": "GRPC"}), "collector_endpoint_version: GRPC is not supported"),
        (provider("OpenTelemetryConfig", grpc_service="{envoy_grpc: {cluster_name: none}}"), "grpc_service.envoy_grpc.cluster_name: unknown cluster 'none'"),
        (provider("OpenTelemetryConfig", http_service="{http_uri: {uri: 'http://c/', cluster: none, timeout: 1s}}"), "http_service.http_uri.cluster: unknown cluster 'none'"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_to_anybody_is_refused(given: str, error: str) -> None:
    errors, _ = problems(given)
    assert [text.removeprefix("tracing.provider.typed_config.") for text in errors] == [error]


def test_formats_are_checked() -> None:
    errors, _ = problems("operation: '%NO'", ", tracing: {custom_tags: [{tag: t}]}")
    assert [text.partition(":")[0] for text in sorted(errors)] == [
        "route_config.virtual_hosts[0].routes[0].tracing.custom_tags[0]",
        "tracing.operation",
    ]


@pytest.mark.parametrize("name", ["DatadogConfig", "SkyWalkingConfig", "XRayConfig"])
def test_other_providers_are_told_to_do_nothing(name: str) -> None:
    fields = {
        "DatadogConfig": {"collector_cluster": "app", "service_name": "s"},
        "SkyWalkingConfig": {"grpc_service": "{envoy_grpc: {cluster_name: app}}"},
        "XRayConfig": {"segment_name": "s"},
    }
    errors, warnings = problems(provider(name, **fields[name]))
    assert not errors
    assert any("no spans are made for this provider" in text for text in warnings)


def test_what_is_not_sent_as_asked_is_told() -> None:
    errors, warnings = problems(provider("ZipkinConfig", **{**ZIPKIN, "collector_endpoint_version": "HTTP_PROTO"}))
    assert not errors
    assert any("spans are sent as JSON" in text for text in warnings)


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        ({"literal": {"value": "v"}}, "v"),
        ({"environment": {"name": "PYVOY_TEST_TAG", "default_value": "d"}}, "set"),
        ({"environment": {"name": "PYVOY_TEST_NO_TAG", "default_value": "d"}}, "d"),
        ({"request_header": {"name": "X-A", "default_value": "d"}}, "1"),
        ({"request_header": {"name": "x-b", "default_value": "d"}}, "d"),
        ({"metadata": {"metadata_key": {"key": "ns", "path": [{"key": "text"}]}}}, "hello"),
        ({"metadata": {"kind": {"request": {}}, "metadata_key": {"key": "ns"}}}, '{"text":"hello","number":3}'),
        ({"metadata": {"metadata_key": {"key": "ns", "path": [{"key": "no"}]}, "default_value": "d"}}, "d"),
        ({"metadata": {"kind": {"route": {}}, "metadata_key": {"key": "r", "path": [{"key": "k"}]}}}, "true"),
        ({"value": "<%REQ(x-a)%>"}, "<1>"),
    ],
)
def test_what_tags_read(tag: dict[str, object], value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYVOY_TEST_TAG", "set")
    info = SimpleNamespace(dynamic_metadata={"ns": {"text": "hello", "number": 3}}, route_metadata={"r": {"k": True}})
    stream = SimpleNamespace(info=info, request_headers=HeaderMap([(b"x-a", b"1")]))
    message = message_class("envoy.type.tracing.v3.CustomTag")(tag="t", **tag)
    context = load(config_yaml="{}").context(memory_store().root, LocalArena(lambda: 0.0))
    assert _tag(message, context)(stream) == value
