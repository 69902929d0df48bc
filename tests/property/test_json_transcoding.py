"""JSON and messages are translated into each other as the protobuf library does it, and cuts change nothing."""

from __future__ import annotations

import json
from typing import Any

from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from pyvoy.filters.http.grpc_json_transcoder.faults import Faults
from pyvoy.filters.http.grpc_json_transcoder.json_printer import JsonPrinter, PrintOptions
from pyvoy.filters.http.grpc_json_transcoder.json_reader import JsonError, JsonReader
from pyvoy.filters.http.grpc_json_transcoder.json_values import Tree
from pyvoy.filters.http.grpc_json_transcoder.message_writer import MessageWriter
from pyvoy.filters.http.grpc_json_transcoder.path_matcher import PathMatcher, Unescape
from pyvoy.filters.http.grpc_json_transcoder.path_template import TemplateError, parse
from pyvoy.filters.http.grpc_json_transcoder.schema import Schema
from tests.support.shop import message, pool

SCHEMA = Schema(pool())
TEXT = st.text(max_size=8)
INT32 = st.integers(-(2**31), 2**31 - 1)
JSON = st.recursive(
    st.none() | st.booleans() | INT32 | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)
BOOKS = st.fixed_dictionaries(
    {},
    optional={
        "id": st.integers(-(2**63), 2**63 - 1),
        "title": TEXT,
        "author": st.fixed_dictionaries({}, optional={"first_name": TEXT, "year": INT32}),
        "tags": st.lists(TEXT, max_size=3),
        "genre": st.integers(0, 5),
        "price": st.floats(allow_nan=False).map(lambda x: x + 0.0),  # the library makes 0 of -0
        "weight": st.floats(-(2.0**126), 2.0**126, width=32).map(lambda x: x + 0.0),  # it takes no rounded largest one
        "sold": st.booleans(),
        "cover": st.binary(max_size=8),
        "pages": st.integers(0, 2**32 - 1),
        "stock": st.dictionaries(TEXT, INT32, max_size=1),
        "editors": st.dictionaries(INT32, st.fixed_dictionaries({"year": INT32}), max_size=1),
        "edition": INT32,
        "paper": TEXT,
        "ratings": st.lists(INT32, max_size=3),
        "big": st.integers(0, 2**64 - 1),
        "long_delta": st.integers(-(2**63), 2**63 - 1),
        "f64": st.integers(0, 2**64 - 1),
        "sf32": INT32,
        "by_flag": st.dictionaries(st.booleans(), st.integers(0, 2), max_size=1),
        "longs": st.dictionaries(st.integers(-(2**63), 2**63 - 1), TEXT, max_size=1),
    },
)


def canonical(made: Any) -> bytes:
    """A message so that equal ones are equal."""
    return bytes(made.SerializeToString(deterministic=True))


@given(BOOKS)
def test_a_printed_message_is_read_back_by_the_library(fields: dict[str, Any]) -> None:
    book = message("Book")(**fields)
    for options in (PrintOptions(), PrintOptions(whitespace=True, enums_as_ints=True, proto_names=True)):
        text = JsonPrinter(SCHEMA, options).text(SCHEMA.message("shop.v1.Book"), book.SerializeToString())
        assert canonical(json_format.Parse(text, message("Book")())) == canonical(book)


@given(BOOKS)
def test_what_the_library_prints_is_written_back(fields: dict[str, Any]) -> None:
    book = message("Book")(**fields)
    faults: Faults = []
    value = json.loads(json_format.MessageToJson(book), object_pairs_hook=tuple)
    data = MessageWriter(SCHEMA, False).write(SCHEMA.message("shop.v1.Book"), value, faults)
    assert not faults
    assert canonical(message("Book").FromString(bytes(data))) == canonical(book)


@given(JSON.filter(lambda value: isinstance(value, dict | list)), st.data())
def test_cuts_change_nothing(value: Any, cuts: st.DataObject) -> None:
    text = json.dumps(value, ensure_ascii=cuts.draw(st.booleans())).encode()
    tree = Tree()
    reader = JsonReader(tree)
    while text:
        size = cuts.draw(st.integers(1, len(text)))
        reader.feed(text[:size])
        text = text[size:]
    reader.finish()
    assert _plain(tree.result) == value


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return {name: _plain(inner) for name, inner in value}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


@given(st.binary(max_size=40) | st.text('{}[]:,"\\ut1.e-+#', max_size=20).map(str.encode), st.integers(0, 40))
def test_any_octets_are_read_or_refused(text: bytes, cut: int) -> None:
    reader = JsonReader(Tree())
    try:
        reader.feed(text[:cut])
        reader.feed(text[cut:])
        reader.finish()
    except JsonError:
        pass


@given(st.text("/{}=*.:ab", max_size=14), st.text("/ab:", max_size=10))
def test_any_template_is_taken_or_refused(template: str, path: str) -> None:
    try:
        parsed = parse(template)
    except TemplateError:
        return
    matcher: PathMatcher[str] = PathMatcher(Unescape.EXCEPT_RESERVED, any_verb=False)
    matcher.add("GET", parsed, "m")
    matcher.find("GET", "/" + path)
