"""What the short ways (`plain_exchange`, `light_stream`) know of an ordinary request, written down for who asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyvoy.http.routing.table import Route
    from pyvoy.observe.stream_info import StreamInfo
    from pyvoy.upstream.cluster import Cluster
    from pyvoy.upstream.endpoint import Host
    from pyvoy.upstream.pool.h1 import Http1Connection


def note_request(info: StreamInfo, route: Route, request_id: bytes) -> None:
    """The request has its id and its route."""
    info.request_id = request_id
    info.route_name = route.name
    info.virtual_host_name = route.virtual_host.name
    info.route_metadata = route.metadata


def note_upstream(
    info: StreamInfo, cluster: Cluster, host: Host, connection: Http1Connection, sent_s: float, body_bytes: int
) -> None:
    """The whole request has gone upstream, in the moment in which it came."""
    info.upstream_cluster = cluster.name
    info.upstream_cluster_observability_name = cluster.plan.observability_name
    info.upstream_host = host
    info.attempt_count = 1
    info.bytes_received = body_bytes
    info.last_downstream_rx_s = info.first_upstream_tx_s = info.last_upstream_tx_s = sent_s
    info.upstream_local = connection.local
    info.upstream_tls = connection.tls
    info.upstream_connection_id = connection.connection_id
    info.upstream_protocol = connection.codec.protocol
