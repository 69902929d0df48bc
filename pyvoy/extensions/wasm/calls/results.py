"""How host functions hand values back: each value in a block of its own, made by the module's allocator.

Source: Proxy-Wasm specification; the allocator is called for exactly the bytes of the value and never for none, and the
block belongs to the module (the Rust SDK frees it as a vector of that capacity).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from pyvoy.extensions.wasm import abi
from pyvoy.extensions.wasm.engine.interface import OutOfBounds

if TYPE_CHECKING:
    from pyvoy.extensions.wasm.vm import Vm

ends_line = re.compile(rb"[\x00\r\n]").search
"""Whether a name or value would end its line, and so could split a message in two."""

Give = Callable[[bytes, int, int], int]


def giver(vm: Vm) -> Give:
    """A function that puts a value into the module's memory and its address and size at two places; a status.

    Raises OutOfBounds for places that are none."""
    memory = vm.memory

    def give(data: bytes, at: int, size_at: int) -> int:
        size = len(data)
        place = 0
        if size:
            place = vm.malloc(size) if vm.malloc is not None else 0
            if not place:
                return abi.INVALID_MEMORY_ACCESS
            memory.write(place, data)
        memory.write_u32(at, place)
        memory.write_u32(size_at, size)
        return abi.OK

    return give


def checked(function: Callable[..., int]) -> Callable[..., Any]:
    """Turns a bad pointer into its status; what is called often does it itself and saves a call."""

    @wraps(function)
    def run(*arguments: int) -> int:
        try:
            return function(*arguments)
        except OutOfBounds:
            return abi.INVALID_MEMORY_ACCESS

    return run
