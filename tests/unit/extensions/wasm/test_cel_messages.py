"""Messages in CEL: what can be made, what a field gives, what is no message; parity cases hold them beside Envoy."""

import pytest
from envoy.config.core.v3.base_pb2 import Locality, Node

from pyvoy.extensions.wasm.calls.properties import encode
from pyvoy.extensions.wasm.cel import CelSyntaxError, compile_expression
from pyvoy.extensions.wasm.cel_messages import below
from pyvoy.extensions.wasm.cel_values import CelError

CORE = "envoy.config.core.v3."


def value(text):
    return compile_expression(text.replace("~", CORE), lambda parts: None)(None)


def test_a_message_is_serialized_as_a_result():
    assert encode(value("~Pipe{path: '/x', mode: 7u}")) == b"\x0a\2/x\x10\7"


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("~Address{pipe: ~Pipe{path: '/x'}}.pipe.path", "/x"),
        ("~Address{}.pipe.path", ""),
        ("~Extension{type_urls: ['a', 'b']}.type_urls", ["a", "b"]),
        ("~Metadata{filter_metadata: {'ns': {'k': 'v'}}}.filter_metadata.ns.k", "v"),
        ("~HeaderValueOption{append: true}.append", True),
        ("~HeaderValueOption{}.append", False),
        ("google.protobuf.Duration{seconds: 90}.getMinutes()", 1),
        ("google.protobuf.Timestamp{seconds: 5} == timestamp(5)", True),
        ("~RetryPolicy{retry_back_off: ~BackoffStrategy{base_interval: duration('2s')}}"
         ".retry_back_off.base_interval == duration('2s')", True),
        ("google.protobuf.ListValue{values: ['a', 1.0]}.size()", 2),
        ("google.protobuf.UInt32Value{value: 5u} + 1u", 6),
        ("has(~Address{pipe: ~Pipe{}}.pipe) && !has(~Address{}.pipe)", True),
        ("[~Locality{region: 'a'}].exists(l, l.region == 'a')", True),
        ("~Locality{} == ~Locality{,}", True),
        ("~DataSource{inline_bytes: b'x'}.inline_bytes", "x"),
    ],
)  # fmt: skip
def test_what_an_expression_gives(text, result):
    assert value(text) == result


@pytest.mark.parametrize(
    "text",
    [
        "~Pipe{mode: 7}",
        "~Pipe{path: 1}",
        "~Pipe{mode: 4294967296u}",
        "~Extension{type_urls: 'a'}",
        "~Metadata{filter_metadata: ['a']}",
        "~Address{pipe: 'x'}",
        "~Address{pipe: ~Locality{}}",
        "~Locality{region: null}",
        "~Locality{}['region']",
        "~Locality{}.nothing",
        "has(~Locality{}.nothing)",
        "~HeaderValueOption{append: 'true'}",
        "google.protobuf.Struct{fields: {'a': b'x' == b'y' ? 1 : timestamp(0)}}",
    ],
)
def test_what_has_no_value(text):
    with pytest.raises(CelError):
        value(text)


@pytest.mark.parametrize(
    "text",
    [
        "no.Such{}",
        "os.path{}",
        "~Locality{nothing: 1}",
        "~Locality{region}",
        "~Locality{",
        "Locality{}",
        "~Locality{}{}",
    ],
)
def test_what_is_no_message(text):
    with pytest.raises(CelSyntaxError):
        value(text)


@pytest.mark.parametrize(
    ("path", "result"),
    [
        ("locality/zone", "z"),
        ("locality/region", ""),
        ("metadata/a", 1.0),
        ("metadata/l/0", "x"),
        ("metadata/l/1", None),
        ("metadata/l/x", None),
        ("metadata/m/k", True),
        ("metadata/none", None),
        ("id/x", None),
    ],
)
def test_what_lies_below_a_message(path, result):
    node = Node(id="n", locality=Locality(zone="z"))
    node.metadata.update({"a": 1, "l": ["x"], "m": {"k": True}})
    value = node
    for part in path.split("/"):
        value = below(value, part)
    assert value == result
