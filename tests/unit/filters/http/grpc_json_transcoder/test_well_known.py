"""Timestamps, durations and field masks from text."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from __future__ import annotations

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from pyvoy.filters.http.grpc_json_transcoder.scalars import InvalidValue
from pyvoy.filters.http.grpc_json_transcoder.well_known import duration, field_mask, timestamp


@pytest.mark.parametrize(
    ("text", "seconds", "nanos"),
    [
        ("1970-01-01T00:00:00Z", 0, 0),
        ("2020-02-29T23:59:59.5+01:30", 1583015399, 500000000),
        ("1969-12-31T23:59:59.999999999Z", -1, 999999999),
        ("2016-12-31T23:59:60Z", 1483228800, 0),
        ("0001-01-01T00:00:00Z", -62135596800, 0),
    ],
)
def test_timestamps(text, seconds, nanos):
    read = Timestamp.FromString(timestamp(text))
    assert (read.seconds, read.nanos) == (seconds, nanos)


@pytest.mark.parametrize(
    ("text", "seconds", "nanos"),
    [("0s", 0, 0), ("-1.5s", -1, -500000000), ("+3s", 3, 0), ("1.000000001s", 1, 1), ("-0.1s", 0, -100000000)],
)
def test_durations(text, seconds, nanos):
    read = Duration.FromString(duration(text))
    assert (read.seconds, read.nanos) == (seconds, nanos)


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("", []),
        ("fooBar", ["foo_bar"]),
        ("a.bC,d", ["a.b_c", "d"]),
        ("a(b,cD(e)),f", ["a.b", "a.c_d.e", "f"]),
        ('m["kEy.x"].aB', ['m["kEy.x"].a_b']),
        ("ABc,aBC,a_b", ["a_bc", "a_bc", "a_b"]),
    ],
)
def test_masks(text, paths):
    assert list(FieldMask.FromString(field_mask(text)).paths) == paths


@pytest.mark.parametrize(
    ("read", "value", "said"),
    [
        (timestamp, 5, "Invalid data type for timestamp, value is 5"),
        (timestamp, "2020-01-01T00:00:00", "Illegal timestamp format; timestamps must end with 'Z' or have a valid timezone offset."),
        (timestamp, "2020-01-01T00:00:00+24:00", "Illegal timestamp format; timestamps must end with 'Z' or have a valid timezone offset."),
        (timestamp, "2020-13-01T00:00:00Z", "Invalid time format: Failed to parse input"),
        (timestamp, "2020-04-31T00:00:00Z", "Invalid time format: Failed to parse input"),
        (timestamp, "2020-01-01T00:00:00.xZ", "Invalid time format, failed to parse nano seconds"),
        (timestamp, "9999-12-31T23:59:59-01:00", "Timestamp value exceeds limits"),
        (duration, "1", "Illegal duration format; duration must end with 's'"),
        (duration, ".5s", "Invalid duration format, failed to parse seconds"),
        (duration, "1.1234567891s", "Duration value exceeds limits"),
        (duration, "315576000001s", "Duration value exceeds limits"),
        (field_mask, "a)", "Invalid FieldMask 'a)'. Cannot find matching '(' for all ')'."),
        (field_mask, "a[b]", "Invalid FieldMask 'a[b]'. Map keys should be represented as [\"some_key\"]."),
        (field_mask, 'a["b"]c', "Invalid FieldMask 'a[\"b\"]c'. Map keys should be at the end of a path segment."),
        (field_mask, 'a["b', "Invalid FieldMask 'a[\"b'. Cannot find matching ']' for all '['."),
    ],
)  # fmt: skip
def test_what_is_none(read, value, said):
    with pytest.raises(InvalidValue) as caught:
        read(value)
    assert str(caught.value) == said
