"""Virtual clusters: the first that matches, else "other"; their stats under Envoy's names."""

from __future__ import annotations

from pyvoy.http.headers import HeaderMap
from pyvoy.http.routing.virtual_cluster import RouteStats, virtual_cluster_finder
from pyvoy.stats.store import memory_store


def test_the_first_match_counts():
    root = memory_store().root
    one, two, other = (RouteStats(name, root.scope(name)) for name in ("one", "two", "other"))
    find = virtual_cluster_finder([(lambda h: b"a" in h, one), (lambda h: b"b" in h, two)], other)
    assert find(HeaderMap([(b"a", b""), (b"b", b"")])) is one
    assert find(HeaderMap([(b"b", b"")])) is two
    assert find(HeaderMap()) is other


def test_codes_are_counted_by_number_and_class():
    root = memory_store().root
    stats = RouteStats("one", root.scope("v"))
    for status in (200, 204, 503):
        stats.count_response(status)
    names = {"completed": 3, "2xx": 2, "200": 1, "204": 1, "5xx": 1, "503": 1}
    assert {name: root.counter(f"v.upstream_rq_{name}").value for name in names} == names
