"""Names that lead to fields, and values woven into a body."""

from __future__ import annotations

import pytest

from pyvoy.filters.http.grpc_json_transcoder.binding import BindingError, Weave, query_parameters, resolve
from tests.unit.filters.http.grpc_json_transcoder.shop_schema import schema

REQUEST = schema().message("shop.v1.BookRequest")


def woven(pairs, *bindings, report=False):
    """(the pairs with the bindings, the errors)."""
    faults = []
    weave = Weave([(resolve(REQUEST, name.split(".")), value) for name, value in bindings])
    return weave.into(pairs, faults if report else None), [str(fault) for fault in faults]


def test_names():
    assert [field.name for field in resolve(REQUEST, ("book", "author", "firstName"))] == [
        "book",
        "author",
        "first_name",
    ]
    assert resolve(REQUEST, ("b%6fok",))[0].name == "book"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("nope",), 'Could not find field "nope" in the type "shop.v1.BookRequest".'),
        (("book", "nope"), 'Could not find field "nope" in the type "shop.v1.Book".'),
        (("view", "x"), 'Encountered a non-leaf field "view" that is not a message while parsing a field path'),
    ],
)
def test_names_of_nothing(names, said):
    with pytest.raises(BindingError) as caught:
        resolve(REQUEST, names)
    assert str(caught.value) == said


def test_query():
    assert query_parameters("a=1&b=x%20y&&=z&c&key=k&a=+", frozenset(("key",)), plus=False) == [
        ("a", "1"), ("b", "x y"), ("a", "+"),
    ]  # fmt: skip
    assert query_parameters("a=+", frozenset(), plus=True) == [("a", " ")]


def test_what_the_body_lacks_is_added_at_its_place():
    pairs, _ = woven((("nested", (("name", "n"),)),), ("shelf", "s"), ("nested.deep.leaf", "l"), ("book.id", "1"))
    assert pairs == (
        ("nested", (("name", "n"), ("deep", (("leaf", "l"),)))), ("shelf", "s"), ("book", (("id", "1"),)),
    )  # fmt: skip


def test_the_body_wins():
    assert woven((("shelf", "body"),), ("shelf", "path"))[0] == (("shelf", "body"),)
    assert woven((("read", "b"),), ("read", "q"))[0] == (("read", "q"), ("read", "b"))


@pytest.mark.parametrize(
    ("name", "in_body", "in_path", "said"),
    [
        ("shelf", "a", "a", []),
        (
            "shelf",
            "a",
            "b",
            ['The binding value "b" of the field shelf is conflicting with the value "a" in the body.'],
        ),
        ("id", 5, "5", []),
        ("id", 5, "6", ['The binding value "6" of the field id is conflicting with the value 5 in the body.']),
        ("id", -5, "-5", []),
        ("id", 1.5, "1.5", []),
        ("id", 1.5, "2", ['The binding value "2" of the field id is conflicting with the value 1.5 in the body.']),
        ("id", True, "true", []),
        ("id", 5, "x", ['Failed to convert binding value id:"x" to uint64']),
    ],
)
def test_differences_are_reported(name, in_body, in_path, said):
    assert woven(((name, in_body),), (name, in_path), report=True)[1] == said
