"""Heads that filters have changed: found again by what they are, not by what they were."""

from __future__ import annotations

import pytest

from pyvoy.http.changed_heads import MARK, ChangedHeads
from pyvoy.http.headers import HeaderMap, Pair

TIME = b"x-time"
HEAD = [(b":status", b"200"), (b"a", b"1"), (TIME, b"7"), (b"b", b"2")]


def encode(headers: HeaderMap) -> bytes:
    return b"".join([name + b"=" + value + b";" for name, value in headers.items()])


def kept(*heads: list[Pair]) -> ChangedHeads:
    """A memory to which each of these heads has come twice."""
    memory = ChangedHeads(TIME)
    for head in heads:
        assert memory.missed(HeaderMap(head)) is None
        again = memory.missed(HeaderMap(head))
        assert again is not None
        memory.keep(again, encode(again))
    return memory


def test_a_head_is_kept_when_it_comes_the_second_time_on_end() -> None:
    memory = ChangedHeads(TIME)
    other = [*HEAD, (b"c", b"3")]
    assert [memory.missed(HeaderMap(head)) for head in (HEAD, other, HEAD)] == [None, None, None]
    again = memory.missed(HeaderMap(HEAD))
    assert again is not None
    assert again.get(TIME) == MARK


@pytest.mark.parametrize("head", [HEAD, [*HEAD, (b"twice", b"1"), (b"twice", b"2")]], ids=["plain", "repeated"])
def test_the_bytes_are_cut_where_the_value_stands_that_varies(head: list[Pair]) -> None:
    memory = kept(head)
    for value in (b"7", b"1234", b""):
        headers = HeaderMap([(name, value if name == TIME else old) for name, old in head])
        found = memory.find(headers)
        assert found is not None
        assert found.before + value + found.behind == encode(headers)


@pytest.mark.parametrize(
    "other",
    [
        [*HEAD, (b"c", b"3")],
        HEAD[:-1],
        [(name, value + b"x" if name == b"a" else value) for name, value in HEAD],
        [HEAD[0], HEAD[3], HEAD[2], HEAD[1]],
        [pair for pair in HEAD if pair[0] != TIME],
        [*HEAD, (b"b", b"3")],
    ],
    ids=["more", "less", "another value", "another order", "nothing varies", "a second value"],
)
def test_another_head_is_not_found(other: list[Pair]) -> None:
    assert kept(HEAD).find(HeaderMap(other)) is None


def test_repeated_values_count_in_their_order() -> None:
    memory = kept([*HEAD, (b"t", b"1"), (b"t", b"2")])
    assert memory.find(HeaderMap([*HEAD, (b"t", b"1"), (b"t", b"2")])) is not None
    assert memory.find(HeaderMap([*HEAD, (b"t", b"1"), (b"t", b"3")])) is None


def test_several_heads_are_told_apart() -> None:
    heads = [[*HEAD, (b"c", b"%d" % number)] for number in range(3)]
    memory = kept(*heads)
    found = [memory.find(HeaderMap(head)) for head in heads]
    assert None not in found
    assert len(set(found)) == 3


def test_what_is_kept_is_bounded() -> None:
    memory = ChangedHeads(TIME)
    kept_heads = 0
    for number in range(100):
        for _ in range(2):
            again = memory.missed(HeaderMap([*HEAD, (b"c", b"%d" % number)]))
            if again is not None:
                memory.keep(again, encode(again))
                kept_heads += 1
    assert 0 < kept_heads < 10


def test_heads_that_never_come_again_are_given_up() -> None:
    memory = ChangedHeads(TIME)
    for number in range(100):
        assert memory.missed(HeaderMap([*HEAD, (b"c", b"%d" % number)])) is None
    assert memory.missed(HeaderMap(HEAD)) is None
    assert memory.missed(HeaderMap(HEAD)) is None
