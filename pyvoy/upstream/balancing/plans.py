"""Plans of load balancing policies: what the configuration decides, ready for a worker to build a balancer from.

Defaults are Envoy's (Cluster.lb_policy, common_lb_config and the typed policies of `load_balancing_policy`).
"""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_PANIC_PERCENT = 50
DEFAULT_MIN_RING_SIZE = 1024
MAX_RING_SIZE = 8 * 1024 * 1024
DEFAULT_TABLE_SIZE = 65537
MAX_TABLE_SIZE = 5000011


@dataclass(slots=True, frozen=True)
class RoundRobinPlan:
    """Hosts in turn; by earliest deadline first when weights differ."""


@dataclass(slots=True, frozen=True)
class LeastRequestPlan:
    """The least busy of `choice_count` random hosts (all hosts with `full_scan`).

    With differing weights: earliest deadline first with weight / (active requests + 1) ** active_request_bias.
    """

    choice_count: int = 2
    active_request_bias: float = 1.0
    full_scan: bool = False


@dataclass(slots=True, frozen=True)
class RandomPlan:
    """Any eligible host; weights do not count."""


@dataclass(slots=True, frozen=True)
class RingHashPlan:
    """A ketama ring; `murmur_hash_2` takes that hash instead of xxHash64."""

    minimum_ring_size: int = DEFAULT_MIN_RING_SIZE
    maximum_ring_size: int = MAX_RING_SIZE
    murmur_hash_2: bool = False
    use_hostname_for_hashing: bool = False


@dataclass(slots=True, frozen=True)
class MaglevPlan:
    """A Maglev table; `table_size` is a prime."""

    table_size: int = DEFAULT_TABLE_SIZE
    use_hostname_for_hashing: bool = False


PolicyPlan = RoundRobinPlan | LeastRequestPlan | RandomPlan | RingHashPlan | MaglevPlan


@dataclass(slots=True, frozen=True)
class BalancePlan:
    """A policy with what all policies share.

    `panic_percent`: with fewer healthy and degraded hosts than that, all hosts are used (0: never), or none when
    `fail_traffic_on_panic`.  `locality_weighted`: localities are chosen by their weights first.
    """

    policy: PolicyPlan = RoundRobinPlan()
    panic_percent: int = DEFAULT_PANIC_PERCENT
    fail_traffic_on_panic: bool = False
    locality_weighted: bool = False


DEFAULT_BALANCE = BalancePlan()
