"""JSON values as the translation has them, and how they are made: quickly from a whole text, or bit by bit.

An object is a tuple of (name, value) pairs (names may repeat), an array a list, a scalar None, bool, int, float or str.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, Final

MAX_DEPTH: Final = 100
"""How deep objects and arrays may lie in each other."""

_MANY_DIGITS = re.compile(rb"[0-9]{300}")


def read_whole(text: bytes) -> Any:
    """The value of a text that is strict JSON, quickly.  Raises ValueError when it is not, or when only `JsonReader`
    can tell: then ask it."""
    if b"\\ud" in text or b"\\uD" in text or _MANY_DIGITS.search(text):
        raise ValueError("surrogates, or a number that may be beyond the range of double")
    try:
        value = json.loads(text.decode(), object_pairs_hook=tuple, parse_float=_finite, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("too deep") from None
    if text.count(b"{") + text.count(b"[") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise ValueError("too deep")
    return value


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(text)
    return number


def _no_constant(text: str) -> Any:
    raise ValueError(text)


def _depth(value: Any) -> int:
    """How deep objects and arrays lie in each other."""
    if type(value) is tuple:
        return 1 + max((_depth(inner) for _, inner in value), default=0)
    return 1 + max((_depth(inner) for inner in value), default=0) if type(value) is list else 0


class Tree:
    """Takes what the reader finds and builds the value; `result` holds it once it is whole."""

    __slots__ = ("_open", "done", "result")

    def __init__(self) -> None:
        self._open: list[tuple[str, list[Any], bool]] = []
        self.result: Any = None
        self.done = False

    def begin(self, key: str, is_object: bool) -> None:
        """An object or array begins."""
        self._open.append((key, [], is_object))

    def end(self) -> None:
        """The innermost one ends."""
        key, held, is_object = self._open.pop()
        self.value(key, tuple(held) if is_object else held)

    def value(self, key: str, value: Any) -> None:
        """A value that is whole."""
        if not self._open:
            self.result = value
            self.done = True
            return
        _, held, is_object = self._open[-1]
        held.append((key, value) if is_object else value)


class Elements(Tree):
    """Hands each element of the array that the text is to `take`; what else the text may be is in `error`."""

    __slots__ = ("_take", "error")

    def __init__(self, take: Callable[[Any], None]) -> None:
        super().__init__()
        self._take = take
        self.error = ""

    def begin(self, key: str, is_object: bool) -> None:
        """An object or array begins."""
        if is_object and not self._open:
            self.error = self.error or "Expected an array instead of an object"
        super().begin(key, is_object)

    def value(self, key: str, value: Any) -> None:
        """A value that is whole."""
        if len(self._open) == 1 and not self._open[0][2]:
            if not self.error:
                self._take(value)
            return
        if not self._open and type(value) is not list and type(value) is not tuple:
            self.error = self.error or "Expected an array instead of a scalar value."
        super().value(key, value)
