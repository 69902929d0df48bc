"""What the configuration decides about a cluster: immutable plans, made by pyvoy.config.compile.clusters.

Defaults are Envoy's (config.cluster.v3.Cluster and HttpProtocolOptions).  Live state is `cluster.py`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Any

from pyvoy.http.h2.limits import Http2Plan
from pyvoy.network.address import Address
from pyvoy.upstream.aggregate import AggregatePlan
from pyvoy.upstream.balancing.plans import DEFAULT_BALANCE, BalancePlan
from pyvoy.upstream.balancing.subset import SubsetPlan
from pyvoy.upstream.endpoint import NO_FLAGS, NO_LOCALITY, HealthFlag, Locality
from pyvoy.upstream.health.outlier_plan import OutlierPlan
from pyvoy.upstream.health.plan import CHECKED_AS_IT_IS, CheckTarget, HealthCheckPlan
from pyvoy.upstream.original_dst import OriginalDstPlan

if TYPE_CHECKING:
    from pyvoy.network.tls.client import TransportSockets

MIB = 1024 * 1024


class Discovery(Enum):
    """How a cluster gets its hosts; the values are the names that Envoy's configuration uses."""

    STATIC = "STATIC"
    STRICT_DNS = "STRICT_DNS"
    LOGICAL_DNS = "LOGICAL_DNS"
    ORIGINAL_DST = "ORIGINAL_DST"
    AGGREGATE = "AGGREGATE"
    FORWARD_PROXY = "FORWARD_PROXY"


class RoutingPriority(IntEnum):
    """A route's priority: which circuit breakers and pools its requests use."""

    DEFAULT = 0
    HIGH = 1


class UpstreamProtocol(Enum):
    """What is spoken to the hosts."""

    HTTP1 = "http1"
    HTTP2 = "http2"
    DOWNSTREAM = "downstream"
    AUTO = "auto"
    """What TLS agrees on with each."""


class DnsLookupFamily(IntEnum):
    """Which records are asked for; the numbers are Envoy's."""

    AUTO = 0
    V4_ONLY = 1
    V6_ONLY = 2
    V4_PREFERRED = 3
    ALL = 4


@dataclass(slots=True, frozen=True)
class RetryBudgetPlan:
    """Retries in flight may be that share of the active and pending requests, and always the minimum."""

    budget_percent: float = 20.0
    min_retry_concurrency: int = 3


@dataclass(slots=True, frozen=True)
class ThresholdsPlan:
    """Circuit breakers of one routing priority."""

    max_connections: int = 1024
    max_pending_requests: int = 1024
    max_requests: int = 1024
    max_retries: int = 3
    retry_budget: RetryBudgetPlan | None = None
    track_remaining: bool = False


@dataclass(slots=True, frozen=True)
class EndpointPlan:
    """One configured endpoint.

    `address` holds an IP or a pipe for STATIC; for DNS clusters its `ip` is the name to resolve.
    """

    address: Address
    hostname: str = ""
    weight: int = 1
    flags: HealthFlag = NO_FLAGS
    metadata: Mapping[str, Any] = field(default_factory=dict)
    canary: bool = False
    check: CheckTarget = CHECKED_AS_IT_IS


@dataclass(slots=True, frozen=True)
class LocalityPlan:
    """A group of endpoints; `weight` is 0 when none is given."""

    endpoints: tuple[EndpointPlan, ...]
    locality: Locality = NO_LOCALITY
    priority: int = 0
    weight: int = 0
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, frozen=True)
class AssignmentPlan:
    """All endpoints of a cluster; `overprovisioning_factor` in per cent."""

    localities: tuple[LocalityPlan, ...] = ()
    overprovisioning_factor: int = 140
    weighted_priority_health: bool = False

    @property
    def endpoints(self) -> list[EndpointPlan]:
        """All endpoints in the order of the configuration."""
        return [endpoint for locality in self.localities for endpoint in locality.endpoints]


Resolved = Mapping[str, tuple[str, ...]]
"""What DNS gave: name -> IP addresses in the order of the answer."""


@dataclass(slots=True, frozen=True)
class DnsPlan:
    """When and how names are resolved; all times in seconds.

    `resolvers` are (IP, port) pairs, empty for the system's; `system` asks the system's getaddrinfo instead of DNS.
    `failure_max_s` bounds the back-off that starts at `failure_base_s` (None: `refresh_s`, without back-off).
    """

    refresh_s: float = 5.0
    failure_base_s: float | None = None
    failure_max_s: float | None = None
    jitter_s: float = 0.0
    respect_ttl: bool = False
    family: DnsLookupFamily = DnsLookupFamily.AUTO
    resolvers: tuple[tuple[str, int], ...] = ()
    use_tcp: bool = False
    no_search_domain: bool = False
    query_timeout_s: float = 5.0
    query_tries: int = 4
    system: bool = False


@dataclass(slots=True, frozen=True)
class DnsCachePlan:
    """The cache of names that requests ask for; `dns` says how they are resolved, times are seconds.

    `host_ttl_s` is how long a name stays that nobody asks for; `query_timeout_s` None is no limit."""

    name: str
    dns: DnsPlan
    refresh_s: float = 60.0
    min_refresh_s: float = 5.0
    host_ttl_s: float = 300.0
    max_hosts: int = 1024
    max_pending: int = 1024
    query_timeout_s: float | None = 5.0
    preresolve: tuple[tuple[str, int], ...] = ()


@dataclass(slots=True, frozen=True)
class HttpPlan:
    """What HttpProtocolOptions say; None means no limit, except `max_response_headers_kb`: the codec's default.

    `max_requests_per_connection` 0 is unlimited.  `header_case` is "lower" or "proper".
    """

    protocol: UpstreamProtocol = UpstreamProtocol.HTTP1
    idle_timeout_s: float | None = 3600.0
    max_connection_duration_s: float | None = None
    max_stream_duration_s: float | None = None
    max_requests_per_connection: int = 0
    max_response_headers_kb: int | None = None
    max_headers_count: int = 100
    enable_trailers: bool = False
    header_case: str = "lower"
    auto_sni: bool = False
    """The TLS server name is the request's authority, or what the header `auto_sni_header` says."""
    auto_sni_header: bytes = b":authority"
    auto_san_validation: bool = False
    """The host's certificate must have that name."""
    http2: Http2Plan = field(default_factory=Http2Plan)


@dataclass(slots=True, frozen=True)
class ClusterPlan:
    """One cluster.  `fingerprint` differs when the configuration does, so that a reload leaves the others alone.

    `thresholds` are indexed by RoutingPriority.  `transport_sockets` is None for plain text.
    `override_host_healths` are the names of `common_lb_config.override_host_status`.
    `bind_ip` is the local address of its connections, "" for the kernel's choice.
    `tcp_idle_timeout_s` is of TcpProtocolOptions, for pooled TCP connections.
    """

    name: str
    discovery: Discovery = Discovery.STATIC
    alt_stat_name: str = ""
    connect_timeout_s: float = 5.0
    per_connection_buffer_limit_bytes: int = MIB
    assignment: AssignmentPlan = AssignmentPlan()
    balance: BalancePlan = DEFAULT_BALANCE
    thresholds: tuple[ThresholdsPlan, ThresholdsPlan] = (ThresholdsPlan(), ThresholdsPlan())
    http: HttpPlan = HttpPlan()
    tcp_idle_timeout_s: float | None = 600.0
    dns: DnsPlan | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    transport_sockets: TransportSockets | None = None
    override_host_healths: frozenset[str] = frozenset(("UNKNOWN", "HEALTHY", "DEGRADED"))
    close_connections_on_host_set_change: bool = False
    health_check: HealthCheckPlan | None = None
    outlier: OutlierPlan | None = None
    bind_ip: str = ""
    original_dst: OriginalDstPlan | None = None
    aggregate: AggregatePlan | None = None
    dns_cache: DnsCachePlan | None = None
    subsets: SubsetPlan | None = None
    added_via_api: bool = False
    fingerprint: str = ""

    @property
    def observability_name(self) -> str:
        """The name in stats and logs."""
        return self.alt_stat_name or self.name
