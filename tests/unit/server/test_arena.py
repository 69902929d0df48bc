"""Levels and token buckets of a proxy, with one worker and with several."""

import os
import signal
import time

import pytest

from pyvoy.server import shared_arena
from pyvoy.server.arena import create_arena, local_arena


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=[1, 2])
def arena(request, clock):
    """The arena of a proxy with that many workers, in worker 0."""
    arena = create_arena(request.param, clock)
    arena.attach(0)
    return arena


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


def test_a_level_goes_up_and_down(arena):
    level = arena.resource("cluster.a.default.cx")
    level.inc()
    level.inc()
    level.dec()
    assert level.total() == 1
    assert arena.resource("cluster.a.default.cx").total() == 1
    assert arena.resource("cluster.a.high.cx").total() == 0


def test_a_level_within_a_limit(arena):
    level = arena.resource("connections")
    assert [level.inc_within(2) for _ in range(3)] == [True, True, False]
    assert level.total() == 2
    level.dec()
    assert level.inc_within(2)


def test_a_bucket_starts_full_and_is_empty_then(arena):
    bucket = arena.token_bucket("b", 3, 1, 1.0)
    assert bucket.max_tokens == 3
    assert bucket.remaining() == 3
    assert bucket.next_fill_s() == 0
    assert [bucket.consume() for _ in range(4)] == [True, True, True, False]
    assert bucket.remaining() == 0


def test_a_bucket_fills_continuously(arena, clock):
    bucket = arena.token_bucket("b", 10, 2, 1.0)
    assert bucket.consume(10)
    clock.now += 0.49
    assert not bucket.consume()
    assert bucket.next_fill_s() == pytest.approx(0.01, abs=0.001)
    clock.now += 0.02
    assert bucket.consume()
    clock.now += 2.0
    assert bucket.remaining() == 4


def test_a_bucket_holds_no_more_than_its_size(arena, clock):
    bucket = arena.token_bucket("b", 4, 4, 0.05)
    clock.now += 3600
    assert bucket.remaining() == 4
    assert not bucket.consume(5)
    assert bucket.consume(4)
    assert not bucket.consume()


def test_refused_tokens_are_not_taken(arena, clock):
    bucket = arena.token_bucket("b", 5, 1, 1.0)
    assert bucket.consume(3)
    assert not bucket.consume(3)
    assert bucket.consume(2)


def test_a_bucket_of_the_same_name_and_figures_is_the_same(arena):
    assert arena.token_bucket("b", 2, 1, 1.0).consume(2)
    assert not arena.token_bucket("b", 2, 1, 1.0).consume()
    assert arena.token_bucket("other", 2, 1, 1.0).consume()


def test_a_bucket_with_new_figures_is_a_new_one(arena):
    assert arena.token_bucket("b", 2, 1, 1.0).consume(2)
    assert arena.token_bucket("b", 5, 1, 1.0).remaining() == 5


def test_one_worker_needs_no_shared_memory(clock):
    assert type(create_arena(1, clock)) is type(local_arena(clock))


def test_levels_are_summed_over_workers(clock):
    arena = create_arena(3, clock)

    def work(number):
        arena.attach(number)
        level = arena.resource("cx")
        for _ in range(1000):
            level.inc()
            level.dec()
        for _ in range(number + 1):
            level.inc()

    wait(*(in_child(lambda number=number: work(number)) for number in range(3)))
    arena.attach(3)
    arena.resource("cx").inc()
    assert arena.resource("cx").total() == 1 + 2 + 3 + 1


def test_a_dead_workers_share_is_taken_off(clock):
    arena = create_arena(2, clock)

    def work(number):
        arena.attach(number)
        arena.resource("cx").inc()
        arena.resource(f"own.{number}").inc()
        arena.token_bucket("b", 5, 1, 1.0).consume(2)

    wait(*(in_child(lambda number=number: work(number)) for number in range(2)))
    arena.worker_died(1)
    assert arena.resource("cx").total() == 1
    assert arena.resource("own.0").total() == 1
    assert arena.resource("own.1").total() == 0
    assert arena.token_bucket("b", 5, 1, 1.0).remaining() == 1


def test_workers_take_from_one_bucket(clock):
    arena = create_arena(4, clock)

    def work(number):
        arena.attach(number)
        bucket = arena.token_bucket("b", 1000, 1, 1.0)
        taken = arena.resource("taken")
        for _ in range(400):
            if bucket.consume():
                taken.inc()

    wait(*(in_child(lambda number=number: work(number)) for number in range(4)))
    assert arena.resource("taken").total() == 1000


def test_workers_share_one_limit(clock):
    arena = create_arena(4, clock)

    def work(number):
        arena.attach(number)
        level = arena.resource("cx")
        for _ in range(200):
            level.inc_within(300)

    wait(*(in_child(lambda number=number: work(number)) for number in range(4)))
    assert arena.resource("cx").total() == 300


def test_workers_that_make_names_at_once_agree(clock):
    arena = create_arena(4, clock)

    def work(number):
        arena.attach(number)
        for name in range(200):
            arena.resource(f"name.{name}").inc()

    wait(*(in_child(lambda number=number: work(number)) for number in range(4)))
    assert [arena.resource(f"name.{name}").total() for name in range(200)] == [4] * 200


def test_a_worker_killed_with_the_lock_in_its_hands_frees_it(clock):
    arena = create_arena(2, clock)
    bucket = arena.token_bucket("b", 5, 1, 1.0)
    ready, told = os.pipe()

    def hold():
        arena.attach(0)
        with arena.token_bucket("b", 5, 1, 1.0)._lock:
            os.write(told, b"x")
            time.sleep(60)

    child = in_child(hold)
    assert os.read(ready, 1) == b"x"
    os.kill(child, signal.SIGKILL)
    assert bucket.consume()
    wait(child)
    os.close(ready)
    os.close(told)


def test_there_are_only_so_many_workers(clock):
    with pytest.raises(ValueError, match="no worker 3"):
        create_arena(2, clock).attach(3)


def test_out_of_names_the_rest_is_kept_per_worker(clock, monkeypatch):
    monkeypatch.setattr(shared_arena, "_MAX_NAMES", 2)
    arena = create_arena(2, clock)
    arena.attach(0)
    levels = [arena.resource(f"name.{number}") for number in range(4)]
    bucket = arena.token_bucket("b", 2, 1, 1.0)
    for level in levels:
        level.inc()
    assert [level.total() for level in levels] == [1, 1, 1, 1]
    assert bucket.consume(2)
    assert not bucket.consume()
    assert arena.overflowed == 3
