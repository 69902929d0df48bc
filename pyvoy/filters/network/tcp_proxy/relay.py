"""Moves the bytes of one connected session, both ways: note how many, write to the other transport.

Each direction is one Python call per read; transports call these methods directly.  Counters and the time of the last
activity are brought up to date by the meter a moment later, and at the session's end, because four counters at every
read cost a tenth of the whole relay.  When to start, pause and stop is the filter's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyvoy.filters.network.tcp_proxy.plan import TcpStats
    from pyvoy.server.services import Services
    from pyvoy.upstream.cluster_stats import ClusterStats

METER_S = 0.05
"""Live sessions are behind in statistics by at most this, and idle time-outs late by it."""


class Meter:
    """The relays of one filter configuration that moved bytes and have not counted them."""

    __slots__ = ("_clock", "_loop", "_moved")

    def __init__(self) -> None:
        self._moved: list[Relay] = []

    def serve(self, services: Services) -> None:
        """The worker's clock and loop."""
        self._loop = services.loop
        self._clock = services.clock

    def mark(self, relay: Relay) -> None:
        """Count this relay's bytes soon."""
        moved = self._moved
        moved.append(relay)
        if len(moved) == 1:
            self._loop.call_later(METER_S, self._count)

    def _count(self) -> None:
        moved, self._moved = self._moved, []
        now_s = self._clock()
        for relay in moved:
            relay.count(now_s)


class Relay:
    """The two directions.  `active_s` is when bytes moved last; `received` and `sent` are seen from the client."""

    __slots__ = (
        "_cells",
        "_client_rx",
        "_client_tx",
        "_counted_received",
        "_counted_sent",
        "_meter",
        "_to_client",
        "_upstream_rx",
        "_upstream_tx",
        "active_s",
        "counted",
        "received",
        "sent",
        "to_upstream",
    )

    to_upstream: Callable[[bytes], None]
    """The upstream transport's write; set when it is connected."""

    def __init__(
        self, stats: TcpStats, cluster_stats: ClusterStats, to_client: Callable[[bytes], None], meter: Meter
    ) -> None:
        self._meter = meter
        self._to_client = to_client
        self._cells = stats.downstream_cx_rx_bytes_total.cells
        self._client_rx = stats.downstream_cx_rx_bytes_total.index
        self._client_tx = stats.downstream_cx_tx_bytes_total.index
        self._upstream_rx = cluster_stats.upstream_cx_rx_bytes_total.index
        self._upstream_tx = cluster_stats.upstream_cx_tx_bytes_total.index
        self._counted_received = 0
        self._counted_sent = 0
        self.active_s = 0.0
        self.counted = True
        self.received = 0
        self.sent = 0

    def from_client(self, data: bytes) -> None:
        """Bytes from the client."""
        self.received += len(data)
        if self.counted:
            self._moved()
        self.to_upstream(data)

    def from_upstream(self, data: bytes) -> None:
        """Bytes from the upstream."""
        self.sent += len(data)
        if self.counted:
            self._moved()
        self._to_client(data)

    def early(self, data: bytes) -> None:
        """Bytes of the client that were counted when they came, before the upstream was there."""
        size = len(data)
        self._cells[self._upstream_tx] += size
        self.received += size
        self._counted_received += size
        self.to_upstream(data)

    def _moved(self) -> None:
        self.counted = False
        self._meter.mark(self)

    def count(self, now_s: float) -> None:
        """Bring counters and `active_s` up to date."""
        if self.counted:
            return
        self.counted = True
        self.active_s = now_s
        received, sent = self.received - self._counted_received, self.sent - self._counted_sent
        self._counted_received += received
        self._counted_sent += sent
        cells = self._cells
        cells[self._client_rx] += received
        cells[self._upstream_tx] += received
        cells[self._upstream_rx] += sent
        cells[self._client_tx] += sent
