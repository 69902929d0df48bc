"""Fractions: how often they hit, and that the runtime may replace them."""

from __future__ import annotations

import pytest

from tests.unit.config.building import built, runtime

MATCH = "envoy.config.route.v3.RouteMatch"


def hits(text, rounds=2000, **environment):
    message, context = built(MATCH, f"{{prefix: /, runtime_fraction: {text}}}", **environment)
    chance = context.fraction(message, "runtime_fraction")
    return sum(chance() for _ in range(rounds)) / rounds


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("{default_value: {numerator: 0}}", 0),
        ("{default_value: {numerator: 100}}", 1),
        ("{default_value: {numerator: 200}}", 1),
        ("{default_value: {numerator: 25}}", 0.25),
        ("{default_value: {numerator: 2500, denominator: TEN_THOUSAND}}", 0.25),
        ("{default_value: {numerator: 250000, denominator: MILLION}}", 0.25),
    ],
)
def test_share(text, share):
    assert hits(text) == pytest.approx(share, abs=0.05)


@pytest.mark.parametrize(
    ("value", "share"),
    [
        (50, 0.5),
        ("50", 0.5),
        (1000, 1),
        ({"numerator": 500000, "denominator": "MILLION"}, 0.5),
        ("nonsense", 0),
        (True, 0),
        (-1, 0),
    ],
)
def test_the_runtime_wins(value, share):
    text = "{default_value: {numerator: 0}, runtime_key: a.b}"
    assert hits(text, runtime=runtime(a={"b": value})) == pytest.approx(share, abs=0.05)


def test_no_field_is_never():
    message, context = built(MATCH, "{prefix: /}")
    assert not context.fraction(message, "runtime_fraction")()
