"""The values of CEL: what operators and functions do with them, whatever expression they stand in.

Text is str, maps are mappings or header maps, whole numbers are int (signed and unsigned alike).
Source: the Common Expression Language specification.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pyvoy.http.headers import HeaderMap


class CelError(Exception):
    """An expression that has no value for this stream; `missing` where something is just not there."""

    def __init__(self, text: str, *, missing: bool = False) -> None:
        self.missing = missing
        super().__init__(text)


def plain(value: Any) -> Any:
    """An attribute's value as CEL has it."""
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
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        raise CelError("the number is too large")
    return value


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return "map" if isinstance(value, Mapping | HeaderMap) else type(value).__name__


def _add(left: Any, right: Any) -> Any:
    if isinstance(left, str) and isinstance(right, str):
        return left + right
    if isinstance(left, list) and isinstance(right, list):
        return [*left, *right]
    return number(operand(left) + operand(right))


def _divide(left: Any, right: Any) -> Any:
    operand(left)
    if not operand(right):
        raise CelError("division by zero")
    if isinstance(left, float) or isinstance(right, float):
        return left / right
    found = abs(left) // abs(right)
    return found if (left < 0) == (right < 0) else -found


def _remainder(left: Any, right: Any) -> Any:
    if not isinstance(left, int) or not isinstance(right, int):
        raise CelError("no whole number")
    return left - right * _divide(left, right)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def run(left: Any, right: Any) -> bool:
        if _kind(left) != _kind(right) or _kind(left) not in ("number", "str", "bool"):
            raise CelError("values that have no order")
        return compare(left, right)

    return run


def _is_in(item: Any, place: Any) -> bool:
    if isinstance(place, HeaderMap):
        return isinstance(item, str) and item.lower().encode() in place.map
    if isinstance(place, list | tuple):
        return any(_equal(plain(each), item) for each in place)
    if isinstance(place, Mapping):
        return item in place
    raise CelError("nothing can be in it")


def _equal(left: Any, right: Any) -> bool:
    return _kind(left) == _kind(right) and bool(left == right)


OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "<": _ordered(lambda left, right: left < right),
    "<=": _ordered(lambda left, right: left <= right),
    ">": _ordered(lambda left, right: left > right),
    ">=": _ordered(lambda left, right: left >= right),
    "in": _is_in,
    "+": _add,
    "-": lambda left, right: number(operand(left) - operand(right)),
    "*": lambda left, right: number(operand(left) * operand(right)),
    "/": _divide,
    "%": _remainder,
}


def size(value: Any) -> int:
    if isinstance(value, HeaderMap):
        return len(list(value.items()))
    if isinstance(value, str | list | tuple | Mapping):
        return len(value)
    raise CelError("it has no size")


def _converted(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def run(value: Any) -> Any:
        try:
            return number(convert(value))
        except (ValueError, TypeError, OverflowError):
            raise CelError(f"{value!r} cannot be converted") from None

    return run


def _to_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | str):
        return str(value)
    raise CelError("it has no text")


def _to_bool(value: Any) -> bool:
    found = {"true": True, "false": False, True: True, False: False}.get(value)
    if found is None or (not isinstance(value, str | bool)):
        raise CelError(f"{value!r} is no bool")
    return found


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "size": size,
    "int": _converted(int),
    "uint": _converted(int),
    "double": _converted(float),
    "string": _to_text,
    "bool": _to_bool,
}


def _matches(text: str, pattern: str) -> bool:
    import re2

    try:
        return re2.search(pattern, text) is not None
    except re2.error:
        raise CelError(f"{pattern!r} is no regular expression") from None


METHODS: dict[str, Callable[[str, str], bool]] = {
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "contains": lambda text, part: part in text,
    "matches": _matches,
}


def member(value: Any, key: Any) -> Any:
    """What lies under a key or index.  Raises CelError."""
    if isinstance(value, HeaderMap):
        item = value.joined(key.lower().encode()) if isinstance(key, str) else None
    elif isinstance(value, Mapping):
        item = value.get(key)
    elif isinstance(value, list | tuple) and isinstance(key, int) and not isinstance(key, bool):
        item = value[key] if 0 <= key < len(value) else None
    else:
        raise CelError("it has no members")
    if item is None:
        raise CelError(f"there is no {key}", missing=True)
    return plain(item)
