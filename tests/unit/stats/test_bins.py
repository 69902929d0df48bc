"""Every integer has one bin, and the bin's bounds contain it."""

import pytest

from pyvoy.stats.bins import BIN_COUNT, MAX_VALUE, bin_of, bounds

VALUES = [*range(2000), 9_999, 10_000, 10_499, 99_999, 123_456, 10**12, 10**17 + 1, 2**63 - 1, MAX_VALUE]


def test_a_value_lies_in_its_bin():
    for value in VALUES:
        low, width = bounds(bin_of(value))
        assert low <= value <= low + max(width, 1), value


def test_bins_are_numbered_in_the_order_of_values():
    bins = [bin_of(value) for value in VALUES]
    assert bins == sorted(bins)
    assert bins[-1] == BIN_COUNT - 1


def test_a_bin_begins_at_a_value_of_its_own():
    for index in range(BIN_COUNT):
        assert bin_of(round(bounds(index)[0])) == index


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, (0, 0)), (1, (1, 0.1)), (9, (9, 0.1)), (10, (10, 1)), (115, (110, 10)), (2550, (2500, 100))],
)
def test_two_significant_digits(value, expected):
    assert bounds(bin_of(value)) == expected


def test_out_of_range_values_go_to_the_ends():
    assert bin_of(-5) == 0
    assert bin_of(10**30) == BIN_COUNT - 1


def test_a_negative_exponent_scales_the_bounds():
    assert bounds(bin_of(500_000), -6) == (0.5, 0.01)
