"""CEL expressions: what they give, what has no value, what is no expression; parity cases hold them beside Envoy."""

from __future__ import annotations

import pytest

from pyvoy.extensions.wasm.cel import MAX_LENGTH, CelSyntaxError, compile_expression
from pyvoy.extensions.wasm.cel_values import CelError
from pyvoy.http.headers import HeaderMap

ATTRIBUTES = {
    ("a",): 7,
    ("text",): b"from the wire",
    ("flag",): True,
    ("list",): ("x", b"y"),
    ("map",): {"k": "v", "deep": {"er": 1}},
    ("map", "k"): "v",
    ("map", "dotted.key"): "d",
    ("headers", "x-a"): "1,2",
    ("headers",): HeaderMap([(b"x-a", b"1"), (b"x-a", b"2")]),
}


def value(text: str) -> object:
    def attribute(parts: tuple[str, ...]) -> object:
        return (lambda _stream: ATTRIBUTES[parts]) if parts in ATTRIBUTES else None

    return compile_expression(text, attribute)(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("a + 1 == 8 && flag", True),
        ("text + '!'", "from the wire!"),
        ("map.k", "v"),
        ("map['dotted.key']", "d"),
        ("list[1]", "y"),
        ("'y' in list", True),
        ("'X-A' in headers", True),
        ("headers['x-a']", "1,2"),
        ("size(headers)", 2),
        ("size(map)", 2),
        ("[1, 2] + [3]", [1, 2, 3]),
        ("{1: 2}[1.0]", 2),
        ("true in {1: 2}", False),
        ("--2u", 2),
        ("!" * 501 + "true", False),
        ("bool('T' == 't' ? '' : 'True')", True),
        ("bool('0')", False),
        ("2u - 1u", 1),
        ("string(-12.0)", "-12"),
        ("string(123456789.5)", "1.234567895e+08"),
        ("string(1e-7)", "1e-07"),
        ("string(-1.0 / 0.0)", "-inf"),
        ("a > 3 ? (a > 5 ? 'big' : 'middle') : 'small'", "big"),
        ("-a % 4", -3),
        ("a * 2 - 3 / 2", 13),
        ("!(a < 7)", True),
        ("1.5e3", 1500.0),
        ("0xff", 255),
        (r"'\x41B\n'", "AB\n"),
        (r'r"\d" + "\""', '\\d"'),
        ("string(true) + string(1)", "true1"),
        ("bool('false')", False),
        ("double('2.5')", 2.5),
        ("matches(text, '^from')", True),
        ("null == null", True),
        ("1 == '1'", False),
        ("flag || lost.value", True),
        ("lost.value || flag", True),
        ("has(lost.value)", False),
        ("{'k': [1, {'m': 2}]}['k'][1].m", 2),
    ],
)
def test_values(text, result):
    assert value(text) == result


@pytest.mark.parametrize(
    "text",
    [
        "lost", "lost.value && flag", "a + 'x'", "a && flag", "1 / 0", "1 % 0", "'a' < 1", "size(a)", "int('x')",
        "bool(3)",
        "list[9]", "list['x']", "map.lost", "a.b", "9223372036854775807 * 9", "a.startsWith('x')", "text.matches('(')",
        "1.5 % 2", "string([1])", "3 in 3", "-flag", "a ? 1 : 2",
        "{[]: 1}", "{1.5: 1}", "{'a': 1, 'a': 2}", "{}[[]]", "map[list]", "{true: 1}[1]", "[] in {}", "list in map",
        "bool([])", "bool(map)", "uint(-1)", "double(flag)", "1 + 1.0", "1 + 1u", "1u - 2u", "-1u", "map in headers",
        "int('1_0')",
    ],
)  # fmt: skip
def test_expressions_without_a_value(text):
    with pytest.raises(CelError):
        value(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "1 +", "(", "[1", "{'a' 1}", "a b", "a.", "a..b", "foo(1)", "size(1, 2)", "a.foo()", "'open", r"'\q'",
        "a ? 1", "@", "{1: 2,", "a ? b ? 1 : 2 : 3",
    ],
)  # fmt: skip
def test_what_is_no_expression(text):
    with pytest.raises(CelSyntaxError):
        value(text)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 500 + "1" + ")" * 500,
        "-!" * 500 + "true",
        "[" * 200 + "]" * 200,
        "1+" * 900 + "1",
        "a" + "[0]" * 900,
        "1+" * MAX_LENGTH + "1",
    ],
)
def test_expressions_that_would_use_up_the_stack(text):
    with pytest.raises(CelSyntaxError):
        value(text)
