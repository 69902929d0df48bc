"""A VM without a proxy: a module whose exports call host functions with what a test gives them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import wasmtime

from pyvoy.extensions.host import Host
from pyvoy.extensions.wasm.context import Context
from pyvoy.extensions.wasm.engine.compiler import Compiler
from pyvoy.extensions.wasm.root import RootContext
from pyvoy.extensions.wasm.settings import PluginSettings, VmSettings
from pyvoy.extensions.wasm.vm import Vm
from pyvoy.http.headers import HeaderMap
from pyvoy.testing.fakes import FakeServices
from tests.support.guest import _COUNTS, _I64, _import

IN, OUT_AT = 4096, 64


def puppet(version: str = "0_2_1", extra: str = "") -> bytes:
    """A module that exports every host function under its own name, as `do_<name>`."""
    lines = []
    for name in _COUNTS:
        lines.append(_import(name))
    for name, count in _COUNTS.items():
        takes = " ".join("i32" for _ in range(count))
        words = []
        for at in range(count):
            wide = at in _I64.get(name, ())
            words.append(f"(i64.extend_i32_s (local.get {at}))" if wide else f"(local.get {at})")
        lines.append(f'(func (export "do_{name}") (param {takes}) (result i32) (call ${name} {" ".join(words)}))')
    return bytes(
        wasmtime.wat2wasm(
            f"""(module {chr(10).join(lines)} (memory (export "memory") 4)
            (global $heap (mut i32) (i32.const 0x20000))
            (func (export "proxy_abi_version_{version}"))
            (func (export "malloc") (param i32) (result i32) (global.get $heap)
              (global.set $heap (i32.and (i32.add (i32.add (global.get $heap) (local.get 0)) (i32.const 7))
                (i32.const -8))))
            {extra})"""
        )
    )


class MapContext(Context):
    """A context with one header map of a kind."""

    def __init__(self, vm: Vm, root: RootContext, kind: int, headers: HeaderMap) -> None:
        self.vm = vm
        self.root = root
        self.kind = kind
        self.headers = headers
        self.changes = 0

    def _sync(self, *, writing: bool) -> HeaderMap:
        mirror = self.vm.mirror
        if mirror is not None and mirror.headers is not None:
            mirror.sync()
            if writing:
                mirror.stale()
        return self.headers

    def readable(self, kind: int) -> HeaderMap | None:
        return self._sync(writing=False) if kind == self.kind else None

    def writable(self, kind: int) -> HeaderMap | None:
        return self._sync(writing=True) if kind == self.kind else None

    def changed(self, kind: int) -> None:
        self.changes += 1


class Puppet:
    """A running puppet; `do` calls a host function as the module would."""

    def __init__(self, vm: Vm, fakes: FakeServices) -> None:
        self.vm = vm
        self.fakes = fakes
        host = Host(fakes.scope, fakes.arena, logging.getLogger("pyvoy.wasm"), fakes.services)
        self.root = RootContext(
            vm, PluginSettings("plugin", "root", vm.settings, b"configured"), host, lambda parts: None
        )
        self.root.context_id = vm.add(self.root)
        vm.current = self.root

    def do(self, name: str, *arguments: int | bytes) -> int:
        """Texts become addresses and sizes; the status."""
        words: list[int] = []
        at = IN
        for argument in arguments:
            if isinstance(argument, bytes):
                self.vm.memory.write(at, argument)
                words += (at, len(argument))
                at += len(argument) + 8
            else:
                words.append(argument)
        function: Callable[..., int] | None = self.vm.instance.function(f"do_{name}")
        assert function is not None
        return function(*words)

    def ask(self, name: str, *arguments: int | bytes) -> tuple[int, bytes]:
        """The same with places for a value behind: status and value."""
        self.vm.memory.write(OUT_AT, b"\xee" * 8)
        status = self.do(name, *arguments, OUT_AT, OUT_AT + 4)
        if status:
            return status, b""
        return status, self.vm.memory.read(self.vm.memory.read_u32(OUT_AT), self.vm.memory.read_u32(OUT_AT + 4))

    def number(self, name: str, *arguments: int | bytes) -> tuple[int, int]:
        """The same with a place for a number."""
        status = self.do(name, *arguments, OUT_AT)
        return status, self.vm.memory.read_u32(OUT_AT)


@contextmanager
def running(*, fast: bool = True, version: str = "0_2_1", **settings: Any) -> Iterator[Puppet]:
    """A puppet in a VM."""
    compiler = Compiler(None, fast=fast)
    code = puppet(version)
    vm = Vm(compiler.compile(code), VmSettings("vm", "", code, **settings))
    try:
        yield Puppet(vm, FakeServices())
    finally:
        compiler.ticker.stop()
