"""What the processes share: counters outlive their process, shares of levels do not."""

import os

import pytest

from pyvoy.server.shared import SharedState


def in_child(work) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


@pytest.mark.parametrize("slot", [0, 1, 2])
def test_a_dead_childs_counters_are_kept_and_its_gauges_dropped(slot):
    shared = SharedState(2)

    def count():
        root = shared.open_store(slot).root
        root.counter("requests").inc(5)
        root.gauge("open").set(3)

    view = shared.view()
    in_child(count)
    assert (view.snapshot().counters["requests"], view.snapshot().gauges["open"]) == (5, 3)
    shared.child_died(slot)
    assert (view.snapshot().counters["requests"], view.snapshot().gauges.get("open", 0)) == (5, 0)
    in_child(count)
    assert (view.snapshot().counters["requests"], view.snapshot().gauges["open"]) == (10, 3)


def test_a_dead_workers_share_of_a_level_is_taken_off():
    shared = SharedState(2)

    def hold():
        resource = shared.attach_arena(1).resource("up.requests")
        resource.inc()
        resource.inc()

    in_child(hold)
    mine = shared.attach_arena(2).resource("up.requests")
    mine.inc()
    assert mine.total() == 3
    shared.child_died(1)
    assert mine.total() == 1
