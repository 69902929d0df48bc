"""The companion: whatever a module does to a header map, the outcome is that of the host's own functions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyvoy.extensions.wasm import abi
from pyvoy.http.headers import HeaderMap
from tests.unit.extensions.wasm.vms import MapContext, Puppet, running

NAMES = st.sampled_from(
    [
        b"x-a",
        b"X-A",
        b"x-b",
        b"accept",
        b":path",
        b":authority",
        b"host",
        b"Host",
        b"set-cookie",
        b"x-long" * 20,
        b"",
        b"x\n",
    ]
)
VALUES = st.one_of(st.binary(max_size=30), st.sampled_from([b"", b"v", b"a,b", b"a\r\nb", b"x" * 3000]))
PAIRS = st.lists(
    st.tuples(
        st.sampled_from([b"x-a", b"x-b", b"accept", b":path", b"set-cookie", b"x-c"]),
        st.binary(max_size=20).filter(lambda v: b"\0" not in v),
    ),
    max_size=8,
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("get"), NAMES, st.just(b"")),
        st.tuples(st.just("add"), NAMES, VALUES),
        st.tuples(st.just("replace"), NAMES, VALUES),
        st.tuples(st.just("remove"), NAMES, st.just(b"")),
        st.tuples(st.just("pairs"), st.just(b""), st.just(b"")),
    ),
    max_size=14,
)  # fmt: skip


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[Puppet, Puppet]]:
    with running() as fast, running(fast=False) as plain:
        assert fast.vm.mirror is not None
        assert plain.vm.mirror is None
        yield fast, plain


def conversation(
    puppet: Puppet, kind: int, pairs: list[tuple[bytes, bytes]], steps: list[tuple[str, bytes, bytes]]
) -> list[object]:
    """What a module sees of a map during one callback, and what is left of it."""
    headers = HeaderMap(pairs)
    context = MapContext(puppet.vm, puppet.root, kind, headers)
    puppet.vm.current = context
    mirror = puppet.vm.mirror
    if mirror is not None:
        mirror.enter(context, kind, headers)
    seen: list[object] = []
    for what, name, value in steps:
        if what == "get":
            seen.append(puppet.ask("get_header_map_value", kind, name))
        elif what == "pairs":
            seen.append(puppet.ask("get_header_map_pairs", kind))
        elif what == "remove":
            seen.append(puppet.do("remove_header_map_value", kind, name))
        else:
            seen.append(puppet.do(f"{what}_header_map_value", kind, name, value))
    if mirror is not None:
        mirror.leave()
    assert context.changes or list(headers.items()) == list(HeaderMap(pairs).items())
    return [*seen, list(headers.items())]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from([abi.REQUEST_HEADERS, abi.RESPONSE_HEADERS]), pairs=PAIRS, steps=STEPS)
def test_with_and_without_a_companion_everything_is_the_same(both, kind, pairs, steps):
    fast, plain = both
    assert conversation(fast, kind, pairs, steps) == conversation(plain, kind, pairs, steps)


@pytest.mark.parametrize("count", [0, 1, 899, 900, 901, 1500])
def test_maps_of_every_size(both, count):
    pairs = [(b"x-%d" % at, b"v%d" % at) for at in range(count)]
    steps = [("get", b"x-%d" % at, b"") for at in (0, count - 1, count)] + [
        ("add", b"x-new", b"n"),
        ("get", b"x-new", b""),
    ]
    for _ in range(2):  # the second time the map is there before it is asked for
        assert conversation(both[0], 0, pairs, steps) == conversation(both[1], 0, pairs, steps)


def test_a_value_with_a_nul_and_a_map_that_is_too_large_go_past_the_companion(both):
    for pairs in ([(b"x-a", b"a\0b"), (b"x-b", b"c")], [(b"x-a", b"a" * 200_000), (b"x-b", b"c")]):
        steps = [("get", b"x-b", b""), ("get", b"x-a", b"")]
        assert conversation(both[0], 2, pairs, steps) == conversation(both[1], 2, pairs, steps)


def test_a_full_journal_is_carried_out_by_the_host(both):
    steps = [("add", b"x-%d" % at, b"v" * 20_000) for at in range(10)] + [("get", b"x-9", b""), ("get", b"x-0", b"")]
    assert conversation(both[0], 2, [], steps) == conversation(both[1], 2, [], steps)


@pytest.mark.parametrize("pointer", [0xFFFFFFF0, 0x40000, 0x3FFFF])
def test_bad_pointers_are_a_status(both, pointer):
    for puppet in both:
        headers = HeaderMap([(b"x-a", b"value")])
        context = MapContext(puppet.vm, puppet.root, 2, headers)
        puppet.vm.current = context
        if puppet.vm.mirror is not None:
            puppet.vm.mirror.enter(context, 2, headers)
        puppet.vm.memory.write(4096, b"x-a")
        bad = abi.INVALID_MEMORY_ACCESS
        assert puppet.do("get_header_map_value", 2, pointer, 32, 64, 68) == bad
        assert puppet.do("get_header_map_value", 2, 4096, 3, pointer, 68) == bad
        assert puppet.do("get_header_map_value", 2, 4096, 3, 64, pointer) == bad
        assert puppet.do("add_header_map_value", 2, 4096, 3, pointer, 32) == bad
        assert puppet.do("replace_header_map_value", 2, pointer, 0x80000000, 4096, 3) == bad
        assert puppet.do("remove_header_map_value", 2, pointer, 0xFFFFFFFF) == bad
        if puppet.vm.mirror is not None:
            puppet.vm.mirror.leave()
        assert list(headers.items()) == [(b"x-a", b"value")]
