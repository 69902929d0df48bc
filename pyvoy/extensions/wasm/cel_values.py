"""The values of CEL, whatever expression they stand in: their kinds, sizes and members.

Text is str, maps are mappings or header maps, whole numbers are int and Uint.
Source: the Common Expression Language specification.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pyvoy.http.headers import HeaderMap


class CelError(Exception):
    """An expression that has no value for this stream; `missing` where something is just not there."""

    def __init__(self, text: str, *, missing: bool = False) -> None:
        self.missing = missing
        super().__init__(text)


@dataclass(slots=True, frozen=True, order=True)
class Timestamp:
    """A moment, in nanoseconds since 1970."""

    ns: int


@dataclass(slots=True, frozen=True, order=True)
class Duration:
    """A span, in nanoseconds."""

    ns: int


class Uint(int):
    """A whole number without a sign."""

    __slots__ = ()


class Null:
    """An attribute that is there, and is null: what is None is not there."""


NULL = Null()


def plain(value: Any) -> Any:
    """An attribute's value as CEL has it."""
    if value is NULL:
        return None
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise CelError("a condition is no bool")
    return value


def operand(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CelError("no number")
    return value


def number(value: Any) -> Any:
    """A number that there is.  Raises CelError."""
    if isinstance(value, int):
        least, end = (0, 1 << 64) if isinstance(value, Uint) else (-(1 << 63), 1 << 63)
        if not least <= value < end:
            raise CelError("the number is too large")
    return value


def arithmetic(left: Any, right: Any, do: Callable[[Any, Any], Any]) -> Any:
    """What comes of two numbers of one kind.  Raises CelError."""
    for kind in (float, Uint):
        if isinstance(operand(left), kind) is not isinstance(operand(right), kind):
            raise CelError("numbers of two kinds")
    found = do(left, right)
    return number(Uint(found) if isinstance(left, Uint) else found)


def negated(value: Any) -> Any:
    """The number with the other sign.  Raises CelError."""
    if isinstance(value, Uint):
        raise CelError("the number has no sign")
    return number(-operand(value))


def kind_of(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return "map" if isinstance(value, Mapping | HeaderMap) else type(value).__name__


def size(value: Any) -> int:
    if isinstance(value, HeaderMap):
        return len(list(value.items()))
    if isinstance(value, str | list | tuple | Mapping):
        return len(value)
    raise CelError("it has no size")


def has_key(place: Mapping[Any, Any], key: Any) -> bool:
    """Whether a map has a key of that kind and value.  Raises CelError for what is never a key."""
    if not isinstance(key, str | bytes | int | float):
        raise CelError("no key")
    return key in place and (
        isinstance(key, str | bytes) or any(kind_of(each) == kind_of(key) and each == key for each in place)
    )


def map_of(items: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """A map that an expression makes.  Raises CelError."""
    found: dict[Any, Any] = {}
    for key, value in items:
        if not isinstance(key, str | int) or key in found:
            raise CelError("a key that no map has, or one that is there twice")
        found[key] = value
    return found


def member(value: Any, key: Any) -> Any:
    """What lies under a key or index.  Raises CelError."""
    if isinstance(value, HeaderMap):
        item = value.joined(key.lower().encode()) if isinstance(key, str) else None
    elif isinstance(value, Mapping):
        item = value[key] if has_key(value, key) else None
    elif isinstance(value, list | tuple) and isinstance(key, int) and not isinstance(key, bool):
        item = value[key] if 0 <= key < len(value) else None
    else:
        raise CelError("it has no members")
    if item is None:
        raise CelError(f"there is no {key}", missing=True)
    return plain(item)
