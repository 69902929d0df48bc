"""JSON values as messages.  Every kind of value and every error text is in the parity cases; here is the rest."""

from __future__ import annotations

import pytest

from pyvoy.filters.http.grpc_json_transcoder.json_values import read_whole
from pyvoy.filters.http.grpc_json_transcoder.message_writer import MessageWriter
from tests.support.shop import message
from tests.unit.filters.http.grpc_json_transcoder.shop_schema import schema


def write(text, name="shop.v1.Book"):
    """(the message, the errors)."""
    faults = []
    data = MessageWriter(schema(), False).write(schema().message(name), read_whole(text), faults)
    return (None if faults else message(name).FromString(bytes(data))), [str(fault) for fault in faults]


def test_an_object_becomes_a_message():
    made, faults = write(b'{"id":"5","author":{"lastName":"A"},"stock":{"k":1},"tags":["a"],"nope":[{}]}')
    assert faults == []
    wanted = message("Book")(id=5, author={"last_name": "A"}, stock={"k": 1}, tags=["a"])
    assert made.SerializeToString(deterministic=True) == wanted.SerializeToString(deterministic=True)


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("google.protobuf.Value", b"[1]", "list_value", None),
        ("google.protobuf.Value", b"{}", "struct_value", None),
        ("google.protobuf.StringValue", b'"x"', "value", "x"),
        ("google.protobuf.Duration", b'"5s"', "seconds", 5),
        ("google.protobuf.Int64Value", b'"7"', "value", 7),
    ],
)
def test_a_message_that_json_writes_otherwise_may_be_the_whole_body(name, text, field, value):
    made, faults = write(text, name)
    assert faults == []
    assert value is None or getattr(made, field) == value
    assert made.ByteSize() or field == "struct_value"


def test_all_errors_are_found_with_their_places():
    _, faults = write(
        b'{"id":"x","author":{"year":"y"},"related":[{},{"id":"z"}],"stock":{"a":1,"b":"c"},"ratings":[1,"r"],'
        b'"extra":{"a":{"b":1,"b":2}},"anything":[{"a":1,"a":2}]}'
    )
    assert [fault.partition(":")[0] for fault in faults] == [
        "id", "author.year", "related[1].id", "stock[1].value", "ratings[0]",
        "extra.fields[0].value.struct_value.fields[0]", "anything.list_value.values[0].struct_value.fields[0]",
    ]  # fmt: skip


def test_required_fields_of_proto2_must_be_there():
    from google.protobuf import descriptor_pool

    from pyvoy.filters.http.grpc_json_transcoder.schema import Schema
    from tests.support.protos import package

    pool = descriptor_pool.DescriptorPool()
    pool.Add(package("old", {"Thing": "required int32 a = 1; optional int32 b = 2"}, syntax="proto2", imports=()))
    old = Schema(pool)
    faults = []
    MessageWriter(old, False).write(old.message("old.Thing"), (("b", 1),), faults)
    assert [str(fault) for fault in faults] == [": missing field a"]
