"""What extensions share: values with compare-and-swap and queues, with one worker and with several."""

import asyncio
import os

import pytest

from pyvoy.server.arena import create_arena
from pyvoy.server.local_store import ABSENT, LIMIT_BYTES, StoreFull


@pytest.fixture(params=[1, 2])
def arena(request):
    """The arena of a proxy with that many workers, in worker 0."""
    arena = create_arena(request.param)
    arena.attach(0)
    return arena


@pytest.fixture
def store(arena):
    return arena.store


@pytest.fixture
def shared():
    arena = create_arena(2)
    arena.attach(0)
    return arena.store


def in_child(function):
    """Run in a forked child; True when it answered True."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if function() else 1
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1] == 0


def test_a_value_is_there_until_it_is_deleted(store):
    assert store.get(b"k") is None
    assert store.set(b"k", b"one")
    value, number = store.get(b"k")
    assert value == b"one"
    assert number
    assert store.set(b"k", b"")
    assert store.get(b"k")[0] == b""
    assert store.delete(b"k")
    assert store.get(b"k") is None
    assert not store.delete(b"k")
    assert store.set(b"k", b"again")
    assert store.get(b"k")[0] == b"again"


def test_compare_and_swap(store):
    store.set(b"k", b"one")
    _, number = store.get(b"k")
    assert not store.set(b"k", b"two", number + 1)
    assert store.set(b"k", b"two", number)
    assert not store.set(b"k", b"three", number)
    assert store.get(b"k")[0] == b"two"
    assert not store.delete(b"k", number)
    assert not store.set(b"none", b"x", 5)


def test_a_value_only_if_there_is_none(store):
    assert store.set(b"k", b"one", ABSENT)
    assert not store.set(b"k", b"two", ABSENT)
    store.delete(b"k")
    assert store.set(b"k", b"three", ABSENT)


def test_a_deleted_and_remade_value_has_another_number(store):
    store.set(b"k", b"one")
    _, number = store.get(b"k")
    store.delete(b"k")
    store.set(b"k", b"one")
    assert not store.set(b"k", b"two", number)


def test_a_queue_is_first_in_first_out(store):
    assert store.pop(b"q") is None
    for item in (b"a", b"", b"c"):
        store.push(b"q", item)
    assert store.length(b"q") == 3
    assert [store.pop(b"q") for _ in range(4)] == [b"a", b"", b"c", None]
    store.push(b"q", b"d")
    assert store.pop(b"q") == b"d"
    assert store.pop(b"other") is None


def test_a_full_store_refuses_and_keeps_what_it_has(store):
    big = b"x" * (LIMIT_BYTES // 2)
    store.set(b"a", big)
    with pytest.raises(StoreFull):
        store.set(b"b", big)
    with pytest.raises(StoreFull):
        store.push(b"q", big)
    assert store.get(b"a")[0] == big
    assert store.get(b"b") is None
    assert store.length(b"q") == 0
    store.delete(b"a")
    assert store.set(b"b", big)


def test_values_that_change_often_never_fill_the_store(store):
    block = b"y" * (1 << 20)
    store.set(b"kept", b"kept")
    for turn in range(60):
        store.set(b"k%d" % (turn % 3), block + b"%d" % turn)
    assert store.get(b"kept")[0] == b"kept"
    assert store.get(b"k2")[0] == block + b"59"


def test_keys_that_come_and_go_never_fill_the_store(store):
    block = b"z" * (1 << 19)
    for turn in range(100):
        store.set(b"k%d" % turn, block)
        store.delete(b"k%d" % turn)
        store.push(b"q", block)
        assert store.pop(b"q") == block


def test_processes_see_each_others_values(shared):
    shared.set(b"a", b"1")
    assert in_child(lambda: shared.get(b"a")[0] == b"1" and shared.set(b"a", b"2") and shared.set(b"b", b"3"))
    assert shared.get(b"a")[0] == b"2"
    assert shared.get(b"b")[0] == b"3"


def test_a_process_follows_when_another_one_has_tidied_up(shared):
    shared.set(b"a", b"1")
    block = b"y" * (1 << 20)
    assert in_child(lambda: all(shared.set(b"big", block) for _ in range(40)))
    assert shared.get(b"a")[0] == b"1"
    assert shared.get(b"big")[0] == block


def test_counting_in_two_processes_loses_nothing(shared):
    def count():
        for _ in range(200):
            while True:
                found = shared.get(b"n")
                if shared.set(b"n", b"%d" % (int(found[0]) + 1), found[1]):
                    break
        return True

    shared.set(b"n", b"0")
    child = os.fork()
    if child == 0:
        try:
            count()
        finally:
            os._exit(0)
    count()
    os.waitpid(child, 0)
    assert shared.get(b"n")[0] == b"400"


async def _until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # what is waited for is done by a plain callback
            await asyncio.sleep(0.005)


def test_who_watches_a_queue_is_woken(store):
    async def scene():
        got = []
        stop = store.watch(b"q", asyncio.get_running_loop(), lambda: got.append(store.pop(b"q")))
        store.push(b"q", b"a")
        await _until(lambda: b"a" in got)
        stop()
        store.push(b"q", b"b")
        await asyncio.sleep(0)
        assert b"b" not in got

    asyncio.run(scene())


def test_who_watches_is_woken_by_another_process(shared):
    async def scene():
        got = []
        shared.watch(b"q", asyncio.get_running_loop(), lambda: got.append(shared.pop(b"q")))
        assert in_child(lambda: shared.push(b"q", b"from there") is None)
        await _until(lambda: b"from there" in got)

    asyncio.run(scene())


def test_who_comes_late_to_a_queue_hears_of_what_is_in_it(store):
    async def scene():
        store.push(b"q", b"a")
        got = []
        store.watch(b"q", asyncio.get_running_loop(), lambda: got.append(1))
        await _until(lambda: got)

    asyncio.run(scene())
