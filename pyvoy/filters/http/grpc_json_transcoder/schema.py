"""The types of a descriptor set as plain objects: what the translation of messages looks up, and no more.

Types are made from a private descriptor pool when they are first named and kept; those that methods take and give
are made when the configuration is loaded, those that only an Any names when one is met.
"""

from __future__ import annotations

from typing import Any

from pyvoy.filters.http.grpc_json_transcoder import kinds, wire

TYPE_URL_PREFIX = "type.googleapis.com/"

WRAPPERS = frozenset(
    f"google.protobuf.{name}Value"
    for name in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
)
NULL_VALUE = "google.protobuf.NullValue"


class EnumType:
    """An enum: numbers by name, the first name of each number, the first number."""

    __slots__ = ("first", "full_name", "names", "numbers")

    def __init__(self, descriptor: Any) -> None:
        self.full_name: str = descriptor.full_name
        self.numbers: dict[str, int] = {value.name: value.number for value in descriptor.values}
        self.names: dict[int, str] = {}
        for value in descriptor.values:
            self.names.setdefault(value.number, value.name)
        self.first: int = descriptor.values[0].number


class Field:
    """A field of a message.  `oneof` is the name of its oneof or ""; `implicit`: absent means zero."""

    __slots__ = (
        "enum",
        "implicit",
        "is_map",
        "json_name",
        "kind",
        "message",
        "name",
        "number",
        "oneof",
        "proto3",
        "repeated",
        "required",
        "tag",
        "type_name",
    )

    def __init__(self, descriptor: Any, proto3: bool) -> None:
        self.name: str = descriptor.name
        self.json_name: str = descriptor.json_name
        self.number: int = descriptor.number
        self.kind: int = descriptor.type
        self.repeated: bool = descriptor.is_repeated
        self.required: bool = descriptor.is_required
        self.proto3 = proto3
        self.oneof: str = descriptor.containing_oneof.name if descriptor.containing_oneof is not None else ""
        self.implicit: bool = not self.repeated and not descriptor.has_presence
        self.tag: bytes = wire.tag(self.number, self.kind)
        self.enum: EnumType | None = None
        self.message: MessageType | None = None
        self.is_map = False
        self.type_name = kinds.NAMES[self.kind]
        """How errors name the type: a type URL for messages and enums."""


class MessageType:
    """A message type: its fields by number, and by the names that JSON may use for them."""

    __slots__ = ("by_number", "fields", "full_name", "is_entry", "names", "oneofs", "required")

    def __init__(self, full_name: str) -> None:
        self.full_name = full_name
        self.is_entry = False
        self.fields: tuple[Field, ...] = ()
        """In the order of their numbers."""
        self.by_number: dict[int, Field] = {}
        self.names: dict[str, Field] = {}
        self.oneofs = False
        self.required: frozenset[str] = frozenset()


class UnknownTypeError(LookupError):
    """A type URL that names no type here; the text is the C++ library's, `code` the name of its status code."""

    def __init__(self, text: str, code: str) -> None:
        super().__init__(text)
        self.code = code


class Schema:
    """All types of one descriptor pool."""

    __slots__ = ("_enums", "_messages", "_pool", "_proto3")

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._messages: dict[str, MessageType] = {}
        self._enums: dict[str, EnumType] = {}
        self._proto3: dict[str, bool] = {}
        """Whether a file, by its name, is written in proto3."""

    def message(self, full_name: str) -> MessageType:
        """The message type with this name.  Raises UnknownTypeError."""
        found = self._messages.get(full_name)
        if found is None:
            try:
                descriptor = self._pool.FindMessageTypeByName(full_name)
            except KeyError:
                raise UnknownTypeError(f"Invalid type URL, unknown type: {full_name}", "NOT_FOUND") from None
            found = self._make(descriptor)
        return found

    def resolve(self, type_url: str) -> MessageType:
        """The message type of a type URL.  Raises UnknownTypeError."""
        if not type_url.startswith(TYPE_URL_PREFIX):
            form = f"type URLs must be of the form '{TYPE_URL_PREFIX}<typename>'"
            raise UnknownTypeError(f"Invalid type URL, {form}, got: {type_url}", "INVALID_ARGUMENT")
        return self.message(type_url.removeprefix(TYPE_URL_PREFIX))

    def _make(self, descriptor: Any) -> MessageType:
        made = self._messages[descriptor.full_name] = MessageType(descriptor.full_name)
        made.is_entry = descriptor.GetOptions().map_entry
        proto3 = self._is_proto3(descriptor.file)
        fields = [self._field(each, proto3) for each in descriptor.fields]
        made.fields = tuple(sorted(fields, key=lambda field: field.number))
        made.by_number = {field.number: field for field in fields}
        made.names = {field.name: field for field in fields} | {field.json_name: field for field in reversed(fields)}
        made.oneofs = any(field.oneof for field in fields)
        made.required = frozenset(field.name for field in fields if field.required)
        return made

    def _field(self, descriptor: Any, proto3: bool) -> Field:
        field = Field(descriptor, proto3)
        if descriptor.enum_type is not None:
            name = descriptor.enum_type.full_name
            field.enum = self._enums.get(name)
            if field.enum is None:
                field.enum = self._enums[name] = EnumType(descriptor.enum_type)
            field.type_name = TYPE_URL_PREFIX + name
        elif descriptor.message_type is not None:
            inner = descriptor.message_type
            field.message = self._messages.get(inner.full_name) or self._make(inner)
            field.type_name = TYPE_URL_PREFIX + inner.full_name
            field.is_map = field.repeated and inner.GetOptions().map_entry
        return field

    def _is_proto3(self, file: Any) -> bool:
        found = self._proto3.get(file.name)
        if found is None:
            from google.protobuf import descriptor_pb2

            copied = descriptor_pb2.FileDescriptorProto()
            file.CopyToProto(copied)
            found = self._proto3[file.name] = copied.syntax == "proto3"
        return found
