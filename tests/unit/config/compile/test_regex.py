"""The string tests that stand for simple patterns decide exactly as RE2 does."""

from __future__ import annotations

import pytest
import re2

from pyvoy.config.compile.regex import RegexError, full_match

PATTERNS = [
    "", "a", "/a", "/a.*", ".*a", ".*a.*", ".*", ".*.*", "(a|b|c)", "(?:a|bb)", "(a)", "()", "(a|)", "a|b", "^/a$",
    "^a|b$", "^(a|b)$", "(a)|(b)", "\\.x", "a\\.*", "a\\|b", "a\\)", "a.b", "[a]b", "a\\$", "a$b", "^", "$", "\\d+",
    "é.*", "(?i)a", "a{2}", "a\\$$",
]  # fmt: skip
VALUES = [
    b"", b"a", b"b", b"/a", b"/ab", b"xa", b"xay", b"aa", b"bb", b".x", b"a.", b"a..", b"a|b", b"a$", b"a\n", b"a\nb",
    b"/a\n", b"/a\xff", b"\xffa", "éa".encode(), b"a\\", b"5", b"c", b"a)", b"(a)", "/aé".encode(), b"A",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_decides_as_re2(pattern):
    matches, engine = full_match(pattern), re2.compile(pattern)
    for value in VALUES:
        assert bool(matches(value)) == (engine.fullmatch(value) is not None), value


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        ("(a", "missing ): (a"),
        ("a(?=b)", "invalid perl operator: (?="),
        ("[", "missing ]: ["),
        ("a**", "bad repetition operator: **"),
        ("a\\", "trailing \\"),
        ("a{1001}", "invalid repetition size: {1001}"),
    ],
)
def test_what_re2_refuses(pattern, what):
    with pytest.raises(RegexError) as caught:
        full_match(pattern)
    assert str(caught.value) == what


def test_a_pattern_that_ruins_a_backtracking_engine_is_harmless():
    assert not full_match("(a*)*b")(b"a" * 100_000)
