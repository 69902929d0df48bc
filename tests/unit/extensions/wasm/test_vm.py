"""A VM: what it refuses, how it starts, what it allocates, and that its callbacks never nest."""

from __future__ import annotations

import pytest
import wasmtime

from pyvoy.extensions.wasm import abi
from pyvoy.extensions.wasm.engine.compiler import Compiler
from pyvoy.extensions.wasm.engine.interface import LinkError, WasmTrap
from pyvoy.extensions.wasm.settings import VmSettings
from pyvoy.extensions.wasm.vm import GuestExit, Vm, VmRefused
from tests.unit.extensions.wasm.vms import MapContext, running

MARKER = '(func (export "proxy_abi_version_0_2_1"))'
MEMORY = '(memory (export "memory") 2)'
MALLOC = '(func (export "malloc") (param i32) (result i32) (i32.const 1024))'


def make(wat: str, **settings: object) -> Vm:
    code = bytes(wasmtime.wat2wasm(f"(module {wat})"))
    return Vm(Compiler(None).compile(code), VmSettings("vm", "", code, **settings))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wat", "text"),
    [
        (MEMORY + MALLOC, "Missing or unknown Proxy-Wasm ABI version"),
        (
            MEMORY + MALLOC + '(func (export "proxy_abi_version_0_2_100"))',
            "Missing or unknown Proxy-Wasm ABI version: proxy_abi_version_0_2_100",
        ),
        (MEMORY + MARKER, "exports neither malloc nor proxy_on_memory_allocate"),
        (
            MEMORY + MARKER + MALLOC + '(func (export "proxy_on_tick") (param i32 i32))',
            r"Bad function signature for: proxy_on_tick \(ii>\)",
        ),
        (
            MEMORY + MARKER + MALLOC + '(func (export "_start") (param i32))',
            r"Bad function signature for: _start \(i>\)",
        ),
    ],
)
def test_modules_that_are_refused(wat, text):
    with pytest.raises(VmRefused, match=text):
        make(wat)


def test_the_first_marker_counts():
    vm = make(MEMORY + MALLOC + MARKER + '(func (export "proxy_abi_version_0_1_0"))')
    assert (vm.abi, vm.is_old) == ("0.2.1", False)


def test_old_modules_may_have_three_parameters_for_headers():
    body = "(param i32 i32 i32) (result i32) (i32.const 0)"
    vm = make(
        f'{MEMORY}{MALLOC}(func (export "proxy_abi_version_0_1_0"))(func (export "proxy_on_request_headers") {body})'
    )
    assert vm.on_request_headers is not None
    assert vm.on_request_headers(1, 2, 3) == 0


def test_a_global_cannot_be_imported():
    with pytest.raises(LinkError, match=r"missing import: env\.g \(global\)"):
        make(f'(import "env" "g" (global i32)) {MEMORY}{MARKER}{MALLOC}')


def test_proc_exit_ends_a_vm_that_begins():
    vm = make(
        '(import "wasi_unstable" "proc_exit" (func $exit (param i32)))'
        + MEMORY + MARKER + MALLOC + '(func (export "_start") (call $exit (i32.const 7)))'
    )  # fmt: skip
    with pytest.raises(GuestExit, match=r"proc_exit\(7\)"):
        vm.start()
    assert vm.failed


def test_proc_exit_later_does_nothing_and_is_told_once(caplog):
    vm = make(
        '(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))' + MEMORY + MARKER + MALLOC
        + '(func (export "proxy_on_log") (param i32) (call $exit (i32.const -1)))'
    )  # fmt: skip
    vm.start()
    assert vm.on_log is not None
    vm.on_log(1)
    vm.on_log(1)
    assert [record.getMessage() for record in caplog.records] == [
        "wasm VM vm: the module called proc_exit(-1), which ends nothing in a proxy"
    ]
    assert not vm.failed


def test_what_is_written_in_pieces_is_a_line_for_people():
    pieces = (("panic: ", 2), ("boom", 2), ("\\0a", 2), ("out", 1), ("goroutine ", 2), ("1\\0a", 2))
    data, calls, at = "", "", 64
    for text, fd in pieces:
        size = len(text.replace("\\0a", "n"))
        data += f'(data (i32.const {at}) "{text}")'
        calls += f"(i32.store (i32.const 8) (i32.const {at})) (i32.store (i32.const 12) (i32.const {size}))"
        calls += f"(drop (call $write (i32.const {fd}) (i32.const 8) (i32.const 1) (i32.const 16)))"
        at += 16
    vm = make(
        '(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))'
        + MEMORY + MARKER + MALLOC + data + f'(func (export "proxy_on_log") (param i32) {calls})'
    )  # fmt: skip
    assert vm.on_log is not None
    vm.on_log(1)
    assert list(vm.recent) == ["panic: boom", "out", "goroutine 1"]


def test_start_up_functions_in_their_order():
    said = (
        '(func (export "{}") {} (global.set $at (i32.add (i32.mul (global.get $at) (i32.const 10)) (i32.const {}))){})'
    )
    vm = make(
        f"{MEMORY}{MARKER}{MALLOC}(global $at (mut i32) (i32.const 0))"
        + said.format("_initialize", "", 1, "")
        + said.format("main", "(param i32 i32) (result i32)", 2, "(i32.const 0)")
        + said.format("_start", "", 3, "")
        + '(func (export "seen") (result i32) (global.get $at))'
    )
    vm.start()
    seen = vm.instance.function("seen")
    assert seen is not None
    assert seen() == 12


def test_each_value_has_a_block_of_exactly_its_size_and_nothing_has_none():
    asked = '(func (export "asked") (result i32) (global.get $asked)) (global $asked (mut i32) (i32.const 77))'
    vm = make(
        '(import "env" "proxy_get_buffer_bytes" (func $get (param i32 i32 i32 i32 i32) (result i32)))'
        + MEMORY
        + MARKER
        + asked
        + '(func (export "malloc") (param i32) (result i32) (global.set $asked (local.get 0)) (i32.const 2048))'
        + '(func (export "get") (param i32) (result i32) (call $get (i32.const 6) (local.get 0) (i32.const 5) '
        + "(i32.const 0) (i32.const 4)))",
        configuration=b"configuration",
    )
    from pyvoy.testing.fakes import FakeServices
    from tests.unit.extensions.wasm.vms import Puppet

    Puppet(vm, FakeServices())
    get, asked_for = vm.instance.function("get"), vm.instance.function("asked")
    assert get is not None
    assert asked_for is not None
    assert (get(100), asked_for()) == (abi.OK, 77)  # nothing: the allocator is not called, address 0 is written to
    assert vm.memory.read(0, 8) == bytes(8)
    assert (get(0), asked_for()) == (abi.OK, 5)
    assert vm.memory.read(0, 8) == b"\x00\x08\x00\x00\x05\x00\x00\x00"


def test_an_allocator_may_call_the_host_and_may_have_no_room():
    log = '(import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))'
    get = '(import "env" "proxy_get_buffer_bytes" (func $get (param i32 i32 i32 i32 i32) (result i32)))'
    malloc = '(func (export "malloc") (param i32) (result i32) (call $log (i32.const 2) (i32.const 0) (i32.const 4)))'
    given = "(i32.const 6) (i32.const 0) (i32.const 9) (i32.const 0) (i32.const 4)"
    do = f'(func (export "get") (result i32) (call $get {given}))'
    vm = make(log + get + MEMORY + MARKER + malloc + do, configuration=b"configuration")
    from pyvoy.testing.fakes import FakeServices
    from tests.unit.extensions.wasm.vms import Puppet

    Puppet(vm, FakeServices())
    function = vm.instance.function("get")
    assert function is not None
    assert function() == abi.INVALID_MEMORY_ACCESS  # proxy_log gave 0: no room
    assert vm.recent


def test_ids_begin_anew_and_pass_over_those_that_live():
    with running() as puppet:
        vm = puppet.vm
        vm.next_id = 0xFFFFFFFF
        made = [vm.add(puppet.root) for _ in range(3)]
        assert made == [0xFFFFFFFF, 2, 3]  # 1 is the root


def test_what_callbacks_ask_for_is_done_in_order_after_them():
    with running() as puppet:
        done: list[int] = []
        later = puppet.vm.deferred
        later.append(lambda: done.append(1))
        later.append(lambda: puppet.vm.deferred.append(lambda: done.append(3)))
        later.append(lambda: done.append(2))
        puppet.vm.run_deferred()
        assert done == [1, 2, 3]


def test_a_failed_vm_is_told_to_its_other_contexts_once():
    with running() as puppet:
        told: list[str] = []

        class Waiting(MapContext):
            def vm_failed(self) -> None:
                told.append("failed")

        from pyvoy.http.headers import HeaderMap

        puppet.vm.add(Waiting(puppet.vm, puppet.root, 0, HeaderMap()))
        puppet.vm.fail(WasmTrap("one"))
        puppet.vm.fail(WasmTrap("two"))
        assert told == ["failed"]
