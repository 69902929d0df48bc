"""Looking up paths: precedence, variables, escapes, verbs."""

from __future__ import annotations

import pytest

from pyvoy.filters.http.grpc_json_transcoder.path_matcher import PathMatcher, Unescape, unescape
from pyvoy.filters.http.grpc_json_transcoder.path_template import parse


def matcher(*rules, spec=Unescape.EXCEPT_RESERVED, any_verb=False):
    """A matcher of (HTTP method, template) pairs, each standing for the template itself."""
    made = PathMatcher(spec, any_verb=any_verb)
    for method, template in rules:
        made.add(method, parse(template), template)
    return made


def values(found):
    """The template that was found and the values of its variables; None for nothing."""
    return found and (found.method, {".".join(variable.path): value for variable, value in found.values})


RULES = matcher(
    ("GET", "/a/{x}"), ("GET", "/a/b"), ("GET", "/a/**"), ("*", "/any"), ("GET", "/r/{x=**}/end"),
    ("POST", "/a/{x}:go"), ("GET", "/p/{x=q/*}/{y.z}"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/a/b", ("/a/b", {})),
        ("GET", "/a/c", ("/a/{x}", {"x": "c"})),
        ("GET", "/a/c/d", ("/a/**", {})),
        ("GET", "/a", ("/a/**", {})),
        ("GET", "/a/", ("/a/**", {})),
        ("POST", "/a/c", None),
        ("POST", "/a/c:go", ("/a/{x}:go", {"x": "c"})),
        ("GET", "/a/c:other", ("/a/{x}", {"x": "c:other"})),
        ("GET", "/a/c:go", None),
        ("TRACE", "/any", ("*", {})),
        ("GET", "/r/1/2/end", ("/r/{x=**}/end", {"x": "1/2"})),
        ("GET", "/r/end/end", ("/r/{x=**}/end", {"x": "end"})),
        ("GET", "/r/1/2", None),
        ("GET", "/p/q/1/2", ("/p/{x=q/*}/{y.z}", {"x": "q/1", "y.z": "2"})),
        ("GET", "", None),
        ("GET", "/", None),
    ],
)
def test_lookup(method, path, expected):
    found = values(RULES.find(method, path))
    assert found == (("/any", {}) if expected and expected[0] == "*" else expected)


def test_a_path_that_two_claim_belongs_to_none():
    assert matcher(("GET", "/x/{a}"), ("GET", "/x/{b}")).find("GET", "/x/1") is None


def test_any_verb_cuts_every_colon():
    assert matcher(("GET", "/x/{a}"), any_verb=True).find("GET", "/x/1:go") is None


def test_a_long_path_is_no_deep_one():
    found = matcher(("GET", "/{x=**}/end")).find("GET", "/a" * 5000 + "/end")
    assert len(values(found)[1]["x"]) == 9999


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (Unescape.EXCEPT_RESERVED, "a b%2F%3a%é"),
        (Unescape.EXCEPT_SLASH, "a b%2F:%é"),
        (Unescape.ALL, "a b/:%é"),
    ],
)
def test_escapes(spec, expected):
    assert unescape("a%20b%2F%3a%25%C3%A9", spec) == expected


def test_escapes_that_are_none():
    assert unescape("%zz%1%") == "%zz%1%"
    assert unescape("a+b") == "a+b"
    assert unescape("a+b%2b", plus=True) == "a b+"


def test_octets_that_are_no_text_come_back_as_they_were():
    assert unescape("%ff").encode("utf-8", "surrogateescape") == b"\xff"
