"""Attempts of CONNECT requests: forwarded to an upstream that speaks HTTP, or ended here.

Where it ends here there is a TCP connection in place of an HTTP request: the tunnel's bytes are the stream's body both
ways, and the 200 that opens it is made as soon as the connection is there.
Source of behaviour: Envoy, extensions/upstreams/http/tcp (TcpUpstream) and UpstreamRequest's paused_for_connect;
observed on 1.40.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyvoy.http.headers import HeaderMap
from pyvoy.http.upstream_request import UpstreamRequest
from pyvoy.observe.details import Reset
from pyvoy.upstream.pool.tcp import SessionUpstream, TcpConnection, open_tcp

if TYPE_CHECKING:
    from pyvoy.upstream.pool.h1 import Http1Connection


class ForwardedConnect(UpstreamRequest):
    """An attempt whose body waits for the upstream's 2xx: until then there is no tunnel to put it into."""

    _accepted = False

    def on_pool_ready(self, connection: Http1Connection) -> None:
        """Send the head, and only that."""
        body, done = self._body, self._request_done
        self._body, self._request_done = None, False
        super().on_pool_ready(connection)
        self._body, self._request_done = body, done

    def send_data(self, data: bytes, end: bool) -> None:
        """Bytes of the tunnel."""
        if self._accepted:
            super().send_data(data, end)
        else:
            self._request_done = end
            self._keep(data)

    def on_headers(self, headers: HeaderMap, end: bool) -> None:
        """The upstream's answer: a 2xx opens the tunnel."""
        if not self._accepted and headers.map[b":status"][:1] == b"2" and self.connection is not None:
            self._accepted = True
            body, self._body = self._body, None
            if body or self._request_done:
                super().send_data(b"".join(body or ()), self._request_done)
        super().on_headers(headers, end)


class ConnectRequest(UpstreamRequest):
    """An attempt, and the user of its TCP connection (`TcpUser`)."""

    _upstream: TcpConnection | None = None
    _tunnelling = False

    def start(self) -> None:
        """Connect to the host."""
        self.waiting = True
        upstream = open_tcp(self.pool.services, self.pool.cluster, self.host, self, self._receive)
        if upstream is None:
            self.on_pool_failure(Reset.OVERFLOW, "", None)
        else:
            self._upstream = upstream

    # ---- the tunnel, downstream to upstream ----

    def send_data(self, data: bytes, end: bool) -> None:
        """Bytes from the client: to the host, or kept until there is a connection."""
        upstream = self._upstream
        if not self._tunnelling or upstream is None:
            super().send_data(data, end)
            return
        self._request_done = end
        self._owner.stream.info.last_upstream_tx_s = self._owner.stream.active_s
        upstream.write(data)
        if end:
            upstream.end()

    def send_trailers(self, trailers: HeaderMap) -> None:
        """A tunnel has no trailers: they are its end."""
        self.send_data(b"", True)

    def pause_response(self, pause: bool) -> None:
        """The client reads too slowly, or has caught up."""
        if self._upstream is not None and self._tunnelling:
            self._upstream.pause_reading(pause)

    def cancel(self) -> None:
        """The stream is over: so is the tunnel."""
        if not self.ended:
            self._end()
        upstream, self._upstream = self._upstream, None
        if upstream is None:
            return
        if self.waiting:
            self.waiting = False
            upstream.cancel()
        elif self._request_done:
            upstream.close_flushed()
        else:
            upstream.drop()

    # ---- TcpUser ----

    def on_upstream_connected(self, upstream: SessionUpstream) -> None:
        """The connection is there: say so to the client, and send what has come meanwhile."""
        self.waiting = False
        self.started = self._tunnelling = True
        stream = self._owner.stream
        info = stream.info
        info.upstream_local = upstream.local
        info.upstream_connection_id = upstream.connection_id
        info.first_upstream_tx_s = info.last_upstream_tx_s = stream.services.clock()
        if self.watched:
            self._owner.upstream_ready(self)
        body, self._body = self._body, None
        self._owner.upstream_headers(self, HeaderMap([(b":status", b"200")]), False)
        if self.ended:
            return
        if body and self._upstream is not None:
            self._upstream.write(b"".join(body))
        if self._request_done:
            upstream.end()
        if self._paused:
            self._paused = False
            stream.pause_request(False)

    def on_upstream_failed(self, detail: str) -> None:
        """Refused or too slow."""
        self._upstream = None
        self.on_pool_failure(Reset.REMOTE_CONNECTION_FAILURE if detail else Reset.CONNECTION_TIMEOUT, detail, self.host)

    def _receive(self, data: bytes) -> None:
        upstream = self._upstream
        if upstream is None:
            return
        upstream.cluster.stats.upstream_cx_rx_bytes_total.inc(len(data))
        if not self.ended:
            self._owner.upstream_data(self, data, False)

    def on_upstream_end(self) -> None:
        """The host will send nothing more."""
        if not self.ended:
            self._end()
            self._owner.upstream_data(self, b"", True)

    def on_upstream_closed(self, *, reset: bool) -> None:
        """The connection is gone, under the tunnel or behind its end."""
        self._upstream = None
        self._fail(Reset.CONNECTION_TERMINATION, "")

    def on_upstream_watermark(self, high: bool) -> None:
        """The host reads too slowly, or has caught up."""
        if high:
            self.on_high_watermark()
        else:
            self.on_low_watermark()
