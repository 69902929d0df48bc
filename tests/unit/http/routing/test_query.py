"""Query parameters, undecoded."""

from __future__ import annotations

import pytest

from pyvoy.http.routing.query import first_value, query_parameters


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/", {}),
        (b"/?", {b"": b""}),
        (b"/?a=1&b&a=2", {b"a": b"1", b"b": b""}),
        (b"/?a=b=c", {b"a": b"b=c"}),
        (b"/?a%20=%31", {b"a%20": b"%31"}),
        (b"/?a?b", {b"a?b": b""}),
    ],
)
def test_query_parameters(path, expected):
    assert query_parameters(path) == expected
    assert first_value(path, b"a") == expected.get(b"a")
