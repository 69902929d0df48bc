"""ValueMatcher, MetadataMatcher and FilterStateMatcher messages."""

from __future__ import annotations

import pytest

from pyvoy.config.compile import value_matchers
from pyvoy.network.address import Address
from tests.unit.config.building import built

PREFIX = "envoy.type.matcher.v3"


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        ("null_match: {}", [None], [0, "", value_matchers.MISSING]),
        ("double_match: {exact: 2}", [2, 2.0], [3, "2", True]),
        ("double_match: {range: {start: 1, end: 2}}", [1, 1.9], [2, 0.9]),
        ("string_match: {prefix: a}", ["ab"], ["b", 1, None]),
        ("bool_match: true", [True], [False, 1, "true"]),
        ("present_match: true", [None, 0, "x"], [value_matchers.MISSING]),
        ("present_match: false", [], [value_matchers.MISSING, 0]),
        ("list_match: {one_of: {string_match: {exact: a}}}", [["b", "a"]], [["b"], "a", []]),
        ("or_match: {value_matchers: [{bool_match: true}, {null_match: {}}]}", [True, None], [False]),
    ],
)
def test_value_matcher(text, yes, no):
    message, context = built(f"{PREFIX}.ValueMatcher", text)
    test = value_matchers.value_matcher(message, context)
    assert all(test(value) for value in yes)
    assert not any(test(value) for value in no)


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [({"f": {"k": {"l": "v"}}}, True), ({"f": {"k": {"l": "w"}}}, False), ({"f": {"k": "v"}}, False), ({}, False)],
)
def test_metadata_matcher(metadata, expected):
    text = "{filter: f, path: [{key: k}, {key: l}], value: {string_match: {exact: v}}, invert: %s}"
    for invert in (False, True):
        message, context = built(f"{PREFIX}.MetadataMatcher", text % str(invert).lower())
        assert value_matchers.metadata_matcher(message, context)(metadata) == (expected != invert)


def test_filter_state_matcher():
    message, context = built(f"{PREFIX}.FilterStateMatcher", "{key: k, string_match: {exact: v}}")
    matches = value_matchers.filter_state_matcher(message, context)
    assert [matches(state) for state in ({"k": "v"}, {"k": b"v"}, {"k": "w"}, {})] == [True, True, False, False]


def test_filter_state_address():
    text = "{key: k, address_match: {ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}]}}"
    message, context = built(f"{PREFIX}.FilterStateMatcher", text)
    matches = value_matchers.filter_state_matcher(message, context)
    states = ({"k": Address("10.1.1.1", 1)}, {"k": "10.1.1.1"}, {"k": Address("11.1.1.1", 1)}, {})
    assert [matches(state) for state in states] == [True, True, False, False]
