"""JSON lines, as the running Envoy 1.40 writes them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyvoy.observe.access_log.json_format import compile_json, json_string
from tests.unit.observe.access_log.source import Source


@pytest.mark.parametrize(
    ("struct", "expected"),
    [
        ({"b": "%RESPONSE_CODE%", "a": "%PROTOCOL%"}, '{"a":"HTTP/1.1","b":200}'),
        ({"m": "%REQ(nope)%-%RESPONSE_CODE%", "n": "%REQ(nope)%"}, '{"m":"--200","n":null}'),
        ({"l": ["%RESPONSE_CODE%", 1.0, "%REQ(nope)%", {"q": "%PROTOCOL%"}]}, '{"l":[200,1,null,{"q":"HTTP/1.1"}]}'),
        ({"s": {"y": "%DURATION%", "x": "%REQ(nope)%"}}, '{"s":{"x":null,"y":5}}'),
        ({"two": "%RESPONSE_CODE%%PROTOCOL%", "pct": "100%%", "e": ""}, '{"e":"","pct":"100%","two":"200HTTP/1.1"}'),
        ({"t": True, "z": None, "f": 1.5, "n": 5}, '{"f":1.5,"n":5,"t":true,"z":null}'),
        ({"m": "%CLUSTER_METADATA(m:o)%", "b": "%CLUSTER_METADATA(m:b)%"}, '{"b":true,"m":{"a":2,"p":"q"}}'),
        ({"f": "%RESPONSE_FLAGS%", "e": "%ENVIRONMENT(PYVOY_NOT_SET)%"}, '{"e":"-","f":"-"}'),
        ({"q": 'a"b\\é %RESPONSE_CODE%', "c": 'a"\n'}, '{"c":"a\\"\\n","q":"a\\"b\\\\é 200"}'),
        ({}, "{}"),
    ],
)
def test_structures(struct: dict[str, Any], expected: str) -> None:
    assert compile_json(struct)(Source()).decode() == expected + "\n"


def test_empty_values_can_be_left_out() -> None:
    struct = {"b": "%REQ(nope)%", "l": ["%REQ(nope)%", 1], "s": {"x": "%REQ(nope)%"}, "m": "x%REQ(nope)%y"}
    assert compile_json(struct, omit_empty=True)(Source()) == b'{"l":[1],"m":"xy"}\n'


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b'a"b\\c/d<e>&\tf', b'"a\\u0022b\\u005cc/d<e>&\\u0009f"'),
        (b"\xe9g\x80", b'"\\u00e9g\\u0080"'),
        ("é☃😀".encode(), '"é☃😀"'.encode()),
        (b"\xc3", b'"\\u00c3"'),
    ],
)
def test_strings(value: bytes, expected: bytes) -> None:
    assert json_string(value) == expected


@given(st.binary())
def test_any_header_gives_valid_json_on_one_line(value: bytes) -> None:
    source = Source()
    assert source.request_headers is not None
    source.request_headers.set(b"x-any", value)
    source.info.dynamic_metadata["n"] = {"k": value.decode("latin-1")}
    line = compile_json({"v": "%REQ(x-any)%", "w": "a%REQ(x-any)%", "m": "%DYNAMIC_METADATA(n:k)%"})(source)
    assert line.count(b"\n") == 1
    json.loads(line)
