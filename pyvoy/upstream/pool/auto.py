"""The HTTP pool of a host that says by ALPN what it speaks: HTTP/2 or, by this or by silence, HTTP/1.

A connection is made for the requests that wait as if it would speak what the last one spoke, the first as if it spoke
HTTP/2; once TLS has agreed on a protocol it is one of that protocol's, and requests that find no place on it get
connections of their own.
Source: Envoy's HttpConnPoolImplMixed (HttpProtocolOptions.auto_config).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from pyvoy.upstream.pool.base import HttpPool, PoolRequest
from pyvoy.upstream.pool.connection import UpstreamConnection
from pyvoy.upstream.pool.decide import Step, on_multiplexed_request
from pyvoy.upstream.pool.h1 import Http1Connection, Http1Pool
from pyvoy.upstream.pool.h2 import Http2Pool, Http2UpstreamConnection

if TYPE_CHECKING:
    from pyvoy.server.services import Services
    from pyvoy.upstream.cluster import Cluster
    from pyvoy.upstream.endpoint import Host

_ALPN = ("h2", "http/1.1")


class UnknownConnection(UpstreamConnection):
    """A connection until its protocol is known."""

    def __init__(self, pool: AutoPool) -> None:
        super().__init__(pool.services, pool.cluster, pool.host, pool.resources)
        self.pool = pool
        self.alpn = _ALPN
        pool.name(self)

    def on_connected(self) -> None:
        self.pool.connected(self)

    def on_connect_failed(self, reason: str, detail: str) -> None:
        self.pool.connect_failed(self, reason, detail)


class _Side:
    """What both kinds of known connections have in common: who waits, waits for any."""

    _all: dict[Any, None]
    _connecting: int

    def __init__(self, owner: AutoPool, priority: int) -> None:
        super().__init__(owner.services, owner.cluster, owner.host, priority, owner.server_name)  # type: ignore[call-arg]  # the pool behind this class
        self._owner = owner
        self._pending = owner.waiting
        self._draining = owner.draining

    def take(self, connection: UpstreamConnection, made: UnknownConnection) -> None:
        """A connection of ours from now on."""
        self._all[connection] = None
        self._connecting += 1
        connection.take_over(made)

    def _connect_for_pending(self) -> None:
        self._owner.connect_for_pending()

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self._all)


class _Http1Side(_Side, Http1Pool):
    """The connections that turned out to speak HTTP/1."""

    def _serve(self, connection: Http1Connection) -> None:
        super()._serve(connection)
        if self._pending:
            self._owner.connect_for_pending()


class _Http2Side(_Side, Http2Pool):
    """The connections that turned out to speak HTTP/2."""


class AutoPool(HttpPool[UnknownConnection]):
    """Connections that are being made, and the two pools of those whose protocol is known."""

    __slots__ = ("_http1", "_http2", "_multiplexed", "_priority")

    def __init__(self, services: Services, cluster: Cluster, host: Host, priority: int, server_name: str = "") -> None:
        super().__init__(services, cluster, host, priority, server_name)
        self._priority = priority
        self._multiplexed = True
        """The last connection spoke HTTP/2; the first is expected to."""
        self._http1: _Http1Side | None = None
        self._http2: _Http2Side | None = None

    def _make_connection(self) -> UnknownConnection:
        return UnknownConnection(self)

    @property
    def waiting(self) -> deque[PoolRequest]:
        """The requests without a connection, shared with the two sides."""
        return self._pending

    @property
    def draining(self) -> bool:
        """The pool runs dry."""
        return self._draining

    # ---- requests ----

    def use_ready(self, request: PoolRequest) -> bool:
        """Put the request on a connection of either protocol that can take it now."""
        return any(side is not None and side.use_ready(request) for side in (self._http2, self._http1))

    def _decide(self) -> tuple[Step, bool]:
        resources = self.resources
        return on_multiplexed_request(
            room=self._room,
            connections=self._size,
            pending=len(self._pending),
            may_wait=resources.pending_requests.can_create(),
            may_connect=resources.connections.can_create(),
        )

    @property
    def _room(self) -> int:
        """How many requests the connections that are being made will take, as far as one knows."""
        return self._connecting * (self._expected_streams if self._multiplexed else 1)

    @property
    def _size(self) -> int:
        return len(self._all) + sum(side.size for side in (self._http1, self._http2) if side is not None)

    def take_idle(self, request: PoolRequest) -> None:
        """Nothing for the short ways: they know HTTP/1 beforehand."""

    # ---- connections ----

    def connected(self, connection: UnknownConnection) -> None:
        """TLS has agreed on a protocol, or on none, which means HTTP/1."""
        self._connecting -= 1
        del self._all[connection]
        tls = connection.tls
        self._multiplexed = tls is not None and tls.alpn == "h2"
        if self._multiplexed:
            if self._http2 is None:
                self._http2 = _Http2Side(self, self._priority)
            self._http2.take(Http2UpstreamConnection(self._http2, connection), connection)
        else:
            if self._http1 is None:
                self._http1 = _Http1Side(self, self._priority)
            self._http1.take(Http1Connection(self._http1, connection), connection)
        self.connect_for_pending()

    def _connect_for_pending(self) -> None:
        self.connect_for_pending()

    def connect_for_pending(self) -> None:
        """Make connections for the requests that no other is coming for."""
        while len(self._pending) > self._room:
            if not self.resources.connections.can_create():
                self.cluster.stats.upstream_cx_overflow.inc()
                if self._size:
                    return
            self._connect()

    def drain(self) -> None:
        """Take no new request; close idle connections now and busy ones when they are done."""
        self._draining = True
        for side in (self._http1, self._http2):
            if side is not None:
                side.drain()


def auto_pool(services: Services, cluster: Cluster, host: Host, priority: int, server_name: str = "") -> AutoPool:
    """The pool of a host and priority, made on first need; `server_name` is the TLS name its connections ask for."""
    key = (priority, "auto", server_name)
    pool = host.pools.get(key)
    if pool is None:
        pool = host.pools[key] = AutoPool(services, cluster, host, priority, server_name)
    return pool  # type: ignore[return-value]  # such keys hold these pools
