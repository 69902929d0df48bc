"""The modules that a filter's code imports: which files they are, and taking them anew when one has changed.

Only the user's own modules count: what is installed (site-packages), Python's own library and pyvoy itself change with
a restart.  Imports are read from the sources, so that also a module that cannot be loaded is found; what is imported by
a name that is made at run time is not.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
import sysconfig
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

_STAMP = "__pyvoy_stamp__"
"""Where a module keeps what its file was like when it was executed, and when that was noted."""
_INSTALLED = ("site-packages", "dist-packages")
_OURS = str(Path(__file__).parents[2])


@dataclass(slots=True)
class Imports:
    """The user's own modules behind some code: name -> file, and name -> the names it imports itself."""

    files: dict[str, str] = field(default_factory=dict)
    edges: dict[str, set[str]] = field(default_factory=dict)

    @classmethod
    def of_file(cls, filename: str) -> Imports:
        """Those that a file imports."""
        found = cls()
        importlib.invalidate_caches()
        found._follow(_names(filename, ""))
        return found

    @classmethod
    def of_module(cls, name: str) -> Imports:
        """A module, wherever it is, and those that it imports."""
        found = cls()
        importlib.invalidate_caches()
        spec = _find(name)
        if spec is not None and spec.origin is not None:
            found._add(name, spec.origin)
        return found

    def _follow(self, names: set[str]) -> set[str]:
        """Add the user's own of these modules; which those are."""
        own = set()
        for name in names:
            if name not in self.files:
                spec = _find(name)
                if spec is None or spec.origin is None or not is_own(spec.origin):
                    continue
                self._add(name, spec.origin)
            own.add(name)
        return own

    def _add(self, name: str, file: str) -> None:
        self.files[name] = file
        self.edges[name] = self._follow(_names(file, name)) if file.endswith(".py") else set()

    def stale(self) -> set[str]:
        """The loaded ones whose file has changed since, and those that have imported one of them."""
        found = {name for name in self.files if _has_changed(name)}
        while True:
            more = {name for name in self.files if name not in found and self._leans_on(name, found)}
            if not more:
                return found
            found |= more

    def _leans_on(self, name: str, stale: set[str]) -> bool:
        """Whether a module holds an older version of one that it imports than there is, or will be."""
        noted = _noted(name)
        if noted is None:
            return False
        newest = (_noted(other) for other in self.edges[name])
        return bool(self.edges[name] & stale) or any(other is not None and other[1] > noted[1] for other in newest)

    def note(self) -> None:
        """The modules have been executed: they are what their files are now."""
        now = time.monotonic_ns()
        for name, file in self.files.items():
            module: Any = sys.modules.get(name)
            if module is not None and _noted(name) is None:
                setattr(module, _STAMP, (_state(file), now))


class Taken:
    """Modules that were taken out of `sys.modules`, to be imported anew; `put_back` if that fails."""

    def __init__(self, names: set[str]) -> None:
        self._modules: dict[str, ModuleType] = {}
        for name in names:
            module = sys.modules.pop(name, None)
            if module is not None:
                self._modules[name] = module
                _unbind(name, module)

    def put_back(self) -> None:
        """The new ones cannot be loaded: the old ones stay in force."""
        for name, module in self._modules.items():
            sys.modules[name] = module
            parent, _, own = name.rpartition(".")
            if parent in sys.modules:
                setattr(sys.modules[parent], own, module)


def is_own(file: str) -> bool:
    """Whether a module of this file is the user's own."""
    if any(part in _INSTALLED for part in Path(file).parts):
        return False
    folders = (_OURS, sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
    return not any(Path(file).is_relative_to(folder) for folder in folders)


def _unbind(name: str, module: ModuleType) -> None:
    """A package knows its modules as attributes, and `from package import module` asks those first."""
    parent, _, own = name.rpartition(".")
    package = sys.modules.get(parent)
    if package is not None and getattr(package, own, None) is module:
        delattr(package, own)


def _noted(name: str) -> tuple[Any, int] | None:
    return getattr(sys.modules.get(name), _STAMP, None)


def _has_changed(name: str) -> bool:
    noted = _noted(name)
    return noted is not None and noted[0] != _state(getattr(sys.modules[name], "__file__", None))


def _state(file: str | None) -> tuple[int, int] | None:
    """Time and size of a file."""
    try:
        found = Path(file or "").stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _find(name: str) -> ModuleSpec | None:
    """Where a module is, without importing anything; None for Python's own and for one that is nowhere."""
    first, *rest = name.split(".")
    if first in sys.stdlib_module_names or first == "pyvoy":
        return None
    try:
        spec = importlib.util.find_spec(first) if first not in sys.modules else sys.modules[first].__spec__
    except (ImportError, ValueError):
        return None
    for at in range(1, len(rest) + 1):
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = PathFinder.find_spec(".".join((first, *rest[:at])), spec.submodule_search_locations)
    return spec


def _names(file: str, module: str) -> set[str]:
    """The modules that a source names in its imports, with the packages that they are in; none if it cannot be read."""
    try:
        tree = ast.parse(Path(file).read_text(encoding="utf-8"), file)
    except (OSError, SyntaxError, ValueError):
        return set()
    package = module if Path(file).name == "__init__.py" else module.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(part for alias in node.names for part in _with_packages(alias.name))
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, package)
            found.update(_with_packages(base))
            found.update(f"{base}.{alias.name}" for alias in node.names if base and alias.name != "*")
    return found


def _base(node: ast.ImportFrom, package: str) -> str:
    """The module that names are imported from; relative ones are of the package."""
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    above = parts[: len(parts) - node.level + 1]
    return ".".join([*above, node.module] if node.module else above)


def _with_packages(name: str) -> Iterator[str]:
    parts = name.split(".") if name else []
    for at in range(1, len(parts) + 1):
        yield ".".join(parts[:at])
