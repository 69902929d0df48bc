"""Protobuf messages as JSON text, octet for octet as protobuf's C++ library prints it for Envoy.

Fields come in the order of their numbers, entries of a map in the order of the wire; 64-bit integers are strings;
what may harm a web page (`<`, `>`, invisible characters) is escaped.
Source: observed on Envoy 1.40; protobuf's JSON mapping.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pyvoy.filters.http.grpc_json_transcoder import kinds
from pyvoy.filters.http.grpc_json_transcoder.errors import PrintError
from pyvoy.filters.http.grpc_json_transcoder.printed_times import duration_text, field_mask_text, timestamp_text
from pyvoy.filters.http.grpc_json_transcoder.scalars import shown_double, shown_float
from pyvoy.filters.http.grpc_json_transcoder.schema import NULL_VALUE, WRAPPERS, EnumType, Field, MessageType
from pyvoy.filters.http.grpc_json_transcoder.wire import Fields, read_message

if TYPE_CHECKING:
    from pyvoy.filters.http.grpc_json_transcoder.schema import Schema


@dataclass(slots=True, frozen=True)
class PrintOptions:
    """GrpcJsonTranscoder.PrintOptions, as far as one message goes."""

    whitespace: bool = False
    primitives: bool = False
    """Print fields that are absent and have no presence as their zero."""
    enums_as_ints: bool = False
    proto_names: bool = False


_ESCAPED = re.compile(
    '["\\\\<>\x00-\x1f\x7f-\x9f\xad\u0600-\u0603\u06dd\u070f\u17b4\u17b5\u200b-\u200f\u2028-\u202e\u2060-\u2064'
    "\u206a-\u206f\ufeff\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f]"
)
_SHORT: Final = {"\n": r"\n", "\r": r"\r", "\t": r"\t", '"': r"\"", "\f": r"\f", "\b": r"\b", "\\": r"\\"}


def _escape(found: re.Match[str]) -> str:
    char = found[0]
    short = _SHORT.get(char)
    if short is not None:
        return short
    code = ord(char)
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def quoted(text: str) -> str:
    """Text as a JSON string."""
    return f'"{_ESCAPED.sub(_escape, text) if _ESCAPED.search(text) else text}"'


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _quoted_number(value: int) -> str:
    return f'"{value}"'


def _double(value: float) -> str:
    text = shown_double(value)
    return text if text[-1].isdigit() else f'"{text}"'


def _float(value: float) -> str:
    text = shown_float(value)
    return text if text[-1].isdigit() else f'"{text}"'


def _bytes(value: bytes) -> str:
    return f'"{b64encode(value).decode()}"'


_SCALARS: Final[dict[int, tuple[Callable[[Any], str], Any]]] = {
    kinds.DOUBLE: (_double, 0.0),
    kinds.FLOAT: (_float, 0.0),
    kinds.INT64: (_quoted_number, 0),
    kinds.UINT64: (_quoted_number, 0),
    kinds.FIXED64: (_quoted_number, 0),
    kinds.SFIXED64: (_quoted_number, 0),
    kinds.SINT64: (_quoted_number, 0),
    kinds.INT32: (str, 0),
    kinds.UINT32: (str, 0),
    kinds.FIXED32: (str, 0),
    kinds.SFIXED32: (str, 0),
    kinds.SINT32: (str, 0),
    kinds.BOOL: (_bool, False),
    kinds.STRING: (quoted, ""),
    kinds.BYTES: (_bytes, b""),
}

_Printed = tuple[int, str, Field, Callable[[Any], str] | None]
"""A field's number, what is printed before its value, the field, and how a value that is no message is printed."""

_VALUE: Final = "google.protobuf.Value"
_KEY, _ENTRY_VALUE = 1, 2


class JsonPrinter:
    """Prints messages of a schema."""

    __slots__ = ("_options", "_plans", "_schema", "_special")

    def __init__(self, schema: Schema, options: PrintOptions) -> None:
        self._schema = schema
        self._options = options
        self._plans: dict[MessageType, list[_Printed]] = {}
        self._special: dict[str, Callable[[MessageType, Fields, list[str], int], None]] = {
            "google.protobuf.Any": self._any,
            _VALUE: self._value,
            "google.protobuf.Struct": self._struct,
            "google.protobuf.ListValue": self._list_value,
            "google.protobuf.Timestamp": lambda _, fields, out, __: out.append(timestamp_text(fields)),
            "google.protobuf.Duration": lambda _, fields, out, __: out.append(duration_text(fields)),
            "google.protobuf.FieldMask": lambda _, fields, out, __: out.append(field_mask_text(fields)),
        }
        for name in WRAPPERS:
            self._special[name] = self._wrapper

    def text(self, message: MessageType, data: bytes) -> bytes:
        """A message on the wire as JSON.  Raises WireError, PrintError, UnknownTypeError."""
        out: list[str] = []
        self._message(message, read_message(message, data), out, 0)
        if self._options.whitespace:
            out.append("\n")
        return "".join(out).encode("utf-8", "surrogateescape")

    def _line(self, out: list[str], depth: int) -> None:
        if self._options.whitespace:
            out.append("\n" + " " * depth)

    def _message(self, message: MessageType, fields: Fields, out: list[str], depth: int) -> None:
        special = self._special.get(message.full_name)
        if special is not None:
            special(message, fields, out, depth)
            return
        out.append("{")
        first = self._fields(message, fields, out, depth + 1, True)
        if not first:
            self._line(out, depth)
        out.append("}")

    def _plan(self, message: MessageType) -> list[_Printed]:
        """How each field is printed."""
        plan = self._plans.get(message)
        if plan is None:
            colon = ": " if self._options.whitespace else ":"
            plan = [
                (field.number, quoted(self._name(field)) + colon, field, self._show(field)) for field in message.fields
            ]
            self._plans[message] = plan
        return plan

    def _show(self, field: Field) -> Callable[[Any], str] | None:
        """The text of a scalar field's value; None for a message."""
        if field.enum is not None:
            return partial(self._enum, field.enum)
        return None if field.message is not None else _SCALARS[field.kind][0]

    def _name(self, field: Field) -> str:
        name = field.name
        if self._options.proto_names or (name[0].isupper() and not field.json_name[0].isupper()):
            return name
        return field.json_name

    def _fields(self, message: MessageType, fields: Fields, out: list[str], depth: int, first: bool) -> bool:
        """The fields that are there; tells whether still none was printed."""
        whitespace, primitives = self._options.whitespace, self._options.primitives
        for number, key, field, show in self._plan(message):
            values = fields.get(number)
            if values is None:
                if not primitives or not (field.repeated or (field.implicit and field.proto3)):
                    continue
                values = []
            elif not field.repeated and _is_empty_value(field, values[0]):
                continue
            if not first:
                out.append(",")
            first = False
            if whitespace:
                self._line(out, depth)
            out.append(key)
            if field.is_map:
                self._map(field, values, out, depth)
            elif field.repeated:
                if show is None or whitespace:
                    self._repeated(field, values, out, depth)
                else:
                    out.append(f"[{','.join(map(show, values))}]")
            elif show is not None and values:
                out.append(show(values[0]))
            else:
                self._single(field, values, out, depth)
        return first

    def _single(self, field: Field, values: list[Any], out: list[str], depth: int) -> None:
        """The value of a field, or its zero."""
        if field.enum is not None:
            out.append(self._enum(field.enum, values[0] if values else field.enum.first))
        elif field.message is None:
            show, zero = _SCALARS[field.kind]
            out.append(show(values[0] if values else zero))
        elif values:
            self._message(field.message, values[0], out, depth)
        else:
            raise PrintError("message fields cannot have defaults")

    def _enum(self, enum: EnumType, number: int) -> str:
        if enum.full_name == NULL_VALUE:
            return "null"
        name = None if self._options.enums_as_ints else enum.names.get(number)
        return str(number) if name is None else f'"{name}"'

    def _repeated(self, field: Field, values: list[Any], out: list[str], depth: int) -> None:
        out.append("[")
        first = True
        for value in values:
            if _is_empty_value(field, value):
                continue
            if not first:
                out.append(",")
            first = False
            self._line(out, depth + 1)
            self._single(field, [value], out, depth + 1)
        if not first:
            self._line(out, depth)
        out.append("]")

    def _map(self, field: Field, entries: list[Fields], out: list[str], depth: int) -> None:
        assert field.message is not None
        key_field, value_field = field.message.by_number[_KEY], field.message.by_number[_ENTRY_VALUE]
        show, zero = _SCALARS[key_field.kind]
        colon = ": " if self._options.whitespace else ":"
        out.append("{")
        first = True
        for entry in entries:
            values = entry.get(_ENTRY_VALUE, [])
            if values and _is_empty_value(value_field, values[0]):
                continue
            if not first:
                out.append(",")
            first = False
            self._line(out, depth + 1)
            key = show(entry[_KEY][0] if _KEY in entry else zero)
            out.append((key if key[0] == '"' else f'"{key}"') + colon)
            self._single(value_field, values, out, depth + 1)
        if not first:
            self._line(out, depth)
        out.append("}")

    # ---- well-known types ----

    def _wrapper(self, message: MessageType, fields: Fields, out: list[str], depth: int) -> None:
        self._single(message.fields[0], fields.get(1, []), out, depth)

    def _struct(self, message: MessageType, fields: Fields, out: list[str], depth: int) -> None:
        self._map(message.fields[0], fields.get(1, []), out, depth)

    def _list_value(self, message: MessageType, fields: Fields, out: list[str], depth: int) -> None:
        self._repeated(message.fields[0], fields.get(1, []), out, depth)

    def _value(self, message: MessageType, fields: Fields, out: list[str], depth: int) -> None:
        for field in message.fields:
            values = fields.get(field.number)
            if values is None:
                continue
            if field.kind == kinds.DOUBLE and (values[0] != values[0] or abs(values[0]) == float("inf")):
                what = "nan" if values[0] != values[0] else "infinity"
                raise PrintError(
                    f"google.protobuf.Value cannot encode double values for {what}, "
                    "because it would be parsed as a string"
                )
            self._single(field, values, out, depth)
            return

    def _any(self, message: MessageType, fields: Fields, out: list[str], depth: int) -> None:
        if not fields:
            out.append("{}")
            return
        if 1 not in fields:
            raise PrintError("broken Any: missing type URL")
        colon = ": " if self._options.whitespace else ":"
        type_url = fields[1][0]
        out.append("{")
        self._line(out, depth + 1)
        out.append(f'"@type"{colon}{quoted(type_url)}')
        inner = self._schema.resolve(type_url)
        held = read_message(inner, fields.get(2, [b""])[0])
        if inner.full_name in self._special:
            out.append(",")
            self._line(out, depth + 1)
            out.append(f'"value"{colon}')
            self._message(inner, held, out, depth + 1)
        else:
            self._fields(inner, held, out, depth + 1, False)
        self._line(out, depth)
        out.append("}")


def _is_empty_value(field: Field, value: Any) -> bool:
    """A google.protobuf.Value that holds nothing: such a one is left out."""
    return field.message is not None and not value and field.message.full_name == _VALUE
