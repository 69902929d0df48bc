"""Draining: who is asked to leave, and how long the rest may stay."""

import asyncio
import random

import pytest

from pyvoy.server.drain import Drain, drain_and_wait


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_nobody_is_asked_to_leave_before_a_drain(clock):
    drain = Drain(clock, random.Random(1))
    assert not drain.is_draining
    assert not any(drain.should_close() for _ in range(100))


def test_an_immediate_drain_asks_everybody(clock):
    drain = Drain(clock, random.Random(1))
    drain.start(600, immediate=True)
    assert all(drain.should_close() for _ in range(100))


@pytest.mark.parametrize(("part", "low", "high"), [(0.0, 0, 0), (0.25, 150, 350), (0.75, 650, 850), (1.0, 1000, 1000)])
def test_a_gradual_drain_asks_a_growing_share(clock, part, low, high):
    drain = Drain(clock, random.Random(7))
    drain.start(600, immediate=False)
    clock.now += 600 * part
    assert low <= sum(drain.should_close() for _ in range(1000)) <= high


def test_a_second_drain_never_slows_the_first(clock):
    drain = Drain(clock, random.Random(1))
    drain.start(10, immediate=False)
    drain.start(600, immediate=False)
    clock.now += 10
    assert drain.should_close()


def test_a_failed_health_check_asks_everybody_until_it_is_taken_back(clock):
    drain = Drain(clock, random.Random(1))
    drain.set_health(failed=True)
    assert drain.should_close()
    drain.set_health(failed=False)
    assert not drain.should_close()


class Plane:
    """Has `connections` until `clock` passes `ends_s`."""

    def __init__(self, clock, connections, ends_s):
        self.clock, self.connections, self.ends_s = clock, connections, ends_s
        self.calls = []

    async def stop_accepting(self):
        self.calls.append("stop accepting")

    def drain(self):
        self.calls.append("drain")

    def active_connections(self):
        self.clock.now += 1
        return self.connections if self.clock.now < self.ends_s else 0

    def close_all(self):
        self.calls.append("close all")


@pytest.mark.parametrize(("ends_s", "cut"), [(0.0, 0), (104.0, 0), (1000.0, 3)])
def test_waiting_ends_with_the_last_connection_or_the_time(clock, monkeypatch, ends_s, cut):
    monkeypatch.setattr("pyvoy.server.drain.POLL_S", 0)
    plane = Plane(clock, 3, ends_s)
    assert asyncio.run(drain_and_wait(plane, 10, clock)) == cut
    assert plane.calls == ["stop accepting", "drain", "close all"]
    assert clock.now < 115
