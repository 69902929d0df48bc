"""Load balancing settings of a cluster -> BalancePlan: `lb_policy` with its config, or a typed `load_balancing_policy`.

Source of behaviour: Envoy, Cluster.lb_policy, common_lb_config, extensions.load_balancing_policies.*.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pyvoy.config.context import Context
from pyvoy.config.registry import extension, supports
from pyvoy.upstream.balancing import plans
from pyvoy.upstream.balancing.plans import BalancePlan, PolicyPlan
from pyvoy.upstream.cluster_plan import Discovery

LOAD_BALANCING_POLICY = "load_balancing_policy"
_POLICIES = "envoy.extensions.load_balancing_policies."
_CLUSTER = "envoy.config.cluster.v3.Cluster."
_COMMON = _POLICIES + "common.v3."

supports("envoy.config.cluster.v3.LoadBalancingPolicy", "policies")
supports("envoy.config.cluster.v3.LoadBalancingPolicy.Policy", "typed_extension_config")
supports(_CLUSTER + "RoundRobinLbConfig", tuning="slow_start_config")
supports(_CLUSTER + "LeastRequestLbConfig", "choice_count active_request_bias", tuning="slow_start_config")
supports(_CLUSTER + "RingHashLbConfig", "minimum_ring_size maximum_ring_size hash_function")
supports(_CLUSTER + "MaglevLbConfig", "table_size")
supports(
    _CLUSTER + "CommonLbConfig",
    "healthy_panic_threshold zone_aware_lb_config locality_weighted_lb_config consistent_hashing_lb_config "
    "override_host_status close_connections_on_host_set_change",
    tuning="update_merge_window ignore_new_hosts_until_first_hc",
)
supports(
    _CLUSTER + "CommonLbConfig.ZoneAwareLbConfig", "fail_traffic_on_panic", tuning="routing_enabled min_cluster_size"
)
supports(_CLUSTER + "CommonLbConfig.LocalityWeightedLbConfig")
supports(_CLUSTER + "CommonLbConfig.ConsistentHashingLbConfig", "use_hostname_for_hashing")
supports(_COMMON + "LocalityLbConfig", "zone_aware_lb_config locality_weighted_lb_config")
supports(
    _COMMON + "LocalityLbConfig.ZoneAwareLbConfig",
    "fail_traffic_on_panic",
    tuning="routing_enabled min_cluster_size force_local_zone force_locality_direct_routing locality_basis",
)
supports(_COMMON + "LocalityLbConfig.LocalityWeightedLbConfig")
supports(_COMMON + "ConsistentHashingLbConfig", "use_hostname_for_hashing")
supports("envoy.config.core.v3.RuntimeDouble", "default_value runtime_key")
supports("envoy.config.core.v3.HealthStatusSet", "statuses")
supports("envoy.type.v3.Percent", "value")

supports(_POLICIES + "round_robin.v3.RoundRobin", "locality_lb_config", tuning="slow_start_config")
supports(
    _POLICIES + "least_request.v3.LeastRequest",
    "choice_count active_request_bias locality_lb_config enable_full_scan selection_method",
    tuning="slow_start_config",
)
supports(_POLICIES + "random.v3.Random", "locality_lb_config")
supports(
    _POLICIES + "ring_hash.v3.RingHash",
    "hash_function minimum_ring_size maximum_ring_size use_hostname_for_hashing consistent_hashing_lb_config "
    "locality_weighted_lb_config",
)
supports(_POLICIES + "maglev.v3.Maglev", "table_size consistent_hashing_lb_config locality_weighted_lb_config")

# extensions.load_balancing_policies.ring_hash.v3.RingHash.HashFunction and Cluster.RingHashLbConfig.HashFunction.
_TYPED_MURMUR = 2
_MURMUR = 1
_FULL_SCAN = 1


@extension(LOAD_BALANCING_POLICY, name=_POLICIES + "round_robin", type_url=_POLICIES + "round_robin.v3.RoundRobin")
class RoundRobinPolicy:
    """Hosts in turn."""

    @staticmethod
    def build(message: Any, context: Context) -> BalancePlan:
        return _with_locality(plans.RoundRobinPlan(), message)


@extension(
    LOAD_BALANCING_POLICY, name=_POLICIES + "least_request", type_url=_POLICIES + "least_request.v3.LeastRequest"
)
class LeastRequestPolicy:
    """The least busy of some."""

    @staticmethod
    def build(message: Any, context: Context) -> BalancePlan:
        full_scan = message.selection_method == _FULL_SCAN or context.wrapped(message, "enable_full_scan", False)
        return _with_locality(replace(_least_request(message, context), full_scan=full_scan), message)


@extension(LOAD_BALANCING_POLICY, name=_POLICIES + "random", type_url=_POLICIES + "random.v3.Random")
class RandomPolicy:
    """Any host."""

    @staticmethod
    def build(message: Any, context: Context) -> BalancePlan:
        return _with_locality(plans.RandomPlan(), message)


@extension(LOAD_BALANCING_POLICY, name=_POLICIES + "ring_hash", type_url=_POLICIES + "ring_hash.v3.RingHash")
class RingHashPolicy:
    """A ketama ring."""

    @staticmethod
    def build(message: Any, context: Context) -> BalancePlan:
        by_hostname = message.use_hostname_for_hashing or message.consistent_hashing_lb_config.use_hostname_for_hashing
        plan = _ring_hash(message, message.hash_function == _TYPED_MURMUR, by_hostname, context)
        return BalancePlan(plan, locality_weighted=message.HasField("locality_weighted_lb_config"))


@extension(LOAD_BALANCING_POLICY, name=_POLICIES + "maglev", type_url=_POLICIES + "maglev.v3.Maglev")
class MaglevPolicy:
    """A Maglev table."""

    @staticmethod
    def build(message: Any, context: Context) -> BalancePlan:
        plan = _maglev(message, message.consistent_hashing_lb_config.use_hostname_for_hashing, context)
        return BalancePlan(plan, locality_weighted=message.HasField("locality_weighted_lb_config"))


def build_balance(cluster: Any, discovery: Discovery, context: Context) -> BalancePlan:
    """The plan of a Cluster; `context` stands at the cluster."""
    by_hostname = cluster.common_lb_config.consistent_hashing_lb_config.use_hostname_for_hashing
    if by_hostname and discovery is not Discovery.STRICT_DNS:
        context.error(
            "common_lb_config.consistent_hashing_lb_config.use_hostname_for_hashing",
            f"Cannot use hostname for consistent hashing loadbalancing for cluster of type: {discovery.value}",
        )
    if cluster.HasField("load_balancing_policy"):
        plan = _typed(cluster.load_balancing_policy, context.at("load_balancing_policy"))
    else:
        plan = _by_name(cluster, context)
    return replace(plan, panic_percent=panic_percent(cluster, context))


def panic_percent(cluster: Any, context: Context) -> int:
    """The panic threshold of a Cluster."""
    threshold = context.at("common_lb_config").wrapped(
        cluster.common_lb_config, "healthy_panic_threshold", float(plans.DEFAULT_PANIC_PERCENT)
    )
    return min(100, context.runtime.integer("upstream.healthy_panic_threshold", int(threshold + 0.5)))


def needs_own_balancer(cluster: Any, kind: str, context: Context) -> None:
    """Report a policy where the cluster's type brings its own."""
    from envoy.config.cluster.v3 import cluster_pb2

    policy = cluster_pb2.Cluster.LbPolicy.Name(cluster.lb_policy)
    if policy != "CLUSTER_PROVIDED":
        text = f"LB policy {policy} is not valid for Cluster type {kind}. Only 'CLUSTER_PROVIDED' is allowed"
        context.error("lb_policy", text)


def override_healths(cluster: Any) -> frozenset[str]:
    """Which health states a host may have that a request insists on (`common_lb_config.override_host_status`)."""
    from envoy.config.core.v3 import health_check_pb2

    common = cluster.common_lb_config
    if not common.HasField("override_host_status"):
        return frozenset(("UNKNOWN", "HEALTHY", "DEGRADED"))
    return frozenset(health_check_pb2.HealthStatus.Name(status) for status in common.override_host_status.statuses)


def _typed(message: Any, context: Context) -> BalancePlan:
    """The first policy; Envoy takes the first that it knows, and pyvoy reports those that it does not."""
    for index, policy in enumerate(message.policies):
        at = context.at("policies", index)
        built = at.extension(LOAD_BALANCING_POLICY, policy.typed_extension_config, "typed_extension_config")
        return built if isinstance(built, BalancePlan) else BalancePlan()
    context.error("policies", "needs a policy")
    return BalancePlan()


def _by_name(cluster: Any, context: Context) -> BalancePlan:
    from envoy.config.cluster.v3 import cluster_pb2

    name = cluster_pb2.Cluster.LbPolicy.Name(cluster.lb_policy)
    build = _BY_NAME.get(name)
    if build is None:
        context.error("lb_policy", _IMPOSSIBLE.get(name, f"{name} is not supported by pyvoy"))
        return BalancePlan()
    common = cluster.common_lb_config
    return BalancePlan(
        build(cluster, context),
        fail_traffic_on_panic=common.zone_aware_lb_config.fail_traffic_on_panic,
        locality_weighted=common.HasField("locality_weighted_lb_config"),
    )


def _named_ring_hash(cluster: Any, context: Context) -> PolicyPlan:
    config = cluster.ring_hash_lb_config
    by_hostname = cluster.common_lb_config.consistent_hashing_lb_config.use_hostname_for_hashing
    return _ring_hash(config, config.hash_function == _MURMUR, by_hostname, context.at("ring_hash_lb_config"))


def _named_maglev(cluster: Any, context: Context) -> PolicyPlan:
    by_hostname = cluster.common_lb_config.consistent_hashing_lb_config.use_hostname_for_hashing
    return _maglev(cluster.maglev_lb_config, by_hostname, context.at("maglev_lb_config"))


_BY_NAME: dict[str, Callable[[Any, Context], PolicyPlan]] = {
    "ROUND_ROBIN": lambda cluster, context: plans.RoundRobinPlan(),
    "LEAST_REQUEST": lambda cluster, context: _least_request(
        cluster.least_request_lb_config, context.at("least_request_lb_config")
    ),
    "RANDOM": lambda cluster, context: plans.RandomPlan(),
    "RING_HASH": _named_ring_hash,
    "MAGLEV": _named_maglev,
}
_IMPOSSIBLE = {
    "CLUSTER_PROVIDED": "CLUSTER_PROVIDED needs a cluster type that brings its own load balancer",
    "LOAD_BALANCING_POLICY_CONFIG": "LOAD_BALANCING_POLICY_CONFIG requires load_balancing_policy to be set",
}


def _least_request(message: Any, context: Context) -> plans.LeastRequestPlan:
    bias = 1.0
    if message.HasField("active_request_bias"):
        field = message.active_request_bias
        bias = context.runtime.number(field.runtime_key, field.default_value)
        if bias < 0:
            context.error("active_request_bias", "must not be negative")
            bias = 1.0
    return plans.LeastRequestPlan(context.wrapped(message, "choice_count", 2), bias)


def _ring_hash(message: Any, murmur: bool, by_hostname: bool, context: Context) -> plans.RingHashPlan:
    smallest = context.wrapped(message, "minimum_ring_size", plans.DEFAULT_MIN_RING_SIZE)
    largest = context.wrapped(message, "maximum_ring_size", plans.MAX_RING_SIZE)
    if smallest > largest:
        context.error("minimum_ring_size", f"ring hash: minimum_ring_size ({smallest}) > maximum_ring_size ({largest})")
    return plans.RingHashPlan(min(smallest, largest), largest, murmur, by_hostname)


def _maglev(message: Any, by_hostname: bool, context: Context) -> plans.MaglevPlan:
    size = context.wrapped(message, "table_size", plans.DEFAULT_TABLE_SIZE)
    if not _is_prime(size):
        context.error("table_size", "The table size of maglev must be prime number")
        size = plans.DEFAULT_TABLE_SIZE
    return plans.MaglevPlan(size, by_hostname)


def _with_locality(policy: PolicyPlan, message: Any) -> BalancePlan:
    locality = message.locality_lb_config
    return BalancePlan(
        policy,
        fail_traffic_on_panic=locality.zone_aware_lb_config.fail_traffic_on_panic,
        locality_weighted=locality.HasField("locality_weighted_lb_config"),
    )


def _is_prime(number: int) -> bool:
    if number < 2 or number > plans.MAX_TABLE_SIZE:
        return False
    return all(number % divisor for divisor in range(2, int(number**0.5) + 1))
