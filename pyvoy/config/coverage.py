"""The table of what pyvoy supports, made from what the builders declare (`registry.supports`) and from what registered.

Prints for people (`pyvoy validate --support`) and for the docs; nothing in it is written by hand.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyvoy.config.problems import nearest_name
from pyvoy.config.registry import Registry, type_name_of

_TYPED_STRUCTS = ("xds.type.v3.TypedStruct", "udpa.type.v1.TypedStruct")


def unsupported_type(registry: Registry, name: str, value: Any = None) -> tuple[str, str]:
    """What to say of a configuration type that nobody reads, and the nearest supported extension type."""
    if name in _TYPED_STRUCTS and value is not None:
        from pyvoy.config.message_types import unpack

        name = type_name_of(unpack(value, name).type_url)
    known = [item.type_url for item in registry.extensions()]
    known += [url for item in registry.extensions() for url in item.route_type_urls]
    return f"type {name!r} is not supported by pyvoy", nearest_type(name, known)


def nearest_type(name: str, known: Iterable[str]) -> str:
    """The type name that is most like `name`, or ""; only the part that tells extensions apart is compared."""
    short = {_short(type_name): type_name for type_name in known}
    return short.get(nearest_name(_short(name), short, cutoff=0.75), "")


def _short(name: str) -> str:
    return name.removeprefix("envoy.extensions.").removeprefix("filters.").removeprefix("http.").replace(".v3.", ".")


def rows(registry: Registry) -> list[tuple[str, str, str, str]]:
    """The field table: (type, supported, accepted without effect, not supported), fields separated by blanks."""
    from pyvoy.config.message_types import TypeNotFoundError, message_class

    table = []
    for type_name, support in registry.supported_types():
        try:
            names = [field.name for field in message_class(type_name).DESCRIPTOR.fields]
        except TypeNotFoundError:
            names = sorted(support.fields | support.tuning)
        supported = [name for name in names if name in support.fields]
        tuning = [name for name in names if name in support.tuning and name not in support.fields]
        missing = [name for name in names if name not in support.fields and name not in support.tuning]
        table.append((type_name, " ".join(supported), " ".join(tuning), " ".join(missing)))
    return table


def unknown_declarations(registry: Registry) -> list[str]:
    """Declared types and fields that the API does not have: mistakes of the code, asserted empty by a test."""
    from pyvoy.config.message_types import TypeNotFoundError, message_class

    wrong = []
    for type_name, support in registry.supported_types():
        try:
            names = set(message_class(type_name).DESCRIPTOR.fields_by_name)
        except TypeNotFoundError:
            wrong.append(type_name)
            continue
        wrong.extend(f"{type_name}.{name}" for name in sorted((support.fields | support.tuning) - names))
    return wrong


def table(registry: Registry) -> str:
    """Both tables as text: extensions with status and posture, then message types with their fields."""
    lines = ["Extensions", ""]
    for item in registry.extensions():
        lines.append(f"{item.name}  ({item.category.replace('_', ' ')}, {item.status})")
        lines.append(f"    type: {item.type_url}")
        lines.extend(f"    per route: {url}" for url in item.route_type_urls)
        lines.append(f"    posture: {item.posture.replace('_', ' ')}")
    lines += ["", "Fields", ""]
    for type_name, supported, tuning, missing in rows(registry):
        lines.append(type_name)
        for title, names in (("supported", supported), ("no effect", tuning), ("not supported", missing)):
            if names:
                lines.extend(_wrapped(f"    {title}: ", names.split()))
    return "\n".join(lines) + "\n"


def _wrapped(title: str, words: list[str], width: int = 118) -> list[str]:
    lines = []
    line = title.rstrip() if not words else title
    for word in words:
        if len(line) + len(word) > width:
            lines.append(line.rstrip())
            line = " " * len(title)
        line += word + " "
    lines.append(line.rstrip())
    return lines
