"""Fixtures of the commands' tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyvoy.cli.main import main
from tests.support.guest import Guest

GALLERY = Path(__file__).parents[3] / "filters"


@pytest.fixture
def wasm_run(tmp_path, capsys):
    """`pyvoy wasm run` of a module; exit status and output."""

    def act(module: Guest | str, *arguments: str) -> tuple[int, str]:
        if isinstance(module, Guest):
            path = tmp_path / "module.wasm"
            path.write_bytes(module.build())
        else:
            path = GALLERY / module / "filter.cpp.wasm"
        status = main(["wasm", "run", str(path), *arguments])
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return act
