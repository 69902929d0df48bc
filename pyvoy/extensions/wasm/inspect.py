"""What a module is: ABI, toolchain, size, memory, what it imports and exports, and what would keep it from running.

Nothing of it runs.  Source of the demands: `vm.Vm`, which makes the same ones.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

from pyvoy.extensions.wasm import abi
from pyvoy.extensions.wasm.calls import host_functions
from pyvoy.extensions.wasm.engine.compiler import Compiler, cache_folder
from pyvoy.extensions.wasm.engine.interface import ALLOCATORS
from pyvoy.extensions.wasm.engine.linking import words
from pyvoy.extensions.wasm.null import NullMemory
from pyvoy.extensions.wasm.sections import custom_sections, number, text
from pyvoy.extensions.wasm.settings import VmSettings

_PAGE = 65536


@dataclass(slots=True, frozen=True)
class Import:
    """A function that the module imports; `problem` is why it cannot have it, or ""."""

    place: str
    name: str
    signature: str
    problem: str = ""


@dataclass(slots=True, frozen=True)
class Report:
    """What was found.  `problems` are what refuses the module at load."""

    abi: str | None
    producers: tuple[str, ...]
    size_bytes: int
    memory_bytes: int
    memory_limit_bytes: int | None
    entry: str
    allocator: str
    has_names: bool
    callbacks: tuple[str, ...]
    imports: tuple[Import, ...]
    problems: tuple[str, ...]


def inspect(wasm: bytes) -> Report:
    """The report on a module.  Raises InvalidModuleError for bytes that are none."""
    module = Compiler(cache_folder(os.environ)).compile(wasm)
    exports = dict(module.exports)
    version = abi.version_of(exports)
    imports = tuple(_imports(module.imports))
    allocator = next((name for name in ALLOCATORS if exports.get(name) == "i>i"), "")
    problems = [each.problem for each in imports if each.problem]
    problems += [f"bad signature of {name}: {words(exports[name])}" for name in abi.wrong_signatures(exports)]
    if version is None:
        unknown = abi.unknown_version(exports)
        said = f"it announces {unknown}, which is not known" if unknown else "it announces no ABI version"
        problems.insert(0, f"{said} (an export proxy_abi_version_0_1_0, 0_2_0 or 0_2_1)")
    if not allocator:
        problems.append("it exports neither malloc nor proxy_on_memory_allocate")
    named = custom_sections(wasm)
    least, most = _memory(module.code)
    return Report(
        abi=version,
        producers=tuple(_producers(named.get("producers", b""))),
        size_bytes=len(wasm),
        memory_bytes=least * _PAGE,
        memory_limit_bytes=None if most is None else most * _PAGE,
        entry=next((name for name in ("_initialize", "_start") if name in exports), ""),
        allocator=allocator,
        has_names="name" in named,
        callbacks=tuple(name for name in abi.CALLBACKS if name in exports),
        imports=imports,
        problems=tuple(problems),
    )


def _imports(imports: tuple[tuple[str, str, str], ...]) -> Iterator[Import]:
    stand_in: Any = SimpleNamespace(
        memory=NullMemory(_PAGE), malloc=None, settings=VmSettings("", "", b""), is_old=False, load_mirror=None
    )
    offered = host_functions(cast("Any", stand_in))
    for place, name, signature in imports:
        found = offered.get((place, name))
        problem = ""
        if signature not in ("memory", "table"):
            if found is None:
                problem = f"missing import: {place}.{name} ({words(signature)})"
            elif found.signature != signature:
                problem = f"import {place}.{name} wants {words(signature)}, the host has {words(found.signature)}"
        yield Import(place, name, signature, problem)


def _memory(code: Any) -> tuple[int, int | None]:
    """Pages of the exported or imported memory: at the beginning, and at most."""
    import wasmtime

    for item in (*code.exports, *code.imports):
        if isinstance(item.type, wasmtime.MemoryType):
            return item.type.limits.min, item.type.limits.max
    return 0, None


def _producers(section: bytes) -> Iterator[str]:
    """The lines of a producers section: "language Rust", "processed-by clang 14"."""
    if not section:
        return
    count, at = number(section, 0)
    for _ in range(count):
        field, at = text(section, at)
        values, at = number(section, at)
        for _ in range(values):
            name, at = text(section, at)
            version, at = text(section, at)
            yield f"{field} {name} {version}".rstrip()
