"""New filters in the languages of Wasm: they build where their compiler is, and pass the tests that come with them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pyvoy.cli.main import main
from pyvoy.cli.new_filter import WASM, fill, languages
from pyvoy.toolchain import assemblyscript
from pyvoy.toolchain.project import LANGUAGES, build, find
from pyvoy.toolchain.tools import ToolMissing


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_language_that_can_be_built_has_templates():
    assert {each.name for each in LANGUAGES} == set(WASM)
    assert set(WASM) < set(languages())


@pytest.mark.parametrize("language", sorted(WASM))
def test_a_new_filter_is_whole(here, capsys, language):
    assert main(["filter", "new", "my-filter", "--lang", language]) == 0
    assert f"pyvoy wasm build my-filter    # needs {WASM[language].toolchain}" in capsys.readouterr().out
    folder = here / "my-filter"
    texts = {path: path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert {"README.md", "bootstrap.yaml", "test_filter.py"} < {path.name for path in texts}
    assert [module.language.name for module in find(folder)] == [language]
    for path, text in texts.items():
        assert not [name for name in ("name", "class_name", "folder", "notes") if f"{{{name}}}" in text], path


def test_assemblyscript_has_the_versions_that_go_together(here):
    main(["filter", "new", "mine", "--lang", "assemblyscript"])
    written = json.loads((here / "mine/package.json").read_text())
    assert written["dependencies"] == json.loads(assemblyscript.PACKAGES.read_text())["dependencies"]


def test_braces_that_are_no_names_stay():
    assert fill("{a} {b} {{ {a} }}", {"a": "x"}) == "x {b} {{ x }}"


@pytest.mark.timeout(600)  # the first build of C++ ever compiles its library
@pytest.mark.parametrize("language", sorted(WASM))
def test_it_builds_and_its_tests_pass(here, language):
    main(["filter", "new", "mine", "--lang", language])
    if language == "assemblyscript":
        installed_packages(here / "mine")
    try:
        build(find(here / "mine")[0])
    except ToolMissing as error:
        pytest.skip(str(error))
    for arguments in (["validate", "mine/bootstrap.yaml"], ["filter", "test", "mine"]):
        ended = subprocess.run(
            [sys.executable, "-m", "pyvoy", *arguments], cwd=here, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "3 passed" in ended.stdout


def installed_packages(folder: Path) -> None:
    """Those of an earlier build, as a test asks no registry."""
    gallery = Path(__file__).parents[3] / "filters" / "add_header"
    if not assemblyscript.is_installed(gallery) or shutil.which("node") is None:
        pytest.skip("the compiler is not installed (pyvoy wasm build filters/add_header)")
    (folder / "node_modules").symlink_to(assemblyscript.packages(gallery), target_is_directory=True)
