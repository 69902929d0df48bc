"""What a TCP proxy needs at run time, as compiled: where connections go, limits, logs, counters.

Source: Envoy's TcpProxy::Config and TcpProxyStats.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING, Any

from pyvoy.filters.network.tcp_proxy.relay import Meter
from pyvoy.upstream.balancing.context import LoadBalancerContext

if TYPE_CHECKING:
    from pyvoy.filters.network.tcp_proxy.tunnel import TunnelPlan
    from pyvoy.network.connection_source import ConnectionSource
    from pyvoy.network.listener import AccessLogger
    from pyvoy.stats.counters import Counter, Gauge
    from pyvoy.stats.store import Scope

CLUSTER_STATE = "envoy.tcp_proxy.cluster"
"""Filter state of the connection that names the cluster (Envoy: PerConnectionCluster)."""


class TcpStats:
    """Counters and gauges of `tcp.<stat_prefix>.`; the annotations are the list (that of Envoy 1.40 at rest)."""

    downstream_cx_drain_close: Counter
    downstream_cx_no_route: Counter
    downstream_cx_overload_close: Counter
    downstream_cx_rx_bytes_total: Counter
    downstream_cx_total: Counter
    downstream_cx_tx_bytes_total: Counter
    downstream_flow_control_paused_reading_total: Counter
    downstream_flow_control_resumed_reading_total: Counter
    early_data_received_count_total: Counter
    idle_timeout: Counter
    max_downstream_connection_duration: Counter
    route_delayed_total: Counter
    upstream_flush_total: Counter
    downstream_cx_rx_bytes_buffered: Gauge
    downstream_cx_tx_bytes_buffered: Gauge
    upstream_flush_active: Gauge

    def __init__(self, scope: Scope) -> None:
        make = {"Counter": scope.counter, "Gauge": scope.gauge}
        for name, kind in TcpStats.__annotations__.items():
            setattr(self, name, make[kind](name))


@dataclass(slots=True, frozen=True)
class Destination:
    """A cluster and the endpoint metadata that a host must have."""

    cluster: str
    metadata_match: Mapping[str, Any] | None = None


@dataclass(slots=True, frozen=True)
class Backoff:
    """Waiting times between attempts to connect, in milliseconds."""

    base_ms: int
    max_ms: int

    def delay_s(self, attempt: int, random: Random) -> float:
        """Before the attempt after number `attempt` (from 1): anything below a bound that doubles up to `max_ms`."""
        bound_ms = min(self.base_ms << min(attempt - 1, 32), self.max_ms)
        return random.randrange(bound_ms) / 1000


Picker = Callable[[Random], Destination]
HashPolicy = Callable[["ConnectionSource"], "int | None"]


@dataclass(slots=True, frozen=True)
class TcpProxyPlan:
    """The compiled configuration.

    `max_early_data_bytes` None: nothing is read before the upstream is connected; `connect_on_data` waits for the
    first bytes before it connects.  `jitter` is the share of `max_duration_s` that is added by chance.
    """

    stats: TcpStats
    pick: Picker
    idle_timeout_s: float | None = 3600.0
    max_duration_s: float | None = None
    jitter: float = 0.0
    max_connect_attempts: int = 1
    backoff: Backoff | None = None
    hash_policy: HashPolicy | None = None
    metadata_match: Mapping[str, Any] | None = None
    connect_on_data: bool = False
    max_early_data_bytes: int | None = None
    access_logs: tuple[AccessLogger, ...] = ()
    log_on_connected: bool = False
    log_interval_s: float | None = None
    tunnel: TunnelPlan | None = None
    meter: Meter = field(default_factory=Meter)


class SessionContext(LoadBalancerContext):
    """What a session asks of the balancer."""

    __slots__ = ("_key", "metadata_match")

    def __init__(self, key: int | None, metadata_match: Mapping[str, Any] | None) -> None:
        self._key = key
        self.metadata_match = metadata_match

    def hash_key(self) -> int | None:
        return self._key


def weighted(destinations: Sequence[Destination], weights: Sequence[int]) -> Picker:
    """Choose by weight; a single destination needs no throw."""
    if len(destinations) == 1:
        only = destinations[0]
        return lambda _random: only
    found = tuple(destinations)
    bounds = tuple(accumulate(weights))
    total = bounds[-1]
    return lambda random: found[bisect_right(bounds, random.randrange(total))]
