"""CEL's timestamps and durations: what becomes of them, their parts, their texts.

Source: the Common Expression Language specification, "Timestamps and durations"; texts are those of protobuf's JSON.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from pyvoy.extensions.wasm.cel_values import CelError, Duration, Timestamp

SECOND = 1_000_000_000
_UNITS = {"h": 3600 * SECOND, "m": 60 * SECOND, "s": SECOND, "ms": 1_000_000, "us": 1000, "ns": 1}
MAX_DURATION = 315_576_000_000 * SECOND
"""Ten thousand years, as in protobuf."""
_MAX_TEXT = 100
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(h|ms|m|s|us|ns)")
_STAMP = re.compile(
    r"(\d{1,4})-(\d\d?)-(\d\d?)[Tt](\d\d?):(\d\d?):(\d\d?)(\.\d+)?(?:[Zz]|([+-])(\d\d):?(\d\d))", re.ASCII
)


TIMES = {
    "request.time": Timestamp,
    "request.duration": Duration,
    "response.backend_latency": Duration,
    "upstream.cx_pool_ready_duration": Duration,
}
"""Attributes that are times."""


def timestamp(value: Any) -> Timestamp:
    """`timestamp(...)` of a text or of seconds."""
    if isinstance(value, Timestamp):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return Timestamp(value * SECOND)
    found = _STAMP.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise CelError(f"{value!r} is no timestamp")
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    leaps = second == 60  # the first moment of the next minute
    rest = 60 * SECOND if leaps else int((found[7] or ".")[1:10].ljust(9, "0"))
    try:
        east = datetime.timedelta(hours=int(found[9] or 0), minutes=int(found[10] or 0))
        zone = datetime.timezone(-east if found[8] == "-" else east)
        moment = datetime.datetime(year, month, day, hour, minute, 0 if leaps else second, tzinfo=zone)
    except ValueError:
        raise CelError(f"{value!r} is no timestamp") from None
    return Timestamp(int(moment.timestamp()) * SECOND + rest)


def duration(value: Any) -> Duration:
    """`duration(...)` of a text such as 1h30m or -1.5s."""
    if isinstance(value, Duration):
        return value
    text = value if isinstance(value, str) else ""
    body = text.lstrip("+-")
    if body == "0":
        body = "0s"
    parts = list(_PART.finditer(body)) if len(text) <= _MAX_TEXT else []
    if not parts or "".join(part[0] for part in parts) != body or text[1:].startswith(("+", "-")):
        raise CelError(f"{value!r} is no duration")
    total = sum(int(Fraction(part[1]) * _UNITS[part[2]]) for part in parts)
    if total > MAX_DURATION:
        raise CelError("so long is no duration")
    return Duration(-total if text.startswith("-") else total)


def text_of(value: Timestamp | Duration) -> str:
    """As protobuf writes it in JSON."""
    seconds, rest = divmod(abs(value.ns) if isinstance(value, Duration) else value.ns, SECOND)
    digits = f"{rest:09}"
    while digits.endswith("000"):
        digits = digits[:-3]
    fraction = f".{digits}" if digits else ""
    if isinstance(value, Duration):
        return f"{'-' if value.ns < 0 else ''}{seconds}{fraction}s"
    return f"{_moment(value).replace(tzinfo=None).isoformat(timespec='seconds')}{fraction}Z"


def add(left: Any, right: Any) -> Any:
    """A sum with a duration in it; None for what is none."""
    if isinstance(left, Duration) and isinstance(right, Timestamp | Duration):
        return type(right)(left.ns + right.ns)
    if isinstance(left, Timestamp) and isinstance(right, Duration):
        return Timestamp(left.ns + right.ns)
    return None


def subtract(left: Any, right: Any) -> Any:
    """A difference of times; None for what is none."""
    if isinstance(left, Timestamp) and isinstance(right, Timestamp):
        return Duration(left.ns - right.ns)
    if isinstance(left, Timestamp | Duration) and isinstance(right, Duration):
        return type(left)(left.ns - right.ns)
    return None


def _moment(value: Timestamp) -> datetime.datetime:
    try:
        return datetime.datetime.fromtimestamp(value.ns // SECOND, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        raise CelError("a moment that no calendar has") from None


_OF_TIMESTAMPS: Mapping[str, Callable[[datetime.datetime], int]] = {
    "getFullYear": lambda moment: moment.year,
    "getMonth": lambda moment: moment.month - 1,
    "getDate": lambda moment: moment.day,
    "getDayOfMonth": lambda moment: moment.day - 1,
    "getDayOfWeek": lambda moment: moment.isoweekday() % 7,
    "getDayOfYear": lambda moment: moment.timetuple().tm_yday - 1,
    "getHours": lambda moment: moment.hour,
    "getMinutes": lambda moment: moment.minute,
    "getSeconds": lambda moment: moment.second,
}
_OF_DURATIONS = {
    "getHours": 3600 * SECOND,
    "getMinutes": 60 * SECOND,
    "getSeconds": SECOND,
    "getMilliseconds": 1_000_000,
}
PARTS = frozenset((*_OF_TIMESTAMPS, "getMilliseconds"))


def part(name: str, value: Any) -> int:
    """`value.getHours()` and its like, in UTC."""
    if isinstance(value, Timestamp):
        return value.ns % SECOND // 1_000_000 if name == "getMilliseconds" else _OF_TIMESTAMPS[name](_moment(value))
    if isinstance(value, Duration) and name in _OF_DURATIONS:
        ns = abs(value.ns) % SECOND if name == "getMilliseconds" else abs(value.ns)
        return ns // _OF_DURATIONS[name] * (-1 if value.ns < 0 else 1)
    raise CelError(f"it has no {name}")
