"""Buffers: bodies, L4 data, the body of a call's answer, configurations.

Source: Proxy-Wasm specification; what is absent when, and that only a prefix can be replaced, are Envoy's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyvoy.extensions.wasm import abi
from pyvoy.extensions.wasm.calls.results import checked, giver
from pyvoy.extensions.wasm.engine.interface import HostFunction, OutOfBounds

if TYPE_CHECKING:
    from pyvoy.extensions.wasm.vm import Vm


def functions(vm: Vm) -> Mapping[str, HostFunction]:
    """The group's functions."""
    memory = vm.memory
    give = giver(vm)

    def get_bytes(kind: int, start: int, size: int, at: int, size_at: int) -> int:
        context = vm.current
        if kind > abi.LAST_BUFFER or context is None:
            return abi.BAD_ARGUMENT
        data = context.buffer(kind)
        if data is None:
            return abi.NOT_FOUND
        try:
            return give(data if not start and size >= len(data) else data[start : start + size], at, size_at)
        except OutOfBounds:
            return abi.INVALID_MEMORY_ACCESS

    def get_status(kind: int, length_at: int, flags_at: int) -> int:
        context = vm.current
        if kind > abi.LAST_BUFFER or context is None:
            return abi.BAD_ARGUMENT
        data = context.buffer(kind)
        if data is None:
            return abi.NOT_FOUND
        memory.write_u32(length_at, len(data))
        memory.write_u32(flags_at, 0)
        return abi.OK

    def set_bytes(kind: int, start: int, size: int, value_at: int, value_size: int) -> int:
        context = vm.current
        if kind > abi.LAST_BUFFER or context is None:
            return abi.BAD_ARGUMENT
        old = context.buffer(kind)
        if old is None:
            return abi.NOT_FOUND
        value = memory.read(value_at, value_size)
        if start == 0:
            new = value + old[size:]
        elif start >= len(old):
            new = old + value
        else:
            return abi.BAD_ARGUMENT
        return abi.OK if context.set_buffer(kind, new) else abi.BAD_ARGUMENT

    def get_configuration(at: int, size_at: int) -> int:
        context = vm.current
        if context is None:
            return give(vm.settings.configuration, at, size_at)
        configured = context.buffer(abi.PLUGIN_CONFIGURATION)
        return give(vm.settings.configuration if configured is None else configured, at, size_at)

    return {
        "proxy_get_buffer_bytes": HostFunction("iiiii>i", get_bytes),
        "proxy_get_buffer_status": HostFunction("iii>i", checked(get_status)),
        "proxy_set_buffer_bytes": HostFunction("iiiii>i", checked(set_bytes)),
        "proxy_get_configuration": HostFunction("ii>i", checked(get_configuration)),
    }
