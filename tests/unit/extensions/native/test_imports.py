"""Modules behind a filter's code: which are found, and which are executed again when files change."""

import sys
import textwrap
from pathlib import Path

import pytest

from pyvoy.extensions.native.imports import Imports, is_own
from pyvoy.extensions.native.load import Code, LoadError


class Folder:
    """A folder on the path; its modules are forgotten at the end."""

    def __init__(self, path):
        self.path = path

    def write(self, **sources):
        for name, source in sources.items():
            file = self.path / (name.replace("__", "/") + ".py")
            file.parent.mkdir(exist_ok=True)
            file.write_text(textwrap.dedent(source))

    def load(self, name="filter"):
        return Code(filename=str(self.path / f"{name}.py")).load()

    def files(self, name="filter"):
        code = Code(filename=str(self.path / f"{name}.py"))
        return [str(Path(file).relative_to(self.path)) for file in code.files(code.load())]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    yield Folder(tmp_path)
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_modules_beside_the_file_are_found_and_watched(folder):
    folder.write(
        filter="import rules\nvalue = rules.value", rules="from more import value\nimport json", more="value = 1"
    )
    assert folder.load().value == 1
    assert folder.files() == ["filter.py", "more.py", "rules.py"]


def test_packages(folder):
    (folder.path / "app").mkdir()
    folder.write(
        filter="from app.deep import value\nimport app.other",
        app__deep="from . import near\nfrom .near import value",
        app__near="value = 1",
        app__other="",
    )
    (folder.path / "app" / "__init__.py").write_text("")
    assert folder.load().value == 1
    assert folder.files() == ["app/__init__.py", "app/deep.py", "app/near.py", "app/other.py", "filter.py"]
    (folder.path / "app" / "near.py").write_text("value = 22")
    assert folder.load().value == 22


def test_what_is_not_the_users_own_is_left_alone(folder):
    folder.write(filter="import json, yaml, pyvoy.api\nimport pytest")
    assert folder.files() == ["filter.py"]
    assert not is_own(pytest.__file__)
    assert not is_own(textwrap.__file__)
    assert not is_own(Imports.of_file.__code__.co_filename)
    assert is_own(str(folder.path / "filter.py"))


def test_a_changed_module_and_those_above_it_are_executed_again(folder):
    folder.write(
        filter="import above, beside, below\nvalue = above.value, below.value",
        above="import below\nvalue = below.value",
        beside="seen = object()",
        below="value = 1",
    )
    first = folder.load()
    folder.write(below="value = 22")
    second = folder.load()
    assert (first.value, second.value) == ((1, 1), (22, 22))
    assert second.beside is first.beside
    assert second.above is not first.above


def test_an_edit_of_the_same_length_right_behind_another(folder):
    folder.write(filter="from rules import value", rules="value = 1")
    assert folder.load().value == 1
    folder.write(rules="value = 2")
    assert folder.load().value == 2


@pytest.mark.parametrize("wrong", ["x = = 1", "raise ValueError('no')", "import nothing_there"])
def test_a_mistake_leaves_the_old_modules(folder, wrong):
    folder.write(
        filter="import rules\nvalue = rules.value", rules="import below\nvalue = below.value", below="value = 1"
    )
    first = folder.load()
    folder.write(below=wrong + "\n# longer")
    with pytest.raises(LoadError, match=r"below\.py:1: "):
        folder.load()
    assert sys.modules["rules"] is first.rules
    assert sys.modules["below"].value == 1
    folder.write(below="value = 333")
    assert folder.load().value == 333


def test_a_module_that_was_new_in_a_failed_load_is_taken_anew(folder):
    folder.write(filter="import rules\nvalue = rules.value + nothing", rules="value = 1")
    with pytest.raises(LoadError):
        folder.load()
    folder.write(filter="import rules\nvalue = rules.value", rules="value = 22")
    assert folder.load().value == 22


def test_two_filters_share_a_module(folder):
    folder.write(one="import shared\nvalue = shared.value", two="import mid\nvalue = mid.value")
    folder.write(mid="import shared\nvalue = shared.value", shared="value = 1")
    folder.load("one")
    folder.load("two")
    folder.write(shared="value = 22")
    assert folder.load("one").value == 22
    assert folder.load("two").value == 22, "mid holds the shared module of before"
    same = folder.load("one").shared
    assert folder.load("two").mid.shared is same


def test_a_named_module_is_executed_again_with_what_it_imports(folder):
    sys.path.append(str(folder.path))
    folder.write(named_filter="import rules\nvalue = rules.value", rules="value = 1")
    code = Code(module="named_filter")
    first = code.load()
    assert code.load() is first
    folder.write(rules="value = 22")
    second = code.load()
    assert (first.value, second.value) == (1, 22)
    assert [Path(file).name for file in code.files(second)] == ["named_filter.py", "rules.py"]


def test_modules_that_import_each_other(folder):
    folder.write(
        filter="import one\nvalue = one.get()",
        one="import two\ndef get(): return two.value",
        two="import one\nvalue = 1",
    )
    assert folder.load().value == 1
    folder.write(two="import one\nvalue = 22")
    assert folder.load().value == 22


def test_what_cannot_be_read_has_no_imports(folder):
    folder.write(broken="x = = 1")
    assert Imports.of_file(str(folder.path / "broken.py")).files == {}
    assert Imports.of_file(str(folder.path / "nothing.py")).files == {}
