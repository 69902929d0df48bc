"""`pyvoy bench`: the subcommands are told, and found."""

import importlib

from pyvoy.cli import bench
from pyvoy.cli.main import main


def test_each_subcommand_has_its_module():
    for module, summary in bench.COMMANDS.values():
        assert callable(importlib.import_module(module).main)
        assert summary


def test_help_lists_them(capsys):
    assert main(["bench", "--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"pyvoy bench {name} " in out for name in bench.COMMANDS)


def test_an_unknown_one_is_told(capsys):
    assert main(["bench", "lod"]) == 1
    assert "there is no 'lod'" in capsys.readouterr().err
    assert main(["bench"]) == 1
