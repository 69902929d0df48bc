"""The bootstraps of measurements are good ones."""

import json

import pytest

from pyvoy.bench import bootstrap
from pyvoy.bench.forms import gallery
from pyvoy.cli.main import main
from tests.unit.bench.test_forms import GALLERY


@pytest.mark.parametrize("name", ["none", "python", "lua", "wasm"])
def test_pyvoy_takes_them(tmp_path, name, capsys):
    subjects = gallery(GALLERY, ["add_header"], [name]) if name != "none" else []
    filters = subjects[0].entries(3) if subjects else []
    cluster = bootstrap.cluster("service", bootstrap.address(8081))
    config = bootstrap.bootstrap(9901, [bootstrap.http_listener(10000, filters, 7)], [cluster])
    path = tmp_path / "bootstrap.json"
    path.write_text(json.dumps(config))
    assert main(["validate", str(path)]) == 0
    assert "warning" not in capsys.readouterr().err


def test_listeners_that_are_watched_carry_their_version():
    found = bootstrap.listeners_file([bootstrap.http_listener(10000, [], 7)], 7)
    assert found["version_info"] == "7"
    assert found["resources"][0]["@type"].endswith("config.listener.v3.Listener")
    assert '"inline_string": "7"' in json.dumps(found)
