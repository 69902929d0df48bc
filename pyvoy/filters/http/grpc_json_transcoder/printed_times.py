"""Timestamp, Duration and FieldMask as the JSON text that stands for them.

Source: protobuf's JSON mapping; observed on Envoy 1.40.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from pyvoy.filters.http.grpc_json_transcoder.errors import PrintError

_EPOCH: Final = datetime(1970, 1, 1)
_MIN_S: Final = -62135596800
_MAX_S: Final = 253402300799
_MAX_DURATION_S: Final = 3652500 * 86400
_MAX_NANOS: Final = 999_999_999
_SECONDS, _NANOS, _PATHS = 1, 2, 1

Fields = dict[int, list[Any]]


def _fraction(nanos: int) -> str:
    """A point and three, six or nine digits; nothing for a whole second."""
    if not nanos:
        return ""
    digits = f"{abs(nanos):09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f".{digits}"


def _parts(fields: Fields) -> tuple[int, int]:
    return fields.get(_SECONDS, [0])[0], fields.get(_NANOS, [0])[0]


def timestamp_text(fields: Fields) -> str:
    """A Timestamp in RFC 3339.  Raises PrintError outside of the years 1 to 9999."""
    seconds, nanos = _parts(fields)
    if seconds < _MIN_S:
        raise PrintError("minimum acceptable time value is 0001-01-01T00:00:00Z")
    if seconds > _MAX_S:
        raise PrintError("maximum acceptable time value is 9999-12-31T23:59:59Z")
    moment = _EPOCH + timedelta(seconds=seconds)
    return f'"{moment.isoformat()}{_fraction(nanos)}Z"'


def duration_text(fields: Fields) -> str:
    """A Duration in seconds.  Raises PrintError when it is too long or its parts differ in sign."""
    seconds, nanos = _parts(fields)
    if abs(seconds) > _MAX_DURATION_S or abs(nanos) > _MAX_NANOS:
        raise PrintError("duration out of range")
    if seconds and nanos and (seconds < 0) != (nanos < 0):
        raise PrintError("nanos and seconds signs do not match")
    sign = "-" if seconds < 0 or nanos < 0 else ""
    return f'"{sign}{abs(seconds)}{_fraction(nanos)}s"'


def field_mask_text(fields: Fields) -> str:
    """A FieldMask: its paths in camel case with commas in between."""
    return f'"{",".join([_camel(path) for path in fields.get(_PATHS, [])])}"'


def _camel(path: str) -> str:
    out = []
    after_bar = False
    for char in path:
        if char.isascii() and char.islower() and after_bar:
            out.append(char.upper())
        elif char == "_":
            after_bar = True
            continue
        else:
            plain = (char.isascii() and (char.isdigit() or char.islower())) or char == "."
            out.append(f"_{char}" if after_bar and not plain else char)
        after_bar = False
    return "".join(out)
