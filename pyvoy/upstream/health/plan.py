"""What the configuration decides about the active health checks of a cluster (config.core.v3.HealthCheck).

Defaults are Envoy's.  Which host is checked where is the endpoint's matter (`CheckTarget`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyvoy.http.routing.header_rules import HeaderRules

if TYPE_CHECKING:
    from pyvoy.network.tls.client import TransportSockets


@dataclass(slots=True, frozen=True)
class CheckTarget:
    """What Endpoint.health_check_config says: another address, port or Host, or that the host is not checked."""

    ip: str = ""
    port: int = 0
    hostname: str = ""
    disabled: bool = False


CHECKED_AS_IT_IS = CheckTarget()
_NO_HEADERS = HeaderRules()


@dataclass(slots=True, frozen=True)
class HttpProbePlan:
    """One request and what its answer must be.  `expected` and `retriable` are half-open ranges of statuses.

    It goes by HTTP/2 if `http2`.  `receive` are pieces of the body that must occur in this order within its first
    `buffer_bytes` (0: no limit)."""

    path: bytes
    host: bytes
    method: bytes = b"GET"
    headers: HeaderRules = _NO_HEADERS
    expected: tuple[tuple[int, int], ...] = ((200, 201),)
    retriable: tuple[tuple[int, int], ...] = ()
    service_name: Callable[[bytes], bool] | None = None
    receive: tuple[bytes, ...] = ()
    buffer_bytes: int = 1024
    http2: bool = False


@dataclass(slots=True, frozen=True)
class GrpcProbePlan:
    """A call of gRPC's health service; `service` is the one it asks about, "" for the server as a whole."""

    service: str
    authority: bytes
    metadata: HeaderRules = _NO_HEADERS


@dataclass(slots=True, frozen=True)
class TcpProbePlan:
    """Bytes to send, and pieces that must come back in this order; nothing to receive means connecting is enough."""

    send: bytes = b""
    receive: tuple[bytes, ...] = ()


@dataclass(slots=True, frozen=True)
class HealthCheckPlan:
    """How often hosts are checked, and how many results make a change.  All times in seconds.

    `interval_jitter_percent` is of the interval.  The `no_traffic` intervals hold until the cluster has had its first
    connection, the `edge` intervals while a change is pending."""

    probe: HttpProbePlan | TcpProbePlan | GrpcProbePlan
    timeout_s: float
    interval_s: float
    unhealthy_threshold: int
    healthy_threshold: int
    unhealthy_interval_s: float
    unhealthy_edge_interval_s: float
    healthy_edge_interval_s: float
    no_traffic_interval_s: float = 60.0
    no_traffic_healthy_interval_s: float = 60.0
    initial_jitter_s: float = 0.0
    interval_jitter_s: float = 0.0
    interval_jitter_percent: int = 0
    reuse_connection: bool = True
    transport_sockets: TransportSockets | None = None
    """The cluster's; None for plain text."""
