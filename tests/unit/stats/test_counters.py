"""Counter and Gauge on cells handed to them: nothing else in the cells is touched."""

from array import array

from pyvoy.stats.counters import Counter, Gauge


def test_a_counter_writes_its_cell_only():
    cells = memoryview(array("q", [7, 0, 7]))
    counter = Counter("c", cells, 1)
    counter.inc()
    counter.inc(41)
    assert counter.value == 42
    assert cells.tolist() == [7, 42, 7]


def test_a_gauge_has_a_mark_that_it_was_written():
    cells = memoryview(array("q", [7, 0, 0, 7]))
    gauge = Gauge("g", cells, 1)
    gauge.inc()
    gauge.dec()
    assert cells.tolist() == [7, 0, 1, 7]
