"""AssemblyScript by npm: the compiler and the SDK that go together, in the project's node_modules or in a cache.

A folder with a package.json is an npm project: what it names is installed there.  One without gets the packages of
`sdk/assemblyscript/package.json`, which are installed once per user.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from pyvoy.toolchain.tools import BuildError, cache_folder, program, run

PACKAGES = Path(__file__).with_name("sdk") / "assemblyscript" / "package.json"
HINT = "AssemblyScript needs Node.js with npm (Debian: apt install npm)"
_COMPILER = Path("assemblyscript", "bin", "asc")
_FLAGS = ("--use", "abort=abort_proc_exit", "-O3", "--shrinkLevel", "2", "--debug")


def find(folder: Path) -> list[Path]:
    """The entry of the module."""
    path = folder / "filter.ts"
    return [path] if path.is_file() else []


def build(folder: Path, sources: list[Path], output: Path) -> None:
    """Compile in a copy of the sources beside the packages, where the compiler looks for them."""
    node = program("node", HINT)
    place = packages(folder)
    work = output.parent / "assemblyscript"
    shutil.copytree(folder, work, ignore=lambda _, names: [name for name in names if not name.endswith(".ts")])
    (work / "node_modules").symlink_to(place, target_is_directory=True)
    run([node, str(place / _COMPILER), *(path.name for path in sources), *_FLAGS, "-b", str(output)], work)


def is_installed(folder: Path) -> bool:
    """Whether a build needs nothing from the registry any more."""
    return (_place(folder) / "node_modules" / _COMPILER).is_file()


def packages(folder: Path) -> Path:
    """The node_modules that hold compiler and SDK, installed when they are not there."""
    place = _place(folder)
    found = place / "node_modules"
    if (found / _COMPILER).is_file():
        return found
    if place != folder:
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(PACKAGES, place / "package.json")
    run([program("npm", HINT), "install", "--no-audit", "--no-fund"], place)
    if not (found / _COMPILER).is_file():
        raise BuildError(f"{place / 'package.json'} does not bring the package assemblyscript")
    return found


def _place(folder: Path) -> Path:
    """Where packages are: in an npm project, else in the cache."""
    if (folder / "package.json").is_file():
        return folder
    digest = hashlib.sha256(PACKAGES.read_bytes()).hexdigest()[:16]
    return cache_folder(os.environ) / f"assemblyscript-{digest}"
