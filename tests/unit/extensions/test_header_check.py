"""What can stand as a header."""

import pytest

from pyvoy.extensions.header_check import valid_name, valid_pair, valid_value


@pytest.mark.parametrize("name", [b"x-a", b":path", b"a_b", b"x.y~z|1"])
def test_names(name):
    assert valid_name(name)


@pytest.mark.parametrize("name", [b"", b"X-A", b"a b", b"a:b", b"a\n", b"a\r\nb", b"\xc3\xa4", b":"])
def test_what_is_no_name(name):
    assert not valid_name(name)


def test_values():
    assert valid_value(b"anything \t \xff goes")
    assert not valid_value(b"a\nb")
    assert not valid_value(b"a\rb")
    assert not valid_value(b"a\0b")
    assert valid_pair(b"a", b"b")
    assert not valid_pair(b"a", b"b\r\nc: d")
