"""C, C++ and Zig by the PyPI package `ziglang`: one compiler for the three, with the libraries of WASI.

Debug information is asked for because only then the linker keeps the names of functions, which the backtrace of a trap
shows; the rest of it is taken out again (`project.build`).
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from pyvoy.toolchain.tools import ToolMissing, run

SDK = Path(__file__).with_name("sdk")
STACK_BYTES = 128 << 10
"""In place of 16 MiB, which each VM would have; deep recursion traps earlier."""

_COMMON = (
    "--target=wasm32-wasi",
    "-mexec-model=reactor",
    "-Os",
    "-g",
    "-Wall",
    "-Wextra",
    "-Wno-unused-parameter",
    f"-Wl,-z,stack-size={STACK_BYTES}",
    "-Wl,--export=malloc",  # what sources that are written for the C++ SDK have for an allocator
    f"-I{SDK / 'c'}",
)
_CPP = ("-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics")
_CPP_SDK = "proxy_wasm_intrinsics"
"""The C++ SDK's header and source: it declares the functions of the host without saying where they come from."""
_OF_CPP_SDK = ("-std=c++17", "-Wl,--import-symbols", "-Wl,--export-dynamic")


def find_c(folder: Path) -> list[Path]:
    """The C sources of a folder; beside C++ they are no module of their own."""
    return [] if find_cpp(folder) else sorted(folder.glob("*.c"))


def find_cpp(folder: Path) -> list[Path]:
    """The C++ sources of a folder."""
    return sorted([*folder.glob("*.cpp"), *folder.glob("*.cc")])


def find_zig(folder: Path) -> list[Path]:
    """The Zig sources; `filter.zig` is the root of the module."""
    path = folder / "filter.zig"
    return [path] if path.is_file() else []


def build_c(folder: Path, sources: list[Path], output: Path) -> None:
    """C11 with the libc of WASI."""
    run([*_zig("C"), "cc", *_COMMON, *_names(sources), "-o", str(output)], folder)


def build_cpp(folder: Path, sources: list[Path], output: Path) -> None:
    """C++20 with libc++; the first build ever compiles that library, which takes a minute or two.

    With the C++ SDK, in the folder or one below, it is C++17, and what no source defines is a function of the host."""
    sdk = _cpp_sdk(folder)
    options = ("-std=c++20",) if sdk is None else (*_OF_CPP_SDK, f"-I{sdk.name if sdk != folder else '.'}")
    names = _names(sources)
    if sdk is not None and sdk != folder:
        names.append(f"{sdk.name}/{_CPP_SDK}.cc")
    run([*_zig("C++"), "c++", *_COMMON, *_CPP, *options, *names, "-o", str(output)], folder)


def _cpp_sdk(folder: Path) -> Path | None:
    """Where the C++ SDK is, as its repository has it."""
    places = [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]
    return next((place for place in places if (place / f"{_CPP_SDK}.h").is_file()), None)


def build_zig(folder: Path, sources: list[Path], output: Path) -> None:
    """Zig without an operating system, with our `proxy_wasm` to import."""
    options = ("-target", "wasm32-freestanding", "-fno-entry", "-rdynamic", "-O", "ReleaseSmall", "-fno-strip")
    stack = ("--stack", str(STACK_BYTES), "--cache-dir", str(output.parent / "zig-cache"))
    imports = ("--dep", "proxy_wasm", f"-Mroot={sources[0].name}", f"-Mproxy_wasm={SDK / 'zig' / 'proxy_wasm.zig'}")
    run([*_zig("Zig"), "build-exe", *options, *stack, *imports, f"-femit-bin={output}"], folder)


def _zig(language: str) -> list[str]:
    if importlib.util.find_spec("ziglang") is None:
        raise ToolMissing(f'{language} needs the package ziglang: pip install "pyvoy-sidecar[wasm-c]"')
    return [sys.executable, "-m", "ziglang"]


def _names(sources: list[Path]) -> list[str]:
    """Relative to the folder, so that the module does not depend on where it lies."""
    return [path.name for path in sources]
