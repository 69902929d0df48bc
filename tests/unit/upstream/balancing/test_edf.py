"""Earliest deadline first: order and shares as Envoy's scheduler gives them."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pyvoy.upstream.balancing.edf import EdfScheduler


def picks(weights, count, start=0):
    scheduler = EdfScheduler(list(weights), weights.__getitem__, start)
    return "".join(str(scheduler.pick()) for _ in range(count))


def test_nothing_to_pick():
    assert EdfScheduler([], lambda entry: 1.0).pick() is None


def test_equal_weights_go_in_turn():
    assert picks({1: 1, 2: 1, 3: 1}, 7) == "1231231"


def test_weights_are_spread_evenly():
    # Observed on Envoy 1.40 for weights 1, 2, 5, 1, 3.
    assert picks({1: 1, 2: 2, 3: 5, 4: 1, 5: 3}, 12) == "353235314253"


def test_starting_later_means_having_picked_before():
    weights = {1: 1, 2: 2, 3: 4}
    for start in range(16):
        assert picks(weights, 14, start) == picks(weights, 30)[start : start + 14]


def test_a_weight_that_moves_counts_from_the_next_pick_on():
    weights = {1: 1.0, 2: 1.0}
    scheduler = EdfScheduler(list(weights), weights.__getitem__)
    weights[2] = 0.1
    assert "".join(str(scheduler.pick()) for _ in range(8)) == "12111111"


@given(st.dictionaries(st.integers(0, 9), st.integers(1, 20), min_size=1), st.integers(0, 1000))
def test_over_a_whole_period_each_gets_its_weight(weights, start):
    scheduler = EdfScheduler(list(weights), weights.__getitem__, start)
    found = Counter(scheduler.pick() for _ in range(sum(weights.values()) * 3))
    assert all(abs(found[entry] - weight * 3) <= 1 for entry, weight in weights.items())
