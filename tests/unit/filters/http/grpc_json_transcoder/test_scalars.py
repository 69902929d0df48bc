"""JSON scalars as octets: what fits, and what errors say of what does not."""

from __future__ import annotations

import pytest

from pyvoy.filters.http.grpc_json_transcoder import kinds
from pyvoy.filters.http.grpc_json_transcoder.scalars import (
    ENCODERS,
    InvalidValue,
    enum_encoder,
    shown,
    shown_double,
    shown_float,
    unbase64,
)
from pyvoy.filters.http.grpc_json_transcoder.schema import EnumType


@pytest.mark.parametrize(
    ("kind", "value", "octets"),
    [
        (kinds.INT32, 5, b"\x05"),
        (kinds.INT32, "-1", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        (kinds.INT64, 3.0, b"\x03"),
        (kinds.UINT64, "18446744073709551615", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        (kinds.UINT32, "+7", b"\x07"),
        (kinds.SINT32, -1, b"\x01"),
        (kinds.SINT64, 1, b"\x02"),
        (kinds.FIXED32, 1, b"\x01\0\0\0"),
        (kinds.SFIXED64, -2, b"\xfe\xff\xff\xff\xff\xff\xff\xff"),
        (kinds.DOUBLE, "NaN", b"\0\0\0\0\0\0\xf8\x7f"),
        (kinds.DOUBLE, "0x10", b"\0\0\0\0\0\0\x30\x40"),
        (kinds.FLOAT, 0.5, b"\0\0\0\x3f"),
        (kinds.BOOL, "Yes", b"\x01"),
        (kinds.BOOL, False, b"\x00"),
        (kinds.STRING, "é\udcff", b"\x03\xc3\xa9\xff"),
        (kinds.BYTES, "aGk", b"\x02hi"),
    ],
)
def test_fits(kind, value, octets):
    assert ENCODERS[kind](value) == octets


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        (kinds.INT32, 2**31, "2147483648"),
        (kinds.INT32, "x", '"x"'),
        (kinds.INT32, " 1", '" 1"'),
        (kinds.INT32, True, "true"),
        (kinds.INT32, 1e300, "1e+300"),
        (kinds.UINT32, -1, "-1"),
        (kinds.UINT64, "-0", '"-0"'),
        (kinds.UINT64, 10**300, "1e+300"),
        (kinds.UINT64, "9" * 5000, f'"{"9" * 5000}"'),
        (kinds.DOUBLE, "inf", '"inf"'),
        (kinds.DOUBLE, "1e999", '"1e999"'),
        (kinds.DOUBLE, "", '""'),
        (kinds.DOUBLE, None, "null"),
        (kinds.FLOAT, 1e39, "1e+39"),
        (kinds.BOOL, 1, "1"),
        (kinds.STRING, 1.5, "1.5"),
        (kinds.BYTES, "a", '"a"'),
        (kinds.BYTES, 5, "5"),
    ],
)
def test_does_not_fit(kind, value, said):
    with pytest.raises(InvalidValue) as caught:
        ENCODERS[kind](value)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("", b""), ("aA", b"h"), ("aA==", b"h"), ("a A\n= =", b"h"), ("aGk.", b"hi"), ("-_-_", b"\xfb\xff\xbf"),
        ("+/+/", b"\xfb\xff\xbf"), ("aGl=", b"hi"), ("aA=", None), ("a", None), ("aaaaa", None), ("+-aa", None),
        ("aGk==", None), ("aGk=aGk=", None), ("aGk===", None), ("é", None),
    ],
)  # fmt: skip
def test_base64(text, octets):
    assert unbase64(text) == octets


def test_numbers_are_shown_shortly():
    doubles = (0.1, 1e20, 1e15, 123456789.0, -0.0, 1 / 3, float("inf"), float("nan"))
    texts = ["0.1", "1e+20", "1e+15", "123456789", "-0", "0.33333333333333331", "Infinity", "NaN"]
    assert [shown_double(number) for number in doubles] == texts
    floats = (0.10000000149011612, 16777216.0, 3.4028234663852886e38, float("-inf"))
    assert [shown_float(number) for number in floats] == ["0.1", "16777216", "3.40282347e+38", "-Infinity"]
    assert [shown(value) for value in ("a", True, None, 5, 1e300)] == ['"a"', "true", "null", "5", "1e+300"]


class _Value:
    def __init__(self, name, number):
        self.name, self.number = name, number


class _Enum:
    full_name = "e.Kind"
    values = (_Value("NONE", 0), _Value("BIG_ONE", 1), _Value("ALIAS", 1))


def test_enums():
    plain, lenient = (enum_encoder(EnumType(_Enum), any_case) for any_case in (False, True))
    assert [plain(x) for x in ("BIG_ONE", "ALIAS", "1", 1, 99, None)] == [b"\1", b"\1", b"\1", b"\1", b"\x63", b"\0"]
    assert lenient("big-one") == b"\1"
    for text in ("big_one", "99", "", "NOPE"):
        with pytest.raises(InvalidValue):
            plain(text)
