"""A text laid over a file merges as protobuf does, and the places follow."""

from __future__ import annotations

from pyvoy.config.merge import merge
from tests.unit.config.reading import read

FILE = """\
node: {id: a, cluster: b}
static_resources:
  clusters:
  - {name: one, type: STATIC}
layered_runtime:
  layers: [{name: base, static_layer: {x: 1}}]
"""
OVER = """\


node: {id: c}
static_resources: {clusters: [{name: two, type: STATIC}]}
admin: {address: {pipe: {path: /x}}}
"""


def test_merge():
    message, where, _ = read(FILE)
    over, over_where, _ = read(OVER)
    merged = merge(message, where, over, over_where)
    assert (message.node.id, message.node.cluster) == ("c", "b")
    assert [cluster.name for cluster in message.static_resources.clusters] == ["one", "two"]
    assert message.admin.address.pipe.path == "/x"

    def line(path):
        return merged.follow(path).place.line

    assert line("node.id") == 3
    assert line("node.cluster") == 1
    assert line("static_resources.clusters[0].name") == 4
    assert line("static_resources.clusters[1].name") == 4
    assert merged.follow("static_resources.clusters[0].name").place.column == 12
    assert merged.follow("static_resources.clusters[1].name").place.column == 38
    assert line("admin.address.pipe.path") == 5
    assert line("layered_runtime.layers[0].name") == 6


def test_map_entries_and_any_replace():
    base = (
        "node: {metadata: {a: 1}}\nstatic_resources: {clusters: [{name: c, metadata: {filter_metadata: {x: {a: 1}}}}]}"
    )
    message, where, _ = read(base)
    over, over_where, _ = read("\n\nstatic_resources: {clusters: []}\nnode: {metadata: {a: 2}}\n")
    merged = merge(message, where, over, over_where)
    assert message.node.metadata["a"] == 2
    assert merged.follow("node.metadata").place.line == 4
