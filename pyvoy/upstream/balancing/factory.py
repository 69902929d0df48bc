"""From a balance plan to a live balancer: the one place that knows all policies."""

from __future__ import annotations

from random import Random

from pyvoy.stats.counters import Counter
from pyvoy.stats.store import Scope
from pyvoy.upstream.balancing.balancer import Balancer, Defer, PickerBalancer
from pyvoy.upstream.balancing.hashing import HashBalancer, TableBuilder
from pyvoy.upstream.balancing.least_request import least_request_factory
from pyvoy.upstream.balancing.picker import PickerFactory
from pyvoy.upstream.balancing.plans import (
    BalancePlan,
    LeastRequestPlan,
    MaglevPlan,
    RandomPlan,
    RingHashPlan,
)
from pyvoy.upstream.balancing.random import make_random
from pyvoy.upstream.balancing.round_robin import make_round_robin


def make_balancer(
    plan: BalancePlan, random: Random, healthy_panic: Counter, scope: Scope | None, defer: Defer | None
) -> Balancer:
    """The balancer of a plan.

    `scope` is the cluster's in the process that reports table sizes, else None; `defer` as for HashBalancer.
    """
    policy = plan.policy
    if isinstance(policy, RingHashPlan | MaglevPlan):
        return HashBalancer(plan, _table_builder(policy, scope), random, healthy_panic, defer)
    factory: PickerFactory
    if isinstance(policy, LeastRequestPlan):
        factory = least_request_factory(policy)
    elif isinstance(policy, RandomPlan):
        factory = make_random
    else:
        factory = make_round_robin
    return PickerBalancer(plan, factory, random, healthy_panic)


def _table_builder(policy: RingHashPlan | MaglevPlan, scope: Scope | None) -> TableBuilder:
    if isinstance(policy, RingHashPlan):
        # Imported on first need: xxhash is loaded only by proxies that hash.
        from pyvoy.upstream.balancing.ring_hash import RingBuilder

        return RingBuilder(policy, scope)
    from pyvoy.upstream.balancing.maglev import MaglevBuilder

    return MaglevBuilder(policy, scope)
