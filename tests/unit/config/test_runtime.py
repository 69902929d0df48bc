"""Runtime layers: later ones win, nested keys are joined with dots."""

from __future__ import annotations

import pytest

from pyvoy.config.runtime import Runtime

RUNTIME = Runtime(
    [
        {"a": {"b": 1, "c": "x"}, "f": {"numerator": 5, "denominator": "TEN_THOUSAND"}, "t": True},
        {"a.b": 7, "n": "2.5", "z": 0, "half": 50, "neg": -1},
    ]
)


def test_values():
    assert RUNTIME.values["a.b"] == 7
    assert RUNTIME.values["a.c"] == "x"


@pytest.mark.parametrize(("key", "number"), [("a.b", 7), ("a.c", 9), ("", 9), ("none", 9), ("neg", 9), ("t", 9)])
def test_integer(key, number):
    assert RUNTIME.integer(key, 9) == number


@pytest.mark.parametrize(("key", "number"), [("n", 2.5), ("a.b", 7.0), ("a.c", 1.5), ("t", 1.5), ("none", 1.5)])
def test_number(key, number):
    assert RUNTIME.number(key, 1.5) == number


def test_boolean():
    assert RUNTIME.boolean("t", False) is True
    assert RUNTIME.boolean("a.b", False) is False
    assert Runtime([{"x": "False"}]).boolean("x", True) is False


@pytest.mark.parametrize(
    ("key", "fraction"),
    [
        ("f", (5, 10_000)),
        ("half", (50, 100)),
        ("none", (1, 1000)),
        ("", (1, 1000)),
        ("a.c", (1, 1000)),
        ("z", (0, 100)),
    ],
)
def test_fraction(key, fraction):
    assert RUNTIME.fraction(key, 1, 1000) == fraction


def test_fraction_enabled():
    assert RUNTIME.fraction_enabled("half", 0, 100, random_value=149)
    assert not RUNTIME.fraction_enabled("half", 0, 100, random_value=150)


def test_keys_that_nobody_asks_for():
    runtime = Runtime([{"a": 1, "b": {"c": 2}}])
    assert runtime.unread() == {"a", "b.c"}
    runtime.integer("b.c", 0)
    assert runtime.unread() == {"a"}
