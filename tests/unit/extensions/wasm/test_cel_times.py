"""CEL's moments and spans: their texts both ways, their sums, their parts."""

from __future__ import annotations

import pytest

from pyvoy.extensions.wasm.cel import compile_expression
from pyvoy.extensions.wasm.cel_times import SECOND, Duration, Timestamp, duration, text_of, timestamp
from pyvoy.extensions.wasm.cel_values import CelError


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:01.5Z", 3 * SECOND // 2),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01t01:00:00.0000000019+0100", 1),
        ("1970-01-01T00:00:60.5Z", 60 * SECOND),
        ("1970-1-1T0:0:2Z", 2 * SECOND),
        ("1969-12-31T23:59:59.999999999Z", -1),
    ],
)
def test_moments_are_read(text, ns):
    assert timestamp(text) == Timestamp(ns)
    assert timestamp(Timestamp(ns)) == Timestamp(ns)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1s", SECOND),
        ("0", 0),
        ("2.3s", 2_300_000_000),
        ("-1.5s", -3 * SECOND // 2),
        ("1h2m3s", 3723 * SECOND),
        ("4ms5us6ns", 4_005_006),
        ("0s", 0),
    ],
)
def test_spans_are_read(text, ns):
    assert duration(text) == Duration(ns)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Timestamp(-62_135_596_800 * SECOND), "0001-01-01T00:00:00Z"),
        (Timestamp(0), "1970-01-01T00:00:00Z"),
        (Timestamp(-1), "1969-12-31T23:59:59.999999999Z"),
        (Timestamp(1_500_000_000), "1970-01-01T00:00:01.500Z"),
        (Timestamp(1_000_001_000), "1970-01-01T00:00:01.000001Z"),
        (Duration(0), "0s"),
        (Duration(-1_500_000_000), "-1.500s"),
        (Duration(3600 * SECOND), "3600s"),
    ],
)
def test_they_are_written(value, text):
    assert text_of(value) == text


@pytest.mark.parametrize(
    "text", ["", "1", "s", "1x", "--1s", "1s ", "1.2.3s", "9" * 90 + "h", "9" * 9000 + "h", "\u0661h"]
)
def test_what_is_no_span(text):
    with pytest.raises(CelError):
        duration(text)


@pytest.mark.parametrize(
    "value", ["", "2020-01-01", "2020-13-01T00:00:00Z", "2020-01-01T00:00:00", "2020-01-01T00:00:00+99:00", True, 1.5]
)
def test_what_is_no_moment(value):
    with pytest.raises(CelError):
        timestamp(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("time + span", Timestamp(3 * SECOND)),
        ("span + time", Timestamp(3 * SECOND)),
        ("time - span", Timestamp(-SECOND)),
        ("time - time", Duration(0)),
        ("span - time == span", CelError),
        ("time + time", CelError),
        ("time < span", CelError),
        ("time == 1", False),
        ("time.getHours() + span.getSeconds()", 2),
        ("span.getDate()", CelError),
        ("duration('-1.25s').getMilliseconds()", -250),
        ("timestamp('1960-01-01T00:00:00.25Z').getMilliseconds()", 250),
        ("'x'.getHours()", CelError),
    ],
)
def test_what_is_done_with_them(text, value):
    found = {"time": Timestamp(SECOND), "span": Duration(2 * SECOND)}
    compiled = compile_expression(text, lambda path: lambda _stream: found.get(".".join(path)))
    if value is CelError:
        with pytest.raises(CelError):
            compiled(None)
    else:
        assert compiled(None) == value
