"""FlatBuffers tables by the names of their fields; what is no table gives nothing, and takes no time."""

import pytest

from pyvoy.extensions.wasm import flat_tables
from pyvoy.extensions.wasm.cel_values import NULL
from pyvoy.extensions.wasm.flat_tables import schema_of, value_at
from tests.support.flat import FLAT, FLAT_SCHEMA


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("u8", 200),
        ("u16", 500),  # a default
        ("i32", -70000),
        ("u64", (1 << 64) - 1),
        ("f", 0.5),
        ("b", True),
        ("s", b"text"),
        ("none", b""),
        ("inner", {"n": 7, "name": b"in"}),
        ("inner/name", b"in"),
        ("gone", NULL),
        ("labels/b/value", b"2"),
        ("labels", {"a": {"key": b"a", "value": b"1"}, "b": {"key": b"b", "value": b"2"}}),
        ("list/1/name", b"x"),
        ("texts", [b"p", b"qq"]),
        ("bytes", b"\1\0\xff"),
        ("flags", [True]),
        ("nolist", []),
        ("list/2", None),
        ("list/x", None),
        ("gone/n", None),
        ("p", None),  # a struct
        ("nothing", None),
    ],
)
def test_a_field_is_found_by_its_name(path, value):
    kind = schema_of(FLAT_SCHEMA)
    assert kind is not None
    assert value_at(kind, FLAT, tuple(path.split("/"))) == value


def test_bytes_that_are_no_schema_have_no_fields():
    assert schema_of(b"") is None
    assert schema_of(b"\xff" * 64) is None
    assert schema_of(b"\4\0\0\0BFBS\0\0\0\0") is None


def spoilt(data):
    """The data cut short, and with each byte changed."""
    for at in range(0, len(data), 3):
        yield data[:at]
        yield data[:at] + b"\xff" + data[at + 1 :]
        yield data[:at] + b"\0" + data[at + 1 :]


def test_spoilt_data_gives_nothing_or_something_but_no_error():
    kind = schema_of(FLAT_SCHEMA)
    assert kind is not None
    for data in spoilt(FLAT):
        for name in kind.fields:
            value_at(kind, data, (name,))


def test_a_spoilt_schema_is_none_or_another_one():
    for data in spoilt(FLAT_SCHEMA):
        kind = schema_of(data)
        for name in kind.fields if kind else ():
            value_at(kind, FLAT, (name,))


def test_a_look_that_comes_to_too_many_values_gives_nothing(monkeypatch):
    kind = schema_of(FLAT_SCHEMA)
    assert kind is not None
    monkeypatch.setattr(flat_tables, "MAX_VALUES", 20)
    assert value_at(kind, FLAT, ("s",)) == b"text"
    assert value_at(kind, FLAT, ("labels",)) is None
