"""Descriptors of protobuf files made from a few lines of text, as `protoc --include_imports` would have written them.

    package("shop.v1", {"Book": "int64 id = 1; repeated string tags = 4; map<string, Author> by = 5"}, ...)

A type that is no scalar is looked for in the file's own package; one with dots is a full name.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from google.api import annotations_pb2, httpbody_pb2
from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    json_format,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)

_FIELD = descriptor_pb2.FieldDescriptorProto
_DECLARATION = re.compile(
    r"(?:(repeated|optional|required) )?(map<(\w+), *([\w.]+)>|[\w.]+) (\w+) = (\d+)(?: in (\w+))?$"
)
WELL_KNOWN = (
    any_pb2,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
    httpbody_pb2,
)
"""Modules whose files a package may use; what they stand on is named first."""


def package(
    name: str,
    messages: Mapping[str, str],
    *,
    enums: Mapping[str, str] | None = None,
    services: Mapping[str, Mapping[str, tuple[str, str, Any]]] | None = None,
    syntax: str = "proto3",
    imports: Iterable[Any] = WELL_KNOWN,
) -> descriptor_pb2.FileDescriptorProto:
    """One file.  A method is (request, response, rule); `stream ` before a type makes it a stream; the rule is an
    HttpRule as JSON values, or None."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{name.replace('.', '/')}.proto", package=name, syntax=syntax)
    file.dependency.extend(module.DESCRIPTOR.name for module in imports)
    kinds = {f".{name}.{each}": _FIELD.TYPE_MESSAGE for each in messages}
    kinds |= {f".{name}.{each}": _FIELD.TYPE_ENUM for each in enums or {}}
    for each, text in messages.items():
        _message(file.message_type.add(name=each), text, name, kinds)
    for each, text in (enums or {}).items():
        enum = file.enum_type.add(name=each)
        for part in text.split(";"):
            label, _, number = part.partition("=")
            enum.value.add(name=label.strip(), number=int(number))
    for each, methods in (services or {}).items():
        service = file.service.add(name=each)
        for method, (taken, given, rule) in methods.items():
            _method(service.method.add(name=method), taken, given, rule, name)
    return file


def _message(message: Any, text: str, where: str, kinds: dict[str, int]) -> None:
    oneofs: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        found = _DECLARATION.match(part)
        assert found, part
        label, kind, key, value, name, number, oneof = found.groups()
        field = message.field.add(name=name, number=int(number), json_name=_camel(name))
        field.label = {None: 1, "optional": 1, "required": 2, "repeated": 3}[label]
        if key:
            entry = message.nested_type.add(name=_camel(f"_{name}_entry"))
            entry.options.map_entry = True
            _message(entry, f"{key} key = 1; {value} value = 2", where, kinds)
            field.label = _FIELD.LABEL_REPEATED
            field.type = _FIELD.TYPE_MESSAGE
            field.type_name = f".{where}.{message.name}.{entry.name}"
            continue
        _type(field, kind, where, kinds)
        if oneof or label == "optional":
            group = oneof or f"_{name}"
            if group not in oneofs:
                oneofs[group] = len(oneofs)
                message.oneof_decl.add(name=group)
            field.oneof_index = oneofs[group]
            field.proto3_optional = label == "optional"


def _type(field: Any, kind: str, where: str, kinds: dict[str, int]) -> None:
    scalar = getattr(_FIELD, f"TYPE_{kind.upper()}", None)
    if scalar is not None:
        field.type = scalar
        return
    field.type_name = f".{kind}" if "." in kind else f".{where}.{kind}"
    field.type = kinds.get(field.type_name, _FIELD.TYPE_MESSAGE)
    if field.type_name == ".google.protobuf.NullValue":
        field.type = _FIELD.TYPE_ENUM


def _method(method: Any, taken: str, given: str, rule: Any, where: str) -> None:
    method.client_streaming = taken.startswith("stream ")
    method.server_streaming = given.startswith("stream ")
    taken, given = taken.removeprefix("stream "), given.removeprefix("stream ")
    method.input_type = f".{taken}" if "." in taken else f".{where}.{taken}"
    method.output_type = f".{given}" if "." in given else f".{where}.{given}"
    if rule is not None:
        json_format.ParseDict(rule, method.options.Extensions[annotations_pb2.http])


def _camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda found: found[1].upper(), name)


def descriptor_set(*files: descriptor_pb2.FileDescriptorProto, imports: Iterable[Any] = WELL_KNOWN) -> bytes:
    """The files with what they import, serialized."""
    whole = descriptor_pb2.FileDescriptorSet()
    for module in imports:
        module.DESCRIPTOR.CopyToProto(whole.file.add())
    whole.file.extend(files)
    return whole.SerializeToString()
