"""The histogram is exact to three digits, and loses nothing when it travels or is added up."""

import json

import pytest

from pyvoy.bench.load.latencies import LARGEST_US, Latencies


def latencies(*values: int) -> Latencies:
    made = Latencies()
    for value in values:
        made.record_us(value)
    return made


def test_small_values_are_exact():
    made = latencies(*range(1, 1001))
    assert [made.percentile_us(percent) for percent in (50.0, 90.0, 99.0, 99.9, 100.0)] == [500, 900, 990, 999, 1000]
    assert (made.count, made.max_us, made.mean_us()) == (1000, 1000, 500.5)


@pytest.mark.parametrize("value", [2049, 99_999, 1_234_567, 59_999_999, LARGEST_US])
def test_large_values_are_exact_to_three_digits(value):
    made = latencies(*[value] * 9, value * 2)
    assert abs(made.percentile_us(50.0) - value) <= value / 1000
    assert made.max_us == min(value * 2, LARGEST_US)  # the maximum is exact, and nothing is above an hour


def test_no_percentile_is_above_the_maximum():
    assert latencies(100_001).percentile_us(99.0) == 100_001


def test_nothing_was_recorded():
    made = Latencies()
    assert (made.count, made.percentile_us(99.0), made.mean_us(), made.max_us) == (0, 0, 0.0, 0)
    assert Latencies.from_json(made.as_json()).count == 0


def test_negative_is_none():
    assert latencies(-5).max_us == 0


def test_adding_up_is_as_if_recorded_in_one():
    whole, left, right = latencies(*range(5000)), latencies(*range(0, 5000, 2)), latencies(*range(1, 5000, 2))
    left.add(Latencies.from_json(json.loads(json.dumps(right.as_json()))))
    left.add(Latencies())
    assert left.as_json() == whole.as_json()


def test_how_many_took_longer():
    assert latencies(1, 10, 100, 1000, 1000).above(100) == 2


def test_json_has_the_figures():
    figures = latencies(*range(1, 101)).as_json()
    figures.pop("hdr")
    assert figures == {
        "count": 100, "mean_us": 50.5, "p50_us": 50, "p90_us": 90, "p99_us": 99, "p99_9_us": 100, "max_us": 100
    }  # fmt: skip


def test_the_encoding_is_what_other_hdr_tools_read():
    from hdrh.histogram import HdrHistogram

    other = HdrHistogram.decode(latencies(3, 3, 7).as_json()["hdr"])
    assert [other.get_count_at_value(value) for value in (3, 7)] == [2, 1]


def test_the_distribution_ends_with_all():
    text = latencies(1000, 2000).distribution()
    assert "Value     Percentile TotalCount" in text
    assert "       2.000 1.000000000000          2" in text
