"""Plans: as many rounds as the time allows."""

from pyvoy.bench.plan import FULL, fitted


def test_more_time_is_more_rounds():
    peers = ["pyvoy", "envoy"] * 10
    plans = [fitted(FULL, peers, budget_s) for budget_s in (1, 100, 200, 400, 10000)]
    rounds = [plan.rounds for plan in plans]
    assert rounds == sorted(rounds)
    assert (rounds[0], rounds[-1]) == (3, 12)
    assert all(plan.rounds >= 3 for plan in plans)


def test_it_fits():
    peers = ["pyvoy", "envoy"] * 10
    plan = fitted(FULL, peers, 200)
    assert sum(plan.contender_s(peer) for peer in peers) <= 200
