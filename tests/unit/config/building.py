"""A Context over a text, for tests of builders: what they report, with the places of the text."""

from __future__ import annotations

from random import Random
from typing import Any

from pyvoy.config import source
from pyvoy.config.context import Context, Environment
from pyvoy.config.message_types import message_class
from pyvoy.config.messages import MessageReader
from pyvoy.config.problems import Problems
from pyvoy.config.runtime import Runtime


def built(type_name: str, text: str, **environment: Any) -> tuple[Any, Context]:
    """The message that a text describes and the context of its root."""
    problems = Problems()
    message = message_class(type_name)()
    parsed, node = source.parse(text, "f.yaml")
    where = MessageReader(parsed, problems).read(node, message)
    assert not list(problems), list(problems)
    env = Environment(problems, root_scope=None, arena=None, random=Random(1))  # type: ignore[arg-type]
    for name, value in environment.items():
        setattr(env, name, value)
    return message, Context(env, None, where)  # type: ignore[arg-type]


def reported(context: Context) -> list[str]:
    """One line for each problem."""
    return [str(problem).removeprefix("f.yaml:") for problem in context.env.problems]


def runtime(**values: Any) -> Runtime:
    """A runtime of one layer."""
    return Runtime([values])
