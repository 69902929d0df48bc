"""The timer wheel on a clock that moves when told."""

from __future__ import annotations

from typing import Any

from pyvoy.network.timers import TICK_S, Timer, TimerWheel
from pyvoy.testing.clock import FakeClock, FakeLoop


class Rig:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.loop = FakeLoop(self.clock)
        self.wheel = TimerWheel(self.loop.as_loop, self.clock)
        self.fired: list[Any] = []

    def later(self, delay_s: float, name: Any) -> Timer:
        return self.wheel.call_later(delay_s, lambda: self.fired.append(name))


def test_timers_fire_in_time_and_never_early() -> None:
    rig = Rig()
    for delay_s in (5.0, 0.5, 3600.0, 0.02, 1.0):
        rig.later(delay_s, delay_s)
    rig.loop.advance(0.499)
    assert rig.fired == [0.02]
    rig.loop.advance(2 * TICK_S)
    assert rig.fired == [0.02, 0.5]
    rig.loop.advance(3600)
    assert rig.fired == [0.02, 0.5, 1.0, 5.0, 3600.0]


def test_a_timer_that_was_taken_back_does_not_fire() -> None:
    rig = Rig()
    timer = rig.later(1, "taken back")
    rig.later(1, "kept")
    timer.cancel()
    timer.cancel()
    rig.loop.advance(2)
    timer.cancel()
    assert rig.fired == ["kept"]


def test_one_timer_may_take_another_of_its_tick_back() -> None:
    rig = Rig()
    timers: list[Timer] = []

    def take_others_back() -> None:
        rig.fired.append("one")
        for timer in timers:
            timer.cancel()

    timers += [rig.wheel.call_later(1, take_others_back) for _ in range(3)]
    rig.loop.advance(2)
    assert rig.fired == ["one"]


def test_a_timer_may_arm_the_next() -> None:
    rig = Rig()

    def again() -> None:
        rig.fired.append(rig.clock())
        if len(rig.fired) < 3:
            rig.wheel.call_later(0.1, again)

    rig.wheel.call_later(0.1, again)
    rig.later(0.15, "between")
    rig.loop.advance(1)
    assert [isinstance(one, float) for one in rig.fired] == [True, False, True]


def test_an_earlier_timer_moves_the_wake_up() -> None:
    rig = Rig()
    rig.later(100, "late")
    rig.later(1, "soon")
    rig.loop.advance(2)
    assert rig.fired == ["soon"]


def test_a_callback_that_fails_costs_the_others_nothing() -> None:
    rig = Rig()
    told: list[str] = []
    rig.loop.call_exception_handler = lambda context: told.append(repr(context["exception"]))  # type: ignore[method-assign]

    def fail() -> None:
        raise RuntimeError("broken")

    rig.later(1, "before")
    rig.wheel.call_later(1, fail)
    rig.later(1, "beside")
    rig.later(2, "behind")
    rig.loop.advance(3)
    assert sorted(rig.fired) == ["before", "behind", "beside"]
    assert told == ["RuntimeError('broken')"]


def test_many_timers_taken_back_leave_little_behind() -> None:
    rig = Rig()
    kept = rig.later(4000, "kept")
    for number in range(10_000):
        rig.later(1000 + number * 0.02, number).cancel()
    assert len(rig.wheel._buckets) < 200
    rig.loop.advance(5000)
    assert rig.fired == ["kept"]
    kept.cancel()


def test_nothing_fires_after_the_end() -> None:
    rig = Rig()
    rig.later(1, "never")
    rig.wheel.stop()
    rig.loop.advance(2)
    assert rig.fired == []
