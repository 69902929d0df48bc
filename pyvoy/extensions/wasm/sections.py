"""The sections of a module: where each one lies, what the custom ones are called, and a module without some of them.

Nothing is checked but that sections end inside the module.  Source: WebAssembly core specification, binary format.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

CUSTOM = 0
_MAGIC_BYTES = 8


@dataclass(slots=True, frozen=True)
class Section:
    """One section from `start` to `end`; `content` is where a custom one goes on after its name."""

    kind: int
    name: str
    start: int
    content: int
    end: int


def sections(wasm: bytes) -> Iterator[Section]:
    """All sections in order.  Raises IndexError or ValueError for bytes that are no module."""
    at = _MAGIC_BYTES
    while at < len(wasm):
        start, kind = at, wasm[at]
        size, at = number(wasm, at + 1)
        end = at + size
        if end > len(wasm):
            raise ValueError("a section ends behind the module")
        name = ""
        if kind == CUSTOM:
            name, at = text(wasm, at)
        yield Section(kind, name, start, at, end)
        at = end


def custom_sections(wasm: bytes) -> dict[str, bytes]:
    """Contents of the custom sections by name."""
    return {each.name: wasm[each.content : each.end] for each in sections(wasm) if each.kind == CUSTOM}


def without_debug_information(wasm: bytes) -> bytes:
    """The module without its DWARF sections; the names of functions, which backtraces show, stay."""
    kept = [wasm[each.start : each.end] for each in sections(wasm) if not each.name.startswith(".debug_")]
    return wasm[:_MAGIC_BYTES] + b"".join(kept)


def text(data: bytes, at: int) -> tuple[str, int]:
    """A name, and where it ends."""
    size, at = number(data, at)
    return data[at : at + size].decode("utf-8", "replace"), at + size


def number(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned LEB128 number, and where it ends."""
    value = shift = 0
    while True:
        octet = data[at]
        at += 1
        value |= (octet & 0x7F) << shift
        if octet < 0x80:
            return value, at
        shift += 7
