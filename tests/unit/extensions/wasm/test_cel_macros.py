"""The macros of CEL: what they give, what they refuse, and that they stay small."""

from __future__ import annotations

import pytest

from pyvoy.extensions.wasm.cel import CelSyntaxError, compile_expression
from pyvoy.extensions.wasm.cel_macros import MAX_ITEMS
from pyvoy.extensions.wasm.cel_values import CelError
from pyvoy.http.headers import HeaderMap

HEADERS = HeaderMap([(b"x-a", b"1"), (b"x-b", b"2"), (b"x-b", b"3")])


def evaluate(text, **attributes):
    found = {"headers": HEADERS, "long": list(range(MAX_ITEMS + 1)), **attributes}
    return compile_expression(text, lambda path: lambda _stream: found.get(".".join(path)))(None)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[1, 2].exists(x, x == 2)", True),
        ("[].exists(x, x)", False),
        ("[1, 2].all(x, x > 1)", False),
        ("[].all(x, x)", True),
        ("[1, 2, 2].exists_one(x, x == 2)", False),
        ("[1, 2, 3].filter(x, x > 1)", [2, 3]),
        ("[1, 2].map(x, [x])", [[1], [2]]),
        ("[1, 2, 3].map(x, x > 1, x * x)", [4, 9]),
        ("{'a': 1, 'b': 2}.map(k, k + '!')", ["a!", "b!"]),
        ("headers.map(name, headers[name])", ["1", "2,3"]),
        ("[[1], [2, 3]].map(x, x.map(y, y + size(x)))", [[2], [4, 5]]),
        ("[1].map(x, [2].map(x, x)) == [[2]]", True),
        ("['a', 1].exists(x, x > 0)", True),
        ("[1].exists(headers, headers == 1) && size(headers) == 2", False),
    ],
)
def test_what_they_give(text, value):
    assert evaluate(text) == value


@pytest.mark.parametrize(
    "text", ["[1, 'a'].all(x, x > 0)", "[1].filter(x, x)", "'text'.exists(x, true)", "long.all(x, true)"]
)
def test_what_has_no_value(text):
    with pytest.raises(CelError):
        evaluate(text)


@pytest.mark.parametrize(
    "text",
    [
        "[1].exists(x)",
        "[1].exists(1, true)",
        "[1].exists(x, true, true)",
        "[1].map(x, true, x, x)",
        "[1].exists(",
        "[1].exists(x, [1].exists(y, [1].exists(z, true)))",
    ],
)
def test_what_cannot_be_compiled(text):
    with pytest.raises(CelSyntaxError):
        evaluate(text)
