"""The two engine bindings: the same demands on both."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
import wasmtime

from pyvoy.extensions.wasm.engine.compiler import (
    STACK_BYTES,
    Compiler,
    InvalidModuleError,
    cache_folder,
    stack_bytes,
)
from pyvoy.extensions.wasm.engine.interface import HostFunction, Instance, LinkError, Memory, OutOfBounds, WasmTrap

MIB = 1 << 20


@pytest.fixture(params=["unchecked", "public"])
def compiler(request: pytest.FixtureRequest) -> Iterator[Compiler]:
    made = Compiler(None, fast=request.param == "unchecked")
    yield made
    made.ticker.stop()


def start(
    compiler: Compiler,
    wat: str,
    memory_limit_bytes: int = 16 * MIB,
    time_limit_s: float = 5.0,
    **functions: HostFunction,
) -> Instance:
    module = compiler.compile(bytes(wasmtime.wat2wasm(f"(module {wat})")))
    named = {("env", name): function for name, function in functions.items()}
    return module.instantiate(lambda memory: named, memory_limit_bytes=memory_limit_bytes, time_limit_s=time_limit_s)


def test_values_cross_unsigned_in_both_directions(compiler):
    seen = []

    def host(a: int, b: int, c: int) -> int:
        seen.append((a, b, c))
        return 0xFFFFFFFE

    instance = start(
        compiler,
        """(import "env" "host" (func $h (param i32 i64 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "go") (param i32 i32) (result i32)
          (call $h (local.get 0) (i64.const -1) (local.get 1)))""",
        host=HostFunction("iIi>i", host),
    )
    assert instance.function("go")(0xFFFFFFFF, 7) == 0xFFFFFFFE
    assert seen == [(0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF, 7)]


def test_a_module_may_call_as_deep_as_in_v8(compiler):
    instance = start(
        compiler,
        """(memory (export "memory") 1)
        (func $deep (export "deep") (param i32) (result i32)
          (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
          (i32.add (i32.const 1) (call $deep (i32.sub (local.get 0) (i32.const 1)))))""",
    )
    assert instance.function("deep")(50_000) == 50_000
    with pytest.raises(WasmTrap, match="call stack exhausted"):
        instance.function("deep")(10_000_000)


def test_a_module_leaves_half_of_a_small_stack():
    assert stack_bytes(8 * MIB) == STACK_BYTES == 4 * MIB
    assert stack_bytes(1 * MIB) == MIB // 2
    assert stack_bytes(resource.RLIM_INFINITY) == 1 * MIB


@pytest.mark.parametrize("count", range(11))
def test_every_number_of_parameters_arrives_in_order(compiler, count):
    seen = []
    instance = start(
        compiler,
        f"""(import "env" "host" (func $h (param {"i32 " * count}) (result i32)))
        (memory (export "memory") 1)
        (func (export "go") (param {"i32 " * count}) (result i32)
          (call $h {" ".join(f"(local.get {at})" for at in range(count))}))""",
        host=HostFunction("i" * count + ">i", lambda *values: seen.append(values) or len(values)),
    )
    assert instance.function("go")(*range(100, 100 + count)) == count
    assert seen == [tuple(range(100, 100 + count))]


def test_memory_is_seen_as_it_grows(compiler):
    instance = start(
        compiler,
        '(memory (export "memory") 1) (func (export "grow") (result i32) (memory.grow (i32.const 1)))',
    )
    memory = instance.memory
    memory.write(65532, b"last")
    with pytest.raises(OutOfBounds):
        memory.read(65533, 4)
    with pytest.raises(OutOfBounds):
        memory.write_u32(65536, 1)
    assert instance.function("grow")() == 1
    memory.write_u64(65536, 1 << 40)
    assert memory.read(65532, 8) == b"last\0\0\0\0"
    assert memory.read_u32(65540) == 1 << 8
    assert instance.memory_bytes() == 2 * 65536


@pytest.mark.parametrize(("at", "size"), [(0xFFFFFFFF, 1), (65536, 1), (0, 65537), (0xFFFFFFFF, 0xFFFFFFFF)])
def test_no_address_beyond_the_memory_is_read_or_written(compiler, at, size):
    memory = start(compiler, '(memory (export "memory") 1)').memory
    with pytest.raises(OutOfBounds):
        memory.read(at, size)
    if size < MIB:
        with pytest.raises(OutOfBounds):
            memory.write(at, bytes(size))
    assert memory.read(65536, 0) == b""


def test_a_start_section_may_call_the_host_before_the_instance_is_known(compiler):
    said = []
    module = compiler.compile(
        bytes(
            wasmtime.wat2wasm(
                """(module (import "env" "say" (func $say (param i32 i32) (result i32)))
                (memory (export "memory") 1) (data (i32.const 8) "early")
                (func $start (drop (call $say (i32.const 8) (i32.const 5)))) (start $start))"""
            )
        )
    )

    def functions(memory: Memory) -> dict[tuple[str, str], HostFunction]:
        return {("env", "say"): HostFunction("ii>i", lambda at, size: said.append(memory.read(at, size)) or 0)}

    module.instantiate(functions, memory_limit_bytes=MIB, time_limit_s=5.0)
    assert said == [b"early"]


def test_an_endless_loop_ends_after_its_time(compiler):
    instance = start(
        compiler, '(memory (export "memory") 1) (func (export "spin") (loop $l (br $l)))', time_limit_s=0.1
    )
    with pytest.raises(WasmTrap) as caught:
        instance.function("spin")()
    assert caught.value.timed_out


def test_an_endless_loop_of_host_calls_and_allocations_ends_too(compiler):
    holder: list[Instance] = []

    def host() -> int:
        return holder[0].function("malloc", nested=True)(8)

    instance = start(
        compiler,
        """(import "env" "host" (func $h (result i32))) (memory (export "memory") 1)
        (func (export "malloc") (param i32) (result i32) (i32.const 8))
        (func (export "spin") (loop $l (drop (call $h)) (br $l)))""",
        time_limit_s=0.1,
        host=HostFunction(">i", host),
    )
    holder.append(instance)
    with pytest.raises(WasmTrap) as caught:
        instance.function("spin")()
    assert caught.value.timed_out


def test_a_trap_names_the_functions_of_the_guest(compiler):
    instance = start(
        compiler,
        """(memory (export "memory") 1) (func $inner unreachable) (func $outer (call $inner))
        (func (export "go") (call $outer))""",
    )
    with pytest.raises(WasmTrap, match="unreachable") as caught:
        instance.function("go")()
    assert caught.value.frames[:2] == ("inner", "outer")


def test_what_a_host_function_raises_comes_out_as_it_is(compiler):
    def fail() -> int:
        raise KeyError("lost")

    instance = start(
        compiler,
        """(import "env" "fail" (func $f (result i32))) (memory (export "memory") 1)
        (func (export "go") (result i32) (call $f)) (func (export "fine") (result i32) (i32.const 3))""",
        fail=HostFunction(">i", fail),
    )
    with pytest.raises(KeyError, match="lost"):
        instance.function("go")()
    assert instance.function("fine")() == 3


def test_memory_beyond_the_cap_is_refused_to_the_module(compiler):
    instance = start(
        compiler,
        '(memory (export "memory") 1) (func (export "grow") (result i32) (memory.grow (i32.const 1000)))',
        memory_limit_bytes=MIB,
    )
    assert instance.function("grow")() == 0xFFFFFFFF
    with pytest.raises(LinkError):
        start(compiler, '(memory (export "memory") 1000)', memory_limit_bytes=MIB)


def test_every_import_that_is_wrong_is_named(compiler):
    with pytest.raises(LinkError) as caught:
        start(
            compiler,
            """(import "env" "a" (func (param i32))) (import "env" "b" (func (result i32)))
            (import "wasi" "c" (func (param i64) (result i32))) (memory (export "memory") 1)""",
            b=HostFunction("i>i", lambda value: value),
        )
    assert str(caught.value) == (
        "missing import: env.a ((i32)); import env.b wants () -> i32, the host has (i32) -> i32; "
        "missing import: wasi.c ((i64) -> i32)"
    )


def test_an_import_may_occur_twice_and_a_memory_is_made(compiler):
    instance = start(
        compiler,
        """(import "env" "a" (func $a (result i32))) (import "env" "a" (func $b (result i32)))
        (import "env" "memory" (memory 2))  (export "memory" (memory 0))
        (func (export "go") (result i32) (i32.add (call $a) (call $b)))""",
        a=HostFunction(">i", lambda: 4),
    )
    assert instance.function("go")() == 8
    assert instance.memory_bytes() == 2 * 65536


def test_an_unknown_function_is_none(compiler):
    instance = start(compiler, '(memory (export "memory") 1)')
    assert instance.function("nothing") is None
    assert instance.function("memory") is None


@pytest.mark.parametrize("data", [b"", b"hello", b"\0asm\1\0\0\0\xff"])
def test_bytes_that_are_no_module_are_refused_with_a_reason(compiler, data):
    with pytest.raises(InvalidModuleError):
        compiler.compile(data)


def test_compiled_code_is_kept_on_disk_and_bad_entries_are_replaced(tmp_path: Path):
    wasm = bytes(wasmtime.wat2wasm('(module (memory (export "memory") 1) (func (export "f")))'))
    Compiler(tmp_path / "cache").compile(wasm)
    (entry,) = (tmp_path / "cache").rglob("*.cwasm")
    good = entry.read_bytes()
    assert Compiler(tmp_path / "cache").compile(wasm).exports == {"memory": "memory", "f": ">"}
    entry.unlink()  # as an update does: code that is mapped must not change
    entry.write_bytes(b"no code at all")
    Compiler(tmp_path / "cache").compile(wasm)
    assert len(entry.read_bytes()) == len(good)


def test_a_cache_that_others_may_write_to_is_not_used(tmp_path: Path):
    wasm = bytes(wasmtime.wat2wasm("(module)"))
    Compiler(tmp_path).compile(wasm)
    (entry,) = tmp_path.rglob("*.cwasm")
    entry.parent.chmod(0o777)
    os.unlink(entry)
    Compiler(tmp_path).compile(wasm)
    assert not list(tmp_path.rglob("*.cwasm"))


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"PYVOY_WASM_CACHE": "/a"}, "/a"),
        ({"XDG_CACHE_HOME": "/b"}, "/b/pyvoy/wasm"),
        ({"HOME": "/c"}, "/c/.cache/pyvoy/wasm"),
    ],
)
def test_where_the_cache_lies(environment, folder):
    assert str(cache_folder(environment)) == folder
