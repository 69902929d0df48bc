"""`pyvoy bench extensions` from end to end, with loads that are too short to say anything, and the experiments."""

import pytest

from pyvoy.bench import faults, isolation
from pyvoy.bench.peers import Place, envoy_program, installed
from pyvoy.bench.ports import PortSource
from pyvoy.bench.results import MEASURES, read
from pyvoy.bench.upstream import start_upstream
from pyvoy.cli.main import main

TINY = ["--seconds", "0.1", "--repeat", "1", "--rate", "200", "--no-scale", "--no-isolation"]
MEASURED = set(MEASURES)
OURS = """
from dataclasses import dataclass
from pyvoy.api import Filter

@dataclass
class Config:
    name: str

class Mine(Filter):
    config: Config

    def on_response(self, response):
        response.headers[self.config.name] = "1"
"""

needs_envoy = pytest.mark.skipif(envoy_program() is None, reason="the real Envoy is not installed")


@pytest.fixture
def place(tmp_path):
    """An upstream, and room for proxies beside it."""
    ports = PortSource()
    (port,) = ports.take(1)
    upstream = start_upstream(tmp_path / "upstream", port, set())
    yield Place(tmp_path, ports, frozenset(), port)
    upstream.stop()
    ports.close()


def test_the_gallery(tmp_path, capsys):
    out = tmp_path / "run" / "small"
    choice = ["--filter", "add_header", "--mechanism", "python", "--peer", "pyvoy"]
    assert main(["bench", "extensions", *choice, *TINY, "--out", str(out)]) == 0
    results = read(out.with_suffix(".json"))
    none, python = results.rows
    assert (none.form, python.form) == ("none", "python")
    assert set(python.figures) == MEASURED
    assert python.figures["saturated"].value > 0
    assert python.source_lines > 0
    assert "## add_header" in out.with_suffix(".md").read_text()
    assert "Python in pyvoy" in out.with_suffix(".html").read_text()
    said = capsys.readouterr().out
    assert "| Python in pyvoy |" in said
    assert main(["bench", "compare", f"{out}.json", f"{out}.json", "--check"]) == 0
    assert "0 changed beyond noise" in capsys.readouterr().out


def test_a_filter_of_ones_own_with_its_configuration(tmp_path):
    file, out = tmp_path / "mine.py", tmp_path / "out"
    file.write_text(OURS)
    assert main(["bench", str(file), "--config", "name: x-mine", *TINY, "--out", str(out)]) == 0
    assert [row.key for row in read(out.with_suffix(".json")).rows] == [
        ("mine", "none", "pyvoy"), ("mine", "python", "pyvoy"),
    ]  # fmt: skip


@needs_envoy
def test_envoy_and_a_grpc_server_beside_it(tmp_path):
    out = tmp_path / "out"
    choice = ["--filter", "canary", "--mechanism", "ext_proc", "--peer", "envoy"]
    assert main(["bench", "extensions", *choice, *TINY, "--out", str(out)]) == 0
    rows = {row.form: row for row in read(out.with_suffix(".json")).rows}
    assert {"added_us", "reload_ms", "load_cold_ms"} <= set(rows["ext_proc"].figures)


@needs_envoy
def test_a_script_that_envoy_refuses_is_told(tmp_path, capsys):
    file, out = tmp_path / "mine.lua", tmp_path / "out"
    file.write_text('require("nothing")\n')
    assert main(["bench", str(file), "--peer", "envoy", *TINY, "--out", str(out)]) == 1
    assert "Not measured: Lua in Envoy: `script load error" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["extensions", "--filter", "nothing"], "no filter 'nothing'"),
        (["extensions", "--gallery", "/nowhere"], "no gallery"),
        (["nothing.py"], "there is no file"),
        (["compare", "/nowhere.json", "/nowhere.json"], "/nowhere.json"),
    ],
)
def test_what_cannot_be_done_is_told(arguments, told, capsys):
    assert main(["bench", *arguments]) == 1
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("mechanism", "guarded", "fault", "outcome", "process", "recovered"),
    [
        ("python", False, "crash", "500", "unharmed", True),
        ("python", False, "exit", "connection closed", "a worker was replaced", True),
        ("lua", True, "loop", "500", "unharmed", True),
        ("wasm", True, "hog", "503", "unharmed", True),
    ],
)
def test_experiments_really_run(place, mechanism, guarded, fault, outcome, process, recovered):
    chosen = faults.contenders(installed(["pyvoy"]), [mechanism], place.folder)
    setting, contender = next(each for each in chosen if each[0].guarded is guarded)
    found = isolation.run(setting, contender, fault, place)
    assert (found.outcome, found.process, found.recovered) == (outcome, process, recovered)
    assert found.others > 0


@needs_envoy
def test_an_experiment_in_envoy(place):
    ((setting, contender),) = faults.contenders(installed(["envoy"]), ["ext_proc"], place.folder)
    found = isolation.run(setting, contender, "exit", place)
    assert (found.process, found.recovered) == ("the gRPC server is gone", False)
    assert found.failed > 0
