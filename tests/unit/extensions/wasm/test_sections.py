"""Sections of a module: which there are, and what is left without the debug information."""

import pytest
import wasmtime

from pyvoy.extensions.wasm.sections import custom_sections, sections, without_debug_information

MODULE = bytes(wasmtime.wat2wasm('(module (func $named (export "f")))'))


def custom(name: str, content: bytes) -> bytes:
    size = 1 + len(name) + len(content)
    return bytes((0, size, len(name))) + name.encode() + content


def test_custom_sections_are_found_by_name():
    found = custom_sections(MODULE + custom("producers", b"\0"))
    assert found["producers"] == b"\0"
    assert b"named" in found["name"]
    assert [each.kind for each in sections(MODULE)] == [1, 3, 7, 10, 0]


def test_names_stay_and_debug_information_goes():
    with_dwarf = MODULE + custom(".debug_info", b"x" * 100) + custom("producers", b"\0") + custom(".debug_line", b"")
    assert without_debug_information(with_dwarf) == MODULE + custom("producers", b"\0")


@pytest.mark.parametrize("wasm", [MODULE[:-1], MODULE + b"\0", MODULE + b"\0\x80"])
def test_what_is_cut_off_is_no_module(wasm):
    with pytest.raises((ValueError, IndexError)):
        list(sections(wasm))
