"""`pyvoy wasm inspect`: what is printed of good modules and of others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pyvoy.cli.main import main
from tests.support.guest import OUT, Guest, call

BUILT = Path(__file__).parents[2] / "modules" / "built"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("assemblyscript", ("ABI        0.2.0", "callbacks  on_vm_start", "wasi_unstable: proc_exit")),
        ("c", ("ABI        0.2.1", "entry      _initialize", "allocator  malloc")),
        ("rust", ("ABI        0.2.1", "allocator  proxy_on_memory_allocate")),
    ],
)
def test_modules_of_real_toolchains(name, parts, capsys):
    assert main(["wasm", "inspect", str(BUILT / f"{name}.wasm")]) == 0
    said = capsys.readouterr().out
    for part in (*parts, "it would be loaded"):
        assert part in said


def test_the_toolchain_is_named_where_the_module_names_it(tmp_path, capsys):
    def text(value: str) -> bytes:
        return bytes((len(value),)) + value.encode()

    content = text("producers") + b"\x01" + text("language") + b"\x01" + text("Rust") + text("2021")
    path = tmp_path / "named.wasm"
    path.write_bytes(Guest().build() + b"\x00" + bytes((len(content),)) + content)
    assert main(["wasm", "inspect", str(path)]) == 0
    assert "made by    language Rust 2021" in capsys.readouterr().out


def test_everything_that_would_refuse_a_module_is_listed(tmp_path, capsys):
    guest = Guest(
        imports='(import "env" "nowhere" (func (param i64))) (import "env" "proxy_done" (func (param i32)))',
        extra='(func (export "proxy_on_tick") (result i32) (i32.const 0))',
    ).on("request_headers", call("get_header_map_value", 0, "a", OUT))
    path = tmp_path / "bad.wasm"
    path.write_bytes(guest.build())
    assert main(["wasm", "inspect", str(path)]) == 1
    assert capsys.readouterr().out.partition("it would be refused:\n")[2] == (
        "  - missing import: env.nowhere ((i64))\n"
        "  - import env.proxy_done wants (i32), the host has () -> i32\n"
        "  - bad signature of proxy_on_tick: () -> i32\n"
    )


def test_an_abi_that_nobody_here_knows_is_named(tmp_path, capsys):
    path = tmp_path / "other.wasm"
    path.write_bytes(Guest("0.2.100").build())
    assert main(["wasm", "inspect", str(path)]) == 1
    assert "  - it announces proxy_abi_version_0_2_100, which is not known" in capsys.readouterr().out


def test_a_module_is_compiled_once_for_all_that_comes(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PYVOY_WASM_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "big.wasm"
    path.write_bytes(Guest().build())
    assert main(["wasm", "inspect", str(path)]) == 0
    assert len(list((tmp_path / "cache").glob("*/*.cwasm"))) == 1
    monkeypatch.setattr("pyvoy.extensions.wasm.engine.compiler.Compiler._compile", None)
    assert main(["wasm", "inspect", str(path)]) == 0


def test_a_reader_that_has_read_enough_is_no_fault(tmp_path):
    path = tmp_path / "big.wasm"
    path.write_bytes(Guest().build())
    reading, writing = os.pipe()
    os.close(reading)
    command = (sys.executable, "-m", "pyvoy", "wasm", "inspect", str(path))
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False, timeout=60)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_files_that_are_no_modules(tmp_path, capsys):
    path = tmp_path / "no.wasm"
    assert main(["wasm", "inspect", str(path)]) == 1
    path.write_bytes(b"hello")
    assert main(["wasm", "inspect", str(path)]) == 1
    assert "is no WebAssembly module" in capsys.readouterr().err
