"""The bootstrap's runtime: layers in order, names once, keys without effect are told."""

from __future__ import annotations

from pyvoy.config.compile import bootstrap
from tests.unit.config.building import built, reported

TYPE = "envoy.config.bootstrap.v3.Bootstrap"
LAYERS = """
layered_runtime:
  layers:
  - {name: base, static_layer: {a: {b: 1}, c: 2, envoy: {reloadable_features: {x: false}}}}
  - {name: over, static_layer: {a.b: 5}}
"""


def test_layers():
    message, context = built(TYPE, LAYERS)
    runtime = bootstrap.runtime(message, context)
    assert runtime.integer("a.b", 0) == 5
    assert runtime.integer("c", 0) == 2
    assert reported(context) == []


def test_a_layer_name_twice():
    text = "layered_runtime: {layers: [{name: a, static_layer: {}}, {name: a, static_layer: {}}]}"
    message, context = built(TYPE, text)
    bootstrap.runtime(message, context)
    assert reported(context) == ["1:64: error: layered_runtime.layers[1].name: there is another layer named 'a'"]


def test_keys_without_effect():
    message, context = built(TYPE, LAYERS)
    context.env.runtime = bootstrap.runtime(message, context)
    context.runtime.integer("a.b", 0)
    context.runtime.integer("c", 0)
    bootstrap.report_unread_runtime(message, context)
    assert reported(context) == [
        "4:18: warning: layered_runtime.layers[0].static_layer: "
        "the runtime key 'envoy.reloadable_features.x' has no effect in pyvoy"
    ]


def test_cluster_names():
    message, _ = built(TYPE, "static_resources: {clusters: [{name: a}, {name: b}]}")
    assert bootstrap.cluster_names(message) == {"a", "b"}


def test_values_that_are_none():
    message, context = built(TYPE, "layered_runtime: {layers: [{name: a, static_layer: {a: {b: [1]}, c: null, d: 1}}]}")
    bootstrap.runtime(message, context)
    what = [problem.what for problem in context.env.problems]
    assert sorted(what) == ["Invalid runtime entry value for a.b", "Invalid runtime entry value for c"]
