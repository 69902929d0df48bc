"""What a Proxy-Wasm host needs of a WebAssembly engine; two bindings offer it (`unchecked.py`, `public.py`).

Values are i32 and i64, seen from Python as unsigned numbers.  A signature is written as in "iiI>i": the parameters, and
behind ">" the result, if there is one; `i` is i32, `I` i64, `f` and `F` the floats, `?` anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

ImportName = tuple[str, str]

ALLOCATORS = ("malloc", "proxy_on_memory_allocate")
"""What a module may export to allocate its memory; the first counts, as in Envoy (the specification says the other)."""

LOAD: ImportName = ("companion", "load")
"""Under this name a host offers to fill the companion's memory; without it there is no companion."""


@dataclass(slots=True, frozen=True)
class HostFunction:
    """A function that a module may import: its signature, and what runs.  Its result must fit the signature."""

    signature: str
    run: Callable[..., Any]


class OutOfBounds(Exception):
    """A pointer or length that reaches beyond the module's memory."""


class MemoryNotBoundError(Exception):
    """The memory was asked for while the module's start section runs and nobody knows its memory yet."""


class WasmTrap(Exception):
    """The module ended itself, was ended, or a host function could not go on.

    `frames` are the names of the guest's functions, innermost first; `timed_out` says that its time limit was up.
    """

    def __init__(self, message: str, frames: tuple[str, ...] = (), *, timed_out: bool = False) -> None:
        self.message = message
        self.frames = frames
        self.timed_out = timed_out
        super().__init__(message)


class LinkError(Exception):
    """The module cannot be instantiated: every import that is missing or of another type is named."""


class Memory(Protocol):
    """A module's linear memory.  All addresses and sizes are unsigned; 0 is an address like any other."""

    @property
    def size(self) -> int:
        """Bytes that are known to be there; the memory may have grown since."""

    def read(self, at: int, size: int) -> bytes:
        """A copy of `size` bytes.  Raises OutOfBounds."""

    def write(self, at: int, data: bytes) -> None:
        """Raises OutOfBounds, having written nothing."""

    def read_u32(self, at: int) -> int:
        """A little-endian number.  Raises OutOfBounds."""

    def write_u32(self, at: int, value: int) -> None:
        """Raises OutOfBounds."""

    def write_u64(self, at: int, value: int) -> None:
        """Raises OutOfBounds."""


class FixedMemory(Protocol):
    """A memory that does not grow."""

    @property
    def view(self) -> memoryview:
        """All of it."""


MakeFunctions = Callable[[Memory], Mapping[ImportName, HostFunction]]


class Instance(Protocol):
    """A module that runs.  Owned by its VM."""

    @property
    def memory(self) -> Memory:
        """Its memory."""

    @property
    def companion(self) -> FixedMemory | None:
        """The memory of the module beside it (see `companion`), None when there is none."""

    def function(self, name: str, *, nested: bool = False) -> Callable[..., int] | None:
        """An exported function, None if there is none.  Calling it raises WasmTrap; without a result it gives 0.

        Each call may take the instance's time limit; `nested` functions run inside a host call and share the time of
        the call that runs."""

    def limit(self, seconds: float) -> None:
        """The time limit of calls from now on."""

    def memory_bytes(self) -> int:
        """The memory's size now."""

    def close(self) -> None:
        """Let go of everything; nothing may be called afterwards."""


class Module(Protocol):
    """Compiled code, shared by its instances."""

    @property
    def imports(self) -> tuple[tuple[str, str, str], ...]:
        """Module, name and signature of each import, in order ("memory", "table", "global": what is no function)."""

    @property
    def exports(self) -> Mapping[str, str]:
        """Signature of each export, in order ("memory", "table", "global": what is no function)."""

    def instantiate(self, functions: MakeFunctions, *, memory_limit_bytes: int, time_limit_s: float) -> Instance:
        """Link and start the module; its start section runs here and may call host functions.

        `functions` makes what may be imported, given the memory of the instance.

        Raises LinkError for imports that nobody offers, WasmTrap when the start section fails."""
