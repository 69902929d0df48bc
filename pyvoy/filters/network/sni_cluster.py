"""SNI cluster: the server name the client asked for becomes the cluster that tcp_proxy sends the connection to.

It writes filter state and nothing else; a connection without a server name keeps tcp_proxy's own cluster.
Source: Envoy, network filter "Upstream cluster from SNI"; TcpProxy::PerConnectionCluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import network_filter, supports
from pyvoy.network.network_filter import Connection, NetworkFilter, NetworkVerdict

if TYPE_CHECKING:
    from pyvoy.config.context import Context

TYPE = "envoy.extensions.filters.network.sni_cluster.v3.SniCluster"
CLUSTER_STATE = "envoy.tcp_proxy.cluster"
"""Filter state of the connection: the name of the cluster tcp_proxy uses."""

supports(TYPE)


@network_filter(name="envoy.filters.network.sni_cluster", type_url=TYPE, posture="unknown")
class SniCluster(NetworkFilter):
    """One per connection; keeps nothing."""

    __slots__ = ()

    @staticmethod
    def build(message: Any, context: Context) -> None:
        """No plan: the message has no fields."""

    def on_new_connection(self, connection: Connection) -> NetworkVerdict:
        """Name the cluster."""
        info = connection.info
        if info.requested_server_name:
            info.filter_state[CLUSTER_STATE] = info.requested_server_name
        return NetworkVerdict.CONTINUE


_: type[NetworkFilter] = SniCluster
