"""Scalars of the text against protobuf types: each row was tried on Envoy 1.40."""

from __future__ import annotations

import math

import pytest

from pyvoy.config import scalars
from pyvoy.config.scalars import BadValueError


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (5, 5),
        ("5", 5),
        ("5.0", 5),
        ("1e3", 1000),
        ("0x10", 16),
        ("+5", 5),
        ("05", 5),
        ("09", 9),
        (".5e1", 5),
        ("5.", 5),
    ],
)
def test_a_whole_number_in_many_spellings(value, number):
    assert scalars.int_value(value, "uint32") == number


@pytest.mark.parametrize("value", ["5.5", -1, "4294967296", " 5", "5 ", True, "", "1_0", None, "NaN", "Infinity", 1.5])
def test_what_is_no_uint32(value):
    with pytest.raises(BadValueError):
        scalars.int_value(value, "uint32")


def test_the_ends_of_the_range():
    assert scalars.int_value("4294967295", "uint32") == 4294967295
    assert scalars.int_value("-9223372036854775808", "int64") == -(2**63)
    with pytest.raises(BadValueError, match="must be between 0 and 4294967295, not -1"):
        scalars.int_value(-1, "uint32")


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("12.5", 12.5),
        (12, 12.0),
        (" 12", 12.0),
        ("0x10", 16.0),
        ("-Infinity", -math.inf),
        ("inf", math.inf),
        ("1e400", math.inf),
    ],
)
def test_a_fraction(value, number):
    assert scalars.float_value(value) == number


@pytest.mark.parametrize("value", [".nan", "x", True, None, "1_0", "", "0x"])
def test_what_is_no_fraction(value):
    with pytest.raises(BadValueError, match="must be a number"):
        scalars.float_value(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        ("true", True),
        ("yes", True),
        ("TRUE", True),
        ("1", True),
        ("n", False),
        ("False", False),
    ],
)
def test_a_boolean(value, expected):
    assert scalars.bool_value(value) is expected


@pytest.mark.parametrize("value", [1, "oN", "on", "", None])
def test_what_is_no_boolean(value):
    with pytest.raises(BadValueError, match="must be true or false"):
        scalars.bool_value(value)


def test_an_unquoted_number_or_boolean_is_no_text_and_says_what_to_do():
    with pytest.raises(BadValueError, match="must be text, not the number 5; put it in quotes"):
        scalars.text_value(5)
    with pytest.raises(BadValueError, match="must be text, not the boolean true; put it in quotes"):
        scalars.text_value(True)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("5s", (5, 0)),
        ("0.25s", (0, 250_000_000)),
        ("1.000000001s", (1, 1)),
        ("01s", (1, 0)),
        ("-0.5s", (0, -500_000_000)),
        ("315576000000s", (315_576_000_000, 0)),
    ],
)
def test_a_duration(value, expected):
    assert scalars.duration_value(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        5,
        "5",
        "5.0000000001s",
        "5 s",
        "5m",
        ".25s",
        "1e1s",
        "1.s",
        "",
        "+1s",
        "1ss",
        "1S",
        "1_0s",
        "315576000001s",
        "٥s",
    ],
)
def test_what_is_no_duration(value):
    with pytest.raises(BadValueError):
        scalars.duration_value(value)


def test_a_bare_number_for_a_duration_shows_how_to_write_it():
    with pytest.raises(BadValueError, match=r'such as "5s"'):
        scalars.duration_value(5)
    with pytest.raises(BadValueError, match=r'such as "0\.25s"'):
        scalars.duration_value("0.25")


POLICIES = {"ROUND_ROBIN": 0, "LEAST_REQUEST": 1, "RANDOM": 3}


@pytest.mark.parametrize(("value", "number"), [("RANDOM", 3), ("random", 3), ("Random", 3), (3, 3), ("3", 3), (99, 99)])
def test_an_enum_by_name_in_any_case_or_number(value, number):
    assert scalars.enum_value(value, POLICIES) == number


@pytest.mark.parametrize(("value", "nearest"), [("randm", "RANDOM"), ("least-request", "LEAST_REQUEST"), ("foo", "")])
def test_an_unknown_enum_value_names_the_nearest(value, nearest):
    with pytest.raises(BadValueError, match="is none of ROUND_ROBIN, LEAST_REQUEST, RANDOM") as caught:
        scalars.enum_value(value, POLICIES)
    assert caught.value.nearest == nearest


@pytest.mark.parametrize("value", [True, "", "3.0", None])
def test_what_is_no_enum(value):
    with pytest.raises(BadValueError):
        scalars.enum_value(value, POLICIES)


@pytest.mark.parametrize("text", ["aGk=", "aGk", "aGk==="])
def test_base64_with_any_padding(text):
    assert scalars.bytes_value(text) == b"hi"


def test_base64_of_the_url_alphabet():
    assert scalars.bytes_value("_-8") == b"\xff\xef"


def test_what_is_no_base64():
    with pytest.raises(BadValueError, match="must be base64"):
        scalars.bytes_value("a b")
