"""The local rate limit of connections."""

from __future__ import annotations

from pyvoy.filters.network.local_ratelimit import LocalRateLimit, LocalRateLimitPlan
from pyvoy.network.network_filter import CloseType, NetworkVerdict
from pyvoy.observe.details import Flag
from tests.support.building import Place
from tests.support.connections import FakeConnection

CONFIG = "{stat_prefix: edge, token_bucket: {max_tokens: 1, fill_interval: 10s}}"
SHARED = CONFIG[:-1] + ", share_key: all}"
CONTINUE, STOP = NetworkVerdict.CONTINUE, NetworkVerdict.STOP


def connect(plan: LocalRateLimitPlan) -> NetworkVerdict:
    return LocalRateLimit(plan).on_new_connection(FakeConnection())


def test_each_connection_takes_a_token() -> None:
    place = Place()
    plan = place.plan(LocalRateLimit, CONFIG)
    assert connect(plan) is CONTINUE
    refused = FakeConnection()
    assert LocalRateLimit(plan).on_new_connection(refused) is STOP
    assert refused.closed is CloseType.NO_FLUSH
    assert refused.info.response_flags == Flag.UPSTREAM_RETRY_LIMIT_EXCEEDED
    assert place.count("local_rate_limit.edge.rate_limited") == 1
    place.clock.now_s += 10
    assert connect(plan) is CONTINUE


def test_filters_of_one_share_key_take_from_one_bucket() -> None:
    place = Place()
    one, two = place.plan(LocalRateLimit, SHARED, "one"), place.plan(LocalRateLimit, SHARED, "two")
    assert [connect(one), connect(two)] == [CONTINUE, STOP]
    one, two = place.plan(LocalRateLimit, CONFIG, "one"), place.plan(LocalRateLimit, CONFIG, "two")
    assert [connect(one), connect(two)] == [CONTINUE, CONTINUE]


def test_runtime_switches_it_off() -> None:
    plan = Place().plan(LocalRateLimit, CONFIG[:-1] + ", runtime_enabled: {default_value: false}}")
    assert [connect(plan) for _ in range(3)] == [CONTINUE] * 3
