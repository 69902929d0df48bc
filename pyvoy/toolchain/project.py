"""The Wasm modules of a folder: recognised by their sources, built to `filter.<language>.wasm` beside them.

A folder may hold a filter in several languages, as those of the gallery do.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pyvoy.extensions.wasm.sections import without_debug_information
from pyvoy.toolchain import assemblyscript, golang, rust, zig
from pyvoy.toolchain.tools import BuildError

Find = Callable[[Path], list[Path]]
Build = Callable[[Path, list[Path], Path], None]


@dataclass(slots=True, frozen=True)
class Language:
    """`find` gives the sources of a folder, `build` makes a module of them."""

    name: str
    sources: str
    find: Find
    build: Build


LANGUAGES = (
    Language("c", "*.c", zig.find_c, zig.build_c),
    Language("cpp", "*.cpp", zig.find_cpp, zig.build_cpp),
    Language("assemblyscript", "filter.ts", assemblyscript.find, assemblyscript.build),
    Language("rust", "Cargo.toml", rust.find, rust.build),
    Language("go", "go.mod", golang.find, golang.build),
    Language("zig", "filter.zig", zig.find_zig, zig.build_zig),
)


@dataclass(slots=True, frozen=True)
class Module:
    """One module of a folder."""

    folder: Path
    language: Language
    sources: tuple[Path, ...]

    @property
    def output(self) -> Path:
        """Where it is built to."""
        return self.folder / f"filter.{self.language.name}.wasm"


def find(folder: Path, languages: Sequence[str] = ()) -> list[Module]:
    """The modules whose sources lie in a folder; only those of some languages, if any are named."""
    found = [Module(folder, each, tuple(each.find(folder))) for each in LANGUAGES]
    return [each for each in found if each.sources and (not languages or each.language.name in languages)]


def build(module: Module, output: Path | None = None) -> Path:
    """Build a module; its path.  Raises BuildError (ToolMissing when there is no compiler)."""
    target = output or module.output
    with tempfile.TemporaryDirectory(prefix="pyvoy-build-") as name:
        # The name of the file is in the module, so that it must not be another one each time.
        made = Path(name) / module.output.name
        module.language.build(module.folder.resolve(), [path.resolve() for path in module.sources], made)
        if not made.is_file():
            raise BuildError(f"the compiler of {module.language.name} made no module")
        data = without_debug_information(made.read_bytes())
    # At once: a proxy that runs with --dev looks at the file while it is written.
    scratch = target.with_name(f"{target.name}.new")
    scratch.write_bytes(data)
    scratch.replace(target)
    return target
