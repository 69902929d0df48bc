"""Header rules on a map, each action; order and places as seen on Envoy 1.40."""

from __future__ import annotations

import pytest

from pyvoy.http.headers import HeaderMap
from pyvoy.http.routing.header_rules import AppendAction, HeaderRule, HeaderRules, clean

APPEND, ABSENT, REPLACE, REPLACE_EXISTING = AppendAction


@pytest.mark.parametrize(
    ("rule", "without", "with_one"),
    [
        (HeaderRule(b"k", b"new", action=APPEND), [b"new"], [b"old", b"new"]),
        (HeaderRule(b"k", b"new", action=ABSENT), [b"new"], [b"old"]),
        (HeaderRule(b"k", b"new", action=REPLACE), [b"new"], [b"new"]),
        (HeaderRule(b"k", b"new", action=REPLACE_EXISTING), [], [b"new"]),
        (HeaderRule(b"k", b""), [], [b"old"]),
        (HeaderRule(b"k", b"", keep_empty=True), [b""], [b"old", b""]),
        (HeaderRule(b"k", formatter=lambda source: source), [b"made"], [b"old", b"made"]),
        (HeaderRule(b"k", formatter=lambda _source: b"", action=REPLACE), [], [b"old"]),
        (HeaderRule(b"k", formatter=lambda _source: b"", action=REPLACE, keep_empty=True), [b""], [b""]),
    ],
)
def test_actions(rule, without, with_one):
    for headers, expected in ((HeaderMap(), without), (HeaderMap([(b"k", b"old")]), with_one)):
        HeaderRules([rule]).apply(b"made", headers)
        assert headers.get_all(b"k") == expected


def test_removals_come_first_and_replacements_before_additions():
    headers = HeaderMap([(b"a", b"1"), (b"b", b"1"), (b"c", b"1")])
    rules = [HeaderRule(b"a", b"2"), HeaderRule(b"b", b"2", action=REPLACE)]
    HeaderRules(rules, [b"a", b"c", b"none"]).apply(None, headers)
    assert list(headers) == [(b"b", b"2"), (b"a", b"2")]


def test_a_replaced_header_moves_to_the_end():
    headers = HeaderMap([(b"a", b"1"), (b"b", b"1"), (b"a", b"2")])
    HeaderRules([HeaderRule(b"a", b"3", action=REPLACE)]).apply(None, headers)
    assert list(headers) == [(b"b", b"1"), (b"a", b"3")]


def test_values_are_computed_from_the_headers_before_any_rule_of_the_place():
    headers = HeaderMap([(b"a", b"1")])
    rules = [
        HeaderRule(b"a", b"2", action=REPLACE),
        HeaderRule(b"b", formatter=lambda source: source.get(b"a")),
        HeaderRule(b"n", b"first", action=ABSENT),
        HeaderRule(b"n", b"second", action=ABSENT),
    ]
    HeaderRules(rules).apply(headers, headers)
    assert list(headers) == [(b"a", b"2"), (b"b", b"1"), (b"n", b"first"), (b"n", b"second")]


def test_inline_headers_are_joined():
    headers = HeaderMap([(b"user-agent", b"a")])
    HeaderRules([HeaderRule(b"user-agent", b"b")]).apply(None, headers)
    assert list(headers) == [(b"user-agent", b"a,b")]


def test_computed_values_cannot_break_a_line():
    assert clean(b"a\r\nb: c\x00") == b"ab: c"
    assert clean(b"plain") == b"plain"


def test_rules_that_do_nothing_are_empty():
    assert HeaderRules().empty
    assert HeaderRules([HeaderRule(b"k", b"")]).empty
    assert not HeaderRules([], [b"k"]).empty
