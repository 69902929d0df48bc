"""Time patterns of START_TIME and its kin: strftime plus fractions of a second.

Understands Envoy's %f and %1f to %9f (and %E3f), and of Abseil's specifiers %E#S, %E*S, %ES left as it is, %Ez, %E4Y,
%Es and %s.  What does not change within a second is rendered once a second.  Checked on the running Envoy 1.40.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from pyvoy.observe.access_log.operator import FormatError

Fraction = Callable[[int, int], str]
TimeFormat = Callable[[float], str]

DEFAULT_PATTERN = "%Y-%m-%dT%H:%M:%E3SZ"
DEFAULT_LOCAL_PATTERN = "%Y-%m-%dT%H:%M:%E3S%z"

_FRACTION = re.compile(r"%(?:E?([1-9])?f|E(\d|\*)S|(E)?s|(Ez)|(E4Y)|(ES)|(Z)|%)")


def compile_time_format(pattern: str, *, local: bool = False) -> TimeFormat:
    """A function from epoch seconds to text.  Raises FormatError for a pattern with a line break."""
    if "%n" in pattern or "\n" in pattern:
        raise FormatError("Invalid header configuration. Format string contains newline.")
    broken_down = time.localtime if local else time.gmtime
    parts = _parts(pattern, local)
    cached_second = -1
    cached: list[str | Fraction] = []

    def render(wall_s: float) -> str:
        nonlocal cached_second, cached
        micros = int(wall_s * 1_000_000)
        second, micros = divmod(micros, 1_000_000)
        if second != cached_second:
            moment = broken_down(second)
            cached = [time.strftime(part, moment) if isinstance(part, str) else part for part in parts]
            cached_second = second
        return "".join([part if isinstance(part, str) else part(second, micros) for part in cached])

    return render


def _parts(pattern: str, local: bool) -> list[str | Fraction]:
    """Pieces for strftime, and functions for what it cannot do."""
    parts: list[str | Fraction] = []
    plain = ""
    place = 0
    for match in _FRACTION.finditer(pattern):
        plain += pattern[place : match.start()]
        place = match.end()
        special = _special(match, local)
        if isinstance(special, str):
            plain += special
            continue
        if plain:
            parts.append(plain)
            plain = ""
        parts.append(special)
    plain += pattern[place:]
    if plain or not parts:
        parts.append(plain)
    return parts


def _special(match: re.Match[str], local: bool) -> str | Fraction:
    """The strftime text or the function of one special specifier."""
    whole = match[0]
    if whole == "%%":
        return "%%"
    if whole == "%ES":
        return "%%ES"
    if match[4]:
        return _local_offset if local else "+00:00"
    if match[5]:
        return "%Y"
    if match[7]:
        return "%Z" if local else "UTC"
    if whole.endswith("s"):
        return lambda second, micros: str(second)
    digits = match[1] or match[2] or "9"
    if whole.endswith("f"):
        return _fraction(int(digits))
    if digits == "*":
        return _seconds_with_all_digits
    return _seconds(int(digits))


def _local_offset(second: int, micros: int) -> str:
    text = time.strftime("%z", time.localtime(second))
    return f"{text[:3]}:{text[3:]}"


def _fraction(digits: int) -> Fraction:
    return lambda second, micros: f"{micros:06d}000"[:digits]


def _seconds(digits: int) -> Fraction:
    if digits == 0:
        return lambda second, micros: f"{second % 60:02d}"
    return lambda second, micros: f"{second % 60:02d}." + f"{micros:06d}000"[:digits]


def _seconds_with_all_digits(second: int, micros: int) -> str:
    text = f"{second % 60:02d}.{micros:06d}".rstrip("0")
    return text.removesuffix(".")
