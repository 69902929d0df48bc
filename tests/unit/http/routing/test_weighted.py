"""Which cluster a request takes."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from pyvoy.http.routing.weighted import weighted_picker
from tests.unit.http.routing.streams import stream

ROUTES: list[Any] = [SimpleNamespace(name=name, hash_policy=lambda _stream, _cookies: 2) for name in "abc"]


@pytest.mark.parametrize(
    ("value", "name"), [(b"0", "a"), (b"1", "b"), (b"2", "b"), (b"3", "c"), (b"4", "a"), (b"18446744073709551615", "c")]
)
def test_a_header_decides(value, name):
    pick = weighted_picker(ROUTES, [1, 2, 1], header_name=b"n")
    request = stream(headers=((b"n", value),))
    assert pick(request, request.request_headers.map).name == name


@pytest.mark.parametrize("headers", [(), ((b"n", b"x"),), ((b"n", b"0"), (b"n", b"0"))])
def test_otherwise_chance_decides_once_per_stream(headers):
    pick = weighted_picker(ROUTES, [1, 2, 1], header_name=b"n")
    for seed in range(5):
        request = stream(headers=headers, seed=seed)
        assert len({pick(request, request.request_headers.map).name for _ in range(3)}) == 1


def test_weights_are_kept():
    pick = weighted_picker(ROUTES, [0, 3, 1])
    picked = Counter(pick(stream(seed=seed), {}).name for seed in range(400))
    assert set(picked) == {"b", "c"}
    assert 2 < picked["b"] / picked["c"] < 5


def test_the_hash_policy_decides_on_wish():
    assert weighted_picker(ROUTES, [1, 1, 1], use_hash_policy=True)(stream(), {}).name == "c"
