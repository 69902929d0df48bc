"""Scalar values of the text -> values of protobuf scalar types, with exactly the leniencies of Envoy's reader.

Pure functions from a value (str, bool, int, float) to a value; they raise BadValueError with a text that says what was
expected and what was found.  Source: protobuf's JSON parser in legacy mode behind yaml-cpp, observed on Envoy 1.40
(reference 6.4 and tests/unit/config/test_scalars.py).
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Mapping
from typing import Any

from pyvoy.config.problems import nearest_name
from pyvoy.config.source import Scalar

INT_RANGES = {
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
}
MAX_DURATION_S = 315_576_000_000

_TRUE_TEXTS = frozenset(("true", "t", "yes", "y", "1"))
_FALSE_TEXTS = frozenset(("false", "f", "no", "n", "0"))
_INTEGER = re.compile(r"[+-]?[0-9]+\Z", re.ASCII)
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\Z", re.ASCII)
_HEX_FLOAT = re.compile(r"[+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP][+-]?[0-9]+)?\Z", re.ASCII)
_DURATION = re.compile(r"(-?)([0-9]+)(?:\.([0-9]{1,9}))?s\Z", re.ASCII)
_MAX_NUMBER_TEXT = 400


class BadValueError(ValueError):
    """The value does not fit the field.  `what` is the problem's text, `nearest` a valid name that was meant."""

    def __init__(self, what: str, nearest: str = "") -> None:
        self.what = what
        self.nearest = nearest
        super().__init__(what)


def found(value: Any) -> str:
    """What stands in the text, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"the boolean {'true' if value else 'false'}"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f"{value[:60]!r}"
    return "a collection"


def text_value(value: Scalar) -> str:
    """string: only text; a bare number or yes/no/on/off/true/false is not, as in Envoy."""
    if isinstance(value, str):
        if value.isascii():
            return value
        return value.encode("utf-8", "replace").decode()
    hint = "; put it in quotes" if isinstance(value, bool | int | float) else ""
    raise BadValueError(f"must be text, not {found(value)}{hint}")


def bytes_value(value: Scalar) -> bytes:
    """bytes: base64, standard or URL alphabet, padding optional."""
    text = text_value(value).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise BadValueError("must be base64") from None


def bool_value(value: Scalar) -> bool:
    """bool: a boolean, or one of the texts that stand for one."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        lowered = value.lower()
        if lowered in _TRUE_TEXTS:
            return True
        if lowered in _FALSE_TEXTS:
            return False
    raise BadValueError(f"must be true or false, not {found(value)}")


def int_value(value: Scalar, kind: str) -> int:
    """A whole number of the kind int32, uint32, int64 or uint64; as text also with a fraction of zero or as hex."""
    low, high = INT_RANGES[kind]
    number = _exact_int(value)
    if not low <= number <= high:
        raise BadValueError(f"must be between {low} and {high}, not {number}")
    return number


def _exact_int(value: Scalar) -> int:
    if isinstance(value, bool) or value is None:
        raise BadValueError(f"must be a whole number, not {found(value)}")
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        if len(value) < _MAX_NUMBER_TEXT and _INTEGER.match(value):
            return int(value)
        if value != value.strip():
            raise BadValueError(f"must be a whole number, not {found(value)}")
        try:
            number = float_value(value)
        except BadValueError:
            raise BadValueError(f"must be a whole number, not {found(value)}") from None
    else:
        number = value
    if not math.isfinite(number) or number != int(number):
        raise BadValueError(f"must be a whole number, not {found(value)}")
    return int(number)


def float_value(value: Scalar) -> float:
    """double, float: a number or its text; NaN, Infinity and -Infinity by these names."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        text = value.strip()
        if text in ("NaN", "Infinity", "-Infinity"):
            return float(text)
        if len(text) < _MAX_NUMBER_TEXT:
            if _FLOAT.match(text):
                return float(text)
            if _HEX_FLOAT.match(text):
                return float.fromhex(text)
            if text.lower().lstrip("+-") in ("inf", "infinity", "nan"):
                return float(text)
    raise BadValueError(f"must be a number, not {found(value)}")


def enum_value(value: Scalar, numbers: Mapping[str, int]) -> int:
    """An enum by name in any case, or by number; a number that has no name is for the field's rules to refuse."""
    if isinstance(value, bool) or value is None:
        raise BadValueError(f"must be one of {_choices(numbers)}, not {found(value)}")
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return _exact_int(value)
    number = numbers.get(value)
    if number is None:
        number = next((numbers[name] for name in numbers if name.lower() == value.lower()), None)
    if number is None and _INTEGER.match(value) and len(value) < 12:
        number = int(value)
    if number is None:
        nearest = nearest_name(value.replace("-", "_").upper(), numbers)
        raise BadValueError(f"{value[:60]!r} is none of {_choices(numbers)}", nearest)
    return number


def _choices(numbers: Mapping[str, int]) -> str:
    names = sorted(numbers, key=lambda name: numbers[name])
    return ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")


def duration_value(value: Scalar) -> tuple[int, int]:
    """Seconds and nanoseconds of a text such as `0.25s`."""
    match = _DURATION.match(value) if isinstance(value, str) else None
    if match is None:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        bare = is_number or (isinstance(value, str) and _FLOAT.match(value) is not None)
        hint = f', such as "{value}s"' if bare else ""
        raise BadValueError(f"must be a duration in seconds that ends in s{hint}, not {found(value)}")
    sign, whole, fraction = match.groups()
    if len(whole) > 15 or int(whole) > MAX_DURATION_S:
        raise BadValueError(f"must not be longer than {MAX_DURATION_S}s")
    factor = -1 if sign else 1
    return factor * int(whole), factor * int((fraction or "").ljust(9, "0"))
