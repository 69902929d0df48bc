"""Time patterns, as the running Envoy 1.40 renders them."""

from __future__ import annotations

import pytest

from pyvoy.observe.access_log.operator import FormatError
from pyvoy.observe.access_log.time_format import DEFAULT_PATTERN, compile_time_format

MOMENT_S = 1_795_458_522.212001


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (DEFAULT_PATTERN, "2026-11-23T18:28:42.212Z"),
        ("%Y/%m/%dT%H:%M:%S%z", "2026/11/23T18:28:42+0000"),
        ("%s", "1795458522"),
        ("%Es", "1795458522"),
        ("%s.%3f", "1795458522.212"),
        ("%f", "212001000"),
        ("%1f", "2"),
        ("%9f", "212001000"),
        ("%E3f", "212"),
        ("%E3S", "42.212"),
        ("%E*S", "42.212001"),
        ("%E0S", "42"),
        ("%E6S", "42.212001"),
        ("%ES", "%ES"),
        ("%H:%%", "18:%"),
        ("%3f%6f", "212212001"),
        ("%Ez", "+00:00"),
        ("%Z", "UTC"),
        ("%E4Y", "2026"),
        ("%e|%j|%a|%b|%y|%p|%I|%T|%D|%F|%R", "23|327|Mon|Nov|26|PM|06|18:28:42|11/23/26|2026-11-23|18:28"),
        ("foo", "foo"),
        ("", ""),
    ],
)
def test_patterns(pattern: str, expected: str) -> None:
    assert compile_time_format(pattern)(MOMENT_S) == expected


def test_every_second_is_rendered_anew() -> None:
    render = compile_time_format("%S.%3f")
    assert [render(MOMENT_S), render(MOMENT_S + 0.1), render(MOMENT_S + 1)] == ["42.212", "42.312", "43.212"]


def test_local_time_has_an_offset() -> None:
    assert len(compile_time_format("%Ez", local=True)(MOMENT_S)) == 6


@pytest.mark.parametrize("pattern", ["%n", "a\nb"])
def test_line_breaks_are_refused(pattern: str) -> None:
    with pytest.raises(FormatError):
        compile_time_format(pattern)
