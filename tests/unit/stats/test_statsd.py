"""Lines of the statsd protocol: deltas, dialects, histograms, datagrams."""

from __future__ import annotations

from pyvoy.stats.bins import bin_of
from pyvoy.stats.distribution import Distribution
from pyvoy.stats.merge import HistogramStat, Snapshot
from pyvoy.stats.statsd import Dialect, StatsdWriter, packed
from pyvoy.stats.tags import TagExtractor

TAGS = TagExtractor()
NAME = "cluster.app.upstream_rq_total"


def counted(**counters: int) -> Snapshot:
    names = {name.replace("_dot_", "."): value for name, value in counters.items()}
    return Snapshot(counters=names, used_counters={name for name, value in names.items() if value})


def written(writer: StatsdWriter, snapshot: Snapshot) -> list[str]:
    return list(writer.lines(snapshot, TAGS))


def test_counters_are_told_as_what_they_have_grown_by() -> None:
    writer = StatsdWriter("envoy", Dialect.PLAIN)
    assert written(writer, counted(a=2, unused=0)) == ["envoy.a:2|c"]
    assert written(writer, counted(a=5)) == ["envoy.a:3|c"]
    assert written(writer, counted(a=5)) == ["envoy.a:0|c"]


def test_a_counter_that_was_reset_begins_anew() -> None:
    writer = StatsdWriter("envoy", Dialect.PLAIN)
    written(writer, counted(a=5))
    assert written(writer, counted(a=1)) == ["envoy.a:1|c"]


def test_gauges_are_told_as_they_are_once_they_were_used() -> None:
    snapshot = Snapshot(gauges={"a": 0, "b": 7}, used_gauges={"a"})
    assert written(StatsdWriter("p", Dialect.PLAIN), snapshot) == ["p.a:0|g"]


def test_a_histogram_is_told_bin_by_bin() -> None:
    interval = Distribution.of({bin_of(3): 1, bin_of(12): 4, bin_of(1234): 1}, "ms")
    total = Distribution.of({bin_of(3): 9}, "ms")
    snapshot = Snapshot(histograms={"h": HistogramStat("ms", interval, total)})
    assert written(StatsdWriter("p", Dialect.PLAIN), snapshot) == ["p.h:3|ms", "p.h:12|ms|@0.25", "p.h:1250|ms"]


def test_tags_go_where_the_dialect_has_them() -> None:
    snapshot = Snapshot(counters={NAME: 1, "server.live": 1}, used_counters={NAME})
    assert written(StatsdWriter("p", Dialect.PLAIN), snapshot) == [f"p.{NAME}:1|c"]
    assert written(StatsdWriter("p", Dialect.DOG), snapshot) == [
        "p.cluster.upstream_rq_total:1|c|#envoy.cluster_name:app"
    ]
    assert written(StatsdWriter("p", Dialect.GRAPHITE), snapshot) == [
        "p.cluster.upstream_rq_total;envoy.cluster_name=app:1|c"
    ]


def test_lines_are_joined_up_to_the_limit() -> None:
    lines = ["aaaa", "bbbb", "cc", "d" * 20, "e"]
    assert list(packed(iter(lines), 9)) == [b"aaaa\nbbbb", b"cc", b"d" * 20, b"e"]
    assert list(packed(iter(lines), 0)) == [line.encode() for line in lines]
    assert list(packed(iter([]), 9)) == []
