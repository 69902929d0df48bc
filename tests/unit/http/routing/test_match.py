"""The finders agree with one another, and chance is drawn once per stream."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyvoy.http.routing import match
from pyvoy.http.routing.match import Entry, bare_path, fraction_condition, route_finder, stream_random
from pyvoy.http.routing.table import Route, VirtualHost
from tests.unit.http.routing.streams import stream

HOST = VirtualHost("v")


def entry(kind, literal: bytes, *, plain: bool = True) -> Entry:
    test = match.prefix_test(literal) if kind == "prefix" else match.exact_test(literal)
    condition = None if plain else lambda _stream, _values: True
    return Entry(kind, test, Route(f"{kind}{literal!r}", HOST), literal, condition)


TABLES = [
    [("prefix", b"/")],
    [("prefix", b"/a")],
    [("prefix", b"/?")],
    [("path", b"/a"), ("prefix", b"/a"), ("prefix", b"/")],
    [("prefix", b"/ab"), ("path", b"/abc"), ("path", b"/a"), ("prefix", b"/#")],
    [("path", b"/a"), ("path", b"/a?x"), ("path", b"/")],
    [("prefix", b"/abc"), ("path", b"/ab"), *(("prefix", b"/%c" % letter) for letter in b"bcdexyza"), ("prefix", b"/")],
]


@pytest.mark.parametrize("rows", TABLES)
@pytest.mark.parametrize("path", [b"/", b"/a", b"/a?x", b"/ab#f", b"/abc", b"/abcd?/ab", b"/b", b"/?"])
def test_the_fast_finders_decide_as_the_general_one(rows, path):
    fast = route_finder([entry(*row) for row in rows])
    general = route_finder([entry(*row, plain=False) for row in rows])
    request = stream(path)
    values = request.request_headers.map
    one, other = fast(request, values), general(request, values)
    assert (one and one.name) == (other and other.name)


@pytest.mark.parametrize("rows", TABLES)
def test_a_request_without_a_path_finds_nothing(rows):
    assert route_finder([entry(*row) for row in rows])(stream(b""), {}) is None


@pytest.mark.parametrize(
    ("path", "bare"), [(b"/a", b"/a"), (b"/a?b#c", b"/a"), (b"/a#b?c", b"/a"), (b"?x", b""), (b"", b"")]
)
def test_bare_path(path, bare):
    assert bare_path(path) == bare


def test_the_random_number_of_a_stream_stays():
    request = stream()
    assert stream_random(request) == stream_random(request) == request.info.route_random


def test_a_fraction_holds_for_its_share_of_the_streams():
    half = fraction_condition(5_000, 10_000)
    share = sum(half(stream(seed=seed), {}) for seed in range(300))
    assert 100 < share < 200
    assert fraction_condition(100, 100)(stream(), {})
    assert not fraction_condition(0, 100)(stream(), {})


ROWS = st.lists(st.tuples(st.sampled_from(["prefix", "path"]), st.binary(max_size=3).map(lambda text: b"/" + text)))


@given(ROWS, st.binary(max_size=4).map(lambda text: b"/" + text))
def test_any_table_of_literals_is_decided_in_order(rows, path):
    request = stream(path)
    values = request.request_headers.map
    fast = route_finder([entry(*row) for row in rows])(request, values)
    general = route_finder([entry(*row, plain=False) for row in rows])(request, values)
    assert (fast and fast.name) == (general and general.name)
