"""The listener's local rate limit."""

from __future__ import annotations

from pyvoy.filters.listener.local_ratelimit import LocalRateLimit
from pyvoy.network.listener_filter import ListenerVerdict
from tests.support.building import Place
from tests.support.connections import FakeAccepted

CONFIG = "{stat_prefix: edge, token_bucket: {max_tokens: 2, tokens_per_fill: 1, fill_interval: 10s}}"
CONTINUE, CLOSE = ListenerVerdict.CONTINUE, ListenerVerdict.CLOSE


def test_each_connection_takes_a_token() -> None:
    place = Place()
    plan = place.plan(LocalRateLimit, CONFIG)
    assert [FakeAccepted().run(LocalRateLimit(plan)) for _ in range(3)] == [CONTINUE, CONTINUE, CLOSE]
    assert place.count("listener_local_ratelimit.edge.rate_limited") == 1
    place.clock.now_s += 10
    assert [FakeAccepted().run(LocalRateLimit(plan)) for _ in range(2)] == [CONTINUE, CLOSE]


def test_runtime_switches_it_off() -> None:
    place = Place({"limit": {"on": False}})
    config = CONFIG[:-1] + ", runtime_enabled: {default_value: true, runtime_key: limit.on}}"
    plan = place.plan(LocalRateLimit, config)
    assert [FakeAccepted().run(LocalRateLimit(plan)) for _ in range(5)] == [CONTINUE] * 5
    assert place.count("listener_local_ratelimit.edge.rate_limited") == 0


def test_a_fill_interval_under_50_ms_is_a_problem() -> None:
    place = Place()
    place.plan(LocalRateLimit, "{stat_prefix: edge, token_bucket: {max_tokens: 1, fill_interval: 0.049s}}")
    text = "local rate limit token bucket fill timer must be >= 50ms"
    assert place.errors == [f"here.token_bucket.fill_interval: {text}"]
