"""The operators, functions and methods of CEL.

Source: the Common Expression Language specification, "List of standard definitions".
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from pyvoy.extensions.wasm import cel_times
from pyvoy.extensions.wasm.cel_values import (
    CelError,
    Duration,
    Timestamp,
    Uint,
    arithmetic,
    has_key,
    kind_of,
    number,
    plain,
    size,
)
from pyvoy.http.headers import HeaderMap


def _add(left: Any, right: Any) -> Any:
    if isinstance(left, str) and isinstance(right, str):
        return left + right
    if isinstance(left, list) and isinstance(right, list):
        return [*left, *right]
    found = cel_times.add(left, right)
    return arithmetic(left, right, operator.add) if found is None else found


def _subtract(left: Any, right: Any) -> Any:
    found = cel_times.subtract(left, right)
    return arithmetic(left, right, operator.sub) if found is None else found


def _quotient(left: Any, right: Any) -> Any:
    if isinstance(left, float):
        return left / right if right else left * math.copysign(math.inf, right)
    if not right:
        raise CelError("division by zero")
    found = abs(left) // abs(right)
    return found if (left < 0) == (right < 0) else -found


def _remainder(left: Any, right: Any) -> Any:
    if isinstance(left, float):
        raise CelError("no whole number")
    return left - right * _quotient(left, right)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def run(left: Any, right: Any) -> bool:
        if kind_of(left) != kind_of(right) or kind_of(left) not in ("number", "str", "bool", "Timestamp", "Duration"):
            raise CelError("values that have no order")
        return compare(left, right)

    return run


def _is_in(item: Any, place: Any) -> bool:
    if isinstance(place, HeaderMap):
        name = item.lower().encode("utf-8", "surrogateescape") if isinstance(item, str) else item
        return has_key(place.map, name)
    if isinstance(place, list | tuple):
        return any(_equal(plain(each), item) for each in place)
    if isinstance(place, Mapping):
        return has_key(place, item)
    raise CelError("nothing can be in it")


def _equal(left: Any, right: Any) -> bool:
    return kind_of(left) == kind_of(right) and bool(left == right)


OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "<": _ordered(lambda left, right: left < right),
    "<=": _ordered(lambda left, right: left <= right),
    ">": _ordered(lambda left, right: left > right),
    ">=": _ordered(lambda left, right: left >= right),
    "in": _is_in,
    "+": _add,
    "-": _subtract,
    "*": lambda left, right: arithmetic(left, right, operator.mul),
    "/": lambda left, right: arithmetic(left, right, _quotient),
    "%": lambda left, right: arithmetic(left, right, _remainder),
}


def _converted(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def run(value: Any) -> Any:
        try:
            if isinstance(value, str) and "_" in value:
                raise ValueError(value)
            return number(convert(value))
        except (ValueError, TypeError, OverflowError):
            raise CelError(f"{value!r} cannot be converted") from None

    return run


def _to_float(value: Any) -> Any:
    if isinstance(value, bool):
        raise CelError("a bool is no number")
    return _converted(float)(value)


def _to_int(value: Any) -> Any:
    """Of a moment the seconds since 1970."""
    return value.ns // cel_times.SECOND if isinstance(value, Timestamp) else _converted(int)(value)


def _float_text(value: float) -> str:
    """As short as it can be; from a million on with an exponent."""
    text = repr(value)
    if "e" in text or not math.isfinite(value):
        return text
    if abs(value) < 1e6:
        return text.removesuffix(".0")
    digits = text.lstrip("-").replace(".", "").rstrip("0")
    return f"{value:.{len(digits) - 1}e}"


def _to_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float_text(value)
    if isinstance(value, int | str):
        return str(value)
    if isinstance(value, Timestamp | Duration):
        return cel_times.text_of(value)
    raise CelError("it has no text")


_TRUE = ("1", "t", "true", "TRUE", "True")
_FALSE = ("0", "f", "false", "FALSE", "False")


def _to_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value not in _TRUE and value not in _FALSE:
        raise CelError(f"{value!r} is no bool")
    return value in _TRUE


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "size": size,
    "int": _to_int,
    "uint": _converted(lambda value: Uint(int(value))),
    "double": _to_float,
    "string": _to_text,
    "bool": _to_bool,
    "bytes": _to_text,
    "dyn": lambda value: value,
    "timestamp": cel_times.timestamp,
    "duration": cel_times.duration,
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
