"""An upstream connection: connecting with a limit, counting, closing; what is spoken on it is the subclass's.

One asyncio Protocol.  Statistics are Envoy's for every upstream connection, HTTP or TCP.
Source: Envoy's ConnPoolImplBase::ActiveClient and Network::ClientConnection.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from pyvoy.network.address import Address, from_sockname
from pyvoy.network.timers import Timer
from pyvoy.network.watermarks import set_watermarks
from pyvoy.observe.details import Reset

if TYPE_CHECKING:
    from pyvoy.network.tls.client import ClientTransport, TransportSockets
    from pyvoy.observe.tls_info import TlsInfo
    from pyvoy.server.services import Services
    from pyvoy.upstream.cluster import Cluster
    from pyvoy.upstream.endpoint import Host
    from pyvoy.upstream.limits import Resources


class UpstreamConnection(asyncio.Protocol):
    """A connection to a host.  The subclass implements `on_connected`, `on_connect_failed` and `on_closed`."""

    transport: asyncio.Transport
    local: Address | None = None
    tls: TlsInfo | None = None
    """Facts of the TLS connection, once there is one."""
    server_name = ""
    """The TLS server name that the request asks for; "" leaves it to the cluster."""
    expected_name = ""
    """The DNS name that the host's certificate must have because the request says so."""
    alpn: tuple[str, ...] = ()
    """The application protocols that TLS offers where the cluster says nothing."""
    _securing: ClientTransport | None = None

    def __init__(
        self,
        services: Services,
        cluster: Cluster,
        host: Host,
        resources: Resources,
        made: UpstreamConnection | None = None,
    ) -> None:
        """`made`: a connection that counts already; as in Envoy, only the total knows both."""
        self.services = services
        self.cluster = cluster
        self.host = host
        self.connection_id: int = services.connection_ids() if made is None else made.connection_id
        self.connected = False
        self.closed = False
        self.closed_locally = False
        self._resources = resources
        self._started_s: float = services.clock() if made is None else made._started_s
        self._timer: Timer | None = None
        self._task: asyncio.Task[None] | None = None
        stats = cluster.stats
        self._cells = stats.upstream_cx_rx_bytes_total.cells
        self._rx_index = stats.upstream_cx_rx_bytes_total.index
        self._tx_index = stats.upstream_cx_tx_bytes_total.index
        stats.upstream_cx_total.inc()
        host.stats.cx_total.inc()
        if made is None:
            resources.used = True
            resources.connections.inc()
            stats.upstream_cx_active.inc()
            host.stats.cx_active.inc()

    # ---- connecting ----

    def connect(self) -> None:
        """Start connecting; ends in `on_connected` or `on_connect_failed`, never inside this call."""
        self._timer = self.services.timers.call_later(self.cluster.plan.connect_timeout_s, self._timed_out)
        self._task = self.services.spawn(self._connect(), "upstream connect")

    async def _connect(self) -> None:
        loop = self.services.loop
        address = self.host.address
        sockets = self.cluster.plan.transport_sockets
        protocol = self if sockets is None else self._protocol(sockets)
        try:
            if address.is_pipe:
                await loop.create_unix_connection(lambda: protocol, unix_path(address.path))  # type: ignore[arg-type]  # bytes name an abstract socket
            else:
                bind_ip = self.cluster.plan.bind_ip
                options: dict[str, Any] = {"local_addr": (bind_ip, 0)} if bind_ip else {}
                await loop.create_connection(lambda: protocol, address.ip, address.port, **options)
        except OSError as error:
            self._failed(Reset.REMOTE_CONNECTION_FAILURE, f"delayed_connect_error:_{_os_text(error)}")

    def _protocol(self, sockets: TransportSockets) -> asyncio.Protocol:
        """What the raw transport speaks to: this connection, or TLS, which is its transport when the handshake is
        complete."""
        socket = sockets.of(self.host).socket
        if socket is None:
            return self
        self._securing = socket.secure(self)
        return self._securing

    def transport_failed(self, text: str) -> None:
        """TLS broke; that is a failed connection if it was not there yet, and else the end of it."""
        self._failed(Reset.REMOTE_CONNECTION_FAILURE, text)

    def _give_up(self) -> None:
        """Stop connecting."""
        if self._securing is not None:
            self._securing.give_up()
        if self._task is not None:
            self._task.cancel()

    def _timed_out(self) -> None:
        self._timer = None
        self.cluster.stats.upstream_cx_connect_timeout.inc()
        self.closed_locally = True
        self._failed(Reset.CONNECTION_TIMEOUT, "")
        self._give_up()

    def _failed(self, reason: str, detail: str) -> None:
        if self.closed or self.connected:
            return
        self.cluster.stats.upstream_cx_connect_fail.inc()
        self.host.stats.cx_connect_fail.inc()
        self._account_closed()
        self.on_connect_failed(reason, detail)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected, unless it was given up meanwhile."""
        self.transport = cast("asyncio.Transport", transport)
        if self.closed:
            self.transport.abort()
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.connected = True
        self._task = None
        set_watermarks(self.transport, self.cluster.plan.per_connection_buffer_limit_bytes)
        if not self.host.address.is_pipe:
            self.local = from_sockname(transport.get_extra_info("sockname"))
        stats = self.cluster.stats
        stats.upstream_cx_rx_bytes_buffered.add(0)  # used, though what is read never waits here
        stats.upstream_cx_connect_ms.record(int((self.services.clock() - self._started_s) * 1000))
        self.on_connected()

    def take_over(self, made: UpstreamConnection) -> None:
        """Go on with a connection that another object has made, which is done with it."""
        self.transport, self.local, self.tls = made.transport, made.local, made.tls
        self.connected = made.closed = True
        self.transport.set_protocol(self)
        self.on_connected()

    # ---- asyncio.Protocol ----

    def eof_received(self) -> bool | None:
        """The upstream half-closed: for HTTP that is the end (the transport closes itself)."""
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        if not self.closed:
            self._account_closed()
        self.on_closed(exc)

    def write(self, data: bytes) -> None:
        """Send bytes to the upstream."""
        if data and not self.closed:
            self._cells[self._tx_index] += len(data)
            self.transport.write(data)

    def close(self) -> None:
        """Close from here; what is unwritten is dropped.  No callback follows."""
        if self.closed:
            return
        self.closed_locally = True
        self._account_closed()
        if self.connected:
            self.transport.abort()
        else:
            self._give_up()

    def _account_closed(self) -> None:
        """Statistics of the end; once."""
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        stats = self.cluster.stats
        self._resources.connections.dec()
        stats.upstream_cx_active.dec()
        self.host.stats.cx_active.dec()
        stats.upstream_cx_destroy.inc()
        (stats.upstream_cx_destroy_local if self.closed_locally else stats.upstream_cx_destroy_remote).inc()
        if self.busy:
            stats.upstream_cx_destroy_with_active_rq.inc()
            if self.closed_locally:
                stats.upstream_cx_destroy_local_with_active_rq.inc()
            else:
                stats.upstream_cx_destroy_remote_with_active_rq.inc()
        stats.upstream_cx_length_ms.record(int((self.services.clock() - self._started_s) * 1000))

    # ---- the subclass's ----

    @property
    def busy(self) -> bool:
        """True while a request or session is on the connection."""
        return False

    def on_connected(self) -> None:
        """The connection is there."""

    def on_connect_failed(self, reason: str, detail: str) -> None:
        """It was refused or took too long; `reason` is one of `details.Reset`."""

    def on_closed(self, exc: Exception | None) -> None:
        """It has ended, by either side."""


def unix_path(path: str) -> str | bytes:
    """Abstract sockets are written `@name` in the configuration and start with NUL in the kernel."""
    return b"\0" + path[1:].encode() if path.startswith("@") else path


def _os_text(error: OSError) -> str:
    """The system's text of an error, blanks as underscores (how details spell it)."""
    import os

    code = error.errno
    text = os.strerror(code) if code else str(error)
    return text.replace(" ", "_")
