"""Differences between two places of a trace, as text."""

import pytest

from pyvoy.http.headers import HeaderMap
from pyvoy.observe.filter_trace import Passed, Trace, changes, identity_of


def place(*pairs, body=b"", trailers=None):
    passed = Passed()
    passed.headers = list(pairs)
    passed.add(body, True)
    passed.trailers = trailers
    return passed.json()


def test_headers():
    before = place((b"a", b"1"), (b"b", b"2"), (b"b", b"3"))
    after = place((b"a", b"1"), (b"b", b"3"), (b"c", b"4"))
    assert changes(before, after) == ["- b: 2", "+ c: 4"]
    assert changes(before, before) == []
    assert changes(before, None) == changes(None, after) == []


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        (b"", b"new", ["~ body: 0 -> 3 bytes", "+ new (body)"]),
        (b"old", b"", ["~ body: 3 -> 0 bytes", "- old (body)"]),
        (b"a\nb", b"a\nc", ["~ body: 3 -> 3 bytes", "- a\\nb (body)", "+ a\\nc (body)"]),
        (
            b"x" * 100 + b"old",
            b"x" * 100 + b"newer",
            ["~ body: 103 -> 105 bytes", "- …xxxxxxxxxxold (body)", "+ …xxxxxxxxxxnewer (body)"],
        ),
        (b"", b"y" * 100, ["~ body: 0 -> 100 bytes", "+ " + "y" * 60 + "… (body)"]),
    ],
)
def test_bodies(before, after, lines):
    assert changes(place(body=before), place(body=after)) == lines


def test_trailers():
    assert changes(place(), place(trailers=[(b"t", b"1")])) == ["+ t: 1 (trailer)"]


@pytest.mark.parametrize(
    ("given", "identity"), [(b"a-1_b.c", "a-1_b.c"), (b"<b>\xff", "b"), (b"", "trace"), (b"x" * 100, "x" * 64)]
)
def test_identities(given, identity):
    assert identity_of(HeaderMap([(b"x-pyvoy-trace", given)])) == identity


def test_host_calls_stand_with_the_callback_that_made_them():
    trace = Trace("id", ("a", "b"), 0.0)
    trace.begin()
    trace.call("in a")
    trace.step(0, "request_headers", 1, 2.0, "holds (STOP)")
    trace.call("between")
    trace.begin()
    trace.step(1, "request_headers", 3, 4.0, "goes on")
    trace.call("after")
    assert [step["calls"] for step in trace.steps] == [["in a"], []]
    assert trace.other_calls == ["between", "after"]
