"""JSON text as the well-known messages that are written as text: Timestamp, Duration, FieldMask.

Source: observed on Envoy 1.40; protobuf's JSON mapping; RFC 3339.
"""

from __future__ import annotations

import re
from calendar import timegm
from collections.abc import Iterator
from typing import Any, Final

from pyvoy.filters.http.grpc_json_transcoder.scalars import InvalidValue, raw_text, shown
from pyvoy.filters.http.grpc_json_transcoder.wire import delimited, signed

_OFFSET = re.compile(r"[+-]([0-9]{2}):([0-9]{2})")
_TIME = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})T([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})")
_DIGITS = re.compile(r"[0-9]+")
_DAYS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_MIN_S: Final = -62135596800
_MAX_S: Final = 253402300799
_MAX_DURATION_S: Final = 315576000000
_BILLION: Final = 1_000_000_000


def _text(value: Any, what: str) -> str:
    if type(value) is not str:
        raise InvalidValue(f"Invalid data type for {what}, value is {shown(value)}")
    return value


def _nanos(fraction: str, failure: str, excess: str) -> int:
    """What stands behind the point of seconds."""
    if not fraction:
        return 0
    if not _DIGITS.fullmatch(fraction):
        raise InvalidValue(excess if _DIGITS.fullmatch(fraction.removeprefix("-")) else failure)
    digits = fraction.lstrip("0")
    if len(digits) > 10:
        raise InvalidValue(failure)
    if digits and len(fraction) > 9:
        raise InvalidValue(excess)
    return int(fraction.ljust(9, "0")[:9])


def _seconds_and_nanos(seconds: int, nanos: int) -> bytes:
    return b"\x08" + signed(seconds) + b"\x10" + signed(nanos)


def timestamp(value: Any) -> bytes:
    """A Timestamp from RFC 3339 text.  Raises InvalidValue."""
    text = _text(value, "timestamp")
    offset_s = 0
    if text.endswith("Z"):
        text = text[:-1]
    else:
        at = max(text.rfind("+"), text.rfind("-"))
        found = _OFFSET.fullmatch(text, at) if at >= 0 else None
        if found is None or int(found[1]) > 23 or int(found[2]) > 59:
            raise InvalidValue(
                "Illegal timestamp format; timestamps must end with 'Z' or have a valid timezone offset."
            )
        offset_s = (int(found[1]) * 60 + int(found[2])) * 60 * (-1 if text[at] == "-" else 1)
        text = text[:at]
    clock, dot, fraction = text.rpartition(".")
    seconds = _unix_seconds(clock if dot else text)
    nanos = _nanos(
        fraction if dot else "", "Invalid time format, failed to parse nano seconds", "Timestamp value exceeds limits"
    )
    seconds -= offset_s
    if not _MIN_S <= seconds <= _MAX_S:
        raise InvalidValue("Timestamp value exceeds limits")
    return _seconds_and_nanos(seconds, nanos)


def _unix_seconds(text: str) -> int:
    found = _TIME.fullmatch(text)
    if found is None:
        raise InvalidValue("Invalid time format: Failed to parse input")
    year, month, day, hour, minute, second = (int(part) for part in found.groups())
    if not (1 <= month <= 12 and 1 <= day <= _DAYS[month - 1] and hour < 24 and minute < 60 and second <= 60):
        raise InvalidValue("Invalid time format: Failed to parse input")
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if month == 2 and day == 29 and not leap:
        raise InvalidValue("Invalid time format: Out-of-range field")
    if year == 0:
        raise InvalidValue("Timestamp value exceeds limits")
    return timegm((year, month, day, hour, minute, second))


def duration(value: Any) -> bytes:
    """A Duration from text such as `1.5s`.  Raises InvalidValue."""
    text = _text(value, "duration")
    if not text.endswith("s"):
        raise InvalidValue("Illegal duration format; duration must end with 's'")
    text = text[:-1]
    sign = -1 if text.startswith("-") else 1
    text = text.removeprefix("-")
    whole, dot, fraction = text.rpartition(".")
    whole = whole if dot else text
    found = _DIGITS.fullmatch(whole.removeprefix("+"))
    if found is None or len(whole) > 20 or int(whole) >= 1 << 64:
        raise InvalidValue("Invalid duration format, failed to parse seconds")
    nanos = _nanos(
        fraction if dot else "",
        "Invalid duration format, failed to parse nano seconds",
        "Duration value exceeds limits",
    )
    if int(whole) > _MAX_DURATION_S:
        raise InvalidValue("Duration value exceeds limits")
    return _seconds_and_nanos(sign * int(whole), sign * nanos)


def field_mask(value: Any) -> bytes:
    """A FieldMask from its compact text, as `a.bC,d(e,f)`.  Raises InvalidValue."""
    text = _text(value, "field mask")
    return b"".join([b"\x0a" + delimited(raw_text(_snake(path))) for path in _paths(text)])


def _snake(path: str) -> str:
    """Camel case to snake case, quoted map keys left alone."""
    parts = _QUOTED.split(path)
    return "".join(part if number % 2 else _WORD.sub(_snake_word, part) for number, part in enumerate(parts))


_QUOTED = re.compile(r'("(?:[^"\\]|\\.)*")')
_WORD = re.compile(r"[^.()]+")


def _snake_word(found: re.Match[str]) -> str:
    """One name: a capital begins a word unless it follows another one that no small letter follows."""
    word = found[0]
    out = []
    before = "_"
    for at, char in enumerate(word):
        if char.isascii() and char.isupper():
            begins = not (before.isascii() and before.isupper()) or word[at + 1 : at + 2].islower()
            if before != "_" and begins:
                out.append("_")
            out.append(char.lower())
        else:
            out.append(char)
        before = char
    return "".join(out)


def _paths(text: str) -> Iterator[str]:
    """The paths of a compact mask: what stands in parentheses continues what stands before them."""
    prefixes: list[str] = []
    for segment, mark in _segments(text):
        prefix = prefixes[-1] if prefixes else ""
        if mark == "(":
            prefixes.append(_joined(prefix, segment))
        elif segment:
            yield _joined(prefix, segment)
        if mark == ")":
            if not prefixes:
                raise InvalidValue(f"Invalid FieldMask '{text}'. Cannot find matching '(' for all ')'.")
            prefixes.pop()
    if prefixes:
        raise InvalidValue(f"Invalid FieldMask '{text}'. Cannot find matching ')' for all '('.")


def _joined(prefix: str, segment: str) -> str:
    if not prefix or not segment:
        return prefix or segment
    return prefix + segment if segment.startswith('["') else f"{prefix}.{segment}"


_MAP_KEY = re.compile(r'\["(?:[^"\\]|\\.)*"\]')


def _segments(text: str) -> Iterator[tuple[str, str]]:
    """(text, the mark behind it) for each comma and parenthesis outside of map keys; the last mark is empty."""
    start = at = 0
    while at < len(text):
        char = text[at]
        if char == "[":
            at = _behind_key(text, at)
            continue
        if char in ",()":
            yield text[start:at], char
            start = at + 1
        at += 1
    yield text[start:], ""


def _behind_key(text: str, at: int) -> int:
    found = _MAP_KEY.match(text, at)
    if found is None:
        if text.startswith('["', at) and not re.search(r'[^\\]"', text[at + 2 :]):
            raise InvalidValue(f"Invalid FieldMask '{text}'. Cannot find matching ']' for all '['.")
        raise InvalidValue(f"Invalid FieldMask '{text}'. Map keys should be represented as [\"some_key\"].")
    if text[found.end() : found.end() + 1] not in ("", ".", ",", "(", ")"):
        raise InvalidValue(f"Invalid FieldMask '{text}'. Map keys should be at the end of a path segment.")
    return found.end()
