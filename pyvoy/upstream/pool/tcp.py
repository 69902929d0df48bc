"""Upstream connections of TCP sessions: one for each session, counted like a pooled request, never used twice.

It connects within the circuit breakers, tells its session what happens, and ends in one of four ways: flushed, dropped,
reset, or by the upstream.  Where the session goes and what failures mean is tcp_proxy's.
Source: Envoy's Tcp::ConnPoolImpl on ConnPoolImplBase (counters observed on Envoy 1.40).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from pyvoy.upstream.pool.connection import UpstreamConnection

if TYPE_CHECKING:
    from pyvoy.network.address import Address
    from pyvoy.observe.tls_info import TlsInfo
    from pyvoy.server.services import Services
    from pyvoy.upstream.cluster import Cluster
    from pyvoy.upstream.endpoint import Host

_RST = struct.pack("ii", 1, 0)


class SessionUpstream(Protocol):
    """What a TCP session asks of its upstream: a connection, or a tunnel through one."""

    cluster: Cluster
    host: Host
    connection_id: int
    closed: bool

    @property
    def local(self) -> Address | None:
        """Our end of the connection."""

    @property
    def tls(self) -> TlsInfo | None:
        """Facts of its TLS."""

    @property
    def writer(self) -> Callable[[bytes], None]:
        """Takes the client's bytes."""

    @property
    def unwritten_bytes(self) -> int:
        """How much of them is not on its way yet."""

    def pause_reading(self, pause: bool) -> None:
        """Stop or resume reading."""

    def cancel(self) -> None:
        """The session leaves before it is connected."""

    def end(self) -> None:
        """Half-close behind what is written."""

    def close_flushed(self) -> bool:
        """Close behind what is written; True when that takes time (`on_upstream_closed` follows)."""

    def drop(self, *, reset: bool = False) -> None:
        """Close now; `reset` makes it a TCP reset where it can."""


class TcpUser(Protocol):
    """The session that a connection is made for."""

    def on_upstream_connected(self, upstream: SessionUpstream) -> None:
        """The connection is there; bytes may be given to its writer."""

    def on_upstream_failed(self, detail: str) -> None:
        """It was refused or took too long; `detail` is the transport's reason, if it gave one."""

    def on_upstream_end(self) -> None:
        """The upstream half-closed."""

    def on_upstream_closed(self, *, reset: bool) -> None:
        """The connection is gone, by the upstream or after a flushed end."""

    def on_upstream_watermark(self, high: bool) -> None:
        """The upstream reads too slowly, or has caught up."""


class TcpConnection(UpstreamConnection):
    """One upstream connection.  `receive` gets its bytes straight from the transport and counts them."""

    data_received: Callable[[bytes], None]  # type: ignore[assignment]  # transports call what the attribute holds

    def __init__(
        self, services: Services, cluster: Cluster, host: Host, user: TcpUser, receive: Callable[[bytes], None]
    ) -> None:
        super().__init__(services, cluster, host, cluster.resources())
        self.data_received = receive
        self.read_ended = False
        self.write_ended = False
        self._user: TcpUser | None = user
        self._attached = False
        self._pending = True
        stats = cluster.stats
        self._resources.pending_requests.inc()
        stats.upstream_rq_pending_total.inc()
        stats.upstream_rq_pending_active.inc()
        host.stats.rq_pending_active.inc()

    @property
    def busy(self) -> bool:
        """True from the first byte that may be written on."""
        return self._attached

    # ---- connecting ----

    def on_connected(self) -> None:
        """The session moves in."""
        self._pending_over()
        self._attached = True
        stats, host_stats = self.cluster.stats, self.host.stats
        self._resources.requests.inc()
        stats.upstream_rq_total.inc()
        stats.upstream_rq_active.inc()
        host_stats.rq_total.inc()
        host_stats.rq_active.inc()
        if self._user is not None:
            self._user.on_upstream_connected(self)

    def on_connect_failed(self, reason: str, detail: str) -> None:
        """Refused or too slow."""
        self._pending_over()
        self.cluster.stats.upstream_rq_pending_failure_eject.inc()
        user, self._user = self._user, None
        if user is not None:
            user.on_upstream_failed(detail)

    def cancel(self) -> None:
        """The session left before there was a connection (Envoy: CancelPolicy::CloseExcess)."""
        if self._pending:
            self._user = None
            self._pending_over()
            self.cluster.stats.upstream_rq_cancelled.inc()
            self.close()

    def _pending_over(self) -> None:
        if self._pending:
            self._pending = False
            self._resources.pending_requests.dec()
            self.cluster.stats.upstream_rq_pending_active.dec()
            self.host.stats.rq_pending_active.dec()

    # ---- asyncio.Protocol ----

    def eof_received(self) -> bool:
        """The upstream half-closed; our side stays open until the client is done."""
        self.read_ended = True
        if self._user is not None and not self.closed:
            self._user.on_upstream_end()
        if self.write_ended and not self.closed:
            self._both_ended()
        return True

    def _both_ended(self) -> None:
        """The upstream ended last: closed by it, unless we still have to write."""
        if self.transport.get_write_buffer_size():
            self.close_flushed()
            return
        self._account_closed()
        self.transport.close()
        self._gone(reset=False)

    def on_closed(self, exc: Exception | None) -> None:
        """The transport is gone."""
        self._gone(reset=isinstance(exc, ConnectionResetError) and not self.closed_locally)

    def _gone(self, *, reset: bool) -> None:
        self._release()
        user, self._user = self._user, None
        if user is not None:
            user.on_upstream_closed(reset=reset)

    def pause_writing(self) -> None:
        """The upstream reads too slowly."""
        if self._user is not None:
            self._user.on_upstream_watermark(True)

    def resume_writing(self) -> None:
        """The upstream has caught up."""
        if self._user is not None:
            self._user.on_upstream_watermark(False)

    # ---- what the session does ----

    @property
    def writer(self) -> Callable[[bytes], None]:
        """The transport's own write: the relay counts."""
        return self.transport.write

    @property
    def unwritten_bytes(self) -> int:
        """What the transport has not written yet."""
        return self.transport.get_write_buffer_size()

    def pause_reading(self, pause: bool) -> None:
        """Stop or resume reading, because the client reads too slowly."""
        if self.closed or self.read_ended or self.transport.is_closing():
            return
        stats = self.cluster.stats
        if pause:
            stats.upstream_flow_control_paused_reading_total.inc()
            self.transport.pause_reading()
        else:
            stats.upstream_flow_control_resumed_reading_total.inc()
            self.transport.resume_reading()

    def end(self) -> None:
        """Half-close behind what is written."""
        if not self.closed and not self.write_ended:
            self.write_ended = True
            self.transport.write_eof()

    def close_flushed(self) -> bool:
        """Close behind what is written; True when that takes time (`on_upstream_closed` follows)."""
        if self.closed:
            return False
        self.closed_locally = True
        if self.transport.get_write_buffer_size():
            self.transport.close()
            return True
        self._user = None
        self._account_closed()
        self._release()
        self.transport.close()
        return False

    def drop(self, *, reset: bool = False) -> None:
        """Close now; what is unwritten is lost.  `reset` makes it a TCP reset.  No callback follows."""
        if self.closed:
            return
        self._user = None
        if reset:
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
        self.close()
        self._release()

    def _release(self) -> None:
        """The session moves out."""
        if self._attached:
            self._attached = False
            self._resources.requests.dec()
            self.cluster.stats.upstream_rq_active.dec()
            self.host.stats.rq_active.dec()


def open_tcp(
    services: Services, cluster: Cluster, host: Host, user: TcpUser, receive: Callable[[bytes], None]
) -> TcpConnection | None:
    """Start connecting to a host for a session; it ends in a callback, never inside this call.  None when too many
    sessions wait for connections already."""
    if not cluster.resources().pending_requests.can_create():
        cluster.stats.upstream_rq_pending_overflow.inc()
        return None
    connection = TcpConnection(services, cluster, host, user, receive)
    connection.connect()
    return connection
