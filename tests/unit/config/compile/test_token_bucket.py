"""TokenBucket and RuntimeFeatureFlag messages."""

from __future__ import annotations

import pytest

from pyvoy.config.compile.token_bucket import feature_enabled, token_bucket
from tests.support.building import Place, message

BUCKET = "envoy.type.v3.TokenBucket"
FILTER = "envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit"


def test_one_token_a_fill_where_nothing_is_said() -> None:
    place = Place()
    bucket = token_bucket(message(BUCKET, "{max_tokens: 3, fill_interval: 1s}"), place.context(), "x")
    assert [bucket.consume() for _ in range(4)] == [True, True, True, False]
    place.clock.now_s += 1
    assert [bucket.consume() for _ in range(2)] == [True, False]
    assert place.errors == []


def test_places_of_one_name_share() -> None:
    place = Place()
    config = message(BUCKET, "{max_tokens: 1, fill_interval: 1s}")
    one, two = (token_bucket(config, place.context(), "x") for _ in range(2))
    assert (one.consume(), two.consume()) == (True, False)


@pytest.mark.parametrize(
    ("flag", "runtime", "expected"),
    [
        ("{}", {}, True),
        ("runtime_enabled: {default_value: true}", {}, True),
        ("runtime_enabled: {default_value: false}", {}, False),
        ("runtime_enabled: {default_value: true, runtime_key: a.b}", {"a": {"b": False}}, False),
        ("runtime_enabled: {default_value: false, runtime_key: a.b}", {"a": {"b": True}}, True),
        ("runtime_enabled: {default_value: false, runtime_key: a.b}", {"a": {"b": 7}}, False),
    ],
)
def test_a_feature_flag(flag: str, runtime: dict[str, object], expected: bool) -> None:
    assert feature_enabled(message(FILTER, flag), "runtime_enabled", Place(runtime).context()) is expected
