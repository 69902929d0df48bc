"""What both bindings share: which functions a module gets, and a trap as a WasmTrap.

Source: Envoy names every import it misses; an import of the right name and another signature is missing too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import wasmtime

from pyvoy.extensions.wasm.demangle import demangled
from pyvoy.extensions.wasm.engine.interface import HostFunction, ImportName, LinkError, WasmTrap

if TYPE_CHECKING:
    from pyvoy.extensions.wasm.engine.compiler import CompiledModule


def needed(module: CompiledModule, functions: Mapping[ImportName, HostFunction]) -> dict[ImportName, HostFunction]:
    """The host functions that the module imports.  Raises LinkError naming each that is not to be had."""
    found: dict[ImportName, HostFunction] = {}
    wrong = []
    for place, name, signature in module.imports:
        offered = functions.get((place, name))
        if signature in ("memory", "table"):
            continue
        if offered is None:
            wrong.append(f"missing import: {place}.{name} ({words(signature)})")
        elif offered.signature != signature:
            wrong.append(f"import {place}.{name} wants {words(signature)}, the host has {words(offered.signature)}")
        else:
            found[(place, name)] = offered
    if wrong:
        raise LinkError("; ".join(wrong))
    return found


def words(signature: str) -> str:
    """A signature for people: "(i32, i64) -> i32"."""
    if ">" not in signature:
        return signature
    names = {"i": "i32", "I": "i64", "f": "f32", "F": "f64", "?": "?"}
    parameters, _, results = signature.partition(">")
    text = "(" + ", ".join(names[each] for each in parameters) + ")"
    return f"{text} -> {names[results[0]]}" if results else text


def function_type(signature: str) -> Any:
    """wasmtime's FuncType of a signature."""
    kinds = {"i": wasmtime.ValType.i32, "I": wasmtime.ValType.i64, "f": wasmtime.ValType.f32, "F": wasmtime.ValType.f64}
    parameters, _, results = signature.partition(">")
    return wasmtime.FuncType([kinds[each]() for each in parameters], [kinds[each]() for each in results])


def define_memories(linker: Any, store: Any, module: CompiledModule) -> None:
    """Memories and tables that the module imports are made by the host, as in Envoy."""
    for item in module.code.imports:
        if isinstance(item.type, wasmtime.MemoryType):
            linker.define(store, item.module, item.name, wasmtime.Memory(store, item.type))
        elif isinstance(item.type, wasmtime.TableType):
            linker.define(store, item.module, item.name, wasmtime.Table(store, item.type, None))


def trap_of(error: Any) -> WasmTrap:
    """wasmtime's Trap or WasmtimeError as a WasmTrap with the names of the guest's functions."""
    if not isinstance(error, wasmtime.Trap):
        return WasmTrap(str(error).splitlines()[0] if str(error) else "unknown error")
    frames = tuple(demangled(frame.func_name or f"function {frame.func_index}") for frame in error.frames)
    lines = [line for line in error.message.splitlines() if line.strip()]
    # The first line of wasmtime's message is the place, the cause comes last.
    message = lines[-1].strip() if lines else "trap"
    message = message.removeprefix("wasm trap: ")
    prefix, _, rest = message.partition(": ")
    message = rest if prefix.isdigit() and rest else message
    return WasmTrap(message, frames, timed_out=error.trap_code is wasmtime.TrapCode.INTERRUPT)
