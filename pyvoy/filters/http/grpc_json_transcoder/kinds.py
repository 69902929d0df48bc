"""The kinds of protobuf fields by their number (FieldDescriptorProto.Type), so that no protobuf is imported here."""

from __future__ import annotations

from typing import Final

DOUBLE: Final = 1
FLOAT: Final = 2
INT64: Final = 3
UINT64: Final = 4
INT32: Final = 5
FIXED64: Final = 6
FIXED32: Final = 7
BOOL: Final = 8
STRING: Final = 9
GROUP: Final = 10
MESSAGE: Final = 11
BYTES: Final = 12
UINT32: Final = 13
ENUM: Final = 14
SFIXED32: Final = 15
SFIXED64: Final = 16
SINT32: Final = 17
SINT64: Final = 18

NAMES: Final = {
    DOUBLE: "TYPE_DOUBLE",
    FLOAT: "TYPE_FLOAT",
    INT64: "TYPE_INT64",
    UINT64: "TYPE_UINT64",
    INT32: "TYPE_INT32",
    FIXED64: "TYPE_FIXED64",
    FIXED32: "TYPE_FIXED32",
    BOOL: "TYPE_BOOL",
    STRING: "TYPE_STRING",
    GROUP: "TYPE_GROUP",
    MESSAGE: "TYPE_MESSAGE",
    BYTES: "TYPE_BYTES",
    UINT32: "TYPE_UINT32",
    ENUM: "TYPE_ENUM",
    SFIXED32: "TYPE_SFIXED32",
    SFIXED64: "TYPE_SFIXED64",
    SINT32: "TYPE_SINT32",
    SINT64: "TYPE_SINT64",
}

_FIXED64_KINDS = (DOUBLE, FIXED64, SFIXED64)
_FIXED32_KINDS = (FLOAT, FIXED32, SFIXED32)
_DELIMITED_KINDS = (STRING, MESSAGE, BYTES)


def wire_type(kind: int) -> int:
    """How values of a kind lie on the wire: 0 varint, 1 eight octets, 2 length-delimited, 3 group, 5 four octets."""
    if kind in _FIXED64_KINDS:
        return 1
    if kind in _FIXED32_KINDS:
        return 5
    if kind in _DELIMITED_KINDS:
        return 2
    return 3 if kind == GROUP else 0
