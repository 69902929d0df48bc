"""One child's loop: what the supervisor may believe of it."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, cast

from pyvoy.server.child_loop import ChildLoop
from pyvoy.server.watchdog import Beats


def test_a_child_that_took_long_to_load_has_just_beaten_when_it_says_that_it_is_ready() -> None:
    beats = Beats(1)
    ages: list[float] = []
    channel = SimpleNamespace(send=lambda *_: ages.append(beats.age_s(0)))
    child = ChildLoop(cast(Any, SimpleNamespace(beats=beats, slot=0, channel=channel)), late=lambda _: None)
    try:
        beats._cells[0] = time.monotonic_ns() - 60 * 10**9
        child.ready()
    finally:
        child._heart.stop()
        child.loop.close()
    assert len(ages) == 1
    assert ages[0] < 5.0
