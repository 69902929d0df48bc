"""Plans: how the time is shared."""

import pytest

from pyvoy.bench.plan import FULL, QUICK, share_s


@pytest.mark.parametrize(("left_s", "mine", "of", "share"), [(100, 5, 20, 25), (100, 5, 5, 100), (-3, 5, 20, 0)])
def test_shares(left_s, mine, of, share):
    assert share_s(left_s, mine, of) == share


def test_more_takes_longer():
    for peer in ("pyvoy", "envoy"):
        assert FULL.contender_s(peer) > QUICK.contender_s(peer) > 0


def test_a_leaner_plan_takes_less_and_keeps_its_rounds():
    lean = FULL.leaner()
    assert lean.least_s(["pyvoy", "envoy"]) < FULL.least_s(["pyvoy", "envoy"])
    assert (lean.rounds, lean.isolation) == (FULL.rounds, True)
    assert lean.leaner() == lean


def test_there_are_rounds_enough_for_an_interval():
    assert min(FULL.rounds, QUICK.rounds) >= 3
