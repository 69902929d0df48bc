"""What can stand as a header."""

import pytest

from pyvoy.extensions.header_check import HeaderCheck, valid_name, valid_pair, valid_value
from pyvoy.http.headers import HeaderMap


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


@pytest.mark.parametrize(
    ("pairs", "error"),
    [
        ([(b"a", b"1")], None),
        ([(b"a", b"1"), (b"a", b"2")], None),
        ([(b"a", b"1\n")], ValueError),
        ([(b"a\r", b"1")], ValueError),
        ([(b"a", b"1"), (b"a", b"\0")], ValueError),
        ([("a", b"1")], TypeError),
        ([(b"a", "1")], TypeError),
        ([(b"a", bytearray(b"1"))], TypeError),
        ([(b"a", b"1"), (b"a", None)], TypeError),
    ],
)
def test_a_map_is_checked_whatever_was_checked_before(pairs, error):
    check = HeaderCheck()
    for _ in range(2):
        check(HeaderMap([(b"a", b"1"), (b"b", b"2")]))
        if error is None:
            check(HeaderMap(pairs))
        else:
            with pytest.raises(error):
                check(HeaderMap(pairs))


def test_many_values_are_checked_one_by_one():
    check = HeaderCheck()
    for number in range(5000):
        check(HeaderMap([(b"a", b"%d" % number)]))
    with pytest.raises(ValueError, match="line break"):
        check(HeaderMap([(b"a", b"5001\n")]))
