"""Reading JSON in pieces: the same value however it is cut, and errors with their place."""

from __future__ import annotations

import pytest

from pyvoy.filters.http.grpc_json_transcoder.json_reader import JsonError, JsonReader
from pyvoy.filters.http.grpc_json_transcoder.json_values import Elements, Tree, read_whole


def read(*pieces):
    """The value of a text that comes in these pieces."""
    tree = Tree()
    reader = JsonReader(tree)
    for piece in pieces:
        reader.feed(piece)
    reader.finish()
    return tree.result


STRICT = [
    (b"{}", ()),
    (b"[]", []),
    (b'{"a":1,"b":[true,false,null],"a":"x"}', (("a", 1), ("b", [True, False, None]), ("a", "x"))),
    (b'["\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9"]', ['"\\/\b\f\n\r\té']),
    ('["ä€😀"]'.encode(), ["ä€😀"]),
    (b"[0,-0,1.5,-2e3,1E-2]", [0, 0, 1.5, -2000.0, 0.01]),
    (b'  { "a" : { "b" : [ [ ] ] } }  ', (("a", (("b", [[]]),)),)),
]
LENIENT = [
    (b"{'a':'b\"c'}", (("a", 'b"c'),)),
    (b"{a:1,$b_2:2,}", (("a", 1), ("$b_2", 2))),
    (b"[1,]", [1]),
    (b'["a\tb\\q\\v"]', ["a\tbq\v"]),
    (b"{trueish:1}", (("trueish", 1),)),
    (b'["\\ud83d\\ude00"]', ["😀"]),
    (b"\v[\f1]", [1]),
    (b"[18446744073709551615,18446744073709551616]", [18446744073709551615, 18446744073709551616.0]),
]


@pytest.mark.parametrize(("text", "value"), STRICT + LENIENT)
def test_whole_in_two_and_octet_by_octet(text, value):
    assert read(text) == value
    for cut in range(1, len(text)):
        assert read(text[:cut], text[cut:]) == value
    assert read(*[bytes((octet,)) for octet in text]) == value


@pytest.mark.parametrize(("text", "value"), STRICT)
def test_strict_json_is_read_at_once(text, value):
    assert read_whole(text) == value


@pytest.mark.parametrize("text", [text for text, _ in LENIENT[:4]] + [b"", b"[NaN]", b"[1e999]", b"\xff", b"[1] x"])
def test_what_only_the_patient_reader_knows_is_left_to_it(text):
    with pytest.raises(ValueError, match=r".*"):
        read_whole(text)


def test_depth():
    deep = b"[" * 100 + b"]" * 100
    assert read(deep) == read_whole(deep)
    for text in (b"[" * 101 + b"]" * 101, b'{"a":' * 101 + b"1" + b"}" * 101, b"[" * 100_000):
        with pytest.raises(ValueError, match=r".*"):
            read_whole(text)
        with pytest.raises(JsonError, match="Message too deep"):
            read(text)


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        ([b'{"id":1 "x":2}'], 'Expected , or } after key:value pair.\n{"id":1 "x":2}\n        ^'),
        ([b"[1}"], "Expected , or ] after array value.\n[1}\n  ^"),
        ([b'{"a"'], "Unexpected end of string. Expected : between key:value pair.\n\n^"),
        ([b'{"a":tru'], "Unexpected token.\ntru\n^"),
        ([b"{null:1}"], "Expected an object key or }.\n{null:1}\n     ^"),
        ([b"[01]"], "Octal/hex numbers are not valid JSON values.\n[01]\n ^"),
        ([b"[--1]"], "Unable to parse number.\n[--1]\n ^"),
        ([b"[1e400]"], "Number exceeds the range of double.\n[1e400]\n ^"),
        ([b'["\\u12"'], 'Illegal hex string.\n\\u12"\n^'),
        ([b'["\\u12x4"'], 'Invalid escape sequence.\n["\\u12x4"\n  ^'),
        ([b'["\\ud800"]'], 'Missing low surrogate.\n\\ud800"]\n^'),
        ([b'["\\ud800\\u0041"]'], "Invalid low surrogate.\n[\"\\ud800\\u0041\"]\n  ^"),
        ([b'["a'], "Closing quote expected in string.\n\n^"),
        ([b'["a\\'], "Closing quote expected in string.\n\\\n^"),
        ([b"[1] x"], "Parsing terminated before end of input.\n[1] x\n    ^"),
        ([b"[#]"], "Expected a value or ] within an array.\n#]\n^"),
        ([b"[\xff]"], "Encountered non UTF-8 code points.\n\udcff]\n^"),
        ([b'{"a":"0123456789012345678901234567",'], "Unexpected end of string. Expected an object key or }.\n\n^"),
    ],
)  # fmt: skip
def test_errors(pieces, said):
    with pytest.raises(JsonError) as caught:
        read(*pieces)
    assert str(caught.value) == said


def test_elements_are_handed_out_as_they_come():
    taken = []
    reader = JsonReader(Elements(taken.append))
    reader.feed(b'[{"a":[1]},')
    assert taken == [(("a", [1]),)]
    reader.feed(b'"x",[2]')
    assert taken[1:] == ["x", [2]]
    reader.feed(b"]")
    reader.finish()
    assert len(taken) == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [(b'{"a":1}', "Expected an array instead of an object"), (b'"a"', "Expected an array instead of a scalar value.")],
)
def test_a_text_that_is_no_array_has_no_elements(text, said):
    elements = Elements(lambda value: None)
    JsonReader(elements).feed(text)
    assert elements.error == said


def test_a_token_without_end_is_not_kept():
    reader = JsonReader(Tree())
    reader.feed(b'{"a":')
    reader.feed(b"1" * 60_000)
    with pytest.raises(JsonError, match="Unexpected token"):
        reader.feed(b"1" * 10_000)
    read(b'["' + b"1" * 100_000, b'"]')
