"""Each plan gets its policy."""

import pytest

from pyvoy.upstream.balancing.balancer import PickerBalancer
from pyvoy.upstream.balancing.hashing import HashBalancer
from pyvoy.upstream.balancing.plans import (
    BalancePlan,
    LeastRequestPlan,
    MaglevPlan,
    RandomPlan,
    RingHashPlan,
    RoundRobinPlan,
)
from tests.unit.upstream.balancing.placements import balanced, placed


@pytest.mark.parametrize(
    ("policy", "kind"),
    [
        (RoundRobinPlan(), PickerBalancer),
        (LeastRequestPlan(), PickerBalancer),
        (RandomPlan(), PickerBalancer),
        (RingHashPlan(), HashBalancer),
        (MaglevPlan(), HashBalancer),
    ],
)
def test_each_policy_is_made_and_chooses(policy, kind):
    balancer = balanced(placed("plain"), BalancePlan(policy))
    assert isinstance(balancer, kind)
    assert balancer.choose(None) is not None
