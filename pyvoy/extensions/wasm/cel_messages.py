"""Protobuf messages in CEL: made by an expression (`envoy.config.core.v3.Address{...}`), and read field by field.

What stands for a value of CEL's own is one: wrappers, timestamps, durations, structs.  Fields of type Any are not set.
Source: the Common Expression Language specification, message values; observed on Envoy 1.40.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pyvoy.extensions.wasm.cel_values import CelError, Duration, Timestamp, Uint

_INTEGERS = frozenset(("int32", "int64", "sint32", "sint64", "sfixed32", "sfixed64", "enum"))
_UNSIGNED = frozenset(("uint32", "uint64", "fixed32", "fixed64"))
_KINDS = {
    1: "double", 2: "float", 3: "int64", 4: "uint64", 5: "int32", 6: "fixed64", 7: "fixed32", 8: "bool", 9: "string",
    11: "message", 12: "bytes", 13: "uint32", 14: "enum", 15: "sfixed32", 16: "sfixed64", 17: "sint32", 18: "sint64",
}  # fmt: skip
"""FieldDescriptor.type by name."""
_WRAPPED = ("Bool", "Bytes", "Double", "Float", "Int32", "Int64", "String", "UInt32", "UInt64")
_WRAPPERS = frozenset(f"google.protobuf.{name}Value" for name in _WRAPPED)
_SHAPES: Mapping[str, Any] = {
    "google.protobuf.Struct": Mapping,
    "google.protobuf.ListValue": list | tuple,
    "google.protobuf.Value": object,
}
Evaluate = Callable[[Any], Any]


def is_message(value: Any) -> bool:
    """Whether a value is a protobuf message."""
    return hasattr(value, "SerializeToString")


def maker(name: str, entries: Sequence[tuple[str, Evaluate]]) -> Evaluate:
    """What makes a message of these fields.  Raises LookupError for a type or a field that there is not."""
    from pyvoy.config.message_types import message_class

    type_ = message_class(name)
    fields = [(type_.DESCRIPTOR.fields_by_name[field], value) for field, value in entries]

    def make(stream: Any) -> Any:
        message = type_()
        for field, value in fields:
            _set(message, field, value(stream))
        return _plain(message)

    return make


def _set(message: Any, field: Any, value: Any) -> None:
    try:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            _set_map(message, field, value)
        elif field.is_repeated:
            for item in _of(list | tuple, value):
                _add(getattr(message, field.name), field, item)
        elif field.message_type is None:
            setattr(message, field.name, _scalar(field, value))
        elif value is not None:  # null leaves a message unset
            getattr(message, field.name).CopyFrom(_message(field.message_type, value))
    except (ValueError, TypeError) as error:  # a number that is too large, text that is no UTF-8
        raise CelError(str(error)) from None


def _set_map(message: Any, field: Any, value: Any) -> None:
    key, item = (field.message_type.fields_by_name[name] for name in ("key", "value"))
    place = getattr(message, field.name)
    for name, given in _of(Mapping, value).items():
        if item.message_type is None:
            place[_scalar(key, name)] = _scalar(item, given)
        else:
            place[_scalar(key, name)].CopyFrom(_message(item.message_type, given))


def _add(place: Any, field: Any, item: Any) -> None:
    if field.message_type is None:
        place.append(_scalar(field, item))
    else:
        place.add().CopyFrom(_message(field.message_type, item))


def _of(kind: Any, value: Any) -> Any:
    if not isinstance(value, kind):
        raise CelError("a field of another kind")
    return value


def _scalar(field: Any, value: Any) -> Any:
    kind = _KINDS.get(field.type, "")
    if kind == "bool":
        return _of(bool, value)
    if kind in ("double", "float"):
        return _of(float, value)
    if kind == "string":
        return _of(str, value)
    if kind == "bytes":
        return _of(str, value).encode("utf-8", "surrogateescape")
    if isinstance(value, bool) or isinstance(value, Uint) is not (kind in _UNSIGNED):
        raise CelError("a field of another kind")
    return int(_of(int, value))


def _message(descriptor: Any, value: Any) -> Any:
    """A value as a message of that type.  Raises CelError."""
    from google.protobuf.duration_pb2 import Duration as DurationMessage
    from google.protobuf.timestamp_pb2 import Timestamp as TimestampMessage

    name = descriptor.full_name
    if is_message(value) and value.DESCRIPTOR.full_name == name:
        return value
    made: Any
    if isinstance(value, Timestamp) and name == "google.protobuf.Timestamp":
        made = TimestampMessage()
        made.FromNanoseconds(value.ns)
    elif isinstance(value, Duration) and name == "google.protobuf.Duration":
        made = DurationMessage()
        made.FromNanoseconds(value.ns)
    elif name in _WRAPPERS:
        made = _new(name)
        made.value = _scalar(descriptor.fields_by_name["value"], value)
    elif name in _SHAPES:
        made = _dynamic(name, value)
    else:
        raise CelError("a field of another kind")
    return made


def _new(name: str) -> Any:
    from pyvoy.config.message_types import message_class

    return message_class(name)()


def _dynamic(name: str, value: Any) -> Any:
    from google.protobuf.json_format import ParseDict, ParseError

    given: Any = _of(_SHAPES[name], value)
    try:
        return ParseDict(given, _new(name))
    except ParseError:
        raise CelError("what has no form in JSON") from None


def field_of(message: Any, name: Any) -> Any:
    """A message's field; its default where it is not set, a wrapper's too, as in Envoy.  Raises CelError."""
    field = message.DESCRIPTOR.fields_by_name.get(name) if isinstance(name, str) else None
    if field is None:
        raise CelError(f"there is no {name}", missing=True)
    value = getattr(message, field.name)
    if field.message_type is None:
        return [_number(field, each) for each in value] if field.is_repeated else _number(field, value)
    if field.message_type.GetOptions().map_entry:
        item = field.message_type.fields_by_name["value"]
        key = field.message_type.fields_by_name["key"]
        return {_number(key, each): _number(item, found) for each, found in value.items()}
    if field.is_repeated:
        return [_plain(each) for each in value]
    return _plain(value)


def below(value: Any, name: str) -> Any:
    """What lies under a name or a number in a message, map or list; None when there is nothing.

    Raises CelError for a field that a message does not have."""
    if is_message(value):
        return field_of(value, name)
    if isinstance(value, Mapping):
        return value.get(name)
    if isinstance(value, list) and name.isascii() and name.isdecimal():
        return value[int(name)] if int(name) < len(value) else None
    return None


def has_field(message: Any, name: str) -> bool:
    """Whether a field is set.  Raises CelError for one that there is not."""
    field = message.DESCRIPTOR.fields_by_name.get(name)
    if field is None:
        raise CelError(f"there is no {name}")
    return any(field is set_ for set_, _ in message.ListFields())


def _number(field: Any, value: Any) -> Any:
    if is_message(value):
        return _plain(value)
    if _KINDS.get(field.type) in _UNSIGNED:
        return Uint(value)
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def _plain(message: Any) -> Any:
    """The value of CEL's own that a message stands for, or the message."""
    name = message.DESCRIPTOR.full_name
    if not name.startswith("google.protobuf."):
        return message
    if name in _WRAPPERS:
        return _number(message.DESCRIPTOR.fields_by_name["value"], message.value)
    if name == "google.protobuf.Timestamp":
        return Timestamp(message.ToNanoseconds())
    if name == "google.protobuf.Duration":
        return Duration(message.ToNanoseconds())
    if name in _SHAPES:
        from google.protobuf.json_format import MessageToDict

        return MessageToDict(message)
    return message
