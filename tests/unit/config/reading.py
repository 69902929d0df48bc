"""Reads a bootstrap text without asking what pyvoy supports, for tests of the reader and of the rules."""

from __future__ import annotations

from typing import Any

from envoy.config.bootstrap.v3 import bootstrap_pb2

from pyvoy.config import source
from pyvoy.config.checks import Checker
from pyvoy.config.messages import MessageReader
from pyvoy.config.problems import ConfigErrors, ConfigProblem, Problems, Where
from pyvoy.config.registry import Registry


def read(text: str, message: Any = None) -> tuple[Any, Where, list[ConfigProblem]]:
    """The message, its places and the problems of reading and of the field rules."""
    problems = Problems()
    message = bootstrap_pb2.Bootstrap() if message is None else message
    try:
        parsed, node = source.parse(text, "f.yaml")
    except ConfigErrors as error:
        return message, Where(), list(error.problems)
    where = MessageReader(parsed, problems).read(node, message)
    Checker(problems, Registry()).check(message, where, covered=False)
    return message, where, list(problems)


def lines(problems: list[ConfigProblem]) -> list[str]:
    """`line:column path: what` of each problem."""
    return [str(problem).removeprefix("f.yaml:") for problem in problems]
