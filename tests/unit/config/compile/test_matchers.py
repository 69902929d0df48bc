"""Matchers as Envoy decides (reference 4.3); the header rows were tried on Envoy 1.40."""

from __future__ import annotations

import pytest

from pyvoy.config.compile import matchers
from pyvoy.http.headers import HeaderMap
from tests.unit.config.building import built, reported

STRING = "envoy.type.matcher.v3.StringMatcher"
ROUTE = "envoy.config.route.v3.RouteMatch"


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        ("exact: abc", b"abc", b"abcd"),
        ("prefix: abc", b"abcd", b"ab"),
        ("suffix: abc", b"xabc", b"abcx"),
        ("contains: abc", b"xabcx", b"ab"),
        ("safe_regex: {regex: 'a[bc]+'}", b"abcb", b"xab"),
        ("{exact: aBc, ignore_case: true}", b"AbC", b"ab"),
        ("{prefix: aBc, ignore_case: true}", b"ABCD", b"xabc"),
        ("{suffix: aBc, ignore_case: true}", b"xABC", b"abcx"),
        ("{contains: aBc, ignore_case: true}", b"xABCx", b"ab"),
        ("{safe_regex: {regex: 'a'}, ignore_case: true}", b"a", b"A"),
    ],
)
def test_string_matcher(text, yes, no):
    message, context = built(STRING, text)
    matches = matchers.string_matcher(message, context)
    assert matches(yes)
    assert not matches(no)
    assert reported(context) == []


def test_a_bad_regex_is_reported_at_its_place_and_matches_nothing():
    message, context = built(STRING, "safe_regex:\n  regex: '(a'")
    assert not matchers.string_matcher(message, context)(b"(a")
    assert reported(context) == ["2:10: error: safe_regex.regex: not a regular expression of RE2: missing ): (a"]


MISSING, EMPTY, A, B = HeaderMap(), HeaderMap([(b"x", b"")]), HeaderMap([(b"x", b"a")]), HeaderMap([(b"x", b"b")])
TWICE = HeaderMap([(b"x", b"a"), (b"x", b"b")])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "01111"),
        ("present_match: true", "01111"),
        ("present_match: false", "10000"),
        ("{present_match: true, invert_match: true}", "10000"),
        ("invert_match: true", "10000"),
        ("{present_match: true, treat_missing_header_as_empty: true}", "11111"),
        ("string_match: {exact: a}", "00101"),
        ("string_match: {exact: 'a,b'}", "00000"),
        ("string_match: {prefix: a}", "00101"),
        ("{string_match: {exact: a}, invert_match: true}", "01010"),
        ("{string_match: {exact: ''}, treat_missing_header_as_empty: true}", "11000"),
        ("{string_match: {exact: a}, invert_match: true, treat_missing_header_as_empty: true}", "11010"),
        ("exact_match: a", "00101"),
        ("prefix_match: a", "00101"),
        ("suffix_match: b", "00011"),
        ("contains_match: ','", "00000"),
        ("safe_regex_match: {regex: '[ab]'}", "00111"),
    ],
)
def test_header_matcher(text, expected):
    """`expected` has a digit each for: no such header, an empty one, a, b, both a and b."""
    body = text[1:-1] if text.startswith("{") else text
    message, context = built("envoy.config.route.v3.HeaderMatcher", f"{{name: X, {body}}}")
    matches = matchers.header_matcher(message, context)
    answers = "".join(str(int(matches(headers))) for headers in (MISSING, EMPTY, A, B, TWICE))
    assert answers == expected


@pytest.mark.parametrize(
    ("value", "inside"),
    [(b"-5", True), (b"4", True), (b"5", False), (b"+1", True), (b" 1 ", True), (b"", False), (b"1.0", False),
     (b"x", False), (b"-6", False), (b"9" * 30, False)],
)  # fmt: skip
def test_range_match(value, inside):
    message, context = built("envoy.config.route.v3.HeaderMatcher", "{name: x, range_match: {start: -5, end: 5}}")
    assert matchers.header_matcher(message, context)(HeaderMap([(b"x", value)])) is inside


def test_host_is_authority():
    message, context = built("envoy.config.route.v3.HeaderMatcher", "{name: Host, string_match: {exact: a}}")
    assert matchers.header_matcher(message, context)(HeaderMap([(b":authority", b"a")]))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4])
def test_all_of_a_list_must_match(count):
    rows = ", ".join(f"{{name: h{i}}}" for i in range(count))
    message, context = built(ROUTE, f"{{prefix: /, headers: [{rows}]}}")
    matches = context.header_matchers(message, "headers")
    present = [(f"h{i}".encode(), b"") for i in range(count)]
    assert matches(HeaderMap(present))
    for left_out in present:
        assert not matches(HeaderMap(pair for pair in present if pair != left_out))


def test_a_problem_in_a_list_has_its_index():
    message, context = built(ROUTE, "prefix: /\nheaders:\n- name: a\n- name: b\n  safe_regex_match: {regex: '['}\n")
    context.header_matchers(message, "headers")
    assert reported(context) == [
        "5:29: error: headers[1].safe_regex_match.regex: not a regular expression of RE2: missing ]: ["
    ]


def test_any_of_a_list_of_string_matchers():
    message, context = built("envoy.type.matcher.v3.ListStringMatcher", "patterns: [{exact: a}, {prefix: b}]")
    matches = matchers.string_matchers(message.patterns, context, "patterns")
    assert [matches(value) for value in (b"a", b"bc", b"c")] == [True, True, False]
    assert not matchers.string_matchers([], context, "patterns")(b"a")
