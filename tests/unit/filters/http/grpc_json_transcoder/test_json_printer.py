"""Messages as JSON.  Octet for octet they are compared with Envoy in the parity cases; here is what Envoy dies of."""

from __future__ import annotations

import pytest

from pyvoy.filters.http.grpc_json_transcoder.errors import PrintError
from pyvoy.filters.http.grpc_json_transcoder.json_printer import JsonPrinter, PrintOptions, quoted
from tests.support.shop import message
from tests.unit.filters.http.grpc_json_transcoder.shop_schema import schema


def text(data, **options):
    """A Book as text."""
    data = data if isinstance(data, bytes) else message("Book")(**data).SerializeToString()
    return JsonPrinter(schema(), PrintOptions(**options)).text(schema().message("shop.v1.Book"), data).decode()


def test_a_message():
    assert text({"id": 5, "tags": ["a"], "author": {"year": 1}}) == '{"id":"5","author":{"year":1},"tags":["a"]}'


def test_white_space():
    assert text({"tags": ["a", "b"], "author": {}}, whitespace=True) == (
        '{\n "author": {},\n "tags": [\n  "a",\n  "b"\n ]\n}\n'
    )


def test_entries_of_a_map_that_lack_their_key_or_value():
    assert text(b"\x5a\x00\x5a\x03\x0a\x01a") == '{"stock":{"":0,"a":0}}'
    with pytest.raises(PrintError):
        text(b"\x62\x02\x08\x01")


def test_what_may_harm_a_page_is_escaped():
    assert quoted('<a>&"\\\n\x7f\u2028\U000e0001') == '"\\u003ca\\u003e&\\"\\\\\\n\\u007f\\u2028\\udb40\\udc01"'
