"""The compiled route table: from a request's headers to the one Route that says all that happens to it.

Everything here is decided at load by `pyvoy.config.compile.routes`; a request costs one call of `RouteTable.find`.
The strategies behind `find` live in `hosts` (virtual hosts) and `match` (routes).
Source of behaviour: Envoy's RouteConfiguration, RouteMatcher and RouteEntryImplBase.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pyvoy.http.headers import Pair
from pyvoy.http.request_rules import XFP

if TYPE_CHECKING:
    from pyvoy.http.routing.internal_redirect import InternalRedirectPlan
    from pyvoy.http.routing.mirror import MirrorPolicy
    from pyvoy.http.routing.retry import RetryPlan
    from pyvoy.http.routing.virtual_cluster import StatsFinder, TrafficStats
    from pyvoy.tracing.slots import RouteTracing

Action = Literal["route", "redirect", "direct_response", "non_forwarding"]
Finalizer = Callable[..., None]
"""`(stream, headers)`; for requests also `(stream, headers, keep_original)`: False suppresses x-envoy-original-*."""

DEFAULT_TIMEOUT_S = 15.0
"""Envoy's DEFAULT_ROUTE_TIMEOUT_MS."""


@dataclass(slots=True, eq=False)
class VirtualHost:
    """What routes of one virtual host share.  `virtual_cluster(headers)` gives the stats to
    count a request in, one of `virtual_clusters`."""

    name: str
    include_request_attempt_count: bool = False
    include_attempt_count_in_response: bool = False
    include_is_timeout_retry_header: bool = False
    virtual_cluster: StatsFinder | None = None
    virtual_clusters: tuple[TrafficStats, ...] = ()
    rate_limits: Mapping[int, Callable[..., Any]] = field(default_factory=dict)
    """Functions from a stream to its rate limit descriptors, by stage."""
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Route:
    """One route (for weighted clusters: one of its clusters), final: nothing is looked up elsewhere per request.

    Times are seconds; None means no limit (`timeout_s`) or "as the connection manager says" (`idle_timeout_s`,
    `max_stream_duration_s`, where 0 switches the limit off).  `direct_response(stream, keep_original)` answers
    redirects too: status, body, headers with the response rules done.  `filter_plans` holds per-route plans by filter
    name, least specific first.
    `hash_policy(stream, cookies)` gives the 64-bit hash; Set-Cookie values to send are appended to `cookies`.
    """

    name: str
    virtual_host: VirtualHost
    action: Action = "route"
    cluster: str | None = None
    cluster_header: bytes | None = None
    cluster_specifier: Callable[[Any], str] | None = None
    """Names the cluster of a stream, where neither the route nor a header does."""
    cluster_not_found_code: int = 503
    priority: int = 0

    timeout_s: float | None = DEFAULT_TIMEOUT_S
    idle_timeout_s: float | None = None
    max_stream_duration_s: float | None = None
    limits_streams: bool = False
    """The route has an idle time-out or a duration of its own for its streams."""
    has_max_stream_duration: bool = False
    """The route sets `max_stream_duration`: it takes the place of `timeout`, which then has no default."""
    grpc_timeout_header_max_s: float | None = None
    grpc_timeout_header_offset_s: float | None = None
    max_grpc_timeout_s: float | None = None
    grpc_timeout_offset_s: float | None = None

    retry: RetryPlan | None = None
    hash_policy: Callable[..., int | None] | None = None
    metadata_match: Mapping[str, Any] | None = None
    request_buffer_limit_bytes: int | None = None
    upgrades: Mapping[bytes, bool] = field(default_factory=dict)
    mirrors: tuple[MirrorPolicy, ...] = ()
    internal_redirects: InternalRedirectPlan | None = None
    """Redirects of the upstream that are followed here."""
    rate_limits: Mapping[int, Callable[..., Any]] = field(default_factory=dict)
    """As the virtual host's."""
    include_host_rate_limits: bool = False
    ends_connect: bool = False
    """CONNECT ends here: the cluster's hosts get the bytes of the tunnel (connect_config)."""

    finalize_request: Finalizer | None = None
    finalize_response: Finalizer | None = None
    reply_rules: Finalizer | None = None
    """The response rules for replies of the router itself: see `direct_response.reply_headers`."""
    auto_host_rewrite: bool = False
    append_x_forwarded_host: bool = False
    direct_response: Callable[..., tuple[int, bytes, list[Pair]]] | None = None

    filter_plans: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    disabled_filters: frozenset[str] = frozenset()
    enabled_filters: frozenset[str] = frozenset()

    virtual_cluster: StatsFinder | None = None
    """The stats to count a request in: its virtual cluster, the route's own (`stat_prefix`), or both in one."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    tracing: RouteTracing | None = None
    """What the route says of tracing; None: nothing."""

    @property
    def include_attempt_count_in_request(self) -> bool:
        return self.virtual_host.include_request_attempt_count

    @property
    def include_attempt_count_in_response(self) -> bool:
        return self.virtual_host.include_attempt_count_in_response


class RouteTable:
    """A route configuration.  `find(stream)` reads `stream.request_headers` and gives the final route or None.

    `internal_only_headers` are stripped from external requests by the connection manager.  `settled` says that `find`
    looks at path and host alone, and never draws lots."""

    __slots__ = ("find", "internal_only_headers", "metadata", "name", "settled", "virtual_hosts")

    def __init__(
        self,
        name: str,
        find: Callable[[Any], Route | None],
        virtual_hosts: tuple[VirtualHost, ...] = (),
        internal_only_headers: tuple[bytes, ...] = (),
        metadata: Mapping[str, Any] | None = None,
        *,
        settled: bool = False,
    ) -> None:
        self.name = name
        self.settled = settled
        self.find = find
        self.virtual_hosts = virtual_hosts
        self.internal_only_headers = internal_only_headers
        self.metadata: Mapping[str, Any] = metadata or {}

    def find_again(self, stream: Any) -> Route | None:
        """The route of a request that filters may have changed: none without x-forwarded-proto, as in Envoy, whose
        connection manager gives one to every request."""
        return self.find(stream) if stream.request_headers.map.get(XFP) else None
