"""Runs the network filters of one connection: data first to last, writes last to first.

A chain of one filter (the connection manager, tcp_proxy) is the ordinary case and gets its data by one direct call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyvoy.network.network_filter import NetworkFilter, NetworkVerdict

if TYPE_CHECKING:
    from pyvoy.network.connection import DownstreamConnection
    from pyvoy.network.listener import FilterChain

STOP = NetworkVerdict.STOP


class FilterRunner:
    """The filters of one connection and where each direction is held.

    `receive` is what the connection hands plain bytes to.
    """

    __slots__ = ("_connection", "_held", "_holder", "_opened", "filters", "has_write_filters", "receive")

    def __init__(self, connection: DownstreamConnection, chain: FilterChain) -> None:
        self._connection = connection
        self.filters: list[Any] = [make(plan) for make, plan in chain.filters]
        self.has_write_filters = any(hasattr(filter_, "on_write") for filter_ in self.filters)
        self._opened = 0
        self._holder: int | None = None
        self._held: list[tuple[bytes, bool]] = []
        self.receive: Callable[[bytes], None] = self._receive_all

    def start(self) -> None:
        """Tell the filters of the new connection; one that stops holds those behind it."""
        self._open_from(0)
        if len(self.filters) == 1 and self._holder is None and hasattr(self.filters[0], "receiver"):
            self.receive = self._connection._receive = self.filters[0].receiver(self._connection)

    def _open_from(self, index: int) -> None:
        connection = self._connection
        for at in range(index, len(self.filters)):
            filter_ = self.filters[at]
            self._opened = at + 1
            if not connection.is_open:
                return
            if hasattr(filter_, "on_new_connection") and filter_.on_new_connection(connection) is STOP:
                self._holder = at
                return

    def _receive_all(self, data: bytes) -> None:
        self._connection.info.bytes_received += len(data)
        self._deliver(0, data, False)

    def on_end(self) -> None:
        """The client half-closed."""
        filters = self.filters
        if filters[-1].handles_half_close:
            self._deliver(0, b"", True)
        else:
            self._connection.close()

    def _deliver(self, start: int, data: bytes, end: bool) -> None:
        connection = self._connection
        for at in range(start, len(self.filters)):
            if not connection.is_open or connection.runner is not self:
                return
            if self._holder is not None and at > self._holder:
                self._held.append((data, end))
                return
            filter_ = self.filters[at]
            if hasattr(filter_, "on_data") and filter_.on_data(connection, data, end) is STOP:
                if self._holder is None or at < self._holder:
                    self._holder = at
                self._held.append((data, end))
                return

    def resume(self, filter_: NetworkFilter) -> None:
        """Go on behind the filter that holds the connection."""
        at = self.filters.index(filter_)
        if self._holder is None or self._holder > at:
            return
        self._holder = None
        if self._opened <= at + 1:
            self._open_from(at + 1)
        held, self._held = self._held, []
        for data, end in held:
            self._deliver(at + 1, data, end)

    def write(self, data: bytes, *, end: bool) -> None:
        """Bytes to the client through the write filters, last to first."""
        connection = self._connection
        for filter_ in reversed(self.filters):
            if hasattr(filter_, "on_write") and filter_.on_write(connection, data, end) is STOP:
                return
        connection.info.bytes_sent += len(data)
        connection.writer(data)

    def on_watermark(self, high: bool) -> None:
        """The transport's buffer crossed a mark."""
        name = "on_high_watermark" if high else "on_low_watermark"
        for filter_ in self.filters:
            if hasattr(filter_, name):
                getattr(filter_, name)(self._connection)

    def destroy(self) -> None:
        """The connection is gone."""
        for filter_ in self.filters[: self._opened]:
            if hasattr(filter_, "on_close"):
                filter_.on_close(self._connection)
        self.filters = []
