"""What pickers share: when weights need a scheduler and where it starts."""

from random import Random

import pytest

from pyvoy.upstream.balancing.picker import starting_picks, weights_differ
from tests.unit.upstream.hosts import host


@pytest.mark.parametrize(
    ("weights", "differ"), [((), False), ((5,), False), ((1, 1), False), ((4, 4, 4), False), ((1, 1, 2), True)]
)
def test_weights_differ(weights, differ):
    assert weights_differ([host(number, weight=weight) for number, weight in enumerate(weights, 1)]) is differ


def test_schedulers_do_not_all_start_at_the_same_place():
    assert len({starting_picks(Random(seed)) for seed in range(10)}) == 10
