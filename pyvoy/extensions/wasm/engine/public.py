"""The plain binding: the same as `unchecked.py` through wasmtime's public functions.

Some thirty times slower a call; it is here so that a change of wasmtime's private side can be told from a fault of
ours (the same tests run on both), and for whoever would rather not use private functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import wasmtime

from pyvoy.extensions.wasm.engine.interface import HostFunction, LinkError, MakeFunctions, OutOfBounds, WasmTrap
from pyvoy.extensions.wasm.engine.linking import define_memories, function_type, needed, trap_of
from pyvoy.extensions.wasm.engine.ticker import ticks_of

if TYPE_CHECKING:
    from pyvoy.extensions.wasm.engine.compiler import CompiledModule, Compiler


class PublicMemory:
    """The memory through `wasmtime.Memory`."""

    def __init__(self, instance: PublicInstance) -> None:
        self._instance = instance

    @property
    def size(self) -> int:
        """The size now."""
        memory, store = self._instance.place()
        return int(memory.data_len(store))

    def read(self, at: int, size: int) -> bytes:
        """A copy of `size` bytes."""
        memory, store = self._instance.place()
        if at + size > memory.data_len(store):
            raise OutOfBounds
        return bytes(memory.read(store, at, at + size)) if size else b""

    def write(self, at: int, data: bytes) -> None:
        """Copy data in."""
        memory, store = self._instance.place()
        if at + len(data) > memory.data_len(store):
            raise OutOfBounds
        if data:
            memory.write(store, data, at)

    def read_u32(self, at: int) -> int:
        """A little-endian number."""
        return int.from_bytes(self.read(at, 4), "little")

    def write_u32(self, at: int, value: int) -> None:
        """A little-endian number."""
        self.write(at, (value & 0xFFFFFFFF).to_bytes(4, "little"))

    def write_u64(self, at: int, value: int) -> None:
        """A little-endian number."""
        self.write(at, value.to_bytes(8, "little"))


class PublicInstance:
    """A running module; implements `Instance`."""

    def __init__(self, compiler: Compiler, memory_limit_bytes: int, time_limit_s: float) -> None:
        self._store: Any = wasmtime.Store(compiler.engine)
        self._store.set_limits(memory_size=memory_limit_bytes)
        self._linker: Any = wasmtime.Linker(compiler.engine)
        self._exports: Any = None
        self._memory: Any = None
        self._caller: Any = None
        self._ticks = ticks_of(time_limit_s)
        self.memory = PublicMemory(self)
        self.companion = None

    def start(self, module: CompiledModule, functions: MakeFunctions) -> None:
        """Link and instantiate."""
        for (place, name), function in needed(module, functions(self.memory)).items():
            self._linker.define_func(
                place, name, function_type(function.signature), self._callback(function), access_caller=True
            )
        define_memories(self._linker, self._store, module)
        self._store.set_epoch_deadline(self._ticks)
        try:
            self._exports = self._linker.instantiate(self._store, module.code).exports(self._store)
        except wasmtime.Trap as error:
            raise trap_of(error) from None
        except wasmtime.WasmtimeError as error:
            raise LinkError(str(error)) from None
        for name, kind in module.exports.items():
            if kind == "memory":
                self._memory = self._exports[name]
                break

    def place(self) -> tuple[Any, Any]:
        """The memory and the store it lies in; while the start section runs, those of the caller."""
        if self._memory is not None:
            return self._memory, self._store
        found = self._caller["memory"] if self._caller is not None else None
        if not isinstance(found, wasmtime.Memory):
            raise OutOfBounds
        return found, self._caller

    def _callback(self, function: HostFunction) -> Callable[..., Any]:
        parameters, _, result = function.signature.partition(">")
        masks = [0xFFFFFFFFFFFFFFFF if kind == "I" else 0xFFFFFFFF for kind in parameters]

        def callback(caller: Any, *arguments: int) -> int | None:
            outer, self._caller = self._caller, caller
            try:
                found = function.run(*[value & mask for value, mask in zip(arguments, masks, strict=True)])
            finally:
                self._caller = outer
            return _signed(found, result) if result else None

        return callback

    def function(self, name: str, *, nested: bool = False) -> Callable[..., int] | None:
        """An exported function as a plain callable."""
        found = self._exports.get(name) if self._exports is not None else None
        if not isinstance(found, wasmtime.Func):
            return None

        def call(*arguments: int) -> int:
            if not nested:
                self._store.set_epoch_deadline(self._ticks)
            try:
                result = found(self._store, *[_signed(value, "i") for value in arguments])
            except wasmtime.Trap as error:
                raise trap_of(error) from None
            except WasmTrap:
                raise
            except wasmtime.WasmtimeError as error:
                raise trap_of(error) from None
            return (result or 0) & 0xFFFFFFFF

        return call

    def limit(self, seconds: float) -> None:
        """The time limit of calls from now on."""
        self._ticks = ticks_of(seconds)

    def memory_bytes(self) -> int:
        """The memory's size now."""
        return self.memory.size

    def close(self) -> None:
        """Free the store."""
        self._exports = None
        self._memory = None
        self._linker.close()
        self._store.close()


def _signed(value: int, kind: str) -> int:
    bits = 64 if kind == "I" else 32
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def instantiate(
    compiler: Compiler,
    module: CompiledModule,
    functions: MakeFunctions,
    memory_limit_bytes: int,
    time_limit_s: float,
) -> PublicInstance:
    """A running instance.  Raises LinkError or WasmTrap."""
    instance = PublicInstance(compiler, memory_limit_bytes, time_limit_s)
    try:
        instance.start(module, functions)
    except BaseException:
        instance.close()
        raise
    return instance
