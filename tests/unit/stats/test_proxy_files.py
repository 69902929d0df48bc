"""Several processes write at once; what a dead one has counted stays."""

import os
import signal
import time

import pytest

from pyvoy.stats.layout import WORD_SEQUENCE, Layout
from pyvoy.stats.proxy_files import ProxyFiles
from pyvoy.stats.store import Store

LAYOUT = Layout(names_bytes=1 << 20, scalar_cells=1 << 14, histogram_cells=1 << 16)


@pytest.fixture
def files():
    return ProxyFiles(2, LAYOUT)


def in_child(function):
    """Run in a forked child and return its id; the child ends without pytest's clean-up."""
    child = os.fork()
    if child == 0:
        try:
            function()
        finally:
            os._exit(0)
    return child


def wait(*children):
    for child in children:
        os.waitpid(child, 0)


def write(file, number):
    root = Store(file).root
    for turn in range(500):
        root.counter("shared").inc()
        root.counter(f"own.{number}.{turn}").inc()
        root.histogram("ms").record(turn)
        root.gauge("active").inc()


def test_processes_write_at_once(files):
    wait(*(in_child(lambda file=file, number=number: write(file, number)) for number, file in enumerate(files.workers)))
    view = files.view()
    view.flush()
    found = view.snapshot()
    assert found.counters["shared"] == 1000
    assert sum(value for name, value in found.counters.items() if name.startswith("own.")) == 1000
    assert found.gauges["active"] == 1000
    assert found.histograms["ms"].total.count == 1000


def test_a_dead_workers_counters_stay_and_its_gauges_go(files):
    wait(*(in_child(lambda file=file, number=number: write(file, number)) for number, file in enumerate(files.workers)))
    view = files.view()
    view.flush()
    before = view.snapshot()
    files.worker_died(1)
    view.flush()
    found = view.snapshot()
    assert found.counters == before.counters
    assert found.gauges == {"active": 500}
    assert found.histograms["ms"].total == before.histograms["ms"].total
    assert found.histograms["ms"].interval.count == 0


def test_the_next_worker_counts_on_in_the_emptied_file(files):
    view = files.view()
    for generation in range(1, 4):
        wait(in_child(lambda: write(files.workers[0], 0)))
        assert view.snapshot().counters["shared"] == 500 * generation
        files.worker_died(0)
        assert view.snapshot().counters["shared"] == 500 * generation
    assert view.snapshot().gauges == {}


def test_a_worker_killed_while_it_makes_names_leaves_a_readable_file(files):
    def forever():
        root = Store(files.workers[0]).root
        number = 0
        while True:
            root.counter(f"name.{number % 9000}").inc()
            number += 1

    child = in_child(forever)
    view = files.view()
    deadline = time.monotonic() + 5
    while len(view.snapshot().counters) < 500 and time.monotonic() < deadline:
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    wait(child)
    before = view.snapshot().counters
    assert len(before) >= 500
    files.worker_died(0)
    assert view.snapshot().counters == before


def test_a_dead_main_process_is_folded_too(files):
    wait(in_child(lambda: Store(files.main).root.counter("server.live").inc()))
    files.main_died()
    assert files.view().snapshot().counters == {"server.live": 1}


def test_what_every_process_counts_alike_stays_so_after_a_death(files):
    for file in files.workers:
        Store(file).root.counter("update", "max").inc(3)
    files.worker_died(0)
    files.worker_died(1)
    assert files.view().snapshot().counters == {"update": 3}


def test_a_reader_waits_for_a_fold_to_end(files):
    Store(files.workers[0]).root.counter("c").inc()
    base = Store(files.base)
    base.header[WORD_SEQUENCE] = 1

    def end_fold():
        time.sleep(0.02)
        Store(files.base).root.counter("c").inc(5)
        base.header[WORD_SEQUENCE] = 2

    child = in_child(end_fold)
    assert files.view().snapshot().counters == {"c": 6}
    wait(child)


def test_a_reset_holds_over_a_death(files):
    Store(files.workers[0]).root.counter("c").inc(5)
    view = files.view()
    view.reset_counters()
    files.worker_died(0)
    Store(files.workers[0]).root.counter("c").inc()
    assert view.snapshot().counters == {"c": 1}
