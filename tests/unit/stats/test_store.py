"""Names and cells of one process: same name, same cell; what does not fit is counted and harmless."""

import pytest

from pyvoy.stats.bins import BIN_COUNT
from pyvoy.stats.files import StoreFile
from pyvoy.stats.layout import Layout
from pyvoy.stats.merge import View
from pyvoy.stats.store import Store, memory_store, sanitize


def seen(store):
    view = View([store.file])
    view.flush()
    return view.snapshot()


def test_the_same_name_is_the_same_counter():
    root = memory_store().root
    root.counter("http.a.rq").inc()
    root.scope("http.a").counter("rq").inc(2)
    assert root.scope("http").scope("a").counter("rq").value == 3


def test_kinds_do_not_share_names():
    store = memory_store()
    store.root.counter("x").inc(3)
    store.root.gauge("x").set(7)
    store.root.histogram("x").record(1)
    found = seen(store)
    assert (found.counters["x"], found.gauges["x"], found.histograms["x"].total.count) == (3, 7, 1)


def test_an_increment_in_the_cells_is_an_increment_of_the_counter():
    counter = memory_store().root.counter("x")
    cells, index = counter.cells, counter.index
    cells[index] += 1
    assert counter.value == 1


def test_a_gauge_goes_both_ways():
    gauge = memory_store().root.gauge("x")
    gauge.inc()
    gauge.add(10)
    gauge.dec()
    gauge.sub(3)
    assert gauge.value == 7
    gauge.set(2)
    assert gauge.value == 2


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cluster.a.", "cluster.a"),
        (".a", "a"),
        ("listener.127.0.0.1:80", "listener.127.0.0.1_80"),
        ("a://b", "a_b"),
        ("a:/b", "a_b"),
        ("[::1]:80", "[__1]_80"),
    ],
)
def test_names_of_scopes_are_sanitized_as_in_envoy(name, expected):
    assert sanitize(name) == expected


def test_names_in_a_scope_are_taken_as_they_are():
    root = memory_store().root
    assert root.scope("listener.1.2.3.4:80").name("x:y") == "listener.1.2.3.4_80.x:y"
    assert root.scope("").name("x") == "x"
    assert root.scope("\x00host.c.1.2.3.4:80").name("rq") == "\x00host.c.1.2.3.4:80.rq"


def test_values_in_a_histogram_of_any_size():
    store = memory_store()
    histogram = store.root.histogram("x")
    for value in (-4, 0, 5, 99, 100, 999, 1000, 9_999, 10_000, 123_456, 10**18, 10**40):
        histogram.record(value)
    assert histogram.count == 12
    assert [low for low, _, _ in seen(store).histograms["x"].total.details()] == [
        0, 5, 99, 100, 990, 1000, 9900, 10_000, 120_000, 10**18, 9.9e18,
    ]  # fmt: skip


def test_full_of_names_traffic_goes_on_and_the_overflow_is_counted():
    store = memory_store(Layout(names_bytes=100, scalar_cells=1 << 10, histogram_cells=4 * BIN_COUNT))
    counters = [store.root.counter(f"counter.{number}") for number in range(20)]
    for counter in counters:
        counter.inc()
    assert all(counter.value == 1 for counter in counters)
    found = seen(store).counters
    assert found["counter.0"] == 1
    assert "counter.19" not in found
    assert found["stats.overflow"] == 20 - (len(found) - 1)


def test_full_of_cells_traffic_goes_on_and_the_overflow_is_counted():
    store = memory_store(Layout(names_bytes=1 << 16, scalar_cells=10, histogram_cells=2 * BIN_COUNT))
    for number in range(20):
        store.root.counter(f"counter.{number}").inc()
        store.root.gauge(f"gauge.{number}").inc()
        store.root.histogram(f"histogram.{number}").record(5)
    found = seen(store)
    assert found.counters["counter.0"] == 1
    assert list(found.histograms) == ["histogram.0"]
    assert found.histograms["histogram.0"].total.count == 1
    listed = len(found.counters) - 1 + len(found.gauges) + len(found.histograms)
    assert found.counters["stats.overflow"] == 60 - listed


def test_a_name_longer_than_a_record_can_say_is_an_overflow():
    store = memory_store()
    store.root.counter("x" * 70_000).inc()
    assert seen(store).counters == {"stats.overflow": 1}


def test_without_overflow_there_is_no_such_name():
    store = memory_store()
    store.root.counter("x")
    assert seen(store).counters == {"x": 0}


def test_names_taken_back_are_gone_and_start_anew():
    store = memory_store()
    old = store.root.counter("cluster.a.rq")
    old.inc(5)
    store.root.counter("cluster.ab.rq").inc()
    store.root.histogram("cluster.a.ms").record(1)
    view = View([store.file])
    assert "cluster.a.rq" in view.snapshot().counters
    store.root.scope("cluster.a").retire()
    view.flush()
    found = view.snapshot()
    assert (found.counters, found.histograms) == ({"cluster.ab.rq": 1}, {})
    new = store.root.counter("cluster.a.rq")
    old.inc()
    assert new.value == 0
    assert view.snapshot().counters == {"cluster.ab.rq": 1, "cluster.a.rq": 0}


def test_a_name_refused_by_the_matcher_counts_but_is_not_listed():
    store = memory_store()
    store.accept = lambda name: name.startswith("http.")
    store.root.counter("cluster.a").inc()
    store.root.counter("http.a").inc()
    store.root.gauge("\x00host").inc()
    found = seen(store)
    assert (found.counters, found.gauges) == ({"http.a": 1}, {"\x00host": 1})
    assert store.root.counter("cluster.a").value == 1


def test_a_file_that_was_written_before_is_taken_over():
    file = StoreFile.create("test", Layout(1 << 16, 1 << 10, 4 * BIN_COUNT))
    first = Store(file)
    first.root.counter("c").inc(2)
    first.root.gauge("g").set(3)
    first.root.histogram("h", "bytes").record(4)
    again = Store(file)
    again.root.counter("c").inc()
    again.root.counter("d").inc()
    again.root.histogram("h", "bytes").record(4)
    found = seen(again)
    assert found.counters == {"c": 3, "d": 1}
    assert found.gauges == {"g": 3}
    assert found.histograms["h"].unit == "bytes"
    assert found.histograms["h"].total.count == 2
