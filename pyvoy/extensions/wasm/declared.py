"""Properties that a plugin declares: whether they can be written twice, how long they live, what their bytes mean.

Only what a root declares counts for its streams; a stream's own declarations are just not made twice.  The fields of a
protobuf message whose type the host knows, and of a FlatBuffers table, can be read by name.
Source: Envoy's declare_property and its Wasm state (observed on 1.40).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyvoy.extensions.wasm.flat_tables import TableKind, schema_of, value_at

FLATBUFFERS = 2
PROTOBUF = 3
CONNECTION = 2
"""A life span: as long as the client's connection."""


@dataclass(slots=True, frozen=True)
class Declaration:
    """What is known of a property before it is written.  `message` is the type of a protobuf message, or "", `table`
    the kind of a FlatBuffers table."""

    readonly: bool = False
    of_connection: bool = False
    message: str = ""
    table: TableKind | None = None


def declaration(fields: dict[int, bytes | int]) -> Declaration:
    """DeclarePropertyArguments: name 1, readonly 2, type 3, schema 4, span 5."""
    schema = fields.get(4)
    schema = schema if isinstance(schema, bytes) else b""
    kind = fields.get(3)
    return Declaration(
        bool(fields.get(2)),
        fields.get(5) == CONNECTION,
        schema.decode("utf-8", "replace").rpartition("/")[2] if kind == PROTOBUF else "",
        schema_of(schema) if kind == FLATBUFFERS else None,
    )


def declared_field(declared: Declaration, data: bytes, path: tuple[str, ...]) -> Any:
    """What lies under names in a property; None when its bytes have no names, or not these."""
    if declared.table is not None:
        return value_at(declared.table, data, path)
    return _message_field(declared.message, data, path) if declared.message else None


def _message_field(name: str, data: bytes, path: tuple[str, ...]) -> Any:
    """A field of a serialized message by its names; None for what is no such message or has no such field."""
    from google.protobuf.message import DecodeError

    from pyvoy.config.message_types import message_class

    try:
        value: Any = message_class(name).FromString(data)
    except (LookupError, DecodeError):
        return None
    for part in path:
        value = _below(value, part)
        if value is None:
            return None
    return _plain(value)


def _below(value: Any, part: str) -> Any:
    descriptor = getattr(value, "DESCRIPTOR", None)
    if descriptor is not None and hasattr(value, "SerializeToString"):
        return getattr(value, part) if part in descriptor.fields_by_name else None
    if hasattr(value, "items"):
        return dict(value.items()).get(part)
    if part.isdigit() and not isinstance(value, str | bytes) and hasattr(value, "__len__"):
        return value[int(part)] if int(part) < len(value) else None
    return None


def _plain(value: Any) -> Any:
    """A value as properties are encoded: times in nanoseconds, messages serialized."""
    if hasattr(value, "ToNanoseconds"):
        return value.ToNanoseconds()
    if hasattr(value, "SerializeToString"):
        return value.SerializeToString()
    if isinstance(value, str | bytes | bool | int | float):
        return value
    if hasattr(value, "items"):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value]
