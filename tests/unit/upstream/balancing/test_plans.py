"""Defaults of the policies are Envoy's."""

from pyvoy.upstream.balancing.plans import BalancePlan, LeastRequestPlan, MaglevPlan, RingHashPlan, RoundRobinPlan


def test_defaults():
    assert BalancePlan() == BalancePlan(RoundRobinPlan(), 50, False, False)
    assert LeastRequestPlan() == LeastRequestPlan(2, 1.0, False)
    assert RingHashPlan() == RingHashPlan(1024, 8388608, False, False)
    assert MaglevPlan() == MaglevPlan(65537, False)
