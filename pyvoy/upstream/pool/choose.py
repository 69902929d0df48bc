"""The pool of a host that a request goes to: by what the cluster speaks and, where it follows, what the client speaks.

Source: Envoy's ClusterInfoImpl::upstreamHttpProtocol.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyvoy.upstream.cluster_plan import UpstreamProtocol
from pyvoy.upstream.pool.h1 import Http1Pool, http1_pool

if TYPE_CHECKING:
    from pyvoy.server.services import Services
    from pyvoy.upstream.cluster import Cluster
    from pyvoy.upstream.endpoint import Host

_HTTP1 = UpstreamProtocol.HTTP1
_HTTP2 = UpstreamProtocol.HTTP2
_AUTO = UpstreamProtocol.AUTO


def http_pool(
    services: Services, cluster: Cluster, host: Host, priority: int, downstream: str, server_name: str = ""
) -> Http1Pool:
    """The pool; `downstream` is the client's protocol as logs name it, `server_name` the TLS server name that the
    request asks for.

    A cluster that follows its clients has two, of which the plain priority is the key of the one for HTTP/1."""
    speaks = cluster.plan.http.protocol
    if speaks is _AUTO:
        from pyvoy.upstream.pool.auto import auto_pool

        return auto_pool(services, cluster, host, priority, server_name)  # type: ignore[return-value]  # the same interface
    if speaks is _HTTP1 or (speaks is not _HTTP2 and downstream != "HTTP/2"):
        return http1_pool(services, cluster, host, priority, server_name)
    from pyvoy.upstream.pool.h2 import http2_pool

    key: object = priority if speaks is _HTTP2 else (priority, "HTTP/2")
    if server_name:
        key = (priority, "HTTP/2", server_name)
    return http2_pool(services, cluster, host, priority, key, server_name)  # type: ignore[return-value]  # the same interface
