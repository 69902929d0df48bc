"""Go by its own compiler: a library of WASI, with Go's runtime in it (2 to 3 MiB)."""

from __future__ import annotations

import re
from pathlib import Path

from pyvoy.toolchain.tools import ToolMissing, program, run

HINT = 'Go needs go 1.24 or later: pip install "pyvoy-sidecar[wasm-go]"'
_OLDEST = (1, 24)


def find(folder: Path) -> list[Path]:
    """A Go module."""
    path = folder / "go.mod"
    return [path] if path.is_file() else []


def build(folder: Path, sources: list[Path], output: Path) -> None:
    """The functions with `go:wasmexport` are the module's exports."""
    go = program("go", HINT)
    found = re.search(r"go(\d+)\.(\d+)", run([go, "version"], folder, {"GOTOOLCHAIN": "local"}))
    if found is None or (int(found[1]), int(found[2])) < _OLDEST:
        raise ToolMissing(f"{go} is too old: {HINT}")
    environment = {"GOOS": "wasip1", "GOARCH": "wasm", "GOTOOLCHAIN": "local"}
    run([go, "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-w", "-o", str(output), "."], folder, environment)
