"""What a form for ext_proc is written against: one object for each request, a method for each event that it wants.

What a class does not define is not sent to the server: `configuration.py` switches it off in Envoy.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class Change:
    """What becomes of a message: headers to set, add and remove, another body, whether the route is chosen anew."""

    set: Mapping[str, str] = field(default_factory=dict)
    add: Mapping[str, str] = field(default_factory=dict)
    remove: tuple[str, ...] = ()
    body: bytes | None = None
    clear_route_cache: bool = False


@dataclass(slots=True)
class Answer:
    """The end of a request: the client gets this."""

    status: int
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class Processor:
    """The base of forms.  Methods (each optional): `on_request_headers`, `on_response_headers` with the headers by
    lower-case name, `on_response_body` with the whole body; each may be `async` and gives a
    Change, an Answer, or None for no change."""


EVENTS = ("on_request_headers", "on_response_headers", "on_response_body")


def load(file: Path) -> type[Processor]:
    """The one processor that a file defines.  Raises ValueError when there is not just one."""
    spec = importlib.util.spec_from_file_location(f"ext_proc_{file.parent.name}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Processor) and value.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise ValueError(f"{file} defines {len(found)} processors: one is a form")
    return found[0]


def events(cls: type[Processor]) -> list[str]:
    """The events that a form wants."""
    return [name for name in EVENTS if hasattr(cls, name)]
