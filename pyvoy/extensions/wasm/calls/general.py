"""Log, time, ticks, contexts, status, and the two functions that Emscripten's modules import beside WASI.

Source: Proxy-Wasm specification; the log line is Envoy's.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyvoy.extensions.wasm import abi
from pyvoy.extensions.wasm.calls.results import checked, giver
from pyvoy.extensions.wasm.engine.interface import HostFunction, OutOfBounds
from pyvoy.server.logs import TRACE

if TYPE_CHECKING:
    from pyvoy.extensions.wasm.vm import Vm

log = logging.getLogger("pyvoy.wasm")

LEVELS = (TRACE, logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)

GOES_ON = {"goes_on": True}
"""Marks the log record of a piece that belongs to the line before."""
_LONG_LINE = 4096


def functions(vm: Vm) -> Mapping[str, HostFunction]:
    """The group's functions."""
    memory = vm.memory
    give = giver(vm)

    def proxy_log(level: int, message: int, size: int) -> int:
        if level >= len(LEVELS):
            return abi.BAD_ARGUMENT
        try:
            text = memory.read(message, size)
        except OutOfBounds:
            return abi.INVALID_MEMORY_ACCESS
        write_line(vm, LEVELS[level], text)
        return abi.OK

    def get_log_level(at: int) -> int:
        effective = log.getEffectiveLevel()
        memory.write_u32(at, next((number for number, level in enumerate(LEVELS) if level >= effective), len(LEVELS)))
        return abi.OK

    def get_current_time(at: int) -> int:
        memory.write_u64(at, vm.wall_ns())
        return abi.OK

    def set_tick_period(milliseconds: int) -> int:
        if vm.current is not None:
            vm.current.root.set_tick_period(milliseconds)
        return abi.OK

    def set_effective_context(context_id: int) -> int:
        context = vm.contexts.get(context_id)
        if context is None:
            return abi.BAD_ARGUMENT
        if vm.mirror is not None:
            vm.mirror.leave()
        vm.current = context
        return abi.OK

    def done() -> int:
        context = vm.current
        if context is None or context.root is not context or not context.root.done_pending:
            return abi.NOT_FOUND
        vm.deferred.append(context.root.delete)
        return abi.OK

    def get_status(code_at: int, at: int, size_at: int) -> int:
        code, text = vm.current.root.status if vm.current is not None else (0, b"")
        memory.write_u32(code_at, code)
        return give(text, at, size_at)

    return {
        "proxy_log": HostFunction("iii>i", proxy_log),
        "proxy_get_log_level": HostFunction("i>i", checked(get_log_level)),
        "proxy_get_current_time_nanoseconds": HostFunction("i>i", checked(get_current_time)),
        "proxy_set_tick_period_milliseconds": HostFunction("i>i", set_tick_period),
        "proxy_set_effective_context": HostFunction("i>i", set_effective_context),
        "proxy_done": HostFunction(">i", done),
        "proxy_get_status": HostFunction("iii>i", checked(get_status)),
        "pthread_equal": HostFunction("ii>i", lambda one, other: int(one == other)),
        "emscripten_notify_memory_growth": HostFunction("i>", lambda _memory: None),
    }


def write_line(vm: Vm, level: int, text: bytes) -> None:
    """A line of the module: into the application log, and kept for the explanation of a trap."""
    line = text.decode("utf-8", "backslashreplace")
    vm.recent.append(line)
    vm.writes_on = 0
    _log(vm, level, line, None)


def write_piece(vm: Vm, level: int, text: bytes) -> None:
    """What the module writes to an output: a log line for each write, as in Envoy.

    For people the pieces of one line are put together: Go writes a panic in forty of them."""
    line = text.removesuffix(b"\n").decode("utf-8", "backslashreplace")
    recent = vm.recent
    goes_on = vm.writes_on == level and len(recent[-1]) < _LONG_LINE
    if goes_on:
        recent[-1] += line
    else:
        recent.append(line)
    vm.writes_on = 0 if text.endswith(b"\n") else level
    _log(vm, level, line, GOES_ON if goes_on else None)


def _log(vm: Vm, level: int, line: str, extra: dict[str, bool] | None) -> None:
    if log.isEnabledFor(level):
        context = vm.current
        prefix = context.log_prefix if context is not None else vm.settings.vm_id
        log.log(level, "wasm log%s: %s", f" {prefix}" if prefix else "", line, extra=extra)
