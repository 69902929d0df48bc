"""The modules of the gallery come from their sources: built anew, they are the same, or pass the same tests."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pyvoy.toolchain import assemblyscript
from pyvoy.toolchain.project import build, find

GALLERY = Path(__file__).parents[3] / "filters"


def module_of(folder: Path, language: str):
    return find(folder, [language])[0]


@pytest.mark.timeout(600)  # the first build of C++ ever compiles its library
@pytest.mark.parametrize("name", [path.parent.name for path in sorted(GALLERY.glob("*/filter.cpp"))])
def test_a_module_of_cpp_is_what_its_source_says(name, tmp_path):
    if importlib.util.find_spec("ziglang") is None:
        pytest.skip('the compiler is not installed (pip install "pyvoy-sidecar[wasm-c]")')
    check(module_of(GALLERY / name, "cpp"), tmp_path)


@pytest.mark.timeout(300)
def test_a_module_of_assemblyscript_is_what_its_source_says(tmp_path):
    folder = GALLERY / "add_header"
    if not assemblyscript.is_installed(folder):
        pytest.skip("the compiler is not installed (pyvoy wasm build filters/add_header)")
    check(module_of(folder, "assemblyscript"), tmp_path)


def check(module, folder: Path) -> None:
    made = build(module, folder / module.output.name)
    if made.read_bytes() == module.output.read_bytes():
        return
    # Another version of the compiler: what counts is how the module behaves.
    shutil.copy(module.folder / "test_filter.py", folder)
    ended = subprocess.run(
        [sys.executable, "-m", "pyvoy", "filter", "test", str(folder)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "passed" in ended.stdout
