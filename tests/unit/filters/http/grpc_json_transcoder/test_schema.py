"""Types by name and URL."""

from __future__ import annotations

import pytest

from pyvoy.filters.http.grpc_json_transcoder.schema import UnknownTypeError
from tests.unit.filters.http.grpc_json_transcoder.shop_schema import schema


def test_fields_are_found_by_both_their_names():
    author = schema().message("shop.v1.Author")
    assert author.names["firstName"] is author.names["first_name"] is author.by_number[1]


def test_types_refer_to_each_other():
    book = schema().message("shop.v1.Book")
    assert book.names["related"].message is book
    assert book.names["stock"].is_map
    assert book.names["paper"].oneof == "kind"
    assert book.names["genre"].enum.numbers["FICTION"] == 1
    assert (book.names["id"].implicit, book.names["edition"].implicit) == (True, False)


@pytest.mark.parametrize(
    ("url", "code"),
    [("type.googleapis.com/nope", "NOT_FOUND"), ("example.com/shop.v1.Book", "INVALID_ARGUMENT")],
)
def test_unknown_types(url, code):
    with pytest.raises(UnknownTypeError) as caught:
        schema().resolve(url)
    assert caught.value.code == code
