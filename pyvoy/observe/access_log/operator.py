"""What an operator is, and how its arguments are checked.

An operator reads one fact of a source (a stream or TCP session) and answers None when there is none.  The format
modules make text or JSON of it.  Source of the error texts: the running Envoy 1.40.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

Getter = Callable[[Any], Any]


class Kind(Enum):
    """The type an operator's values have."""

    BYTES = 0
    TEXT = 1
    NUMBER = 2
    JSON = 3
    """Anything that JSON can hold: metadata."""


@dataclass(slots=True, frozen=True)
class Operator:
    """`get(source)` gives a value of this kind, or None.  `breaks_lines` marks values that may hold line breaks."""

    get: Getter
    kind: Kind
    breaks_lines: bool = False


@dataclass(slots=True, frozen=True)
class Command:
    """One parsed `%NAME(arguments):length%`; both are None when they are not written."""

    name: str
    arguments: str | None = None
    length: int | None = None


Builder = Callable[[Command], Operator]


class FormatError(ValueError):
    """A format string that cannot be compiled; the text is Envoy's."""


def bare(command: Command) -> None:
    """The command stands alone."""
    if command.arguments is not None or command.length is not None:
        raise FormatError(f"{command.name} does not take any parameters or length")


def no_length(command: Command) -> None:
    """The command takes no `:length`."""
    if command.length is not None:
        raise FormatError(f"{command.name} does not allow length to be specified.")


def required(command: Command) -> str:
    """The command's arguments, which must be there."""
    if not command.arguments:
        raise FormatError(f"{command.name} requires parameters")
    return command.arguments


def truncated(operator: Operator, length: int | None) -> Operator:
    """The operator with its bytes or text cut to `length`."""
    if length is None:
        return operator
    get = operator.get

    def cut(source: Any) -> Any:
        value = get(source)
        return value[:length] if isinstance(value, bytes | str) else value

    return Operator(cut, operator.kind, operator.breaks_lines)


def to_text(value: Any) -> bytes:
    """A value of any kind as a line of text holds it; structures as compact JSON with sorted keys."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, int):
        return b"%d" % value
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False, default=str).encode()
