"""What can be measured: the gallery's filters in each of their forms, or a user's own file.

Forms are found as `pyvoy.testing.gallery` finds them; beside those, `ext_proc.py` is the form that runs in a gRPC
server next to Envoy (pyvoy/bench/ext_proc).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyvoy.testing.filters import PYTHON, root_id_of, wasm_config
from pyvoy.testing.gallery import Form, forms

RUNS_IN = {"python": ("pyvoy",), "lua": ("pyvoy", "envoy"), "wasm": ("pyvoy", "envoy"), "ext_proc": ("envoy",)}
"""The proxies that have a mechanism."""
SOURCES = {
    ".cpp": "cpp",
    ".c": "c",
    ".rs": "rust",
    ".ts": "assemblyscript",
    ".go": "go",
    ".zig": "zig",
}
"""The language of a source by its suffix, as it stands in the name of the module."""
_COMMENTS = {".py": "#", ".lua": "--"}


class SubjectError(ValueError):
    """This cannot be measured; the text says why."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One filter in one form; `typed_config` is what stands in a bootstrap (empty for ext_proc)."""

    filter: str
    form: str
    mechanism: str
    file: Path
    typed_config: Mapping[str, Any]
    source: Path | None = None

    @property
    def artifact_bytes(self) -> int:
        """The size of what is deployed."""
        return self.file.stat().st_size

    @property
    def source_lines(self) -> int:
        """Lines of the source that are neither empty nor comment; 0 when the source is not there."""
        return lines_of_code(self.source) if self.source else 0

    def entries(self, count: int, *, own_vms: bool = False) -> list[dict[str, Any]]:
        """So many of the filter, as entries of `http_filters`; with `own_vms` each Wasm filter has a VM of its own."""
        found = []
        for number in range(count):
            config = dict(self.typed_config)
            if own_vms and self.mechanism == "wasm":
                vm = {**config["config"]["vm_config"], "vm_id": f"vm-{number}"}
                config["config"] = {**config["config"], "vm_config": vm}
            found.append({"name": f"{self.filter}-{number}", "typed_config": config})
        return found


def gallery(folder: Path, names: Sequence[str] = (), mechanisms: Sequence[str] = ()) -> list[Subject]:
    """All forms of the gallery in `folder`, or those of some filters and mechanisms.  Raises SubjectError."""
    present = sorted(path.name for path in folder.glob("*") if (path / "test_filter.py").exists())
    if not present:
        raise SubjectError(f"there is no gallery of filters in {folder}: name it with --gallery")
    if unknown := [name for name in names if name not in present]:
        raise SubjectError(f"no filter {unknown[0]!r} in {folder}; there is {', '.join(present)}")
    found = [subject for name in names or present for subject in _of_folder(folder / name)]
    return [subject for subject in found if not mechanisms or subject.mechanism in mechanisms]


def own(file: Path, config: Mapping[str, Any] | None = None, root_id: str | None = None) -> Subject:
    """A user's filter: a .py, .lua or .wasm file.  Raises SubjectError when it cannot be one.

    Without `root_id` a module that `pyvoy wasm build` has made has the name of its folder, another one none."""
    if not file.is_file():
        raise SubjectError(f"there is no file {file}")
    file = file.resolve()
    if file.suffix == ".py":
        typed: dict[str, Any] = {"@type": PYTHON, "code": {"filename": str(file)}}
        if config:
            typed["config"] = dict(config)
        return Subject(file.stem, "python", "python", file, typed, file)
    if file.suffix == ".lua":
        if config is not None:
            raise SubjectError("a Lua script has no configuration: leave --config out")
        return Subject(file.stem, "lua", "lua", file, Form("lua", file).typed_config, file)
    if file.suffix == ".wasm":
        text = json.dumps(dict(config)) if config is not None else ""
        typed = wasm_config(file, root_id_of(file) if root_id is None else root_id, text)
        return Subject(file.stem, "wasm", "wasm", file, typed, _source_of(file))
    raise SubjectError(f"{file} is no filter: a .py, .lua or .wasm file is")


def lines_of_code(path: Path) -> int:
    """Lines that are neither empty nor comment.  A docstring is code: it is part of what is written."""
    comment = _COMMENTS.get(path.suffix, "//")
    lines = (line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    return sum(1 for line in lines if line and not line.startswith(comment))


def _of_folder(folder: Path) -> list[Subject]:
    found = [_subject(form) for form in forms(str(folder / "test_filter.py"))]
    process = folder / "ext_proc.py"
    if process.exists():
        found.append(Subject(folder.name, "ext_proc", "ext_proc", process, {}, process))
    return found


def _subject(form: Form) -> Subject:
    source = _source_of(form.file) if form.is_wasm else form.file
    mechanism = "wasm" if form.is_wasm else form.language
    return Subject(form.file.parent.name, form.language, mechanism, form.file, form.typed_config, source)


def _source_of(module: Path) -> Path | None:
    """What a module was built from: `filter.cpp` beside `filter.cpp.wasm`, `filter.ts` beside another."""
    named = module.with_suffix("")
    if named.suffix in SOURCES and named.exists():
        return named
    language = named.suffix.removeprefix(".")
    found = [path for path in sorted(module.parent.glob("filter.*")) if SOURCES.get(path.suffix) == language]
    return found[0] if found else None
