"""Known heads: what they stand for, where changes lead, and that nobody can tell them from an ordinary map."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyvoy.http.header_changes import ADD, REMOVE, REPLACE, HeaderChanges, Step
from pyvoy.http.headers import HeaderMap, Pair
from pyvoy.http.known_heads import MARK, KnownHead, KnownHeaders, known_headers, make_changes

TIME = b"x-time"
HEAD = [(b":status", b"200"), (b"a", b"1"), (TIME, MARK), (b"b", b"2")]
NAMES = st.sampled_from([b":status", b":path", b"a", b"b", b"c", b"server", b"content-length", TIME])
VALUES = st.sampled_from([b"", b"1", b"two"])
PAIRS = st.lists(st.tuples(st.sampled_from([b"a", b"b", b"server", b"content-length"]), VALUES), max_size=4)
STEPS = st.lists(st.tuples(st.sampled_from([ADD, REPLACE, REMOVE]), NAMES, VALUES), max_size=4)


def encode(headers: HeaderMap) -> bytes:
    return b"".join([name + b"=" + value + b";" for name, value in headers.items()])


def head_of(pairs: list[Pair]) -> KnownHead:
    return KnownHead(HeaderMap(pairs), TIME)


def with_time(pairs: list[Pair], value: bytes) -> list[Pair]:
    return [(name, value if old == MARK else old) for name, old in pairs]


@given(PAIRS, st.lists(STEPS, max_size=3), st.sampled_from([b"7", b"123", b""]))
def test_changes_lead_where_they_lead_an_ordinary_map(pairs: list[Pair], rounds: list[list[Step]], time: bytes) -> None:
    """Three times over, so that what is remembered is used; each message has its own value of what varies."""
    head = head_of([(b":status", b"200"), *pairs[:2], (TIME, MARK), *pairs[2:]])
    for turn in range(3):
        value = time + b"%d" % turn
        known = known_headers(head, value)
        ordinary = HeaderMap(with_time(list(head.headers().items()), value))
        for steps in rounds:
            text = repr(steps).encode()
            make_changes(known, text, HeaderChanges(steps))
            HeaderChanges(steps).apply(ordinary)
            if type(known) is KnownHeaders:
                before, behind = known.head.text()
                words = [word + b"\0" for pair in ordinary.items() for word in pair]
                assert before + value + behind == b"".join(words)
                known.head.encode(encode, None)
                assert known.head.before + value + known.head.behind == encode(ordinary)
        assert known == ordinary
        assert known.map == ordinary.map
        assert (known.pairs is None) == (ordinary.pairs is None)


def test_changes_are_known_when_they_come_twice_on_end() -> None:
    head = head_of(HEAD)
    changes, others = HeaderChanges([(ADD, b"c", b"3")]), HeaderChanges([(REMOVE, b"a", b"")])
    assert head.learn(b"c", changes) is None
    assert head.learn(b"o", others) is None
    assert head.learn(b"c", changes) is None
    led = head.learn(b"c", changes)
    assert led is not None
    assert list(led.headers().items()) == [*HEAD, (b"c", b"3")]
    assert head.led[b"c"] is led


def test_what_never_comes_again_costs_no_memory() -> None:
    head = head_of(HEAD)
    for number in range(100):
        text = b"%d" % (number // 2)
        head.learn(text, HeaderChanges([(ADD, b"c", text)]))
    assert len(head.led) <= 4


@pytest.mark.parametrize(
    "step",
    [
        (REPLACE, b":status", b"404"),
        (REPLACE, b":path", b"/other"),
        (REMOVE, b":status", b""),
        (REPLACE, b"content-length", b"7"),
        (ADD, b"transfer-encoding", b"chunked"),
        (REMOVE, TIME, b""),
        (REPLACE, TIME, b"9"),
    ],
    ids=repr,
)
def test_changes_that_steer_are_made_the_ordinary_way(step: Step) -> None:
    head = head_of(HEAD)
    for _ in range(4):
        headers = known_headers(head, b"7")
        make_changes(headers, b"steps", HeaderChanges([step]))
        expected = HeaderMap(with_time(HEAD, b"7"))
        HeaderChanges([step]).apply(expected)
        assert type(headers) is HeaderMap
        assert headers == expected


TOUCHES: dict[str, Callable[[HeaderMap], Any]] = {
    "map": lambda headers: headers.map,
    "pairs": lambda headers: headers.pairs,
    "items": lambda headers: list(headers.items()),
    "set": lambda headers: headers.set(b"a", b"9"),
    "add": lambda headers: headers.add(b"z", b"9"),
    "replace": lambda headers: headers.replace(b":status", b"201"),
    "remove": lambda headers: headers.remove(TIME),
    "copy": lambda headers: headers.copy(),
    "generation": lambda headers: headers.generation,
    "size": lambda headers: headers.byte_size(),
    "all": lambda headers: [headers.get_all(name) for name in (b"a", b"z", TIME, b"b")],
    "get": lambda headers: [headers.get(name) for name in (b"a", b"z", TIME)],
    "joined": lambda headers: [headers.joined(name) for name in (b"a", b"z", TIME, b"b")],
    "in": lambda headers: [name in headers for name in (b"a", b"z", TIME)],
    "length": len,
    "equal": lambda headers: headers == HeaderMap(with_time(HEAD, b"7")),
}


@pytest.mark.parametrize("touch", TOUCHES)
@pytest.mark.parametrize("pairs", [HEAD, [*HEAD, (b"b", b"3")]], ids=["once", "repeated"])
def test_whoever_touches_it_finds_an_ordinary_map(touch: str, pairs: list[Pair]) -> None:
    known, ordinary = known_headers(head_of(pairs), b"7"), HeaderMap(with_time(pairs, b"7"))
    ordinary.generation = 0
    assert TOUCHES[touch](known) == TOUCHES[touch](ordinary)
    assert list(known.items()) == list(ordinary.items())
    assert known.generation == ordinary.generation


def test_touching_one_message_changes_no_other() -> None:
    head = head_of([*HEAD, (b"b", b"3")])
    first, second = known_headers(head, b"7"), known_headers(head, b"8")
    first.set(b"a", b"changed")
    first.add(b"b", b"4")
    assert list(second.items()) == with_time([*HEAD, (b"b", b"3")], b"8")
    assert list(head.headers().items()) == [*HEAD, (b"b", b"3")]
