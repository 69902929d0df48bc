"""Weighted clusters: each variant is a whole route of its own."""

from __future__ import annotations

from tests.unit.config.building import runtime
from tests.unit.config.compile.tables import routes, sent, stream

WEIGHTED = """
{match: {prefix: /w}, route: {prefix_rewrite: /W, timeout: 3s, metadata_match: {filter_metadata: {envoy.lb: {a: 1}}},
 weighted_clusters: {header_name: pick, clusters: [
  {name: a, weight: 1, metadata_match: {filter_metadata: {envoy.lb: {b: x}}}},
  {name: b, weight: 2, host_rewrite_literal: wb.com},
  {cluster_header: X-Cl, weight: 1}]}}}
""".replace("\n", " ")


def chosen(number: bytes):
    request = stream(b"/w?z", headers=((b"pick", number), (b"x-cl", b"c")))
    return routes(WEIGHTED).find(request), request


def test_variants_share_the_route_and_differ_where_they_say_so():
    first, second, third = (chosen(number)[0] for number in (b"0", b"1", b"3"))
    assert (first.cluster, second.cluster, third.cluster) == ("a", "b", None)
    assert third.cluster_header == b"x-cl"
    assert first.timeout_s == second.timeout_s == 3.0
    assert first.metadata_match == {"a": 1, "b": "x"}
    assert second.metadata_match == {"a": 1}


def test_the_host_of_a_cluster_leaves_no_trace():
    request = stream(b"/w?z", headers=((b"pick", b"1"),))
    assert sent(routes(WEIGHTED), request) == ("b", b"/W?z", b"wb.com")
    assert b"x-envoy-original-host" not in request.request_headers


def test_runtime_weights():
    found = routes(
        "{match: {prefix: /}, route: {weighted_clusters: {runtime_key_prefix: w, clusters: ["
        "{name: a, weight: 1}, {name: b, weight: 0}]}}}",
        runtime=runtime(**{"w.a": 0, "w.b": 1}),
    )
    assert found.find(stream()).cluster == "b"
