"""Plays with a Python filter whose code stands in the test."""

from __future__ import annotations

import textwrap
from typing import Any

import yaml

from pyvoy.filters.http.python import PythonFilter
from pyvoy.testing.playbook import Play, play

IMPORTS = "from pyvoy.api import *\n"


def python(
    text: str, /, *, route: dict[str, Any] | None = None, stage: dict[str, Any] | None = None, **fields: Any
) -> Play:
    """A play with the one filter of this code; `fields` are those of the Python message."""
    message = {"code": {"inline_string": IMPORTS + textwrap.dedent(text)}, **fields}
    per_route = "" if route is None else yaml.safe_dump(route if "@type" in route else {"config": route})
    return play(PythonFilter, yaml.safe_dump(message), route=per_route, **(stage or {}))
