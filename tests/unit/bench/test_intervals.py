"""Statistics on samples whose results are known."""

import math
import statistics

import pytest

from pyvoy.bench import intervals
from pyvoy.bench.intervals import Figure


def test_the_interval_of_a_mean_is_students():
    figure = intervals.mean([10.0, 12.0, 14.0])
    half = 4.303 * 2.0 / math.sqrt(3)
    assert figure.value == 12.0
    assert figure.low == pytest.approx(12 - half)
    assert figure.high == pytest.approx(12 + half)
    assert figure.half == pytest.approx(half)
    assert figure.samples == (10.0, 12.0, 14.0)


def test_the_known_example_of_a_mean():
    """Seven weighings: mean 5, standard deviation 2.1602; 2.447 is the quantile for six degrees of freedom."""
    figure = intervals.mean([2, 3, 4, 5, 6, 7, 8])
    assert figure.half == pytest.approx(2.447 * math.sqrt(28 / 6) / math.sqrt(7), rel=1e-6)


def test_one_sample_has_no_interval():
    figure = intervals.mean([3.0])
    assert (figure.value, figure.known, figure.half) == (3.0, False, math.inf)


def test_no_samples_are_a_mistake():
    for statistic in (intervals.mean, intervals.resampled):
        with pytest.raises(ValueError, match="needs samples"):
            statistic([])


@pytest.mark.parametrize(("freedom", "quantile"), [(1, 12.706), (2, 4.303), (10, 2.228), (30, 2.042), (60, 2.0003),
                                                   (120, 1.9799), (100000, 1.95997)])  # fmt: skip
def test_quantiles(freedom, quantile):
    assert intervals.t_quantile(freedom) == pytest.approx(quantile, abs=2e-4)


def test_a_difference_is_taken_round_by_round():
    """What moves both in a round drops out: the spread of the differences is nought."""
    figure = intervals.difference([11.0, 21.0, 31.0], [10.0, 20.0, 30.0])
    assert (figure.value, figure.low, figure.high) == (1.0, 1.0, 1.0)


def test_rounds_must_be_pairs():
    with pytest.raises(ValueError, match="zip"):
        intervals.difference([1.0, 2.0], [1.0])


def test_resampling_keeps_to_the_samples_and_is_the_same_each_time():
    samples = [1.0, 2.0, 3.0, 4.0, 100.0]
    figure = intervals.resampled(samples)
    assert figure.value == 3.0
    assert 1.0 <= figure.low <= 3.0 <= figure.high <= 100.0
    assert intervals.resampled(samples) == figure
    assert intervals.resampled([7.0, 7.0, 7.0]) == Figure(7.0, 7.0, 7.0, (7.0, 7.0, 7.0))
    assert intervals.resampled(samples, statistics.fmean).value == 22.0


def test_an_exact_line():
    found = intervals.line([0, 1, 4, 8, 16], [25, 30, 45, 65, 105])
    assert found.slope.value == pytest.approx(5.0)
    assert found.slope.half == pytest.approx(0.0, abs=1e-9)
    assert (found.intercept, found.r_squared) == (pytest.approx(25.0), pytest.approx(1.0))
    assert found.at(10) == pytest.approx(75.0)


def test_the_known_example_of_a_line():
    """x 1..5, y 2 4 5 4 5: slope 0.6, residual variance 0.8, its standard error sqrt(0.08), R² 0.6."""
    found = intervals.line([1, 2, 3, 4, 5], [2, 4, 5, 4, 5])
    assert found.slope.value == pytest.approx(0.6)
    assert found.slope.half == pytest.approx(3.182 * math.sqrt(0.08))
    assert found.r_squared == pytest.approx(0.6)


def test_a_line_needs_three_points():
    with pytest.raises(ValueError, match="three points"):
        intervals.line([1, 2], [1, 2])
    with pytest.raises(ValueError, match="three points"):
        intervals.line([1, 2, 3, 4], [1, 2, 3, 4], estimated=2)


def test_half_widths_of_a_change_add_as_squares():
    moved = intervals.change(Figure(10, 7, 13), Figure(20, 16, 24))
    assert (moved.value, moved.low, moved.high) == (10, 5, 15)
    assert intervals.beyond_noise(moved)


@pytest.mark.parametrize("after", [Figure(12, 8, 16), Figure(20, -math.inf, math.inf)])
def test_what_is_within_noise(after):
    assert not intervals.beyond_noise(intervals.change(Figure(10, 7, 13), after))
