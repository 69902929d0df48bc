"""From where the code of a Python filter is to the class in it.

Code from a file or from the bootstrap is executed in a module of its own, which nobody else imports; a named module is
imported.  It, and the user's own modules that the code imports, are imported again when their files have changed since.
What is wrong is raised as `LoadError` with file and line.
"""

from __future__ import annotations

import importlib
import linecache
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from pyvoy.extensions.native.extension import Extension
from pyvoy.extensions.native.imports import Imports, Taken
from pyvoy.server.logs import FILTER_MODULE


class LoadError(Exception):
    """The code cannot be used; the text says where and why."""


@dataclass(slots=True, frozen=True)
class Code:
    """Exactly one of the three is set.  `name` stands for inline code in tracebacks."""

    module: str = ""
    filename: str = ""
    inline: str = ""
    name: str = "inline"

    def load(self) -> ModuleType:
        """The executed module.  Raises LoadError."""
        if self.module:
            imports = Imports.of_module(self.module)
            return _guarded(self.module, lambda: _fresh(imports, lambda: importlib.import_module(self.module)))
        if self.filename:
            _find_beside(self.filename)
            imports = Imports.of_file(self.filename)
            return _guarded(self.filename, lambda: _fresh(imports, lambda: _execute_file(self.filename)))
        place = f"<{self.name}>"
        linecache.cache[place] = (len(self.inline), None, self.inline.splitlines(keepends=True), place)
        return _guarded(place, lambda: _execute(self.inline, place, "pyvoy_inline_filter"))

    @property
    def is_private(self) -> bool:
        """Whether the module is this load's own, to be forgotten with it."""
        return not self.module

    def files(self, module: ModuleType) -> list[str]:
        """The files whose change means that the code has changed."""
        if self.inline:
            return []
        file = getattr(module, "__file__", None)
        imports = Imports.of_module(self.module) if self.module else Imports.of_file(self.filename)
        return sorted({str(Path(name).absolute()) for name in (file, *imports.files.values()) if name})


def find_class(module: ModuleType, name: str, base: type) -> type:
    """The filter class of a module: by name, or the only one that the module itself defines.  Raises LoadError."""
    own = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, base) and value.__module__ == module.__name__
    ]
    if name:
        found = getattr(module, name, None)
        if isinstance(found, type) and issubclass(found, base):
            return found
        if found is not None:
            raise LoadError(f"{name} is no {base.__name__}")
        raise LoadError(f"there is no class {name!r}; there is {_names(own)}")
    if not own:
        raise LoadError(f"there is no filter{_why_none(module, base)}")
    own = [cls for cls in own if not any(cls is not other and issubclass(other, cls) for other in own)]
    if len(own) != 1:
        raise LoadError(f"say which class is meant: there is {_names(own)}")
    return own[0]


def _names(classes: list[type]) -> str:
    return ", ".join(cls.__name__ for cls in classes) or "no filter"


def _why_none(module: ModuleType, base: type) -> str:
    meant = "Filter or StreamFilter" if base.__name__ == "StreamFilter" else base.__name__
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, Extension) and value.__module__ == module.__name__:
            return f" for this place: {value.__name__} is no {meant}"
    return f": no class of the code is derived from {meant}"


def _guarded(place: str, load: Callable[[], ModuleType]) -> ModuleType:
    try:
        return load()
    except SyntaxError as error:
        raise LoadError(f"{error.filename or place}:{error.lineno or 1}: {error.msg}") from error
    except OSError as error:
        raise LoadError(f"cannot read {place!r}: {error.strerror or error}") from error
    except BaseException as error:  # the wall of the extension: whatever its module does when it is executed
        raise LoadError(f"{place_of(error, place)}: {type(error).__name__}: {error}") from error


def place_of(error: BaseException, fallback: str) -> str:
    """File and line that raised an error, without the frames of the import machinery and of this package."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<frozen") and frame.filename not in (__file__, importlib.__file__)
    ]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else fallback


def _execute_file(filename: str) -> ModuleType:
    linecache.checkcache(filename)
    source = Path(filename).read_text(encoding="utf-8")
    return _execute(source, filename, Path(filename).stem.replace("-", "_"), filename)


def _execute(source: str, place: str, name: str, filename: str | None = None) -> ModuleType:
    module = ModuleType(name)
    if filename is not None:
        module.__file__ = filename
    code = compile(source, place, "exec", dont_inherit=True)
    # Dataclasses and typing look a class' module up by its name; nobody imports it by this one.
    module.__name__ = f"{FILTER_MODULE}{name}_{id(module):x}"
    sys.modules[module.__name__] = module
    exec(code, module.__dict__)
    return module


def _find_beside(filename: str) -> None:
    """Let a file's code import the modules beside it; what is installed comes first."""
    folder = str(Path(filename).absolute().parent)
    if folder not in sys.path:
        sys.path.append(folder)


def _fresh(imports: Imports, load: Callable[[], ModuleType]) -> ModuleType:
    """Load code with those of its modules executed again that have changed; all stay as they were if that fails."""
    stale = imports.stale()
    for name in stale:
        linecache.checkcache(imports.files[name])
    taken = Taken(stale)
    try:
        module = load()
    except BaseException:
        taken.put_back()
        raise
    finally:
        imports.note()
    return module
