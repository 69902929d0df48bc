"""Fake time: the loop runs tasks and sleeps without waiting, timers fire exactly when due."""

from __future__ import annotations

import asyncio

import pytest

from pyvoy.testing.clock import FakeClock, FakeLoop, FakeTimers, run


def made() -> tuple[FakeClock, FakeLoop, FakeTimers]:
    clock = FakeClock(1000.0)
    loop = FakeLoop(clock)
    return clock, loop, FakeTimers(loop, clock)


def test_timers_fire_in_order_at_their_moment() -> None:
    clock, loop, timers = made()
    fired: list[tuple[str, float]] = []
    timers.call_later(2, lambda: fired.append(("b", clock())))
    timers.call_later(1, lambda: fired.append(("a", clock())))
    timers.call_at(1002.5, lambda: fired.append(("c", clock())))
    assert timers.pending == 3
    loop.advance(2)
    assert fired == [("a", 1001.0), ("b", 1002.0)]
    loop.advance(10)
    assert fired[2] == ("c", 1002.5)
    assert (clock(), timers.pending) == (1012.0, 0)


def test_cancelled_timers_do_not_fire() -> None:
    _, loop, timers = made()
    fired: list[int] = []
    timers.call_later(1, lambda: fired.append(1)).cancel()
    loop.advance(5)
    assert not fired
    assert timers.pending == 0
    assert loop.next_due_s() is None


def test_tasks_sleep_on_fake_time() -> None:
    clock, loop, _ = made()
    order: list[float] = []

    async def sleeper(seconds: float) -> None:
        await asyncio.sleep(seconds)
        order.append(clock())

    loop.create_task(sleeper(3))
    loop.create_task(sleeper(1))
    loop.settle()
    assert order == []
    loop.advance(1)
    assert order == [1001.0]
    loop.advance(5)
    assert order == [1001.0, 1003.0]


def test_waits_cost_no_time_and_timeouts_work() -> None:
    async def slow() -> str:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(100), timeout=5)
        return "done"

    assert run(slow()) == "done"


def test_a_wait_for_what_never_comes_is_an_error() -> None:
    _, loop, _ = made()
    with pytest.raises(AssertionError, match="will not come"):
        loop.run_until_complete(loop.create_future())


def test_a_timer_that_arms_itself_again_does_not_stop_the_clock() -> None:
    clock, loop, timers = made()

    def again() -> None:
        if clock() < 1000.001:
            timers.call_later(0, again)

    timers.call_later(0, again)
    loop.advance(1)
    assert clock() == 1001.0


def test_the_wall_clock_runs_along() -> None:
    clock = FakeClock()
    before = clock.wall()
    clock.now_s += 5
    assert clock.wall() - before == 5
