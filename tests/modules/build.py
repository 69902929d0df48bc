"""Build the modules of the tests from their sources: python tests/modules/build.py [assemblyscript|c|cpp|go ...]

Needs for assemblyscript: npm; for c, cpp and zig: the extra wasm-c; for go: wasm-go; for rust: rustc with its
wasm32-wasi library (Debian: rustc, libstd-rust-dev-wasm32, lld; RUSTC=/usr/bin/rustc where another one comes first).
What is small is committed in `built/`; Go's module (2 MB) is not, and its parity case is there only with it.
"""

import os
import subprocess
import sys
from pathlib import Path

from pyvoy.toolchain.project import build, find

HERE = Path(__file__).parent
BUILT = HERE / "built"


def run(*command: str, folder: Path = HERE, **environment: str) -> None:
    """Run a command, and stop where it fails."""
    subprocess.run(command, cwd=folder, env={**os.environ, **environment}, check=True)


def assemblyscript() -> None:
    """The SDK's hello-world, by the compiler that goes with it."""
    build(find(HERE / "assemblyscript")[0], BUILT / "assemblyscript.wasm")


def c() -> None:
    """C with the libc of WASI, by Zig's clang."""
    build(find(HERE / "c")[0], BUILT / "c.wasm")


def cpp() -> None:
    """A module with the exports and the start of the C++ SDK's."""
    build(find(HERE / "cpp")[0], BUILT / "cpp.wasm")


def zig() -> None:
    """A module with the exports and the start of the Zig SDK's."""
    build(find(HERE / "zig")[0], BUILT / "zig.wasm")


def go() -> None:
    """Go with its runtime."""
    target = str(BUILT / "go.wasm")
    flags = ("-buildmode=c-shared", "-ldflags=-s -w", "-o", target, ".")
    run("go", "build", *flags, folder=HERE / "go", GOOS="wasip1", GOARCH="wasm", GOTOOLCHAIN="local")


def rust() -> None:
    """Rust with its standard library."""
    flags = ("--target", "wasm32-wasi", "--crate-type", "cdylib", "-C", "opt-level=s", "-C", "panic=abort")
    small = ("-C", "lto=fat", "-C", "strip=symbols", "-C", "linker=wasm-ld", "-C", "linker-flavor=wasm-ld")
    run(os.environ.get("RUSTC", "rustc"), *flags, *small, "rust/lib.rs", "-o", str(BUILT / "rust.wasm"))


if __name__ == "__main__":
    BUILT.mkdir(exist_ok=True)
    for chosen in sys.argv[1:] or ("assemblyscript", "c", "cpp", "go", "rust", "zig"):
        globals()[chosen]()
