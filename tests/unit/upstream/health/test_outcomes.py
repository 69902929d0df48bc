"""What a worker tells of its hosts: every failure, and the successes that end a row of them."""

import time

from pyvoy.server.arena import local_arena
from pyvoy.stats.store import memory_store
from pyvoy.testing.clock import FakeClock, FakeLoop
from pyvoy.upstream.health.outcomes import (
    GATEWAY_ERROR,
    GOOD,
    LOCAL_ERROR,
    LOCAL_GOOD,
    RATE_COUNTERS,
    SERVER_ERROR,
    Outcomes,
)
from tests.unit.upstream.hosts import host

ADDRESS = "127.0.0.1:18201"


class Telling:
    """The outcomes of one worker; workers that share an arena share the counts of failures."""

    def __init__(self, *, split=False, arena=None):
        self.frames = []
        self.loop = FakeLoop(FakeClock())
        self.store = memory_store()
        self.host = host(1)
        self.arena = arena or local_arena(time.monotonic)
        self.outcomes = Outcomes(
            "c",
            split=split,
            root_scope=self.store.root,
            resources=self.arena,
            tell=lambda name, results: self.frames.append((name, results)),
            loop=self.loop.as_loop,
        )

    def told(self):
        """The results since the last look."""
        self.loop.settle()
        found = [result for _, results in self.frames for _, result in results]
        self.frames.clear()
        return found

    def rates(self):
        prefix = f"\x00host.c.{ADDRESS}."
        return [self.store.root.counter(prefix + name).value for name in RATE_COUNTERS]


def test_failures_are_told_in_one_frame_for_a_turn_of_the_loop():
    made = Telling()
    made.outcomes.response(made.host, 500)
    made.outcomes.response(made.host, 503)
    made.loop.settle()
    assert made.frames == [("c", [[ADDRESS, SERVER_ERROR], [ADDRESS, GATEWAY_ERROR]])]


def test_successes_are_told_only_behind_failures():
    made = Telling()
    for _ in range(3):
        made.outcomes.response(made.host, 200)
    assert made.told() == []
    made.outcomes.response(made.host, 500)
    for _ in range(3):
        made.outcomes.response(made.host, 404)
    assert made.told() == [SERVER_ERROR, GOOD]
    assert made.rates() == [6, 7, 0, 0]


def test_a_success_ends_a_row_of_another_worker():
    one = Telling()
    other = Telling(arena=one.arena)
    other.outcomes.response(other.host, 200)
    one.outcomes.response(one.host, 500)
    other.outcomes.response(other.host, 200)
    assert other.told() == [GOOD]


def test_ways_to_the_host_count_as_answers_unless_split():
    made = Telling()
    made.outcomes.failed(made.host, 503)
    made.outcomes.connected(made.host)
    assert made.told() == [GATEWAY_ERROR]
    made.outcomes.connected(made.host, final=True)
    assert made.told() == [GOOD]


def test_split_errors_are_told_apart():
    made = Telling(split=True)
    made.outcomes.connected(made.host)
    made.outcomes.failed(made.host, 503)
    made.outcomes.response(made.host, 200)
    made.outcomes.connected(made.host)
    assert made.told() == [LOCAL_ERROR, LOCAL_GOOD]
    assert made.rates() == [1, 1, 2, 3]
