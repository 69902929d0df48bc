"""Watchdog: who stalls, and who only seems to."""

import pytest

from pyvoy.server.watchdog import Beats, Heart, StallJudge


def test_a_slot_without_a_beat_has_no_age():
    beats = Beats(2)
    assert beats.age_s(1) == 0.0
    beats.mark(1)
    assert beats.age_s(1) < 1.0
    assert beats.age_s(0) == 0.0
    beats.clear(1)
    assert beats.age_s(1) == 0.0


@pytest.mark.parametrize(("age_s", "stalled"), [(0.0, False), (4.9, False), (5.1, True)])
def test_a_child_that_does_not_beat_for_five_seconds_stalls(age_s, stalled):
    judge = StallJudge(100.0)
    judge.checked(101.0)
    assert judge.stalled(101.0, age_s) is stalled


@pytest.mark.parametrize(("age_s", "stalled"), [(30.0, False), (121.0, True)])
def test_a_child_that_builds_its_first_configuration_may_take_its_time(age_s, stalled):
    judge = StallJudge(100.0)
    judge.checked(101.0)
    assert judge.stalled(101.0, age_s, loading=True) is stalled


def test_a_supervisor_that_was_itself_stopped_waits_before_it_judges():
    judge = StallJudge(100.0)
    judge.checked(160.0)
    assert not judge.stalled(160.0, 60.0)
    judge.checked(161.0)
    assert not judge.stalled(161.0, 60.0)
    for second in range(162, 167):
        judge.checked(float(second))
    assert judge.stalled(166.0, 60.0)


class Loop:
    """Collects what is to be called later."""

    def __init__(self):
        self.calls = []

    def call_later(self, delay_s, callback):
        self.calls.append(callback)
        return self

    def cancel(self):
        self.calls.clear()


def test_a_late_beat_is_reported_and_an_early_one_is_not(monkeypatch):
    now = [10.0]
    monkeypatch.setattr("pyvoy.server.watchdog.time.monotonic", lambda: now[0])
    loop, late = Loop(), []
    heart = Heart(loop, Beats(1), 0, late.append)
    heart.start()
    now[0] += 0.5
    loop.calls.pop()()
    assert late == []
    now[0] += 1.8
    loop.calls.pop()()
    assert late == [pytest.approx(1.3)]
    heart.stop()
    assert loop.calls == []
