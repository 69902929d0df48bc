"""Message type name -> Python class, importing just the module that defines it.

There are some 600 generated modules; a type's module is looked for in the folder its package name spells, by the name
as it stands in the module's serialized descriptor, and only then imported.  Source of the convention: protoc puts
`package a.b.v3` into the folder a/b/v3 (all modules used here follow it; well-known types are listed).
"""

from __future__ import annotations

import importlib
import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

_WELL_KNOWN = {
    name: f"google.protobuf.{module}_pb2"
    for module, names in {
        "any": "Any",
        "duration": "Duration",
        "empty": "Empty",
        "field_mask": "FieldMask",
        "struct": "Struct Value ListValue",
        "timestamp": "Timestamp",
        "wrappers": "BoolValue BytesValue DoubleValue FloatValue Int32Value Int64Value StringValue UInt32Value "
        "UInt64Value",
    }.items()
    for name in names.split()
}

# Roots searched for generated modules, first match wins.  Ours completes what the published ones lack.
_ROOTS = ("", "pyvoy.config.protos.")

# A type name comes from the user's file: only these packages are ever imported because of one.
_TOP_LEVEL = frozenset(("cel", "envoy", "google", "opencensus", "opentelemetry", "pyvoy", "udpa", "validate", "xds"))


class TypeNotFoundError(LookupError):
    """No generated module defines this type."""


@cache
def message_class(type_name: str) -> Any:
    """The class of a message by full name.  Raises TypeNotFoundError."""
    package, _, name = type_name.rpartition(".")
    if package == "google.protobuf" and name in _WELL_KNOWN:
        return getattr(importlib.import_module(_WELL_KNOWN[name]), name)
    outer = [name]
    while package and package.rpartition(".")[2][:1].isupper():
        package, _, name = package.rpartition(".")
        outer.insert(0, name)
    for root in _ROOTS:
        found = _in_package(root + package, outer) if package and all(outer) else None
        if found is not None and not _is_frozen(found):
            return found
    raise TypeNotFoundError(f"could not find @type '{type_name}'")


def unpack(config: Any, type_name: str) -> Any:
    """The message inside an Any, as `type_name`.  Raises ValueError for bytes that are no such message."""
    from google.protobuf.message import DecodeError

    message = message_class(type_name)()
    try:
        message.ParseFromString(config.value)
    except DecodeError as error:
        raise ValueError(f"the bytes are no {type_name}: {error}") from None
    return message


def package_types(package: str) -> list[str]:
    """Full names of the messages of one package (for suggesting names); imports its modules."""
    names: list[str] = []
    for root in _ROOTS:
        for path in _package_files(root + package):
            module = importlib.import_module(f"{root}{package}.{path.stem}")
            names.extend(f"{package}.{name}" for name in module.DESCRIPTOR.message_types_by_name)
    return names


def _is_frozen(message: Any) -> bool:
    """True for a type of an API version that Envoy no longer reads (v2)."""
    from udpa.annotations import status_pb2

    options = message.DESCRIPTOR.file.GetOptions()
    status = options.Extensions[status_pb2.file_status].package_version_status
    return bool(status == status_pb2.FROZEN)


def _in_package(package: str, nested: list[str]) -> Any:
    # A descriptor names its message as field 1 (tag 0x0a, length, text), which generated modules show in plain text,
    # but for hex digits that follow an escaped length: those are escaped too (`\x16\x43\x61resDns...`).
    needle = nested[0].lstrip("0123456789abcdefABCDEF").encode()
    for path in _package_files(package):
        if needle not in path.read_bytes():
            continue
        module = importlib.import_module(f"{package}.{path.stem}")
        if nested[0] in module.DESCRIPTOR.message_types_by_name:
            found = getattr(module, nested[0])
            for name in nested[1:]:
                found = getattr(found, name, None)
            return found
    return None


@cache
def _package_files(package: str) -> tuple[Path, ...]:
    parts = package.split(".")
    if parts[0] not in _TOP_LEVEL or not all(part.isidentifier() for part in parts):
        return ()
    try:
        spec = importlib.util.find_spec(package)
    except ModuleNotFoundError:
        return ()
    if spec is None or spec.submodule_search_locations is None:
        return ()
    return tuple(path for folder in spec.submodule_search_locations for path in sorted(Path(folder).glob("*_pb2.py")))
