"""Load balancing: policies by name and by type mean the same; panic; what Envoy refuses."""

import pytest

from pyvoy.upstream.balancing.plans import (
    BalancePlan,
    LeastRequestPlan,
    MaglevPlan,
    RandomPlan,
    RingHashPlan,
    RoundRobinPlan,
)
from tests.unit.config.building import runtime
from tests.unit.config.compile.cluster_reading import compiled, plan, policy, unsupported

BY_HOSTNAME = "common_lb_config: {consistent_hashing_lb_config: {use_hostname_for_hashing: true}}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", RoundRobinPlan()),
        ("lb_policy: round_robin", RoundRobinPlan()),
        (policy("round_robin.v3.RoundRobin"), RoundRobinPlan()),
        ("lb_policy: LEAST_REQUEST", LeastRequestPlan()),
        (
            "lb_policy: LEAST_REQUEST, least_request_lb_config: {choice_count: 5, "
            "active_request_bias: {default_value: 0.5, runtime_key: k}}",
            LeastRequestPlan(5, 0.5),
        ),
        (policy("least_request.v3.LeastRequest", "choice_count: 5"), LeastRequestPlan(5)),
        (policy("least_request.v3.LeastRequest", "selection_method: FULL_SCAN"), LeastRequestPlan(full_scan=True)),
        ("lb_policy: RANDOM", RandomPlan()),
        (policy("random.v3.Random"), RandomPlan()),
        ("lb_policy: RING_HASH", RingHashPlan()),
        (
            "lb_policy: RING_HASH, ring_hash_lb_config: {minimum_ring_size: 5, maximum_ring_size: 9, "
            "hash_function: MURMUR_HASH_2}",
            RingHashPlan(5, 9, True),
        ),
        (policy("ring_hash.v3.RingHash"), RingHashPlan()),
        (policy("ring_hash.v3.RingHash", "hash_function: XX_HASH"), RingHashPlan()),
        (
            policy("ring_hash.v3.RingHash", "hash_function: MURMUR_HASH_2, minimum_ring_size: 5"),
            RingHashPlan(5, murmur_hash_2=True),
        ),
        (
            policy("ring_hash.v3.RingHash", "consistent_hashing_lb_config: {use_hostname_for_hashing: true}"),
            RingHashPlan(use_hostname_for_hashing=True),
        ),
        (f"type: STRICT_DNS, lb_policy: RING_HASH, {BY_HOSTNAME}", RingHashPlan(use_hostname_for_hashing=True)),
        ("lb_policy: MAGLEV", MaglevPlan()),
        ("lb_policy: MAGLEV, maglev_lb_config: {table_size: 251}", MaglevPlan(251)),
        (policy("maglev.v3.Maglev", "table_size: 251"), MaglevPlan(251)),
        (f"type: STRICT_DNS, lb_policy: MAGLEV, {BY_HOSTNAME}", MaglevPlan(use_hostname_for_hashing=True)),
        # The typed policy wins.
        ("lb_policy: RANDOM, " + policy("maglev.v3.Maglev"), MaglevPlan()),
    ],
)
def test_policies(text, expected):
    assert plan(text).balance == BalancePlan(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("common_lb_config: {healthy_panic_threshold: {value: 0}}", BalancePlan(panic_percent=0)),
        ("common_lb_config: {healthy_panic_threshold: {value: 66.6}}", BalancePlan(panic_percent=67)),
        (
            "common_lb_config: {zone_aware_lb_config: {fail_traffic_on_panic: true}}",
            BalancePlan(fail_traffic_on_panic=True),
        ),
        ("common_lb_config: {locality_weighted_lb_config: {}}", BalancePlan(locality_weighted=True)),
        (
            policy("round_robin.v3.RoundRobin", "locality_lb_config: {locality_weighted_lb_config: {}}"),
            BalancePlan(locality_weighted=True),
        ),
        (
            policy("random.v3.Random", "locality_lb_config: {zone_aware_lb_config: {fail_traffic_on_panic: true}}"),
            BalancePlan(RandomPlan(), fail_traffic_on_panic=True),
        ),
        (
            policy("maglev.v3.Maglev", "locality_weighted_lb_config: {}"),
            BalancePlan(MaglevPlan(), locality_weighted=True),
        ),
        (
            policy("ring_hash.v3.RingHash", "locality_weighted_lb_config: {}")
            + ", common_lb_config: {healthy_panic_threshold: {value: 10}}",
            BalancePlan(RingHashPlan(), panic_percent=10, locality_weighted=True),
        ),
    ],
)
def test_what_all_policies_share(text, expected):
    assert plan(text).balance == expected


def test_the_runtime_may_set_the_panic_threshold():
    changed = runtime(**{"upstream.healthy_panic_threshold": 20})
    assert plan("", runtime=changed).balance.panic_percent == 20


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "lb_policy: CLUSTER_PROVIDED",
            "lb_policy: CLUSTER_PROVIDED needs a cluster type that brings its own load balancer",
        ),
        (
            "lb_policy: LOAD_BALANCING_POLICY_CONFIG",
            "lb_policy: LOAD_BALANCING_POLICY_CONFIG requires load_balancing_policy to be set",
        ),
        ("load_balancing_policy: {}", "load_balancing_policy.policies: needs a policy"),
        (
            "lb_policy: MAGLEV, maglev_lb_config: {table_size: 1000}",
            "maglev_lb_config.table_size: The table size of maglev must be prime number",
        ),
        (
            "lb_policy: RING_HASH, ring_hash_lb_config: {minimum_ring_size: 100, maximum_ring_size: 10}",
            "ring_hash_lb_config.minimum_ring_size: ring hash: minimum_ring_size (100) > maximum_ring_size (10)",
        ),
        (
            f"lb_policy: MAGLEV, {BY_HOSTNAME}",
            "common_lb_config.consistent_hashing_lb_config.use_hostname_for_hashing: Cannot use hostname for "
            "consistent hashing loadbalancing for cluster of type: STATIC",
        ),
        (
            "lb_policy: LEAST_REQUEST, least_request_lb_config: {active_request_bias: {default_value: -1, "
            "runtime_key: k}}",
            "least_request_lb_config.active_request_bias: must not be negative",
        ),
    ],
)
def test_what_is_refused(text, problem):
    _, problems = compiled(text)
    assert [each.partition(": error: ")[2] for each in problems] == [problem]


def test_slow_start_only_tunes():
    text = "round_robin_lb_config: {slow_start_config: {slow_start_window: 1s}}"
    assert unsupported(text) == ["warning: round_robin_lb_config.slow_start_config: has no effect in pyvoy"]


def test_bounded_loads_are_not_implemented():
    text = "lb_policy: MAGLEV, common_lb_config: {consistent_hashing_lb_config: {hash_balance_factor: 150}}"
    path = "common_lb_config.consistent_hashing_lb_config.hash_balance_factor"
    assert unsupported(text) == [f"error: {path}: is not supported by pyvoy"]


def test_other_policies_are_not_implemented():
    inner = policy("round_robin.v3.RoundRobin").replace("load_balancing_policy", "endpoint_picking_policy")
    (problem,) = unsupported(policy("wrr_locality.v3.WrrLocality", inner))[:1]
    assert "wrr_locality.v3.WrrLocality' is not supported by pyvoy" in problem
