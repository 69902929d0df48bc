"""What `pyvoy filter new` writes: the templates of a language, and for Wasm what its SDK needs.

A template is a file with `{name}`, `{class_name}` and a few more between its lines; all other braces are its own.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TEMPLATES = Path(__file__).with_name("templates")
SDK = Path(__file__).parents[1] / "toolchain" / "sdk"
SHARED = "wasm"
"""The folder of what the filters in all languages of Wasm have."""


@dataclass(slots=True, frozen=True)
class WasmLanguage:
    """What the page of a new filter says, and which part of an SDK is copied into its folder under which name."""

    title: str
    toolchain: str
    notes: str
    sdk: tuple[str, str] | None = None


_HEADER = (
    "`pyvoy wasm build` brings the header `{}`, which is in pyvoy's package (`pyvoy/toolchain/sdk/c`); it has every "
    "function\nand callback of the ABI."
)
WASM: Mapping[str, WasmLanguage] = {
    "c": WasmLanguage("C", 'pip install "pyvoy-sidecar[wasm-c]"', _HEADER.format("proxy_wasm.h")),
    "cpp": WasmLanguage(
        "C++",
        'pip install "pyvoy-sidecar[wasm-c]"',
        _HEADER.format("proxy_wasm.hpp") + " The first build of C++ ever takes a minute or two.",
    ),
    "assemblyscript": WasmLanguage(
        "AssemblyScript",
        "Node.js with npm",
        "The first build installs the compiler and the SDK that package.json names. The root_id of the configuration "
        "must be\n`{name}`, as in the last line of filter.ts.",
    ),
    "rust": WasmLanguage(
        "Rust",
        "rustc with its library for WASI (rustup target add wasm32-wasip1)",
        "The folder `proxy-wasm` has the part of the SDK's interface that this filter uses, so that it builds without "
        'a registry.\nFor the whole SDK put `proxy-wasm = "0.2"` into Cargo.toml; src/lib.rs stays as it is.',
        ("rust", "proxy-wasm"),
    ),
    "go": WasmLanguage(
        "Go",
        'Go 1.24 or later (pip install "pyvoy-sidecar[wasm-go]")',
        "The folder `proxy-wasm-go-sdk` has the part of the SDK's interface that this filter uses, so that it builds "
        "without a\nmodule proxy. For the whole SDK see go.mod; main.go stays as it is.",
        ("go", "proxy-wasm-go-sdk"),
    ),
    "zig": WasmLanguage(
        "Zig",
        'pip install "pyvoy-sidecar[wasm-c]"',
        "`pyvoy wasm build` brings the module `proxy_wasm`, which is in pyvoy's package (`pyvoy/toolchain/sdk/zig`).",
    ),
}


def languages() -> list[str]:
    """The languages that have templates."""
    return sorted(path.name for path in TEMPLATES.iterdir() if path.is_dir() and path.name != SHARED)


def write(folder: Path, language: str) -> list[Path]:
    """Write a filter into a new folder; the files that its author works with."""
    name = folder.name
    names = {
        "name": name,
        "class_name": class_name(name),
        "package": name.replace("_", "-").lower(),
        "folder": str(folder),
        "language": language,
    }
    sources = [TEMPLATES / language]
    wasm = WASM.get(language)
    if wasm is not None:
        sources.append(TEMPLATES / SHARED)
        names |= {"title": wasm.title, "toolchain": wasm.toolchain, "notes": fill(wasm.notes, names)}
    written = []
    for source in sources:
        for template in sorted(path for path in source.rglob("*.tmpl") if path.is_file()):
            target = folder / template.relative_to(source).with_suffix("")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(fill(template.read_text(encoding="utf-8"), names), encoding="utf-8")
            written.append(target)
    if wasm is not None and wasm.sdk is not None:
        place, copied = wasm.sdk
        shutil.copytree(SDK / place, folder / copied)
        written.append(folder / copied)
    return written


def fill(text: str, names: Mapping[str, str]) -> str:
    """Put names into a template; braces around anything else are the template's."""
    return re.sub(r"\{(\w+)\}", lambda found: names.get(found[1], found[0]), text)


def class_name(name: str) -> str:
    """`add-header` as `AddHeader`."""
    return "".join(part[:1].upper() + part[1:] for part in name.replace("-", "_").split("_"))
