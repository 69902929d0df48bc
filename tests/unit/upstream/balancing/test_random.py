"""RANDOM: every host, weights aside."""

from collections import Counter
from random import Random

from pyvoy.upstream.balancing.picker import Rotation
from pyvoy.upstream.balancing.random import make_random
from tests.unit.upstream.hosts import host, last


def test_weights_do_not_count():
    picker = make_random((host(1, weight=1), host(2, weight=100)), Rotation(), Random(3))
    found = Counter(last(picker.pick()) for _ in range(1000))
    assert 400 < found["1"] < 600


def test_no_host():
    assert make_random((), Rotation(), Random(3)).pick() is None
