"""`envoy.wasm.runtime.null`: a Python class in place of a module, for tests and debugging.

The VM's code is the class's place, `package.module:Class`.  The class has methods named as a module's exports
(`proxy_on_request_headers(context_id, count, end)`), and calls host functions by name; everything between it and the
proxy is the same code as for a module, memory included.  Source: Envoy's null VM.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from pyvoy.extensions.wasm import abi
from pyvoy.extensions.wasm.engine.interface import HostFunction, ImportName, MakeFunctions, OutOfBounds

_PAGE = 65536
_HEAP = 1024


class NullModuleError(ValueError):
    """No class is to be had under that name; the text says why."""


class NullMemory:
    """Memory that is a bytearray; allocation only goes up until the outermost callback returns."""

    def __init__(self, limit_bytes: int) -> None:
        self.data = bytearray(_PAGE)
        self.next = _HEAP
        self._limit_bytes = limit_bytes

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return len(self.data)

    def allocate(self, size: int) -> int:
        """The address of that many bytes; 0 when there is no room."""
        at = self.next
        if at + size > self._limit_bytes:
            return 0
        self.next = at + size
        if self.next > len(self.data):
            self.data.extend(bytes(self.next - len(self.data)))
        return at

    def _check(self, end: int) -> None:
        if end > len(self.data):
            raise OutOfBounds

    def read(self, at: int, size: int) -> bytes:
        """A copy."""
        self._check(at + size)
        return bytes(self.data[at : at + size])

    def write(self, at: int, data: bytes) -> None:
        """Copy data in."""
        self._check(at + len(data))
        self.data[at : at + len(data)] = data

    def read_u32(self, at: int) -> int:
        """A little-endian number."""
        return int.from_bytes(self.read(at, 4), "little")

    def write_u32(self, at: int, value: int) -> None:
        """A little-endian number."""
        self.write(at, value.to_bytes(4, "little"))

    def write_u64(self, at: int, value: int) -> None:
        """A little-endian number."""
        self.write(at, value.to_bytes(8, "little"))


class NullPlugin:
    """Base of the classes: `call` runs a host function."""

    _functions: Mapping[str, HostFunction]
    _memory: NullMemory

    def call(self, name: str, *arguments: int | bytes | str, results: int = 0, numbers: int = 0) -> tuple[Any, ...]:
        """Call `proxy_<name>`: texts become addresses and sizes; behind them stand the places of `results` (bytes) and
        then of `numbers` (u32).  Returns the status, the results and the numbers."""
        memory = self._memory
        words: list[int] = []
        for argument in arguments:
            if isinstance(argument, int):
                words.append(argument)
            else:
                data = argument.encode() if isinstance(argument, str) else argument
                at = memory.allocate(len(data))
                memory.write(at, data)
                words += (at, len(data))
        places = [memory.allocate(4) for _ in range(2 * results + numbers)]
        status = self._functions[f"proxy_{name}"].run(*words, *places)
        found = [memory.read_u32(place) for place in places]
        texts = [memory.read(found[2 * at], found[2 * at + 1]) for at in range(results)] if status == abi.OK else []
        texts += [b""] * (results - len(texts))
        return (status, *texts, *found[2 * results :])


class NullModule:
    """A class as a module; implements `Module`."""

    imports: tuple[tuple[str, str, str], ...] = ()

    def __init__(self, cls: type[NullPlugin]) -> None:
        self._cls = cls
        exports = {"memory": "memory", "malloc": "i>i", "proxy_abi_version_0_2_1": ">"}
        self.exports: Mapping[str, str] = exports | {
            name: signatures[-1] for name, signatures in abi.CALLBACKS.items() if hasattr(cls, name)
        }

    @classmethod
    def named(cls, name: str) -> NullModule:
        """The module of `package.module:Class`.  Raises NullModuleError."""
        place, colon, attribute = name.strip().partition(":")
        if not colon:
            raise NullModuleError(f"{name!r} names no class: write package.module:Class")
        try:
            found = getattr(importlib.import_module(place), attribute)
        except (ImportError, AttributeError) as error:
            raise NullModuleError(f"{name!r} cannot be loaded: {error}") from None
        if not (isinstance(found, type) and issubclass(found, NullPlugin)):
            raise NullModuleError(f"{name!r} is no NullPlugin")
        return cls(found)

    def instantiate(self, functions: MakeFunctions, *, memory_limit_bytes: int, time_limit_s: float) -> NullInstance:
        """An object of the class.  It has no time limit: it is Python."""
        memory = NullMemory(memory_limit_bytes)
        return NullInstance(self._cls(), memory, functions(memory), self.exports)


class NullInstance:
    """An object that plays a module; implements `Instance`."""

    def __init__(
        self,
        guest: NullPlugin,
        memory: NullMemory,
        functions: Mapping[ImportName, HostFunction],
        exports: Mapping[str, str],
    ) -> None:
        guest._functions = {name: function for (place, name), function in functions.items() if place == "env"}
        guest._memory = memory
        self.memory = memory
        self.companion = None
        self._guest = guest
        self._exports = exports

    def function(self, name: str, *, nested: bool = False) -> Callable[..., int] | None:
        """A method as a plain callable."""
        if name == "malloc":
            return self.memory.allocate
        if name not in self._exports or not name.startswith("proxy_on_"):
            return None
        method = getattr(self._guest, name)
        memory = self.memory

        def call(*arguments: int) -> int:
            try:
                return int(method(*arguments) or 0)
            finally:
                memory.next = _HEAP

        return call

    def limit(self, seconds: float) -> None:
        """There is none."""

    def memory_bytes(self) -> int:
        """The memory's size."""
        return self.memory.size

    def close(self) -> None:
        """Nothing to free."""
