"""Quantiles, buckets and sums: the figures are Envoy 1.40's for the same recorded values."""

import math
from collections import Counter

import pytest

from pyvoy.stats.bins import bin_of
from pyvoy.stats.distribution import DEFAULT_BUCKETS, Distribution


def recorded(*values, unit="ms"):
    return Distribution.of(Counter(bin_of(value) for value in values), unit)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([5], [5.05] * 10),
        ([20, 30], [20.5, 20.5, 20.5, 30.5, 30.5, 30.5, 30.5, 30.5, 30.5, 30.5]),
        ([20, 20, 30], [20.333333333333332, 20.333333333333332, 20.666666666666668, *[30.5] * 7]),
        (
            [1500, 1600, 1600, 1600, 70000],
            [1550, 1625, 1650, 1675, *[70500] * 6],
        ),
        (
            [20, 20, 20, 30, 30, 40, 50, 60, 70, 70, 70, 70],
            [20.25, 20.75, 40.5, 70.2, 70.6, 70.8, 70.8, 70.8, 70.8, 70.8],
        ),
        ([0, 0, 1], [0, 0, 0, *[1.05] * 7]),
    ],
)
def test_quantiles(values, expected):
    assert recorded(*values).quantiles() == expected


def test_no_values_have_no_quantiles():
    assert all(math.isnan(value) for value in recorded().quantiles())


def test_a_bucket_counts_the_bins_that_begin_at_or_below_it():
    values = [0, 1, 1, 2, 3, 5, 9, 10, 10, 11, 24, 25, 26, 49, 50, 51, 99, 100, 101, 104, 110, 249, 250, 255, 259, 260]
    values += [499, 500, 505, 510, 999, 1000, 1009, 1010, 1099, 1100, 2499, 2500, 2550, 2599, 2600, 123456789, 10**12]
    found = recorded(*values)
    assert found.cumulative_buckets()[:13] == [1, 3, 6, 9, 12, 15, 20, 25, 29, 35, 40, 41, 41]
    assert found.disjoint_buckets()[:13] == [1, 2, 3, 3, 3, 3, 5, 5, 4, 6, 5, 1, 0]
    assert len(found.cumulative_buckets()) == len(DEFAULT_BUCKETS)
    assert found.count == len(values)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([41], "41.493975903614455091883428394794"),
        ([20, 30], "50.979608156737306501327111618593"),
        ([9] * 10, "90.497237569060771988915803376585"),
        ([1500, 1600, 1600, 1600, 70000], "76990.295542937965365126729011536"),
        ([0, 0], "0"),
    ],
)
def test_the_sum_has_the_digits_of_envoy(values, expected):
    assert format(recorded(*values).sum, ".32g") == expected


def test_percentages_are_recorded_in_millionths():
    assert recorded(500_000, unit="percent").details() == [(0.5, 0.01, 1)]
    assert recorded(500_000, unit="percent").cumulative_buckets((0.25, 0.5, 1)) == [0, 1, 1]


def test_details_are_in_order_of_value():
    assert recorded(1000, 5, 5, 70).details() == [(5, 0.1, 2), (70, 1, 1), (1000, 100, 1)]
