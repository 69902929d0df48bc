"""What a regular expression says about the beginning of a path."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyvoy.config.compile import regex
from pyvoy.config.compile.route_match import literal_head


@pytest.mark.parametrize(
    ("pattern", "head"),
    [
        ("/p3/[a-z]+", b"/p3/"),
        ("^/api/v1$", b"/api/v1"),
        ("/abc*", b"/ab"),
        ("/abc?d", b"/ab"),
        ("/abc{2}", b"/ab"),
        ("/abc+", b"/abc"),
        ("/a/(b|c)", b"/a/"),
        ("/a|/b", b""),
        (r"/a\(|/b", b""),
        ("/a[(]|/b", b""),
        ("(?i)/abc", b""),
        (".*", b""),
        ("", b""),
        ("*", b""),
        (r"/a\.b", b"/a"),
        ("/é/x", "/é/x".encode()),
    ],
)
def test_literal_head(pattern, head):
    assert literal_head(pattern) == head


@given(st.text("/ab.*+?()|[]{}^$\\1,", max_size=9), st.text("/ab1.", max_size=6))
def test_no_match_begins_otherwise(pattern, path):
    try:
        matches = regex.full_match(pattern)
    except regex.RegexError:
        return
    assert not matches(path.encode()) or path.encode().startswith(literal_head(pattern))
