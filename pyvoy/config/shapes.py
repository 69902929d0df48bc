"""What the loader needs to know of a message type, read once from its descriptor.

Descriptor access is slow, so a shape is made on first use and kept for the life of the process.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

# FieldDescriptor.type -> our scalar kinds (fixed and zig-zag encodings differ only on the wire).
_KINDS = {
    1: "double",
    2: "double",
    3: "int64",
    4: "uint64",
    5: "int32",
    6: "uint64",
    7: "uint32",
    8: "bool",
    9: "string",
    11: "message",
    12: "bytes",
    13: "uint32",
    14: "enum",
    15: "int32",
    16: "int64",
    17: "int32",
    18: "int64",
}

WRAPPERS = {
    "google.protobuf.BoolValue": "bool",
    "google.protobuf.BytesValue": "bytes",
    "google.protobuf.DoubleValue": "double",
    "google.protobuf.FloatValue": "double",
    "google.protobuf.Int32Value": "int32",
    "google.protobuf.Int64Value": "int64",
    "google.protobuf.StringValue": "string",
    "google.protobuf.UInt32Value": "uint32",
    "google.protobuf.UInt64Value": "uint64",
}


@dataclass(slots=True, frozen=True)
class FieldShape:
    """One field.  `kind` is a scalar kind, "enum" or "message"; for a map, that of its values, with `key_kind` set.

    `type_name` is the full name of the message or enum, `oneof` the name of the real oneof it belongs to ("" if none).
    """

    name: str
    kind: str
    type_name: str
    descriptor: Any
    repeated: bool
    key_kind: str
    oneof: str
    enum_numbers: dict[str, int]


@dataclass(slots=True, frozen=True)
class Shape:
    """A message type: fields by both of their names."""

    type_name: str
    fields: dict[str, FieldShape]
    by_any_name: dict[str, FieldShape]


@cache
def shape_of(descriptor: Any) -> Shape:
    """The shape of a message type, by its descriptor."""
    fields: dict[str, FieldShape] = {}
    by_any_name: dict[str, FieldShape] = {}
    for descriptor_of_field in descriptor.fields:
        field = _field_shape(descriptor_of_field)
        fields[field.name] = by_any_name[field.name] = field
        by_any_name[descriptor_of_field.json_name] = field
    return Shape(descriptor.full_name, fields, by_any_name)


def _field_shape(descriptor: Any) -> FieldShape:
    value, key_kind = descriptor, ""
    repeated = descriptor.is_repeated
    message = descriptor.message_type
    if repeated and message is not None and message.GetOptions().map_entry:
        key_kind = _KINDS[message.fields_by_name["key"].type]
        value = message.fields_by_name["value"]
        repeated = False
    kind = _KINDS[value.type]
    numbers: dict[str, int] = {}
    type_name = ""
    if kind == "message":
        type_name = value.message_type.full_name
    elif kind == "enum":
        type_name = value.enum_type.full_name
        numbers = {name: item.number for name, item in value.enum_type.values_by_name.items()}
    oneof = descriptor.containing_oneof
    real = oneof is not None and not (len(oneof.fields) == 1 and oneof.name == f"_{descriptor.name}")
    return FieldShape(
        descriptor.name, kind, type_name, descriptor, repeated, key_kind, oneof.name if real else "", numbers
    )
