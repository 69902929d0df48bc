"""From a module's bytes to compiled code, by way of a cache on disk.

Compiled code is native code: the cache's folder must belong to the user alone, or it is not used.  An entry is named
after the SHA-256 of the module and lies in a folder named after the engine's version and settings; an entry that the
engine refuses is compiled anew.  One wasmtime compile before a fork makes every compile in the child hang, so the
supervisor never comes here.
"""

from __future__ import annotations

import hashlib
import logging
import os
import resource
import stat
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import wasmtime
from wasmtime import _bindings as bindings

from pyvoy.extensions.wasm.engine import public, unchecked
from pyvoy.extensions.wasm.engine.interface import Instance, MakeFunctions
from pyvoy.extensions.wasm.engine.ticker import Ticker

log = logging.getLogger("pyvoy.wasm")

STACK_BYTES = 4 * 1024 * 1024
"""What the calls of a module may take of the stack: V8 goes some 60,000 small frames deep, wasmtime as deep in this
(with its own 512 KiB: 10,000, and modules in Go recurse on it)."""

SETTINGS = "epoch-fixed"
"""Names what `_engine` sets: compiled code of other settings does not fit."""

Make = Callable[..., Instance]


class InvalidModuleError(ValueError):
    """Bytes that are no WebAssembly module, with what is wrong about them."""


class CompiledModule:
    """Compiled code with its lists of imports and exports; implements `Module`."""

    __slots__ = ("code", "compiler", "exports", "imports", "sha256", "size_bytes")

    def __init__(self, compiler: Compiler, code: Any, sha256: str, size_bytes: int) -> None:
        self.compiler = compiler
        self.code = code
        self.sha256 = sha256
        self.size_bytes = size_bytes
        self.imports = tuple((item.module, item.name or "", signature_of(item.type)) for item in code.imports)
        self.exports: Mapping[str, str] = {item.name: signature_of(item.type) for item in code.exports}

    def instantiate(self, functions: MakeFunctions, *, memory_limit_bytes: int, time_limit_s: float) -> Instance:
        """Link and start the module."""
        compiler = self.compiler
        compiler.ticker.start()
        return compiler.make(compiler, self, functions, memory_limit_bytes, time_limit_s)


class Compiler:
    """An engine with its cache; one per process that runs modules."""

    def __init__(self, cache: Path | None, *, fast: bool = True) -> None:
        """`cache` is a folder or None for no cache; `fast` False runs on wasmtime's public functions, which cost some
        thirty times more a call."""
        self.engine = _engine()
        self.ticker = Ticker(self.engine.increment_epoch)
        self.make: Make = unchecked.instantiate if fast else public.instantiate
        self._folder = None if cache is None else own_folder(cache / f"wasmtime-{version('wasmtime')}-{SETTINGS}")
        self._modules: dict[str, CompiledModule] = {}

    def compile(self, wasm: bytes) -> CompiledModule:
        """The module, from memory or the disk if it was compiled before.  Raises InvalidModuleError."""
        sha256 = hashlib.sha256(wasm).hexdigest()
        found = self._modules.get(sha256)
        if found is None:
            code = self._load(sha256) or self._compile(wasm, sha256)
            found = self._modules[sha256] = CompiledModule(self, code, sha256, len(wasm))
        return found

    def _load(self, sha256: str) -> Any:
        """The code in the cache; None if there is none that fits."""
        if self._folder is None:
            return None
        path = self._folder / f"{sha256}.cwasm"
        if not path.is_file() or not _is_private(path):
            return None
        try:
            return wasmtime.Module.deserialize_file(self.engine, str(path))
        except wasmtime.WasmtimeError as error:
            log.info("compiled code %s does not fit this engine: %s", path, error)
            return None

    def _compile(self, wasm: bytes, sha256: str) -> Any:
        if not wasm.startswith(b"\0asm"):
            raise InvalidModuleError("is no WebAssembly module: it does not begin with the bytes 00 61 73 6d")
        try:
            code = wasmtime.Module(self.engine, wasm)
        except wasmtime.WasmtimeError as error:
            raise InvalidModuleError(str(error)) from None
        if self._folder is not None:
            keep(self._folder / f"{sha256}.cwasm", code.serialize())
        return code


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Where compiled code is kept: $PYVOY_WASM_CACHE, else below $XDG_CACHE_HOME or ~/.cache."""
    if environment.get("PYVOY_WASM_CACHE"):
        return Path(environment["PYVOY_WASM_CACHE"])
    base = environment.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path(environment.get("HOME", "/"), ".cache")) / "pyvoy" / "wasm"


def _engine() -> Any:
    config = wasmtime.Config()
    config.epoch_interruption = True
    # Memory that never moves: a view of it stays valid, and only its length has to be renewed.
    bindings.wasmtime_config_memory_may_move_set(config.ptr(), False)
    stack = stack_bytes(resource.getrlimit(resource.RLIMIT_STACK)[0])
    # wasmtime wants the stacks of its own coroutines, which we have none of, to be at least as large.
    bindings.wasmtime_config_async_stack_size_set(config.ptr(), 2 * stack)
    bindings.wasmtime_config_max_wasm_stack_set(config.ptr(), stack)
    return wasmtime.Engine(config)


def stack_bytes(limit_bytes: int) -> int:
    """The part of a thread's stack that modules may take; `limit_bytes` is its size, or RLIM_INFINITY, with which a
    thread that is not the first has 2 MiB."""
    if limit_bytes == resource.RLIM_INFINITY:
        limit_bytes = 2 * 1024 * 1024
    return min(STACK_BYTES, limit_bytes // 2)


def own_folder(path: Path) -> Path | None:
    """The folder, made if need be; None if it cannot be used safely."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        log.info("no cache of compiled modules: %s", error)
        return None
    if not _is_private(path):
        log.warning("no cache of compiled modules: others may write to %s", path)
        return None
    return path


def _is_private(path: Path) -> bool:
    """Whether nobody but this user can have written it."""
    try:
        found = path.stat()
    except OSError:
        return False
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def keep(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: another process may read it at any moment."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(name, path)
    except OSError as error:
        log.info("cannot keep a compiled module: %s", error)
        with suppress(OSError, UnboundLocalError):
            os.unlink(name)


_KINDS = {"i32": "i", "i64": "I", "f32": "f", "f64": "F"}


def signature_of(kind: Any) -> str:
    """The signature of a function type; what an import or export is otherwise."""
    if isinstance(kind, wasmtime.FuncType):
        return "".join(map(_letter, kind.params)) + ">" + "".join(map(_letter, kind.results))
    for cls, word in ((wasmtime.MemoryType, "memory"), (wasmtime.TableType, "table"), (wasmtime.GlobalType, "global")):
        if isinstance(kind, cls):
            return word
    return "other"


def _letter(value: Any) -> str:
    return _KINDS.get(str(value), "?")
