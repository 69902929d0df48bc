"""Base64 and timestamps."""

import pytest

from pyvoy.extensions.encoding import base64_decode, base64_encode, timestamp_text


def test_base64_there_and_back():
    data = bytes(range(256))
    assert base64_decode(base64_encode(data)) == data


@pytest.mark.parametrize("text", [b"a", b"ab==c", b"a?bc", b"YQ"])
def test_what_is_no_base64(text):
    assert base64_decode(text) is None


def test_timestamps():
    assert timestamp_text(1_700_000_000_123_456_789) == "1700000000123"
    assert timestamp_text(1_700_000_000_123_456_789, microseconds=True) == "1700000000123456"
