"""Values that cross between Python and Lua: metadata structures as tables and back.

Text is UTF-8 on the Lua side.  Source: Envoy, MetadataMapHelper and DynamicMetadataMapWrapper::luaSet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST_HOLES = 10_000
"""How many absent items a list may have: one large key must not fill the memory."""


class ValueKindError(Exception):
    """A Lua value that metadata cannot hold; the text names its type."""


def to_lua(runtime: Any, value: Any) -> Any:
    """A plain value as Lua sees it; None inside a structure is absent there."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, Mapping):
        table = runtime.table()
        for key, item in value.items():
            table[key.encode()] = to_lua(runtime, item)
        return table
    if isinstance(value, list | tuple):
        table = runtime.table()
        for index, item in enumerate(value, 1):
            table[index] = to_lua(runtime, item)
        return table
    return value


def from_lua(value: Any) -> Any:
    """A Lua value as metadata keeps it: a table of positive whole keys is a list, any other a structure.

    Raises ValueKindError for functions, threads and userdata."""
    import lupa.luajit21 as lupa

    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if value is None or isinstance(value, bool | int | float):
        return value
    kind = lupa.lua_type(value)
    if kind != "table":
        raise ValueKindError(f"unexpected type '{kind or 'userdata'}' in dynamicMetadata")
    items = list(value.items())
    if items and all(type(key) is int and key > 0 for key, _ in items):
        last = max(key for key, _ in items)
        if last > MOST_HOLES + len(items):
            raise ValueKindError(f"table key {last} is too large for a list")
        return [from_lua(value[index]) for index in range(1, last + 1)]
    return {_key(key): from_lua(item) for key, item in items}


def _key(key: Any) -> str:
    if isinstance(key, bytes):
        return key.decode("utf-8", "replace")
    if isinstance(key, bool):
        kind = "boolean"
    elif isinstance(key, int | float):
        kind = "number"
    else:
        kind = _lua_type(key)
    raise ValueKindError(f"unexpected type {kind} in table key (only string keys are supported)")


def _lua_type(value: Any) -> str:
    import lupa.luajit21 as lupa

    return str(lupa.lua_type(value) or "userdata")
