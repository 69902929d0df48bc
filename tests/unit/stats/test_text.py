"""The body of /stats in every form; the expected texts are Envoy 1.40's for the same recorded values."""

import json

import pytest

from pyvoy.stats.distribution import DEFAULT_BUCKETS
from pyvoy.stats.merge import View
from pyvoy.stats.query import parse_query
from pyvoy.stats.store import memory_store
from pyvoy.stats.tags import TagExtractor
from pyvoy.stats.text import json_number, matched_buckets, render, shortest


def snapshot():
    store = memory_store()
    root = store.root
    root.counter("b.used").inc(3)
    root.counter("b.unused")
    root.gauge("a.zero").set(0)
    root.gauge("a_b.unused")
    root.counter("\x00host.c.1.2.3.4:80.rq").inc()
    old = root.histogram("h.old")
    root.histogram("h.none")
    old.record(20)
    old.record(30)
    view = View([store.file])
    view.flush()
    new = root.histogram("h.new")
    new.record(5)
    view.flush()
    return view.snapshot()


SNAPSHOT = snapshot()


def body(**parameters):
    return render(SNAPSHOT, parse_query(parameters), TagExtractor()).body


NO_INTERVAL = "P0(nan,20.5) P25(nan,20.5) P50(nan,20.5) P75(nan,30.5) P90(nan,30.5) P95(nan,30.5) P99(nan,30.5) P99.5(nan,30.5) P99.9(nan,30.5) P100(nan,30.5)"  # noqa: E501
ALL_FIVE = " ".join(f"P{percentile}(5.05,5.05)" for percentile in (0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100))


def test_text_is_sorted_with_histograms_last():
    assert body() == (
        "a.zero: 0\n"
        "a_b.unused: 0\n"
        "b.unused: 0\n"
        "b.used: 3\n"
        f"h.new: {ALL_FIVE}\n"
        "h.none: No recorded values\n"
        f"h.old: {NO_INTERVAL}\n"
    )


def test_used_only():
    assert body(usedonly="") == f"a.zero: 0\nb.used: 3\nh.new: {ALL_FIVE}\nh.old: {NO_INTERVAL}\n"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("Counters", "b.unused: 0\nb.used: 3\n"),
        ("Gauges", "a.zero: 0\na_b.unused: 0\n"),
        ("TextReadouts", ""),
    ],
)
def test_one_type(kind, expected):
    assert body(type=kind) == expected


def test_filters():
    assert body(filter="^b") == "b.unused: 0\nb.used: 3\n"
    assert body(filter="^[bh]", invert_filter="") == "a.zero: 0\na_b.unused: 0\n"
    assert body(hidden="only") == ""


def test_cumulative_buckets():
    found = body(filter="h.old", histogram_buckets="cumulative")
    assert found.startswith("h.old: B0.5(0,0) B1(0,0) B5(0,0) B10(0,0) B25(0,1) B50(0,2) B100(0,2)")
    assert found.endswith(" B600000(0,2) B1.8e+06(0,2) B3.6e+06(0,2)\n")


def test_disjoint_buckets():
    found = body(filter="h.old", histogram_buckets="disjoint")
    assert found.startswith("h.old: B0.5(0,0) B1(0,0) B5(0,0) B10(0,0) B25(0,1) B50(0,1) B100(0,0)")


def test_bounds_of_the_bootstrap():
    query = parse_query({"filter": "h.old", "histogram_buckets": "cumulative"})
    settings = [(lambda name: name.endswith("new"), (1,)), (lambda name: name.startswith("h."), (25, 60))]
    assert render(SNAPSHOT, query, TagExtractor(), matched_buckets(settings)).body == "h.old: B25(0,1) B60(0,2)\n"
    assert matched_buckets(settings)("other") == DEFAULT_BUCKETS


def test_details():
    assert body(filter="h.[no]", histogram_buckets="detailed") == (
        f"h.new:\n  totals=5,0.1:1\n  intervals=5,0.1:1\n  summary={ALL_FIVE}\n"
        "h.none: No recorded values\n"
        f"h.old:\n  totals=20,1:1, 30,1:1\n  intervals=\n  summary={NO_INTERVAL}\n"
    )


def test_json():
    found = json.loads(body(format="json"))["stats"]
    assert found[:2] == [{"name": "a.zero", "value": 0}, {"name": "a_b.unused", "value": 0}]
    histograms = found[-1]["histograms"]
    assert histograms["supported_quantiles"] == [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100]
    assert [row["name"] for row in histograms["computed_quantiles"]] == ["h.new", "h.none", "h.old"]
    assert histograms["computed_quantiles"][1]["values"][0] == {"cumulative": None, "interval": None}


def test_json_without_histograms():
    assert body(format="json", filter="^b.used") == '{"stats":[{"name":"b.used","value":3}]}'
    assert body(format="json", filter="nothing") == '{"stats":[]}'


def test_json_details():
    assert body(format="json", filter="h.old", histogram_buckets="detailed").startswith(
        '{"stats":[{"histograms":{"supported_percentiles":[0,25,50,75,90,95,99,99.5,99.9,100],"details":'
        '[{"name":"h.old","totals":[{"lower_bound":20,"width":1,"count":1},{"lower_bound":30,"width":1,"count":1}],'
        '"intervals":[],"percentiles":[{"cumulative":20.5,"interval":null},'
    )


def test_json_buckets():
    found = body(format="json", filter="h.old", histogram_buckets="cumulative")
    assert found.startswith('{"stats":[{"histograms":[{"name":"h.old","buckets":[{"upper_bound":0.5,"interval":0,')
    assert '{"upper_bound":3e+05,"interval":0,"cumulative":2},' in found
    assert '{"upper_bound":1800000,"interval":0,"cumulative":2},' in found


def test_content_types():
    def content_type(form):
        return render(SNAPSHOT, parse_query({"format": form}), TagExtractor()).content_type

    assert content_type("text") == "text/plain; charset=UTF-8"
    assert content_type("prometheus") == "text/plain; charset=UTF-8"
    assert content_type("json") == "application/json"
    assert content_type("html") == "text/html; charset=UTF-8"


@pytest.mark.parametrize(
    ("value", "text", "in_json"),
    [
        (0.0, "0", "0"),
        (1.05, "1.05", "1.05"),
        (1040.0, "1040", "1040"),
        (10_000.0, "10000", "10000"),
        (300_000.0, "300000", "3e+05"),
        (1_800_000.0, "1800000", "1800000"),
        (125_000_000.0, "125000000", "1.25e+08"),
        (1.05e17, "1.05e+17", "1.05e+17"),
        (float("nan"), "nan", "null"),
    ],
)
def test_numbers(value, text, in_json):
    assert shortest(value) == text
    assert json_number(value) == in_json
