"""What all toolchains share: their two errors, how a program is run, and where downloads are kept."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


class BuildError(Exception):
    """No module came out of it; the text is for people."""


class ToolMissing(BuildError):
    """A toolchain is not there; the text says what brings it."""


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """Run a program; what it wrote.  Raises BuildError with that text when it fails, ToolMissing without a program."""
    try:
        ended = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError:
        raise ToolMissing(f"{command[0]} is not there") from None
    if ended.returncode:
        raise BuildError(f"{Path(command[0]).name} ended with {ended.returncode}:\n{ended.stdout.strip()}")
    return ended.stdout


def program(name: str, hint: str) -> str:
    """Path of a program: beside this Python first, as packages from PyPI put it there.  Raises ToolMissing."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        raise ToolMissing(hint)
    return found


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Where packages of toolchains are kept: `$XDG_CACHE_HOME/pyvoy/toolchain`, else below `~/.cache`."""
    base = environment.get("XDG_CACHE_HOME") or str(Path(environment.get("HOME") or "/tmp") / ".cache")
    return Path(base) / "pyvoy" / "toolchain"
