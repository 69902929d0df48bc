"""Coroutines that run at once as far as they go."""

import asyncio
from contextlib import suppress

import pytest

from pyvoy.http.eager import Rest, begin


def run(scene):
    """Run a coroutine on a real loop."""
    return asyncio.run(scene())


def test_one_that_does_not_wait_ends_at_once():
    async def work():
        return 5

    async def scene():
        return begin(work(), asyncio.get_running_loop())

    assert run(scene) == 5


def test_one_that_raises_raises_at_once():
    async def work():
        raise KeyError("x")

    async def scene():
        with pytest.raises(KeyError):
            begin(work(), asyncio.get_running_loop())

    run(scene)


def test_one_that_waits_is_finished_as_a_task():
    steps = []

    async def work():
        steps.append("first")
        await asyncio.sleep(0)
        steps.append("then")
        await asyncio.sleep(0.001)
        return "done"

    async def scene():
        rest = begin(work(), asyncio.get_running_loop())
        assert type(rest) is Rest
        assert steps == ["first"]
        return await asyncio.get_running_loop().create_task(rest.finish())

    assert run(scene) == "done"
    assert steps == ["first", "then"]


def test_it_fails_later():
    async def work():
        await asyncio.sleep(0)
        raise KeyError("x")

    async def scene():
        with pytest.raises(KeyError):
            await begin(work(), asyncio.get_running_loop()).finish()

    run(scene)


@pytest.mark.parametrize("when", ["before its task begins", "while it waits"])
def test_cancelling_reaches_the_coroutine(when):
    seen = []

    async def work():
        try:
            await asyncio.sleep(10)
        except BaseException as error:
            seen.append(type(error))
            raise

    async def scene():
        rest = begin(work(), asyncio.get_running_loop())
        task = asyncio.get_running_loop().create_task(rest.finish())
        if when == "while it waits":
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        del rest
        assert task.cancelled()

    run(scene)
    assert seen in ([asyncio.CancelledError], [GeneratorExit])


def test_a_coroutine_may_refuse_to_be_cancelled():
    async def work():
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            return "stayed"

    async def scene():
        task = asyncio.get_running_loop().create_task(begin(work(), asyncio.get_running_loop()).finish())
        await asyncio.sleep(0)
        task.cancel()
        return await task

    assert run(scene) == "stayed"


def test_time_outs_and_groups_of_tasks_work_from_the_first_step_on():
    async def too_long():
        async with asyncio.timeout(0.01):
            await asyncio.sleep(10)

    async def one_fails():
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(10))
            group.create_task(failing())

    async def work():
        with pytest.raises(TimeoutError):
            await too_long()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(asyncio.sleep(0, n)) for n in range(3)]
        with pytest.raises(ExceptionGroup):
            await one_fails()
        return [task.result() for task in tasks]

    async def failing():
        raise ValueError

    async def scene():
        return await begin(work(), asyncio.get_running_loop()).finish()

    assert run(scene) == [0, 1, 2]


def test_inside_another_task_that_one_is_current_again_afterwards():
    async def work():
        assert asyncio.current_task() is not None

    async def scene():
        outer = asyncio.current_task()
        begin(work(), asyncio.get_running_loop())
        assert asyncio.current_task() is outer

    run(scene)


def test_a_cancellation_before_there_is_a_task_is_made_up_for():
    async def work():
        task = asyncio.current_task()
        assert not task.done()
        task.cancel()
        assert task.cancelling() == 1
        await asyncio.sleep(10)

    async def scene():
        with pytest.raises(asyncio.CancelledError):
            await asyncio.get_running_loop().create_task(begin(work(), asyncio.get_running_loop()).finish())

    run(scene)


def test_a_cancellation_that_was_taken_back():
    async def work():
        task = asyncio.current_task()
        task.cancel()
        assert task.uncancel() == 0
        await asyncio.sleep(0)
        assert task.cancelling() == 0
        assert task.get_name()
        return "done"

    async def scene():
        return await asyncio.get_running_loop().create_task(begin(work(), asyncio.get_running_loop()).finish())

    assert run(scene) == "done"
