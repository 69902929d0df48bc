"""Rust by cargo, or by rustc alone when a project needs nothing from a registry.

Distributions bring rustc with its library for WASI but not always cargo, and the cargo of one toolchain does not run
the rustc of another: so a project whose dependencies all are folders that need nothing themselves is compiled by
rustc, crate by crate.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyvoy.toolchain.tools import BuildError, ToolMissing, run

HINT = (
    "Rust needs rustc with its library for WASI (rustup target add wasm32-wasip1; "
    "Debian: apt install rustc libstd-rust-dev-wasm32 lld)"
)
TARGETS = ("wasm32-wasip1", "wasm32-wasi")
_PLACES = ("rustc", "/usr/bin/rustc")
_FLAGS = ("-C", "opt-level=s", "-C", "panic=abort", "-C", "lto=fat")


@dataclass(slots=True, frozen=True)
class Compiler:
    """A rustc that has the library of a target."""

    path: Path
    target: str

    @property
    def linker(self) -> tuple[str, ...]:
        """What a distribution's rustc, which has no linker of its own, needs to be told."""
        if list(self._sysroot().glob("lib/rustlib/*/bin/rust-lld")):
            return ()
        if shutil.which("wasm-ld") is None:
            raise ToolMissing("Rust needs the linker wasm-ld (Debian: apt install lld)")
        return ("-C", "linker=wasm-ld", "-C", "linker-flavor=wasm-ld")

    def _sysroot(self) -> Path:
        return Path(run([str(self.path), "--print", "sysroot"], self.path.parent).strip())


def find(folder: Path) -> list[Path]:
    """The crate's description and its root."""
    paths = [folder / "Cargo.toml", folder / "src" / "lib.rs"]
    return paths if all(path.is_file() for path in paths) else []


def build(folder: Path, sources: list[Path], output: Path) -> None:
    """A cdylib."""
    manifest, root = sources
    crate = _described(manifest)
    dependencies: dict[str, Any] = crate.get("dependencies", {})
    compiler = _compiler()
    if not all(_stands_alone(folder, each) for each in dependencies.values()):
        _by_cargo(folder, compiler, output)
        return
    edition = str(crate.get("package", {}).get("edition", "2015"))
    libraries = [_library(folder / each["path"], name, compiler, output.parent) for name, each in dependencies.items()]
    flags = ("--edition", edition, "--crate-type", "cdylib", "--crate-name", "filter", *compiler.linker, *_FLAGS)
    externs = [word for library in libraries for word in ("--extern", library)]
    run([str(compiler.path), "--target", compiler.target, *flags, *externs, str(root), "-o", str(output)], folder)


def _described(manifest: Path) -> dict[str, Any]:
    """What Cargo.toml says.  Raises BuildError."""
    try:
        return tomllib.loads(manifest.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise BuildError(f"{manifest}: {error}") from None
    except OSError as error:
        raise BuildError(f"{manifest}: {error.strerror}") from None


def _stands_alone(folder: Path, dependency: Any) -> bool:
    """Whether rustc alone can compile a dependency: its folder is named, and it needs nothing itself."""
    if not isinstance(dependency, dict) or "path" not in dependency or not dependency.keys() <= {"path", "version"}:
        return False
    place = folder / dependency["path"]
    crate = _described(place / "Cargo.toml")
    needs = any(crate.get(table) for table in ("dependencies", "target", "build-dependencies", "features"))
    return not needs and not (place / "build.rs").exists()


def _compiler() -> Compiler:
    """The first rustc that has a library for WASI.  Raises ToolMissing."""
    for name in _PLACES:
        path = shutil.which(name)
        for target in TARGETS if path else ():
            command = [str(path), "--print", "target-libdir", "--target", target]
            asked = subprocess.run(command, capture_output=True, text=True, check=False)
            if asked.returncode == 0 and Path(asked.stdout.strip()).is_dir():
                return Compiler(Path(str(path)), target)
    raise ToolMissing(HINT)


def _library(folder: Path, name: str, compiler: Compiler, work: Path) -> str:
    """Compile a crate that lies in the project; how rustc is told of it."""
    crate_name = name.replace("-", "_")
    library = work / f"lib{crate_name}.rlib"
    edition = str(_described(folder / "Cargo.toml").get("package", {}).get("edition", "2015"))
    flags = ("--edition", edition, "--crate-type", "rlib", "--crate-name", crate_name, "-C", "opt-level=s")
    command = [str(compiler.path), "--target", compiler.target, *flags, "-C", "panic=abort"]
    run([*command, str(folder / "src" / "lib.rs"), "-o", str(library)], folder)
    return f"{crate_name}={library}"


def _by_cargo(folder: Path, compiler: Compiler, output: Path) -> None:
    cargo = shutil.which("cargo", path=str(compiler.path.parent)) or shutil.which("cargo")
    if cargo is None:
        raise ToolMissing("a Rust project with dependencies needs cargo (rustup, or Debian: apt install cargo)")
    work = output.parent / "cargo"
    command = [cargo, "build", "--release", "--lib", "--target", compiler.target, "--target-dir", str(work)]
    environment = {"RUSTC": str(compiler.path)}
    setting = f"CARGO_TARGET_{compiler.target.upper().replace('-', '_')}_LINKER"
    if compiler.linker and setting not in os.environ:
        environment[setting] = "wasm-ld"
    run(command, folder, environment)
    made = list((work / compiler.target / "release").glob("*.wasm"))
    if len(made) != 1:
        raise BuildError('cargo made no module: Cargo.toml needs [lib] crate-type = ["cdylib"]')
    shutil.copy(made[0], output)
