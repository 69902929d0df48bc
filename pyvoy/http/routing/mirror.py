"""Request mirroring: a copy of a request goes to another cluster, and nobody waits for its answer.

A policy is compiled at load; the router begins its copies when the request's head is final and hands them the body as
it comes.  What the other cluster sees is what Envoy's async client sends: the same head with `-shadow` at the host's
name, `x-envoy-internal` and this host's address in `x-forwarded-for`.
Source of behaviour: Envoy, ShadowWriterImpl and Router::Filter (bytes and counters observed on 1.40).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyvoy.extensions.http_call import CallOptions, CallResult, HttpCall
from pyvoy.http.headers import HeaderMap
from pyvoy.http.routing.hosts import port_start
from pyvoy.upstream.pool.h1 import Http1Connection

if TYPE_CHECKING:
    from pyvoy.server.services import Services
    from pyvoy.stats.counters import Counter
    from pyvoy.upstream.cluster import Cluster

_AUTHORITY = b":authority"
_EXPECTED = b"x-envoy-expected-rq-timeout-ms"


@dataclass(slots=True, frozen=True)
class MirrorPolicy:
    """One RequestMirrorPolicy.  `chosen()` throws the dice; `local_ip` and `rq_total` are the async client's."""

    cluster: str | None
    cluster_header: bytes | None
    chosen: Callable[[], bool]
    host: bytes | None
    suffix: bool
    local_ip: bytes
    rq_total: Counter

    def begin(self, services: Services, headers: HeaderMap, timeout_s: float | None, end: bool) -> Shadow | None:
        """Begin the copy of a request whose head is final; None when there is none this time."""
        name = self.cluster
        if name is None and self.cluster_header is not None:
            name = headers.map.get(self.cluster_header, b"").decode("latin-1")
        cluster = services.clusters.get(name) if name else None
        if cluster is None or not self.chosen():
            return None
        self.rq_total.inc()
        shadow = Shadow(services, cluster, self._head(headers, timeout_s), timeout_s, end)
        shadow.start()
        return shadow

    def _head(self, headers: HeaderMap, timeout_s: float | None) -> HeaderMap:
        head = headers.copy()
        if self.host is not None:
            head.set(_AUTHORITY, self.host)
        elif self.suffix:
            head.set(_AUTHORITY, shadow_host(head.map.get(_AUTHORITY, b"")))
        head.set(b"x-envoy-internal", b"true")
        head.append_value(b"x-forwarded-for", self.local_ip)
        if timeout_s:
            head.set(_EXPECTED, b"%d" % int(timeout_s * 1000))
        return head


class Shadow(HttpCall):
    """A copy under way.  Its request is streamed; of its response only the statistics remain.

    What cannot be sent yet is kept up to the connection's buffer limit; a cluster that is slower than that loses the
    copy, so that it never slows the request itself down."""

    __slots__ = ("_full", "_kept_bytes", "_request_done", "_waiting_body")

    def __init__(
        self, services: Services, cluster: Cluster, headers: HeaderMap, timeout_s: float | None, end: bool
    ) -> None:
        super().__init__(services, cluster, headers, b"", None, CallOptions(timeout_s), _ignore)
        self._request_done = end
        self._waiting_body: list[bytes] = []
        self._kept_bytes = 0
        self._full = False

    def send_data(self, data: bytes, end: bool) -> None:
        """A piece of the request's body."""
        self._request_done = end
        if self.done:
            return
        connection = self._connection
        if connection is None or self._full:
            self._kept_bytes += len(data)
            if self._kept_bytes > self._cluster.plan.per_connection_buffer_limit_bytes:
                self._cluster.stats.retry_or_shadow_abandoned.inc()
                self.cancel()
                return
        if connection is not None:
            connection.codec.send_data(connection.codec.stream_id, data, end)
        else:
            self._waiting_body.append(data)

    def send_trailers(self, trailers: HeaderMap) -> None:
        """The request's trailers: its end."""
        self._trailers = trailers.copy()
        self._request_done = True
        connection = self._connection
        if not self.done and connection is not None:
            connection.codec.send_trailers(connection.codec.stream_id, self._trailers)

    def abandon(self) -> None:
        """The request broke off before it was whole: so does its copy."""
        if not self._request_done:
            self.cancel()

    # ---- PoolRequest ----

    def on_pool_ready(self, connection: Http1Connection) -> None:
        """The connection is there: send what has come so far."""
        self._waiting = False
        self._connection = connection
        codec = connection.codec
        stream_id = codec.stream_id
        body, self._waiting_body = b"".join(self._waiting_body), []
        self._kept_bytes = 0
        whole, trailers = self._request_done, self._trailers
        codec.send_headers(stream_id, self._headers, whole and not body and trailers is None)
        if body:
            codec.send_data(stream_id, body, whole and trailers is None)
        if trailers is not None:
            codec.send_trailers(stream_id, trailers)

    def on_high_watermark(self) -> None:
        """The other cluster reads too slowly."""
        self._full = True

    def on_low_watermark(self) -> None:
        """It has caught up."""
        self._full = False
        self._kept_bytes = 0

    def on_data(self, data: bytes, end: bool) -> None:
        """Nobody reads the answer."""
        super().on_data(b"", end)


def shadow_host(authority: bytes) -> bytes:
    """The authority with `-shadow` behind the name, before the port."""
    port = port_start(authority)
    return authority + b"-shadow" if port is None else authority[:port] + b"-shadow" + authority[port:]


def _ignore(result: CallResult) -> None:
    """What came of a copy changes nothing."""
