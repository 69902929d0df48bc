"""`pyvoy filter`: what is written runs, passes its own tests, and can be tried without a server."""

import subprocess
import sys
from pathlib import Path

import pytest

from pyvoy.cli.main import main
from pyvoy.cli.new_filter import class_name, languages


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_new_filter_is_whole(here, capsys):
    assert main(["filter", "new", "my-filter"]) == 0
    files = {path.name for path in (here / "my-filter").iterdir()}
    assert files == {"filter.py", "test_filter.py", "bootstrap.yaml", "README.md"}
    assert "class MyFilter(Filter)" in (here / "my-filter/filter.py").read_text()
    assert "pyvoy run --dev my-filter/bootstrap.yaml" in capsys.readouterr().out


def test_its_bootstrap_is_valid_and_its_tests_pass(here):
    main(["filter", "new", "mine"])
    for arguments in (["validate", "mine/bootstrap.yaml"], ["filter", "test", "mine"]):
        ended = subprocess.run(
            [sys.executable, "-m", "pyvoy", *arguments], cwd=here, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "3 passed" in ended.stdout


def test_a_lua_filter_is_as_whole(here, capsys):
    main(["filter", "new", "mine", "--lang", "lua"])
    assert {path.name for path in (here / "mine").iterdir()} == {
        "filter.lua", "test_filter.py", "bootstrap.yaml", "README.md"
    }  # fmt: skip
    for arguments in (["validate", "mine/bootstrap.yaml"], ["filter", "test", "mine"]):
        ended = subprocess.run(
            [sys.executable, "-m", "pyvoy", *arguments], cwd=here, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "3 passed" in ended.stdout
    capsys.readouterr()
    assert main(["filter", "test", "mine/filter.lua", "/a"]) == 0
    assert "x-greeting: hello" in capsys.readouterr().out


def test_one_request(here, capsys):
    main(["filter", "new", "mine"])
    capsys.readouterr()
    assert (
        main(["filter", "test", "mine/filter.py", "/a", "-H", "X-B: c", "-d", "data", "--config", "greeting: hi"]) == 0
    )
    out = capsys.readouterr().out
    assert ":method: POST" in out
    assert "x-greeting: hi" in out
    assert "x-b: c" in out
    assert "x-filter: mine" in out
    assert main(["filter", "test", "mine/filter.py", "/forbidden"]) == 0
    assert ":status: 403" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["new", "x", "--lang", "cobol"], "no templates for 'cobol'"),
        (["new", "a b"], "is no name"),
        (["new", "there"], "is there already"),
        (["test", "nowhere"], "there is no nowhere"),
        (["test", "bad.py"], "bad.py:1: invalid syntax"),
        (["test", "good.py", "-H", "nothing"], "is no header"),
        (["test", "good.py", "--config", "x: 1"], "has no field"),
        (["test", "good.py", "--config", "x: ["], "--config is no YAML"),
        ([], "usage:"),
        (["what"], "usage:"),
    ],
)
def test_what_goes_wrong(here, capsys, arguments, text):
    (here / "there").mkdir()
    (here / "bad.py").write_text("x = = 1\n")
    main(["filter", "new", "good"])
    (here / "good/filter.py").rename("good.py")
    assert main(["filter", *arguments]) == 1
    assert text in capsys.readouterr().err


def test_a_filter_that_waits(here, capsys):
    Path("f.py").write_text(
        "from pyvoy.api import *\nclass F(StreamFilter):\n  def on_request_headers(self, *a): return STOP\n"
    )
    assert main(["filter", "test", "f.py"]) == 1
    assert "the filter waits" in capsys.readouterr().out


def test_a_filter_that_fails(here, capsys):
    Path("f.py").write_text(
        "from pyvoy.api import *\nclass F(StreamFilter):\n  def on_response_headers(self, *a): return 1 / 0\n"
    )
    Path("f.lua").write_text("function envoy_on_request(h) error('no') end\n")
    for name in ("f.py", "f.lua"):
        assert main(["filter", "test", name]) == 1
        assert "the filter failed" in capsys.readouterr().err


def test_names():
    assert class_name("add-my_header") == "AddMyHeader"
    assert {"lua", "python"} <= set(languages())
