"""gRPC messages, however they are cut, as one text."""

from __future__ import annotations

import pytest

from pyvoy.filters.http.grpc_json_transcoder.errors import TranscodingError
from pyvoy.filters.http.grpc_json_transcoder.json_printer import JsonPrinter, PrintOptions
from pyvoy.filters.http.grpc_json_transcoder.response_translation import Delimiting, ResponseTranslation
from tests.support.shop import framed, message
from tests.unit.filters.http.grpc_json_transcoder.shop_schema import schema

TWO = framed(message("Author")(year=1)) + framed(message("Author")(year=2))


def translation(delimiting):
    """Of Authors."""
    return ResponseTranslation(JsonPrinter(schema(), PrintOptions()), schema().message("shop.v1.Author"), delimiting)


@pytest.mark.parametrize(
    ("delimiting", "text", "nothing"),
    [
        (None, b'{"year":1}', b""),
        (Delimiting.ARRAY, b'[{"year":1},{"year":2}]', b"[]"),
        (Delimiting.LINES, b'{"year":1}\n{"year":2}\n', b""),
        (Delimiting.EVENTS, b'data: {"year":1}\n\ndata: {"year":2}\n\n', b""),
    ],
)
def test_however_it_is_cut(delimiting, text, nothing):
    for size in range(1, len(TWO) + 1):
        made = translation(delimiting)
        out = b"".join([made.feed(TWO[at : at + size]) for at in range(0, len(TWO), size)])
        assert out + made.finish() == text
        assert made.held_bytes == 0
    assert translation(delimiting).finish() == nothing


@pytest.mark.parametrize(
    ("data", "said", "status"),
    [
        (b"\1\0\0\0\0", "Unsupported gRPC frame flag: 1", 502),
        (b"\0\0", "Incomplete gRPC frame header received", 502),
        (b"\0\0\0\0\5a", "Incomplete gRPC frame expected size: 5 actual size: 1", 502),
        (b"\0\0\0\0\1\xff", "unexpected EOF", 502),
    ],
)
def test_errors(data, said, status):
    made = translation(Delimiting.ARRAY)
    with pytest.raises(TranscodingError) as caught:
        made.feed(data) + made.finish()
    assert (str(caught.value), caught.value.status) == (said, status)
