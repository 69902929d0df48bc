"""HttpBody around a body, and out of a message."""

from __future__ import annotations

import pytest

from pyvoy.filters.http.grpc_json_transcoder.errors import TranscodingError
from pyvoy.filters.http.grpc_json_transcoder.http_body import PIECE_BYTES, HttpBodyRequest, read_http_body
from tests.support.shop import message
from tests.unit.filters.http.grpc_json_transcoder.shop_schema import schema

CONTENT = (schema().message("shop.v1.FileRequest").names["content"],)


def bodies(frames, name="google.api.HttpBody"):
    """The messages in framed octets."""
    found = []
    while frames:
        size = int.from_bytes(frames[1:5], "big")
        found.append(message(name).FromString(frames[5 : 5 + size]))
        frames = frames[5 + size :]
    return found


def test_one_message_with_the_fields_of_the_url():
    raw = HttpBodyRequest(CONTENT, b"\x0a\x01n", b"a/b", {})
    raw.hold(b"x")
    raw.hold(b"y")
    (sent,) = bodies(raw.message(), "FileRequest")
    assert (sent.name, sent.content.content_type, sent.content.data) == ("n", "a/b", b"xy")
    assert raw.message() == b""


def test_a_stream_is_cut_and_only_its_first_message_has_a_type():
    raw = HttpBodyRequest((), b"", b"a/b", {})
    raw.hold(b"z" * (PIECE_BYTES + 1))
    first, second = bodies(raw.messages())
    assert (first.content_type, len(first.data)) == ("a/b", PIECE_BYTES)
    assert (second.content_type, second.data) == ("", b"z")


def test_unknown_parameters_are_an_extension():
    from envoy.extensions.filters.http.grpc_json_transcoder.v3.transcoder_pb2 import UnknownQueryParams

    raw = HttpBodyRequest((), b"", b"", {"a": ["1", "2"], "b.c": ["é"]})
    (sent,) = bodies(raw.message())
    unknown = UnknownQueryParams.FromString(sent.extensions[0].value)
    assert {key: list(value.values) for key, value in unknown.key.items()} == {"a": ["1", "2"], "b.c": ["é"]}


def test_reading():
    sent = message("google.api.HttpBody")(content_type="a/b", data=b"x")
    assert read_http_body(sent.SerializeToString(), ()) == (b"a/b", b"x")
    field = (schema().message("shop.v1.FileAnswer").names["content"],)
    whole = message("FileAnswer")(name="n", content={"content_type": "c/d", "data": b"y"})
    assert read_http_body(b"\xc0\x3e\x01\xcd\x3e1234" + whole.SerializeToString(), field) == (b"c/d", b"y")


@pytest.mark.parametrize("data", [b"\x0a\x05a", b"\x0f", b"\xcd\x3e1", b"\x0a"])
def test_what_is_no_message(data):
    with pytest.raises(TranscodingError):
        read_http_body(data, ())
