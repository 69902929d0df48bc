"""WASI preview 1, as far as a proxy's module gets it: log lines for output, clocks, random bytes, its environment.

There is no file and no socket: those functions answer what makes the C library, Go, Rust and AssemblyScript go on.
Source: Envoy's Wasm host (the same errors), WASI preview 1 for the signatures.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyvoy.extensions.wasm.calls.general import write_piece
from pyvoy.extensions.wasm.engine.interface import HostFunction, OutOfBounds

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyvoy.extensions.wasm.vm import Vm

log = logging.getLogger("pyvoy.wasm")

SUCCESS = 0
BAD_FILE = 8
NOT_A_FOLDER = 20
FAULT = 21
INVALID = 28
NO_ENTRY = 44
NO_SYSTEM_CALL = 52
NOT_SUPPORTED = 58
NOT_CAPABLE = 76

MAX_RANDOM_BYTES = 64 * 1024
MAX_VECTORS = 1024
MAX_WRITE_BYTES = 1 << 20
"""Bounds of one write: what a host function does counts against no time limit."""
_OUTPUT = {1: logging.INFO, 2: logging.ERROR}
_RIGHT_TO_WRITE = bytes(8) + (64).to_bytes(8, "little") + bytes(8)

_FIXED: dict[str, tuple[str, int]] = {
    "fd_read": ("iiii>i", NO_SYSTEM_CALL),
    "fd_pread": ("iiiIi>i", NO_SYSTEM_CALL),
    "fd_seek": ("iIii>i", SUCCESS),
    "fd_close": ("i>i", SUCCESS),
    "fd_fdstat_set_flags": ("ii>i", NO_SYSTEM_CALL),
    "fd_filestat_get": ("ii>i", BAD_FILE),
    "fd_advise": ("iIIi>i", SUCCESS),
    "fd_prestat_get": ("ii>i", BAD_FILE),
    "fd_prestat_dir_name": ("iii>i", NO_SYSTEM_CALL),
    "path_open": ("iiiiiIIii>i", NO_ENTRY),
    "path_create_directory": ("iii>i", NOT_SUPPORTED),
    "path_filestat_get": ("iiiii>i", NOT_SUPPORTED),
    "path_filestat_set_times": ("iiiiIIi>i", NOT_SUPPORTED),
    "path_link": ("iiiiiii>i", NOT_SUPPORTED),
    "path_readlink": ("iiiiii>i", NOT_SUPPORTED),
    "path_remove_directory": ("iii>i", NOT_SUPPORTED),
    "path_rename": ("iiiiii>i", NOT_SUPPORTED),
    "path_symlink": ("iiiii>i", NOT_SUPPORTED),
    "path_unlink_file": ("iii>i", NOT_SUPPORTED),
    "sock_accept": ("iii>i", NOT_SUPPORTED),
    "sock_recv": ("iiiiii>i", NOT_SUPPORTED),
    "sock_send": ("iiiii>i", NOT_SUPPORTED),
    "sock_shutdown": ("ii>i", NOT_SUPPORTED),
    "sched_yield": (">i", SUCCESS),
    "proc_raise": ("i>i", NOT_SUPPORTED),
}
_OF_FILES: dict[str, tuple[str, int]] = {
    "fd_tell": ("ii>i", SUCCESS),
    "fd_fdstat_set_rights": ("iII>i", SUCCESS),
    "fd_filestat_set_size": ("iI>i", SUCCESS),
    "fd_filestat_set_times": ("iIIi>i", SUCCESS),
    "fd_allocate": ("iII>i", SUCCESS),
    "fd_datasync": ("i>i", SUCCESS),
    "fd_sync": ("i>i", SUCCESS),
    "fd_renumber": ("ii>i", NOT_SUPPORTED),
}
"""What these answer for the two outputs; for anything else it is `badf`."""


def functions(vm: Vm) -> Mapping[str, HostFunction]:
    """All of preview 1."""
    fixed = {name: HostFunction(signature, _always(errno)) for name, (signature, errno) in _FIXED.items()}
    of_files = {name: HostFunction(signature, _for_output(errno)) for name, (signature, errno) in _OF_FILES.items()}
    return {**_output(vm), **_environment(vm), **_world(vm), **fixed, **of_files}


def _output(vm: Vm) -> dict[str, HostFunction]:
    """The two outputs: their lines go to the log."""
    memory = vm.memory

    def fd_write(fd: int, vectors: int, count: int, written_at: int) -> int:
        if fd not in _OUTPUT:
            return BAD_FILE
        if count > MAX_VECTORS:
            return INVALID
        pieces = []
        left = MAX_WRITE_BYTES
        for at in range(vectors, vectors + 8 * count, 8):
            size = memory.read_u32(at + 4)
            left -= size
            if left < 0:
                return INVALID
            pieces.append(memory.read(memory.read_u32(at), size))
        text = b"".join(pieces)
        memory.write_u32(written_at, len(text))
        if text:
            write_piece(vm, _OUTPUT[fd], text)
        return SUCCESS

    def fd_pwrite(fd: int, _vectors: int, _count: int, _offset: int, written_at: int) -> int:
        if fd not in _OUTPUT:
            return BAD_FILE
        memory.write_u32(written_at, 0)
        return SUCCESS

    def fd_fdstat_get(fd: int, at: int) -> int:
        if fd not in _OUTPUT:
            return BAD_FILE
        memory.write(at, _RIGHT_TO_WRITE)
        return SUCCESS

    def fd_readdir(_fd: int, _buffer: int, _size: int, _cookie: int, used_at: int) -> int:
        memory.write_u32(used_at, 0)
        return NOT_A_FOLDER

    return {
        "fd_write": HostFunction("iiii>i", _faulting(fd_write)),
        "fd_pwrite": HostFunction("iiiIi>i", _faulting(fd_pwrite)),
        "fd_fdstat_get": HostFunction("ii>i", _faulting(fd_fdstat_get)),
        "fd_readdir": HostFunction("iiiIi>i", _faulting(fd_readdir)),
    }


def _environment(vm: Vm) -> dict[str, HostFunction]:
    """Variables and arguments."""
    memory = vm.memory
    environment = [f"{key}={value}".encode() + b"\0" for key, value in vm.settings.environment]

    def environ_sizes_get(count_at: int, size_at: int) -> int:
        memory.write_u32(count_at, len(environment))
        memory.write_u32(size_at, sum(map(len, environment)))
        return SUCCESS

    def environ_get(table_at: int, at: int) -> int:
        for index, entry in enumerate(environment):
            memory.write_u32(table_at + 4 * index, at)
            memory.write(at, entry)
            at += len(entry)
        return SUCCESS

    def args_sizes_get(count_at: int, size_at: int) -> int:
        memory.write_u32(count_at, 0)
        memory.write_u32(size_at, 0)
        return SUCCESS

    return {
        "environ_sizes_get": HostFunction("ii>i", _faulting(environ_sizes_get)),
        "environ_get": HostFunction("ii>i", _faulting(environ_get)),
        "args_sizes_get": HostFunction("ii>i", _faulting(args_sizes_get)),
        "args_get": HostFunction("ii>i", lambda _table, _buffer: SUCCESS),
    }


def _world(vm: Vm) -> dict[str, HostFunction]:
    """Clocks, chance, waiting, the end."""
    memory = vm.memory

    def clock_time_get(clock: int, _precision: int, at: int) -> int:
        if clock > 1:
            return NOT_SUPPORTED
        memory.write_u64(at, time.monotonic_ns() if clock else vm.wall_ns())
        return SUCCESS

    def clock_res_get(clock: int, at: int) -> int:
        if clock > 1:
            return NOT_SUPPORTED
        memory.write_u64(at, 1)
        return SUCCESS

    def random_get(at: int, size: int) -> int:
        if size > MAX_RANDOM_BYTES:
            return INVALID
        memory.write(at, os.urandom(size))
        return SUCCESS

    def poll_oneoff(_subscriptions: int, _events: int, _count: int, events_at: int) -> int:
        memory.write_u32(events_at, 0)  # Go's runtime takes anything but success for its end
        return SUCCESS

    exits: list[int] = []

    def proc_exit(code: int) -> None:
        """Ends a VM that begins; later it does nothing, as in Envoy: the module goes on (os.Exit of Go) or traps (the
        compilers of most other languages put a trap behind the call)."""
        from pyvoy.extensions.wasm.vm import GuestExit

        called = f"the module called proc_exit({code - (1 << 32) if code >> 31 else code})"
        if not vm.entered:
            raise GuestExit(called)
        if not exits:
            log.warning("wasm VM %s: %s, which ends nothing in a proxy", vm.settings.vm_id, called)
            exits.append(code)

    return {
        "clock_time_get": HostFunction("iIi>i", _faulting(clock_time_get)),
        "clock_res_get": HostFunction("ii>i", _faulting(clock_res_get)),
        "random_get": HostFunction("ii>i", _faulting(random_get)),
        "poll_oneoff": HostFunction("iiii>i", _faulting(poll_oneoff)),
        "proc_exit": HostFunction("i>", proc_exit),
    }


def _for_output(errno: int) -> Callable[..., int]:
    return lambda fd, *_: errno if fd in _OUTPUT else BAD_FILE


def _always(errno: int) -> Callable[..., int]:
    return lambda *_: errno


def _faulting(function: Callable[..., int]) -> Callable[..., int]:
    """A bad pointer is WASI's own error."""

    def run(*arguments: int) -> int:
        try:
            return function(*arguments)
        except OutOfBounds:
            return FAULT

    return run
