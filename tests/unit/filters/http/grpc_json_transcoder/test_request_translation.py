"""JSON, however it is cut, as messages."""

from __future__ import annotations

import pytest

from pyvoy.filters.http.grpc_json_transcoder.binding import resolve
from pyvoy.filters.http.grpc_json_transcoder.errors import TranscodingError
from pyvoy.filters.http.grpc_json_transcoder.message_writer import MessageWriter
from pyvoy.filters.http.grpc_json_transcoder.request_translation import Body, ManyMessages, OneMessage
from tests.support.shop import message
from tests.unit.filters.http.grpc_json_transcoder.shop_schema import schema

REQUEST = schema().message("shop.v1.BookRequest")


def body(prefix=(), **bindings):
    """A BookRequest's body."""
    found = [(resolve(REQUEST, (name,)), value) for name, value in bindings.items()]
    return Body(MessageWriter(schema(), False), REQUEST, prefix, found, False)


def request(**fields):
    """A BookRequest."""
    return message("BookRequest")(**fields)


def requests(frames):
    """The BookRequests in framed octets."""
    found = []
    while frames:
        size = int.from_bytes(frames[1:5], "big")
        found.append(message("BookRequest").FromString(frames[5 : 5 + size]))
        frames = frames[5 + size :]
    return found


def fed(made, *pieces):
    """The messages that come out, piece by piece, and at the end."""
    return [requests(made.feed(piece)) for piece in pieces] + [requests(made.finish())]


def test_one_message_goes_out_when_it_is_whole():
    whole = request(shelf="s", id=1)
    assert fed(OneMessage(body(shelf="s")), b'{"id"', b":1}", b" ignored") == [[], [whole], [], []]
    assert fed(OneMessage(body()), b'{"id":1}') == [[request(id=1)], []]
    assert fed(OneMessage(body(("book", "title"))), b'"x"') == [[request(book={"title": "x"})], []]
    assert fed(OneMessage(body()), b"", b"") == [[], [], [request()]]


def test_a_number_may_go_on_with_the_next_piece():
    assert fed(OneMessage(body(("id",))), b"1", b"2") == [[], [], [request(id=12)]]


@pytest.mark.parametrize("text", [b'[{"id":1},{"id":2}]', b"[{id:1},{id:2},]"])
def test_many_messages_go_out_as_they_come(text):
    for cut in range(1, len(text)):
        out = fed(ManyMessages(body(shelf="s")), text[:cut], text[cut:])
        assert [each for messages in out for each in messages] == [request(shelf="s", id=1), request(id=2)]


def test_an_element_is_not_kept_until_the_next_one():
    made = ManyMessages(body())
    assert requests(made.feed(b'[{"id":1}')) == [request(id=1)]
    assert requests(made.feed(b',{"id":2}')) == [request(id=2)]


@pytest.mark.parametrize(
    ("made", "pieces", "said"),
    [
        (OneMessage, (b"{",), "Unexpected end of string. Expected an object key or }.\n\n^"),
        (OneMessage, (b'{"id":"x"}',), 'id: invalid value "x" for type TYPE_INT64'),
        (ManyMessages, (), "Expected an array instead of an object"),
        (ManyMessages, (b'[{"id":"x"},{"id":1}]',), 'id: invalid value "x" for type TYPE_INT64'),
        (ManyMessages, (b'[{"id":"x"}}',), 'Expected , or ] after array value.\n[{"id":"x"}}\n           ^'),
        (ManyMessages, (b"5]",), "Parsing terminated before end of input.\n5]\n ^"),
    ],
)
def test_errors(made, pieces, said):
    with pytest.raises(TranscodingError) as caught:
        fed(made(body()), *pieces)
    assert str(caught.value) == said
