"""Moves the bytes of one connected session, both ways: count, note the time, write to the other transport.

Each direction is one Python call per read; transports call these methods directly.  When to start, pause and stop is
the filter's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyvoy.filters.network.tcp_proxy.plan import TcpStats
    from pyvoy.upstream.cluster_stats import ClusterStats


class Relay:
    """The two directions.  `active_s` is when bytes moved last; `received` and `sent` are seen from the client."""

    __slots__ = (
        "_cells",
        "_client_rx",
        "_client_tx",
        "_clock",
        "_to_client",
        "_upstream_rx",
        "_upstream_tx",
        "active_s",
        "received",
        "sent",
        "to_upstream",
    )

    to_upstream: Callable[[bytes], None]
    """The upstream transport's write; set when it is connected."""

    def __init__(
        self,
        stats: TcpStats,
        cluster_stats: ClusterStats,
        to_client: Callable[[bytes], None],
        clock: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._to_client = to_client
        self._cells = stats.downstream_cx_rx_bytes_total.cells
        self._client_rx = stats.downstream_cx_rx_bytes_total.index
        self._client_tx = stats.downstream_cx_tx_bytes_total.index
        self._upstream_rx = cluster_stats.upstream_cx_rx_bytes_total.index
        self._upstream_tx = cluster_stats.upstream_cx_tx_bytes_total.index
        self.active_s = 0.0
        self.received = 0
        self.sent = 0

    def from_client(self, data: bytes) -> None:
        """Bytes from the client."""
        size = len(data)
        cells = self._cells
        cells[self._client_rx] += size
        cells[self._upstream_tx] += size
        self.received += size
        self.active_s = self._clock()
        self.to_upstream(data)

    def from_upstream(self, data: bytes) -> None:
        """Bytes from the upstream."""
        size = len(data)
        cells = self._cells
        cells[self._upstream_rx] += size
        cells[self._client_tx] += size
        self.sent += size
        self.active_s = self._clock()
        self._to_client(data)

    def early(self, data: bytes) -> None:
        """Bytes of the client that were counted when they came, before the upstream was there."""
        self._cells[self._upstream_tx] += len(data)
        self.received += len(data)
        self.to_upstream(data)
