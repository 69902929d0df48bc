"""The support table is made from the code and names only what the API has."""

from __future__ import annotations

from pyvoy.config import coverage
from pyvoy.config.registry import Extension, Registry, load_builtin


def test_every_declared_type_and_field_exists_in_the_api():
    assert coverage.unknown_declarations(load_builtin()) == []


def test_a_mistaken_declaration_is_found():
    registry = Registry()
    registry.declare("envoy.config.core.v3.Node", "id nonsense", "")
    registry.declare("envoy.config.core.v3.Nonsense", "", "")
    assert coverage.unknown_declarations(registry) == [
        "envoy.config.core.v3.Node.nonsense",
        "envoy.config.core.v3.Nonsense",
    ]


def test_the_table():
    registry = Registry()
    registry.declare("envoy.config.core.v3.Locality", "region", "zone")
    type_url = "envoy.extensions.filters.http.buffer.v3.Buffer"
    registry.add(Extension("http_filter", "envoy.filters.http.buffer", type_url, (), "alpha", "unknown", object))
    assert (
        coverage.table(registry)
        == """\
Extensions

envoy.filters.http.buffer  (http filter, alpha)
    type: envoy.extensions.filters.http.buffer.v3.Buffer
    posture: unknown

Fields

envoy.config.core.v3.Locality
    supported: region
    no effect: zone
    not supported: sub_zone
envoy.extensions.filters.http.buffer.v3.Buffer
    not supported: max_request_bytes
"""
    )


def test_a_long_row_is_wrapped():
    registry = Registry()
    registry.declare("envoy.config.route.v3.RouteAction", "", "")
    lines = coverage.table(registry).splitlines()
    assert max(map(len, lines)) <= 120
    assert len(lines) > 8
