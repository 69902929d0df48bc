"""The upstream side of a TCP session that goes through an HTTP proxy: a CONNECT or POST in place of a connection.

To its session it is what `pyvoy.upstream.pool.tcp.TcpConnection` is; to the HTTP pool it is a request.  The session is
connected when the answer says so (any 2xx to a CONNECT, 200 to a POST).
Source: Envoy's TcpProxy::HttpUpstream and HttpConnPool (requests, flags, counters and ends observed on 1.40).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.filters.network.tcp_proxy.relay import Relay
from pyvoy.http.headers import HeaderMap
from pyvoy.http.request_id import uuid4
from pyvoy.observe.details import Reset
from pyvoy.upstream.pool.choose import http_pool
from pyvoy.upstream.pool.h1 import Http1Connection, Http1Pool, requested_server_name

if TYPE_CHECKING:
    from pyvoy.http.h1.heads import ResponseHead
    from pyvoy.http.routing.header_rules import HeaderRules
    from pyvoy.network.address import Address
    from pyvoy.network.connection_source import ConnectionSource
    from pyvoy.observe.tls_info import TlsInfo
    from pyvoy.server.services import Services
    from pyvoy.upstream.cluster import Cluster
    from pyvoy.upstream.endpoint import Host
    from pyvoy.upstream.pool.tcp import TcpUser

RESPONSE_HEADERS = "envoy.tcp_proxy.propagate_response_headers"
RESPONSE_TRAILERS = "envoy.tcp_proxy.propagate_response_trailers"
"""Filter state of the connection that keeps what the upstream said."""
METADATA = "envoy.filters.network.tcp_proxy"
_FIRST_FINAL = 200


@dataclass(slots=True, frozen=True)
class TunnelPlan:
    """A TunnelingConfig.  `post_path` None is CONNECT; `request_id_header` b"" sends no id, which is also kept as
    dynamic metadata under `request_id_key`."""

    hostname: Callable[[ConnectionSource], bytes]
    headers: HeaderRules
    post_path: bytes | None = None
    keep_headers: bool = False
    keep_trailers: bool = False
    request_id_header: bytes = b""
    request_id_key: str = ""

    def request(self, source: ConnectionSource, services: Services, *, secure: bool) -> HeaderMap:
        """The head of the request that opens a tunnel."""
        host = self.hostname(source)
        if self.post_path is None:
            headers = HeaderMap([(b":method", b"CONNECT"), (b":authority", host)])
        else:
            scheme = b"https" if secure else b"http"
            pairs = [(b":method", b"POST"), (b":authority", host), (b":path", self.post_path), (b":scheme", scheme)]
            headers = HeaderMap(pairs)
        if self.request_id_header:
            request_id = uuid4(b"%032x" % services.random.getrandbits(128))
            headers.set(self.request_id_header, request_id)
            source.info.dynamic_metadata.setdefault(METADATA, {})[self.request_id_key] = request_id.decode()
        self.headers.apply(source, headers)
        return headers


class TunnelRelay(Relay):
    """A relay whose upstream bytes the HTTP connection counts."""

    __slots__ = ()

    def early(self, data: bytes) -> None:
        """Bytes of the client that were counted when they came."""
        self.received += len(data)
        self._counted_received += len(data)
        self.to_upstream(data)

    def count(self, now_s: float) -> None:
        """Bring the client's counters and `active_s` up to date."""
        if self.counted:
            return
        self.counted = True
        self.active_s = now_s
        received, sent = self.received - self._counted_received, self.sent - self._counted_sent
        self._counted_received += received
        self._counted_sent += sent
        self._cells[self._client_rx] += received
        self._cells[self._client_tx] += sent


class Tunnel:
    """One tunnel: implements the pool's `PoolRequest`, and what a session asks of its upstream."""

    def __init__(
        self,
        services: Services,
        cluster: Cluster,
        host: Host,
        user: TcpUser,
        receive: Callable[[bytes], None],
        plan: TunnelPlan,
        source: ConnectionSource,
    ) -> None:
        self.cluster = cluster
        self.host = host
        self.closed = False
        self.local: Address | None = None
        self.tls: TlsInfo | None = None
        self.connection_id = 0
        self._user: TcpUser | None = user
        self._receive = receive
        self._plan = plan
        self._source = source
        self._connection: Http1Connection | None = None
        self._stream_id = 0
        self._open = False
        self._ended = False
        self._headers = plan.request(source, services, secure=cluster.plan.transport_sockets is not None)
        name = requested_server_name(cluster, self._headers) if cluster.plan.http.auto_sni else ""
        self._pool: Http1Pool = http_pool(services, cluster, host, 0, "HTTP/1.1", name)
        self._starting = True
        self._pool.acquire(self)
        self._starting = False

    # ---- what the session does ----

    @property
    def writer(self) -> Callable[[bytes], None]:
        """Takes the client's bytes."""
        return self._write

    @property
    def unwritten_bytes(self) -> int:
        """What the upstream has not taken yet."""
        connection = self._connection
        transport = getattr(connection, "transport", None)
        return 0 if transport is None else int(transport.get_write_buffer_size())

    def _write(self, data: bytes) -> None:
        if self._connection is not None and not self._ended:
            self._connection.codec.send_data(self._stream_id, data, False)

    def pause_reading(self, pause: bool) -> None:
        """The client reads too slowly, or has caught up."""
        if self._connection is not None and not self.closed:
            self._connection.pause_reading(pause)

    def end(self) -> None:
        """The client has half-closed: HTTP/2 can say so, HTTP/1 ends the tunnel."""
        connection = self._connection
        if connection is None or self._ended or self.closed:
            return
        self._ended = True
        connection.codec.send_data(self._stream_id, b"", True)
        if connection.codec.protocol != "HTTP/2":
            user = self._user
            self.drop()
            if user is not None:
                user.on_upstream_closed(reset=False)

    def cancel(self) -> None:
        """The session left before there was a tunnel."""
        self._user = None
        if self._connection is None and not self.closed:
            self.closed = True
            self._pool.cancel_pending(self)
        else:
            self.drop()

    def close_flushed(self) -> bool:
        """The client is gone; nothing is waited for."""
        self.drop()
        return False

    def drop(self, *, reset: bool = False) -> None:
        """End the request: HTTP/1 closes its connection, HTTP/2 resets the stream."""
        self._user = None
        self.closed = True
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.cancel()

    # ---- PoolRequest ----

    def on_pool_ready(self, connection: Http1Connection) -> None:
        """Send the request."""
        self._connection = connection
        codec = connection.codec
        self._stream_id = codec.stream_id
        if codec.protocol != "HTTP/2":
            connection.ends_itself = True
        codec.send_headers(self._stream_id, self._headers, False)

    def on_pool_failure(self, reason: str, detail: str, _host: Host | None) -> None:
        """No connection; one that may not even be tried is no failure of the host."""
        self.closed = True
        user, self._user = self._user, None
        if user is not None and not (self._starting and reason == Reset.OVERFLOW):
            user.on_upstream_failed(detail)

    def on_informational(self, headers: HeaderMap) -> None:
        """Nothing is decided yet."""

    def on_response(self, head: ResponseHead, body: bytes) -> None:
        """A whole answer at once."""
        self.on_headers(head.headers(), not body)
        if body and not self.closed:
            self.on_data(body, True)

    def on_headers(self, headers: HeaderMap, end: bool) -> None:
        """The answer: there is a tunnel now, or none."""
        if self._plan.keep_headers:
            self._keep(RESPONSE_HEADERS, headers)
        status = int(headers.map[b":status"])
        accepted = status // 100 == _FIRST_FINAL // 100 if self._plan.post_path is None else status == _FIRST_FINAL
        user, connection = self._user, self._connection
        if user is None or connection is None:
            return
        if not accepted or end:
            self.drop()
            user.on_upstream_failed(f"tunnel_response:{status}")
            return
        self._open = True
        self.local = connection.local
        self.tls = connection.tls
        self.connection_id = connection.connection_id
        user.on_upstream_connected(self)

    def on_data(self, data: bytes, end: bool) -> None:
        """Bytes of the upstream."""
        if self.closed or not self._open:
            return
        if data:
            self._receive(data)
        if end:
            self._answer_over()

    def on_trailers(self, trailers: HeaderMap) -> None:
        """The end of the answer."""
        if self._plan.keep_trailers:
            self._keep(RESPONSE_TRAILERS, trailers)
        if not self.closed and self._open:
            self._answer_over()

    def _answer_over(self) -> None:
        if self._user is not None:
            self._user.on_upstream_end()

    def on_reset(self, _reason: str, _detail: str) -> None:
        """The connection failed, or the upstream ended the tunnel."""
        self._connection = None
        self.closed = True
        user, self._user = self._user, None
        if user is None:
            return
        if self._open:
            user.on_upstream_closed(reset=False)
        else:
            user.on_upstream_failed("")

    def on_high_watermark(self) -> None:
        """The upstream reads too slowly."""
        if self._user is not None and self._open:
            self._user.on_upstream_watermark(True)

    def on_low_watermark(self) -> None:
        """The upstream has caught up."""
        if self._user is not None and self._open:
            self._user.on_upstream_watermark(False)

    def _keep(self, key: str, headers: HeaderMap) -> None:
        pairs = [{"key": name.decode("latin-1"), "value": value.decode("latin-1")} for name, value in headers.items()]
        kept: Mapping[str, Any] = {"headers" if key == RESPONSE_HEADERS else "trailers": pairs}
        self._source.connection.filter_state[key] = kept


def open_tunnel(
    services: Services,
    cluster: Cluster,
    host: Host,
    user: TcpUser,
    receive: Callable[[bytes], None],
    plan: TunnelPlan,
    source: ConnectionSource,
) -> Tunnel | None:
    """Ask for a tunnel to a host; None when it may not even be tried."""
    tunnel = Tunnel(services, cluster, host, user, receive, plan, source)
    return None if tunnel.closed else tunnel
