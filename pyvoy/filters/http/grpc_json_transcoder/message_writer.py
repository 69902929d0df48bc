"""JSON values as protobuf messages, written in the order of the JSON, with the leniency and the errors of Envoy.

A JSON object is a tuple of (name, value) pairs (names may repeat), an array a list, a scalar None, bool, int, float or
str.  Names that the type does not have are ignored; a scalar may stand for a list of one.  Errors do not stop the
writing: all are noted with their place, and the last one is told to the client.
Source: observed on Envoy 1.40; protobuf's JSON mapping.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

from pyvoy.filters.http.grpc_json_transcoder.faults import Fault, Faults, bad_value, inside, repeated_key
from pyvoy.filters.http.grpc_json_transcoder.scalars import (
    ENCODERS,
    Encoder,
    InvalidValue,
    double,
    enum_encoder,
    raw_text,
    shown,
)
from pyvoy.filters.http.grpc_json_transcoder.schema import NULL_VALUE, WRAPPERS, Field, MessageType, UnknownTypeError
from pyvoy.filters.http.grpc_json_transcoder.well_known import duration, field_mask, timestamp
from pyvoy.filters.http.grpc_json_transcoder.wire import delimited

if TYPE_CHECKING:
    from pyvoy.filters.http.grpc_json_transcoder.schema import Schema

Pairs = tuple[tuple[str, Any], ...]
"""A JSON object."""

ANY: Final = "google.protobuf.Any"
STRUCT: Final = "google.protobuf.Struct"
VALUE: Final = "google.protobuf.Value"
LIST_VALUE: Final = "google.protobuf.ListValue"
_TEXTS: Final[dict[str, Encoder]] = {
    "google.protobuf.Timestamp": timestamp,
    "google.protobuf.Duration": duration,
    "google.protobuf.FieldMask": field_mask,
}
_DOUBLE = struct.Struct("<d")


class MessageWriter:
    """Writes messages of a schema; `any_case`: names of enum values may be in lower case and with dashes."""

    __slots__ = ("_any_case", "_encoders", "_schema")

    def __init__(self, schema: Schema, any_case: bool) -> None:
        self._schema = schema
        self._any_case = any_case
        self._encoders: dict[Field, Encoder] = {}

    def write(self, message: MessageType, value: Any, faults: Faults) -> bytearray:
        """`value` as a message of this type; complete only if no fault was added."""
        out = bytearray()
        kind = type(value)
        if kind is tuple:
            self._body(message, value, out, faults, message)
        elif kind is list and message.full_name in (VALUE, LIST_VALUE):
            out += self._list_body(message, value, faults)
        elif kind is list or not self._rendered(message, value, out, faults, message.full_name, ""):
            faults.append(Fault(": Root element must be a message."))
        return out

    # ---- messages ----

    def _body(self, message: MessageType, pairs: Pairs, out: bytearray, faults: Faults, root: MessageType) -> None:
        """The fields of a message from a JSON object."""
        name = message.full_name
        if name == STRUCT:
            out += self._struct(pairs, faults)
        elif name == VALUE:
            out += b"\x2a" + delimited(self._struct(pairs, faults))
        elif name == ANY:
            self._any(pairs, out, faults, root)
        else:
            self._fields(message, pairs, out, faults, root)

    def _fields(self, message: MessageType, pairs: Pairs, out: bytearray, faults: Faults, root: MessageType) -> None:
        names = message.names
        taken: set[str] = set()
        for name, value in pairs:
            field = names.get(name)
            if field is None:
                if not name:
                    faults.append(Fault(": Proto fields must have a name."))
                continue
            if field.oneof and (value is not None or field.type_name.endswith((VALUE, NULL_VALUE))):
                if field.oneof in taken:
                    text = f"oneof field '{field.oneof}' is already set. Cannot set '{name}'"
                    faults.append(bad_value(text, "oneof"))
                    continue
                taken.add(field.oneof)
            kind = type(value)
            if kind is tuple:
                self._object(field, value, out, faults, root)
            elif kind is list:
                self._list(field, name, value, out, faults, root)
            else:
                self._scalar(field, name, value, out, faults)
        if message.required:
            given = {field.name for name, _ in pairs if (field := names.get(name)) is not None}
            faults.extend(Fault(f": missing field {name}") for name in sorted(message.required - given))

    def _object(
        self, field: Field, pairs: Pairs, out: bytearray, faults: Faults, root: MessageType, step: str | None = None
    ) -> None:
        """A JSON object for a field; `step`: its place in errors, if that is not the field's name."""
        message = field.message
        place = field.name if step is None else step
        since = len(faults)
        if message is None:
            faults.append(bad_value("Starting an object on a scalar field", field.name))
            return
        if field.is_map:
            self._map(field, message, pairs, out, faults, root)
        else:
            body = bytearray()
            self._body(message, pairs, body, faults, root)
            out += field.tag
            out += delimited(body)
        if len(faults) > since:
            inside(faults, since, place)

    def _list(
        self, field: Field, name: str, values: list[Any], out: bytearray, faults: Faults, root: MessageType
    ) -> None:
        """A JSON array for a field."""
        message = field.message
        if not field.repeated:
            if message is not None and message.full_name in (VALUE, LIST_VALUE):
                self._json_list(field, message, values, out, faults, field.name)
            else:
                faults.append(Fault(": Proto field is not repeating, cannot start list."))
        elif field.is_map:
            faults.append(bad_value(f"Cannot bind a list to map for field '{name}'.", "Map"))
        else:
            since = len(faults)
            self._elements(field, values, out, faults, root)
            if len(faults) > since:
                inside(faults, since, field.name)

    def _elements(self, field: Field, values: list[Any], out: bytearray, faults: Faults, root: MessageType) -> None:
        """The elements of a repeated field; arrays in the array are taken for more of them.

        The index in an error counts what has a place of its own: messages, and scalars that are wrong."""
        message = field.message
        index = 0
        for value in values:
            since = len(faults)
            kind = type(value)
            if kind is tuple:
                self._object(field, value, out, faults, root, f"[{index}]")
                index += message is not None
            elif kind is list:
                if message is not None and message.full_name in (VALUE, LIST_VALUE):
                    self._json_list(field, message, value, out, faults, f"[{index}]")
                    index += 1
                else:
                    self._elements(field, value, out, faults, root)
            else:
                rendered = self._scalar(field, "", value, out, faults, f"[{index}]")
                index += rendered or len(faults) > since

    def _scalar(
        self, field: Field, name: str, value: Any, out: bytearray, faults: Faults, step: str | None = None
    ) -> bool:
        """A JSON scalar for a field; True if it was written as a message."""
        message = field.message
        place = field.name if step is None else step
        if message is not None:
            if value is None and message.full_name != VALUE:
                return False
            body = bytearray()
            since = len(faults)
            if self._rendered(message, value, body, faults, field.type_name, name):
                out += field.tag + delimited(body)
            else:
                faults.append(bad_value(shown(value), field.type_name))
            if len(faults) > since:
                inside(faults, since, place)
            return True
        if value is None and not field.type_name.endswith(NULL_VALUE):
            return False
        encoder = self._encoders.get(field) or self._encoder(field)
        try:
            out += field.tag + encoder(value)
        except InvalidValue as error:
            faults.append(bad_value(str(error), field.type_name, place))
        return False

    def _encoder(self, field: Field) -> Encoder:
        made = enum_encoder(field.enum, self._any_case) if field.enum is not None else ENCODERS[field.kind]
        self._encoders[field] = made
        return made

    # ---- well-known types ----

    def _rendered(
        self, message: MessageType, value: Any, out: bytearray, faults: Faults, type_name: str, name: str
    ) -> bool:
        """A scalar as one of the messages that are written as scalars; False if the type is none of them."""
        full_name = message.full_name
        if full_name == VALUE:
            out += self._value(value, faults)
        elif full_name in WRAPPERS:
            if value is not None:
                self._scalar(message.fields[0], "value", value, out, faults)
        elif full_name in _TEXTS:
            try:
                if value is not None:
                    out += _TEXTS[full_name](value)
            except InvalidValue as error:
                faults.append(bad_value(f"Field '{name}', {error}", type_name))
        else:
            return False
        return True

    def _value(self, value: Any, faults: Faults) -> bytes:
        """The body of a google.protobuf.Value."""
        kind = type(value)
        if kind is str:
            return b"\x1a" + delimited(raw_text(value))
        if value is None:
            return b"\x08\x00"
        if kind is bool:
            return b"\x20\x01" if value else b"\x20\x00"
        if kind is not tuple and kind is not list:
            return b"\x11" + _DOUBLE.pack(double(value))
        since = len(faults)
        if kind is tuple:
            body = b"\x2a" + delimited(self._struct(value, faults))
        else:
            body = b"\x32" + delimited(self._values(value, faults))
        if len(faults) > since:
            inside(faults, since, "struct_value" if kind is tuple else "list_value")
        return body

    def _values(self, values: list[Any], faults: Faults) -> bytes:
        """The body of a google.protobuf.ListValue."""
        out = []
        for index, value in enumerate(values):
            since = len(faults)
            out.append(b"\x0a" + delimited(self._value(value, faults)))
            if len(faults) > since:
                inside(faults, since, "values", f"[{index}]")
        return b"".join(out)

    def _json_list(
        self, field: Field, message: MessageType, values: list[Any], out: bytearray, faults: Faults, step: str
    ) -> None:
        """A field that is an array itself."""
        since = len(faults)
        out += field.tag + delimited(self._list_body(message, values, faults))
        if len(faults) > since:
            inside(faults, since, step)

    def _list_body(self, message: MessageType, values: list[Any], faults: Faults) -> bytes:
        return self._value(values, faults) if message.full_name == VALUE else self._values(values, faults)

    def _struct(self, pairs: Pairs, faults: Faults) -> bytes:
        """The body of a google.protobuf.Struct."""
        entries: list[bytes] = []
        seen: set[str] = set()
        for key, value in pairs:
            if key in seen:
                faults.append(repeated_key(key, "fields", f"[{len(entries) - 1}]"))
                continue
            seen.add(key)
            since = len(faults)
            entry = b"\x0a" + delimited(raw_text(key)) + b"\x12" + delimited(self._value(value, faults))
            if len(faults) > since:
                inside(faults, since, "fields", f"[{len(entries)}]", "value")
            entries.append(b"\x0a" + delimited(entry))
        return b"".join(entries)

    # ---- maps ----

    def _map(
        self, field: Field, entry: MessageType, pairs: Pairs, out: bytearray, faults: Faults, root: MessageType
    ) -> None:
        """A JSON object as the entries of a map."""
        key_field, value_field = entry.by_number[1], entry.by_number[2]
        seen: set[str] = set()
        for key, value in pairs:
            since = len(faults)
            if key in seen:
                faults.append(repeated_key(key, f"[{len(seen) - 1}]"))
                continue
            seen.add(key)
            body = bytearray()
            self._scalar(key_field, "key", key, body, faults)
            self._map_value(value_field, key, value, body, faults, root)
            out += field.tag + delimited(body)
            if len(faults) > since:
                inside(faults, since, f"[{len(seen) - 1}]")

    def _map_value(self, field: Field, key: str, value: Any, out: bytearray, faults: Faults, root: MessageType) -> None:
        message = field.message
        if type(value) is tuple:
            self._object(field, value, out, faults, root)
        elif type(value) is list:
            if message is not None and message.full_name in (VALUE, LIST_VALUE):
                self._json_list(field, message, value, out, faults, "value")
            else:
                faults.append(bad_value(f"Cannot have repeated items ('{key}') within a map.", "Map", "value"))
                if value:
                    faults.append(Fault(": Proto fields must have a name.", "value"))
        elif value is None and message is not None and message.full_name in WRAPPERS | _TEXTS.keys():
            out += field.tag + b"\0"
        else:
            self._scalar(field, key, value, out, faults)

    # ---- Any ----

    def _any(self, pairs: Pairs, out: bytearray, faults: Faults, root: MessageType) -> None:
        """An Any: its JSON is that of the message inside, with `@type`."""
        type_url = next((value for name, value in pairs if name == "@type" and _is_scalar(value)), None)
        if type_url is None and all(name != "@type" for name, _ in pairs):
            if pairs:
                faults.append(bad_value(f"Missing @type for any field in {root.full_name}", "Any"))
            return
        if type(type_url) is not str:
            faults.append(bad_value(shown(type_url), "String"))
            return
        try:
            message = self._schema.resolve(type_url)
        except UnknownTypeError as error:
            faults.append(bad_value(str(error), "Any"))
            return
        rest = _without_type(pairs)
        body = bytearray()
        since = len(faults)
        if message.full_name in WRAPPERS or message.full_name in _TEXTS or message.full_name in (ANY, STRUCT, VALUE):
            self._any_value(message, rest, body, faults)
        else:
            self._fields(message, rest, body, faults, message)
            for fault in faults[since:]:
                fault.own = True
        out += b"\x0a" + delimited(raw_text(type_url))
        if body:
            out += b"\x12" + delimited(body)

    def _any_value(self, message: MessageType, pairs: Pairs, out: bytearray, faults: Faults) -> None:
        """The `value` of an Any whose message has a JSON form of its own."""
        for name, value in pairs:
            if name != "value":
                faults.append(bad_value('Expect a "value" field for well-known types.', "Any"))
                return
            since = len(faults)
            if not _is_scalar(value):
                out += self.write(message, value, faults)
            elif message.full_name not in (ANY, STRUCT):
                self._any_scalar(message, value, out, faults)
            elif value is not None:
                faults.append(bad_value("Expect a JSON object.", "Any"))
                continue
            for fault in faults[since:]:
                fault.own = True

    def _any_scalar(self, message: MessageType, value: Any, out: bytearray, faults: Faults) -> None:
        text = _TEXTS.get(message.full_name)
        if text is None:
            self._rendered(message, value, out, faults, message.full_name, "")
        elif value is not None:
            try:
                out += text(value)
            except InvalidValue as error:
                faults.append(bad_value(str(error), "Any"))


def _is_scalar(value: Any) -> bool:
    return type(value) is not tuple and type(value) is not list


def _without_type(pairs: Pairs) -> Pairs:
    """The pairs without the first `@type`."""
    at = next(place for place, (name, value) in enumerate(pairs) if name == "@type" and _is_scalar(value))
    return pairs[:at] + pairs[at + 1 :]
