"""HostChooser: what chooses a cluster's hosts where that is no matter of its balancer alone.

Clusters of type ORIGINAL_DST look at the connection, aggregate clusters ask other clusters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pyvoy.http.headers import HeaderMap
    from pyvoy.observe.stream_info import ConnectionInfo
    from pyvoy.upstream.balancing.context import LoadBalancerContext
    from pyvoy.upstream.cluster import Cluster
    from pyvoy.upstream.endpoint import Host


class HostChooser(Protocol):
    """Chooses in place of the balancer."""

    def choose(
        self, connection: ConnectionInfo | None, headers: HeaderMap | None, context: LoadBalancerContext | None
    ) -> Host | None:
        """The host for a request (or a TCP session, which has no headers; a call of an extension has no connection)."""

    def owner(self, host: Host) -> Cluster | None:
        """The cluster that the host's connections are counted in, where that is another one."""
