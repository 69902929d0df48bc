"""A directory is read up to the last record that is all there."""

import pytest

from pyvoy.stats.layout import COUNTER, GAUGE, Entry, decode, encode, retired

ONE = Entry("a.b", COUNTER, 0, 7)
TWO = Entry("näme\udcff", GAUGE, 1, 70_000)


def test_what_is_written_is_read():
    data = encode(ONE) + encode(TWO)
    assert decode(data) == ([ONE, TWO], len(data))


def test_half_a_record_is_left_for_later():
    whole, data = encode(ONE), encode(ONE) + encode(TWO)
    for end in range(len(whole), len(data)):
        assert decode(data[:end]) == ([ONE], len(whole))


def test_reading_stops_at_zeros():
    assert decode(encode(ONE) + bytes(100)) == ([ONE], len(encode(ONE)))


def test_a_name_taken_back_is_skipped():
    data = bytearray(encode(ONE) + encode(TWO))
    data[0] = retired(COUNTER)
    assert decode(bytes(data)) == ([TWO], len(data))


def test_a_name_may_be_too_long():
    with pytest.raises(ValueError, match="too long"):
        encode(Entry("x" * 65_536, COUNTER, 0, 0))
