"""Counting what came of an upstream request: per cluster, per slice of traffic, per host.

The ordinary response is counted by the pool's tally (see the router); everything else comes here.  A health check's
traffic is not counted.  Source of behaviour: Envoy's Filter::chargeUpstreamCode, chargeUpstreamAbort, CodeStatsImpl.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyvoy.http.grpc import http_status_of
from pyvoy.http.headers import HeaderMap
from pyvoy.http.routing.timeouts import is_grpc

if TYPE_CHECKING:
    from pyvoy.http.routing.virtual_cluster import TrafficStats
    from pyvoy.http.stream import HttpStream
    from pyvoy.upstream.cluster_stats import ClusterStats
    from pyvoy.upstream.endpoint import Host

INTERNAL = b"x-envoy-internal"
CANARY = b"x-envoy-upstream-canary"


def grpc_outcome(request: HeaderMap, headers: HeaderMap, status: int) -> int:
    """The status by which outlier detection judges a response: that of gRPC, where there is one."""
    value = headers.map.get(b"grpc-status")
    if value is None or not value.isdigit() or not is_grpc(request):
        return status
    return http_status_of(int(value))


class Charging:
    """Where one request is counted.  `traffic` is its virtual cluster or route, `alternative` the name of
    x-envoy-upstream-alt-stat-name."""

    __slots__ = ("alternative", "cluster", "stream", "traffic")

    def __init__(
        self,
        stream: HttpStream,
        cluster: ClusterStats,
        traffic: TrafficStats | None = None,
        alternative: bytes | None = None,
    ) -> None:
        self.stream = stream
        self.cluster = cluster
        self.traffic = traffic
        self.alternative = alternative

    @property
    def _internal(self) -> bool:
        return self.stream.request_headers.map.get(INTERNAL) == b"true"

    def code(self, status: int, headers: HeaderMap | None, host: Host | None) -> None:
        """A response of the upstream, or one made here on its behalf (Envoy: chargeUpstreamCode)."""
        canary = headers is not None and headers.map.get(CANARY) == b"true"
        if host is not None:
            canary = canary or host.canary
            if status >= 500:
                host.stats.rq_error.inc()
        if self.stream.health_check:
            return
        self.cluster.charge_response(status, self._internal, canary)
        if self.traffic is not None:
            self.traffic.count_response(status)
        if self.alternative is not None:
            self.cluster.charge_alternative(self.alternative.decode("latin-1"), status, self._internal, canary)

    def time(self, elapsed_ms: int, host: Host | None) -> None:
        """How long the upstream took for a whole response."""
        if self.stream.health_check:
            return
        canary = host is not None and host.canary
        self.cluster.charge_time(elapsed_ms, self._internal, canary)
        if self.traffic is not None:
            self.traffic.time.record(elapsed_ms)
        if self.alternative is not None:
            name = self.alternative.decode("latin-1")
            self.cluster.charge_alternative_time(name, elapsed_ms, self._internal, canary)

    def retry(self) -> None:
        """Another attempt was decided."""
        self.cluster.upstream_rq_retry.inc()
        if self.traffic is not None:
            self.traffic.retry.inc()

    def retry_success(self) -> None:
        """The attempt after a retry brought a result."""
        self.cluster.upstream_rq_retry_success.inc()
        if self.traffic is not None:
            self.traffic.retry_success.inc()

    def retry_limit_exceeded(self) -> None:
        """The policy allows no further attempt."""
        self.cluster.upstream_rq_retry_limit_exceeded.inc()
        if self.traffic is not None:
            self.traffic.retry_limit_exceeded.inc()

    def retry_overflow(self) -> None:
        """The circuit breaker allows no further attempt."""
        self.cluster.upstream_rq_retry_overflow.inc()
        if self.traffic is not None:
            self.traffic.retry_overflow.inc()

    def timeout(self) -> None:
        """The route's time-out hit a request under way."""
        self.cluster.upstream_rq_timeout.inc()
        if self.traffic is not None:
            self.traffic.timeout.inc()
