"""ROUND_ROBIN: the rotation, its survival, and weights."""

from collections import Counter
from random import Random

from pyvoy.upstream.balancing.picker import Rotation
from pyvoy.upstream.balancing.round_robin import make_round_robin
from tests.unit.upstream.hosts import host, last


def test_hosts_in_turn():
    picker = make_round_robin((host(1), host(2), host(3)), Rotation(), Random(1))
    assert "".join(last(picker.pick()) for _ in range(7)) == "1231231"


def test_no_host():
    assert make_round_robin((), Rotation(), Random(1)).pick() is None


def test_the_rotation_goes_on_with_other_hosts():
    rotation = Rotation()
    picker = make_round_robin((host(1), host(2), host(3)), rotation, Random(1))
    assert "".join(last(picker.pick()) for _ in range(4)) == "1231"
    picker = make_round_robin((host(1), host(2), host(3), host(4)), rotation, Random(1))
    assert "".join(last(picker.pick()) for _ in range(4)) == "1234"


def test_weights_share_the_picks():
    picker = make_round_robin((host(1, weight=1), host(2, weight=3)), Rotation(), Random(1))
    assert Counter(last(picker.pick()) for _ in range(40)) == {"1": 10, "2": 30}


def test_equal_weights_other_than_one_need_no_scheduler():
    picker = make_round_robin((host(1, weight=7), host(2, weight=7)), Rotation(), Random(1))
    assert "".join(last(picker.pick()) for _ in range(4)) == "1212"
