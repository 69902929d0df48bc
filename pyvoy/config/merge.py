"""One message laid over another, with the places following.

Source: protobuf's MergeFrom, which Envoy uses for `--config-yaml`: set scalars and Any replace, messages merge, lists
are appended, map entries replace.
"""

from __future__ import annotations

from typing import Any

from pyvoy.config.problems import Where
from pyvoy.config.shapes import shape_of


def merge(message: Any, where: Where, over: Any, over_where: Where) -> Where:
    """Merge `over` into `message` (changed in place); returns the places of the result."""
    merged = _places(message, where, over, over_where)
    message.MergeFrom(over)
    return merged


def _places(message: Any, where: Where, over: Any, over_where: Where) -> Where:
    merged = Where(where.place if where.place is not None else over_where.place)
    merged.broken = where.broken or over_where.broken
    merged.children = dict(where.children)
    shape = shape_of(message.DESCRIPTOR)
    for name, below in over_where.children.items():
        field = shape.fields.get(str(name))
        if field is None or name not in merged.children:
            merged.children[name] = below
        elif field.repeated:
            merged.children[name] = _appended(len(getattr(message, field.name)), merged.children[name], below)
        elif field.key_kind:
            entries = Where(merged.children[name].place)
            entries.children = {**merged.children[name].children, **below.children}
            merged.children[name] = entries
        elif field.kind == "message" and not field.type_name.startswith("google.protobuf."):
            child, over_child = getattr(message, field.name), getattr(over, field.name)
            merged.children[name] = _places(child, merged.children[name], over_child, below)
        else:
            merged.children[name] = below
    return merged


def _appended(count: int, first: Where, second: Where) -> Where:
    both = Where(first.place)
    both.children = dict(first.children)
    for index, below in second.children.items():
        if isinstance(index, int):
            both.children[count + index] = below
    return both
