"""Protobuf's wire format: numbers written, and messages read into plain values by field number.

A message is read as the JSON printer of protobuf's C++ library reads it: what is on the wire counts, in its order, and
a singular field that comes twice is an error.  Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from pyvoy.filters.http.grpc_json_transcoder import kinds

if TYPE_CHECKING:
    from pyvoy.filters.http.grpc_json_transcoder.schema import Field, MessageType

Fields = dict[int, list[Any]]
"""A message by field number: values in the order of the wire; a message in it is such a dictionary again."""

_EOF = "unexpected EOF"
_MASK32: Final = 0xFFFFFFFF
_MASK64: Final = 0xFFFFFFFFFFFFFFFF
_DEPTH: Final = 100
"""How deep messages may lie in each other (protobuf's own limit)."""


class WireError(ValueError):
    """Bytes that are no message of the type; the text is the one the C++ library has for it."""


def varint(value: int) -> bytes:
    """An unsigned number, seven bits an octet."""
    if value < 0x80:
        return _SMALL[value]
    octets = bytearray()
    while value > 0x7F:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)


_SMALL = [bytes((value,)) for value in range(0x80)]


def signed(value: int) -> bytes:
    """A number that may be negative, as int32 and int64 are written: in two's complement of 64 bits."""
    return varint(value & _MASK64)


def zigzag(value: int) -> bytes:
    """A number that may be negative, as sint32 and sint64 are written."""
    return varint(value << 1 if value >= 0 else (-value << 1) - 1)


def tag(number: int, kind: int) -> bytes:
    """What announces a value of a field."""
    return varint(number << 3 | kinds.wire_type(kind))


def delimited(body: bytes | bytearray) -> bytes:
    """A length, and what it measures."""
    return varint(len(body)) + body


def read_varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """(number, place behind it).  Raises WireError at the end of the data, or after ten octets."""
    result = shift = 0
    while at < end and shift < 70:
        octet = data[at]
        at += 1
        result |= (octet & 0x7F) << shift
        if octet < 0x80:
            return result & _MASK64, at
        shift += 7
    raise WireError(_EOF)


def read_message(message: MessageType, data: bytes) -> Fields:
    """The fields of a message that fills `data`.  Raises WireError."""
    return _read(message, data, 0, len(data), None, 0)[0]


def _read(message: MessageType, data: bytes, at: int, end: int, group: int | None, depth: int) -> tuple[Fields, int]:
    if depth > _DEPTH:
        raise WireError("message too deep")
    fields: Fields = {}
    by_number = message.by_number
    while at < end:
        key = data[at]
        if key < 0x80:  # as most are; a call for each would cost as much as all the rest
            at += 1
        else:
            key, at = read_varint(data, at, end)
        number, wire = key >> 3, key & 7
        if key == 0:
            return fields, at
        if wire == 4:
            _check_group(number, group)
            return fields, at
        field = by_number.get(number)
        if field is None:
            at = _skip(data, at, end, number, wire, depth)
        elif wire == 2:
            at = _read_delimited(fields, field, data, at, end, depth)
        elif wire == 3:
            if field.kind != kinds.GROUP or field.message is None:
                raise WireError(f"field number {number} is not a group")
            value, at = _read(field.message, data, at, end, number, depth + 1)
            _insert(fields, field, value)
        else:
            value, at = _read_plain(field, wire, data, at, end)
            _insert(fields, field, value)
    if group is not None:
        raise WireError(_EOF)
    return fields, at


def _check_group(number: int, group: int | None) -> None:
    if group is None:
        raise WireError(f"attempted to close group {number} before SGROUP tag")
    if number != group:
        raise WireError(f"attempted to close group {number} while inside group {group}")


def _insert(fields: Fields, field: Field, value: Any) -> None:
    held = fields.get(field.number)
    if held is None:
        fields[field.number] = [value]
    elif field.repeated:
        held.append(value)
    else:
        raise WireError(f"repeated entries for singular field number {field.number}")


def _skip(data: bytes, at: int, end: int, number: int, wire: int, depth: int) -> int:
    """The place behind a field that the type does not know."""
    if depth > _DEPTH:
        raise WireError("message too deep")
    if wire == 0:
        return read_varint(data, at, end)[1]
    if wire == 2:
        size, at = read_varint(data, at, end)
        at += size
    elif wire == 3:
        while True:
            key, at = read_varint(data, at, end)
            if key & 7 == 4:
                _check_group(key >> 3, number)
                return at
            at = _skip(data, at, end, key >> 3, key & 7, depth + 1)
    elif wire in (1, 5):
        at += 8 if wire == 1 else 4
    else:
        raise WireError(f"unknown wire type: {wire}")
    if at > end:
        raise WireError(_EOF)
    return at


def _read_plain(field: Field, wire: int, data: bytes, at: int, end: int) -> tuple[Any, int]:
    """One value that is no length-delimited one."""
    kind = field.kind
    if wire == 0:
        if kind not in _VARINTS:
            raise WireError(f"field type {kind} (number {field.number}) does not support varint fields")
        value = data[at] if at < end else 0x80
        if value < 0x80:
            at += 1
        else:
            value, at = read_varint(data, at, end)
        return _VARINTS[kind](value), at
    if wire not in (1, 5):
        raise WireError(f"unknown wire type: {wire}")
    size = 8 if wire == 1 else 4
    if kinds.wire_type(kind) != wire:
        what = "type 64-bit fields" if wire == 1 else "32-bit fields"
        raise WireError(f"field type {kind} (number {field.number}) does not support {what}")
    if at + size > end:
        raise WireError(_EOF)
    return _FIXED[kind].unpack_from(data, at)[0], at + size


def _read_delimited(fields: Fields, field: Field, data: bytes, at: int, end: int, depth: int) -> int:
    if at < end and data[at] < 0x80:
        stop = at + 1 + data[at]
        at += 1
    else:
        size, at = read_varint(data, at, end)
        stop = at + size
    if stop > end:
        raise WireError(_EOF)
    kind = field.kind
    if kind == kinds.STRING:
        _insert(fields, field, _text(field, data[at:stop]))
    elif kind == kinds.BYTES:
        _insert(fields, field, data[at:stop])
    elif kind == kinds.MESSAGE:
        assert field.message is not None
        _insert(fields, field, _read(field.message, data, at, stop, None, depth + 1)[0])
    elif kind == kinds.GROUP:
        raise WireError(f"field type {kind} (number {field.number}) does not support type 2 records")
    else:
        wire = kinds.wire_type(kind)
        while at < stop:
            value, at = _read_plain(field, wire, data, at, stop)
            _insert(fields, field, value)
    return stop


def _text(field: Field, raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        if field.proto3:
            raise WireError("proto3 strings must be UTF-8") from None
        return _loose_text(raw)


def _loose_text(raw: bytes) -> str:
    """Text of a proto2 string: octets that are no UTF-8 become blanks."""
    return "".join(" " if "\udc80" <= char <= "\udcff" else char for char in raw.decode("utf-8", "surrogateescape"))


def _to_int32(value: int) -> int:
    value &= _MASK32
    return value - (1 << 32) if value >> 31 else value


def _to_int64(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _to_bool(value: int) -> bool:
    if value > 1:
        raise WireError(f"bad value for bool: \\x{value & 0x7F | (0x80 if value > 0x7F else 0):02x}")
    return value == 1


def _unzigzag(value: int) -> int:
    return value >> 1 ^ -(value & 1)


_VARINTS: dict[int, Callable[[int], Any]] = {
    kinds.BOOL: _to_bool,
    kinds.INT32: _to_int32,
    kinds.ENUM: _to_int32,
    kinds.UINT32: lambda value: value & _MASK32,
    kinds.SINT32: lambda value: _to_int32(_unzigzag(value & _MASK32)),
    kinds.INT64: _to_int64,
    kinds.UINT64: lambda value: value,
    kinds.SINT64: lambda value: _to_int64(_unzigzag(value) & _MASK64),
}
_FIXED: dict[int, struct.Struct] = {
    kinds.DOUBLE: struct.Struct("<d"),
    kinds.FLOAT: struct.Struct("<f"),
    kinds.FIXED64: struct.Struct("<Q"),
    kinds.SFIXED64: struct.Struct("<q"),
    kinds.FIXED32: struct.Struct("<I"),
    kinds.SFIXED32: struct.Struct("<i"),
}
