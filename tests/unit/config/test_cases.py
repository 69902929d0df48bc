"""Bootstraps as files under tests/cases/config: the input, a line of dashes, the problems that the user is told.

A file without problems expects the text `ok`.  Adding a test is adding a file.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pyvoy.config.load import YAML_OPTION, load
from pyvoy.config.problems import ConfigErrors, ConfigProblem

CASES = sorted((Path(__file__).parents[2] / "cases" / "config").glob("*.txt"))


def told(text: str) -> str:
    try:
        problems: tuple[ConfigProblem, ...] = load(config_yaml=text).warnings
    except ConfigErrors as error:
        problems = error.problems
    return "\n".join(str(problem).removeprefix(f"{YAML_OPTION}:") for problem in problems) or "ok"


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_what_the_user_is_told(path):
    text, _, expected = path.read_text().partition("\n---\n")
    assert told(text) == expected.strip()


def test_there_are_cases():
    assert len(CASES) >= 20
