"""Header and trailer maps.

Source: Proxy-Wasm specification; which map can be used when, what a missing one gives and how names are added and
replaced are Envoy's (its inline headers are joined, the others get lines of their own, and what is replaced
moves to the end).
A value that would end its line is refused: it could split a message in two.  In the head of a request it is written,
and the router answers such a request with 503 in place of sending it, as Envoy's does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyvoy.extensions.header_check import valid_pair
from pyvoy.extensions.wasm import abi
from pyvoy.extensions.wasm.calls.results import checked, ends_line, giver
from pyvoy.extensions.wasm.engine.interface import HostFunction, OutOfBounds
from pyvoy.extensions.wasm.pairs import parse, serialize
from pyvoy.http.header_changes import ADD, REPLACE
from pyvoy.http.header_changes import change as change_map
from pyvoy.http.headers import HeaderMap

if TYPE_CHECKING:
    from pyvoy.extensions.wasm.vm import Vm


def functions(vm: Vm) -> Mapping[str, HostFunction]:
    """The group's functions."""
    return _readers(vm) | _writers(vm)


def _readers(vm: Vm) -> dict[str, HostFunction]:
    memory = vm.memory
    give = giver(vm)
    read = memory.read
    serialized: tuple[HeaderMap | None, int, bytes] = (None, 0, b"")

    def in_wire_form(headers: HeaderMap) -> bytes:
        """Serialized once for each state of a map, however often it is asked for."""
        nonlocal serialized
        known, generation, data = serialized
        if known is not headers or generation != headers.generation:
            data = serialize(headers.items())
            serialized = (headers, headers.generation, data)
        return data

    def get_value(kind: int, key: int, key_size: int, at: int, size_at: int) -> int:
        context = vm.current
        if kind > abi.LAST_MAP or context is None:
            return abi.BAD_ARGUMENT
        try:
            name = read(key, key_size).lower()
            headers = context.readable(kind)
            if headers is None:
                if not context.logging:
                    return abi.BAD_ARGUMENT
                value = None
            else:
                value = headers.map.get(name if kind or name != b"host" else b":authority")
            if value is None:
                return give(b"", at, size_at) if vm.is_old else abi.NOT_FOUND
            return give(value, at, size_at)
        except OutOfBounds:
            return abi.INVALID_MEMORY_ACCESS

    def get_pairs(kind: int, at: int, size_at: int) -> int:
        context = vm.current
        if kind > abi.LAST_MAP or context is None:
            return abi.BAD_ARGUMENT
        headers = context.readable(kind)
        try:
            return give(b"" if headers is None else in_wire_form(headers), at, size_at)
        except OutOfBounds:
            return abi.INVALID_MEMORY_ACCESS

    def get_size(kind: int, at: int) -> int:
        context = vm.current
        headers = context.writable(kind) if context is not None and kind <= abi.LAST_MAP else None
        if headers is None:
            return abi.BAD_ARGUMENT
        memory.write_u32(at, headers.byte_size())
        return abi.OK

    return {
        "proxy_get_header_map_value": HostFunction("iiiii>i", get_value),
        "proxy_get_header_map_pairs": HostFunction("iii>i", get_pairs),
        "proxy_get_header_map_size": HostFunction("ii>i", checked(get_size)),
    }


def _writers(vm: Vm) -> dict[str, HostFunction]:
    read = vm.memory.read

    def set_pairs(kind: int, place: int, size: int) -> int:
        context = vm.current
        if kind > abi.LAST_MAP or context is None:
            return abi.BAD_ARGUMENT
        pairs = parse(read(place, size))
        headers = context.writable(kind)
        if headers is None:
            return abi.BAD_ARGUMENT
        if any(_is_bad(kind, name.lower(), value) for name, value in pairs) and not context.suspect(kind):
            return abi.BAD_ARGUMENT
        headers.map.clear()
        headers.pairs = None
        headers.generation += 1
        for name, value in pairs:
            headers.add(_name(kind, name.lower()), value)
        context.changed(kind)
        return abi.OK

    def change(kind: int, key: int, key_size: int, value_at: int, value_size: int, *, replace: bool) -> int:
        context = vm.current
        if kind > abi.LAST_MAP or context is None:
            return abi.BAD_ARGUMENT
        try:
            name = read(key, key_size).lower()
            value = read(value_at, value_size)
        except OutOfBounds:
            return abi.INVALID_MEMORY_ACCESS
        headers = context.writable(kind)
        if headers is None or (_is_bad(kind, name, value) and not context.suspect(kind)):
            return abi.BAD_ARGUMENT
        if not kind and name == b"host":
            name = b":authority"
        change_map(headers, REPLACE if replace else ADD, name, value)
        context.changed(kind)
        return abi.OK

    def add_value(kind: int, key: int, key_size: int, value: int, value_size: int) -> int:
        return change(kind, key, key_size, value, value_size, replace=False)

    def replace_value(kind: int, key: int, key_size: int, value: int, value_size: int) -> int:
        return change(kind, key, key_size, value, value_size, replace=True)

    def remove_value(kind: int, key: int, key_size: int) -> int:
        context = vm.current
        if kind > abi.LAST_MAP or context is None:
            return abi.BAD_ARGUMENT
        try:
            name = read(key, key_size).lower()
        except OutOfBounds:
            return abi.INVALID_MEMORY_ACCESS
        headers = context.writable(kind)
        if headers is None:
            return abi.BAD_ARGUMENT
        headers.remove(_name(kind, name))
        context.changed(kind)
        return abi.OK

    return {
        "proxy_set_header_map_pairs": HostFunction("iii>i", checked(set_pairs)),
        "proxy_add_header_map_value": HostFunction("iiiii>i", add_value),
        "proxy_replace_header_map_value": HostFunction("iiiii>i", replace_value),
        "proxy_remove_header_map_value": HostFunction("iii>i", remove_value),
    }


def _is_bad(kind: int, name: bytes, value: bytes) -> bool:
    """What no message may have: a value that ends its line, a name that does or that is empty, and in the head of a
    request a name that is no token."""
    if kind == abi.REQUEST_HEADERS:
        return not valid_pair(name, value)
    return not name or ends_line(name) is not None or ends_line(value) is not None


def _name(kind: int, name: bytes) -> bytes:
    """`host` is another name of `:authority` in requests."""
    return b":authority" if kind == abi.REQUEST_HEADERS and name == b"host" else name
