"""Reading messages from the wire, and what is no message.  What JSON becomes of them is in the parity cases."""

from __future__ import annotations

import pytest

from pyvoy.filters.http.grpc_json_transcoder.wire import WireError, read_message, signed, varint, zigzag
from tests.support.shop import message
from tests.unit.filters.http.grpc_json_transcoder.shop_schema import schema


def book(data):
    """A Book by field number."""
    return read_message(schema().message("shop.v1.Book"), data)


def test_numbers():
    assert [varint(x) for x in (0, 127, 128, 300)] == [b"\0", b"\x7f", b"\x80\x01", b"\xac\x02"]
    assert signed(-1) == b"\xff" * 9 + b"\x01"
    assert [zigzag(x) for x in (0, -1, 1, -(2**63))] == [b"\0", b"\1", b"\2", b"\xff" * 9 + b"\x01"]


def test_every_kind():
    sent = message("Book")(
        id=-1, title="é", author={"year": 5}, tags=["a", "b"], genre=2, price=1.5, weight=0.5, sold=True, cover=b"\xff",
        pages=7, stock={"k": -2}, ratings=[1, -1], big=2**64 - 1, delta=-3, long_delta=-4, f32=1, f64=2, sf32=-1,
        sf64=-2,
    )  # fmt: skip
    found = book(sent.SerializeToString())
    assert {key: found[key] for key in (1, 2, 4, 5, 6, 7, 8, 9, 10)} == {
        1: [-1], 2: ["é"], 4: ["a", "b"], 5: [2], 6: [1.5], 7: [0.5], 8: [True], 9: [b"\xff"], 10: [7],
    }  # fmt: skip
    assert (found[3], found[11], found[27], found[28]) == ([{3: [5]}], [{1: ["k"], 2: [-2]}], [1, -1], [2**64 - 1])
    assert [found[key][0] for key in (32, 33, 34, 35, 36, 37)] == [-3, -4, 1, 2, -1, -2]


def test_what_the_type_does_not_know_is_skipped():
    unknown = b"\xc0\x3e\x01\xca\x3e\x02hi\xcd\x3e1234\xc9\x3e12345678\xc3\x3e\x08\x05\xc4\x3e"
    assert book(unknown + b"\x08\x01") == {1: [1]}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x08", "unexpected EOF"),
        (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "unexpected EOF"),
        (b"\x12\x05a", "unexpected EOF"),
        (b"\x31\x01", "unexpected EOF"),
        (b"\xca\x3e\x05a", "unexpected EOF"),
        (b"\xc3\x3e\x08\x05", "unexpected EOF"),
        (b"\x08\x01\x08\x02", "repeated entries for singular field number 1"),
        (b"\x12\x01\xff", "proto3 strings must be UTF-8"),
        (b"\x40\x02", r"bad value for bool: \x02"),
        (b"\x0b", "field number 1 is not a group"),
        (b"\x0c", "attempted to close group 1 before SGROUP tag"),
        (b"\x0f", "unknown wire type: 7"),
        (b"\x10\x01", "field type 9 (number 2) does not support varint fields"),
        (b"\x1a\x02\x18\xff", "unexpected EOF"),
    ],
)
def test_no_message(data, said):
    with pytest.raises(WireError) as caught:
        book(data)
    assert str(caught.value) == said


def test_depth_is_bounded():
    data = b""
    for _ in range(150):
        data = b"\xc2\x01" + varint(len(data)) + data
    with pytest.raises(WireError, match="too deep"):
        book(data)
    with pytest.raises(WireError, match="too deep"):
        book(b"\xc3\x3e" * 200)
