"""What the admin sees is the sum over all processes' files."""

from pyvoy.stats.files import StoreFile
from pyvoy.stats.layout import Layout
from pyvoy.stats.merge import View
from pyvoy.stats.store import Store, memory_store

SMALL = Layout(names_bytes=1 << 24, scalar_cells=1 << 18, histogram_cells=1 << 16)


def two():
    stores = [memory_store(), memory_store()]
    return *(store.root for store in stores), View([store.file for store in stores], None, memory_store())


def test_counters_and_gauges_are_summed():
    one, other, view = two()
    one.counter("c").inc(2)
    other.counter("c").inc(3)
    other.counter("d").inc()
    one.gauge("g").set(5)
    other.gauge("g").set(-1)
    found = view.snapshot()
    assert found.counters == {"c": 5, "d": 1}
    assert found.gauges == {"g": 4}


def test_what_every_process_counts_alike_is_not_multiplied():
    one, other, view = two()
    one.gauge("cluster.a.membership_total").set(3)
    other.gauge("cluster.a.membership_total").set(3)
    one.counter("asked", "max").inc(7)
    other.counter("asked", "max").inc(6)
    found = view.snapshot()
    assert found.gauges == {"cluster.a.membership_total": 3}
    assert found.counters == {"asked": 7}


def test_used_are_the_names_that_were_ever_written():
    one, other, view = two()
    one.counter("c")
    one.counter("d").inc()
    one.gauge("never")
    one.gauge("zero").set(0)
    gauge = one.gauge("inline")
    gauge.cells[gauge.index] += 1
    other.gauge("zero")
    found = view.snapshot()
    assert found.used_counters == {"d"}
    assert found.used_gauges == {"zero", "inline"}
    gauge.cells[gauge.index] -= 1
    assert view.snapshot().used_gauges == {"zero", "inline"}


def test_names_that_appear_later_are_seen():
    one, _, view = two()
    one.counter("a").inc()
    assert view.snapshot().counters == {"a": 1}
    one.counter("b").inc()
    assert view.snapshot().counters == {"a": 1, "b": 1}


def test_histograms_show_the_state_of_the_last_flush():
    one, other, view = two()
    one.histogram("h").record(5)
    other.histogram("h").record(7)
    assert view.snapshot().histograms == {}
    view.flush()
    stat = view.snapshot().histograms["h"]
    assert (stat.interval.count, stat.total.count) == (2, 2)
    one.histogram("h").record(5)
    view.flush()
    stat = view.snapshot().histograms["h"]
    assert (stat.interval.count, stat.total.count) == (1, 3)
    view.flush()
    stat = view.snapshot().histograms["h"]
    assert (stat.interval.count, stat.total.count) == (0, 3)


def test_a_reset_takes_what_was_counted_off_and_leaves_gauges_and_histograms():
    one, other, view = two()
    one.counter("c").inc(2)
    other.counter("c").inc(3)
    one.gauge("g").set(5)
    one.histogram("h").record(5)
    view.flush()
    view.reset_counters()
    other.counter("c").inc()
    found = view.snapshot()
    assert (found.counters, found.gauges, found.histograms["h"].total.count) == ({"c": 1}, {"g": 5}, 1)
    assert found.used_counters == {"c"}
    view.reset_counters()
    assert view.snapshot().counters == {"c": 0}


def test_a_reset_outlives_the_main_process():
    worker, baseline = StoreFile.create("w", SMALL), StoreFile.create("b", SMALL)
    Store(worker).root.counter("c").inc(4)
    View([worker], None, Store(baseline)).reset_counters()
    assert View([worker], None, Store(baseline)).snapshot().counters == {"c": 0}


def test_a_hundred_thousand_names():
    store = Store(StoreFile.create("test", SMALL))
    for number in range(100_000):
        store.root.counter(f"cluster.some_cluster_{number}.upstream_rq_total").inc(number)
    found = View([store.file]).snapshot().counters
    assert len(found) == 100_000
    assert found["cluster.some_cluster_99999.upstream_rq_total"] == 99_999
