"""Runs the network filters of one connection: data first to last, writes last to first.

A last filter that has a `receiver` (the connection manager, tcp_proxy) gets its bytes by one direct call when no filter
before it looks at bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyvoy.network.network_filter import NetworkFilter, NetworkVerdict

if TYPE_CHECKING:
    from pyvoy.network.connection import DownstreamConnection
    from pyvoy.network.listener import FilterChain

STOP = NetworkVerdict.STOP
TAKEN = NetworkVerdict.TAKEN


def discard(data: bytes) -> None:
    """Bytes that nobody wants any more."""


class FilterRunner:
    """The filters of one connection and where each direction is held.

    `receive` is what the connection hands plain bytes to.
    """

    __slots__ = (
        "_after_writes",
        "_connection",
        "_held",
        "_held_bytes",
        "_high_marks",
        "_holder",
        "_opened",
        "_paused",
        "_write_holds",
        "filters",
        "has_write_filters",
        "receive",
    )

    def __init__(self, connection: DownstreamConnection, chain: FilterChain) -> None:
        self._connection = connection
        makers = chain.filters
        if len(makers) == 1:
            make, plan = makers[0]
            filter_ = make(plan)
            self.filters: list[Any] = [filter_]
            self.has_write_filters = hasattr(filter_, "on_write")
        else:
            self.filters = [make(plan) for make, plan in makers]
            self.has_write_filters = any(hasattr(filter_, "on_write") for filter_ in self.filters)
        self._opened = 0
        self._holder: int | None = None
        self._held: list[tuple[bytes, bool]] = []
        self._held_bytes = 0
        self._paused = False
        self._high_marks = 0
        self._write_holds = 0
        self._after_writes: list[Callable[[], None]] = []
        self.receive: Callable[[bytes], None] = self._receive_all

    def start(self) -> None:
        """Tell the filters of the new connection; one that stops holds those behind it."""
        filters = self.filters
        connection = self._connection
        if len(filters) > 1 or not hasattr(filters[0], "receiver") or not hasattr(filters[0], "on_new_connection"):
            self._open_from(0)
            receive = self._direct()
            if receive is not None:
                self.receive = receive
            return
        filter_ = filters[0]
        self._opened = 1
        if filter_.on_new_connection(connection) is STOP:
            self._holder = 0
        elif connection.is_open:
            self.receive = filter_.receiver(connection)

    def _direct(self) -> Callable[[bytes], None] | None:
        """The last filter's own receiver, when no other filter has to see the bytes."""
        filters = self.filters
        if self._holder is not None or not filters or not self._connection.is_open:
            return None
        last = filters[-1]
        if not hasattr(last, "receiver"):
            return None
        if len(filters) > 1 and any(hasattr(filter_, "on_data") for filter_ in filters[:-1]):
            return None
        receive: Callable[[bytes], None] = last.receiver(self._connection)
        return receive

    def _open_from(self, index: int) -> None:
        connection = self._connection
        for at in range(index, len(self.filters)):
            filter_ = self.filters[at]
            if not connection.is_open:
                return
            self._opened = at + 1
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
                self._hold(data, end)
                return
            filter_ = self.filters[at]
            if not hasattr(filter_, "on_data"):
                continue
            verdict = filter_.on_data(connection, data, end)
            if verdict is STOP:
                if self._holder is None or at < self._holder:
                    self._holder = at
                self._hold(data, end)
                return
            if verdict is TAKEN:
                return
            if type(verdict) is bytes:
                data = verdict
                if not data and not end:
                    return

    def inject(self, filter_: NetworkFilter, data: bytes, *, end: bool) -> None:
        """Bytes of a filter for those behind it."""
        if filter_ in self.filters:
            self._deliver(self.filters.index(filter_) + 1, data, end)

    def _hold(self, data: bytes, end: bool) -> None:
        """Keep what a filter stopped; at the buffer limit reading stops too."""
        connection = self._connection
        if not connection.is_open:
            return
        self._held.append((data, end))
        self._held_bytes += len(data)
        if not self._paused and self._held_bytes >= connection.buffer_limit_bytes:
            self._paused = True
            connection.read_disable(True)

    def resume(self, filter_: NetworkFilter) -> None:
        """Go on behind the filter that holds the connection."""
        at = self.filters.index(filter_)
        if self._holder is None or self._holder > at:
            return
        self._holder = None
        if self._opened <= at + 1:
            self._open_from(at + 1)
        held, self._held, self._held_bytes = self._held, [], 0
        for data, end in held:
            self._deliver(at + 1, data, end)
        if self._paused and self._held_bytes < self._connection.buffer_limit_bytes:
            self._paused = False
            self._connection.read_disable(False)
        receive = self._direct()
        if receive is not None:
            self.receive = receive
            self._connection.receive_directly(receive)

    def write(self, data: bytes, *, end: bool) -> bool:
        """Bytes to the client through the write filters, last to first; whether none of them has stopped it."""
        return self._write(len(self.filters), data, end)

    def _write(self, before: int, data: bytes, end: bool) -> bool:
        """Through the write filters before that place."""
        connection = self._connection
        for filter_ in reversed(self.filters[:before]):
            if not hasattr(filter_, "on_write"):
                continue
            verdict = filter_.on_write(connection, data, end)
            if verdict is STOP or verdict is TAKEN:
                return verdict is TAKEN
            if type(verdict) is bytes:
                data = verdict
                if not data and not end:
                    return True
        if data:
            connection.info.bytes_sent += len(data)
            connection.writer(data)
        return True

    def inject_write(self, filter_: NetworkFilter, data: bytes, *, end: bool = False) -> None:
        """Bytes of a filter for the client, and perhaps our half-close, through the write filters before it."""
        if filter_ in self.filters and (data or end):
            self._write(self.filters.index(filter_), data, end)

    def hold_writes(self, hold: bool) -> None:
        """A filter has bytes for the client that it has taken and not handed on yet, or has no more."""
        self._write_holds += 1 if hold else -1
        if not self._write_holds:
            waiting, self._after_writes = self._after_writes, []
            for callback in waiting:
                callback()

    def when_written(self, callback: Callable[[], None]) -> bool:
        """Call when no filter has bytes for the client any more; whether that is now."""
        if self._write_holds:
            self._after_writes.append(callback)
            return False
        callback()
        return True

    def on_watermark(self, high: bool) -> None:
        """The transport's buffer, or what a filter keeps of the bytes to the client, crossed a mark."""
        before = self._high_marks
        self._high_marks += 1 if high else -1
        if before and self._high_marks:
            return
        name = "on_high_watermark" if high else "on_low_watermark"
        for filter_ in self.filters:
            if hasattr(filter_, name):
                getattr(filter_, name)(self._connection)

    def destroy(self) -> None:
        """The connection is gone."""
        self._after_writes.clear()
        for filter_ in self.filters[: self._opened]:
            if hasattr(filter_, "on_close"):
                filter_.on_close(self._connection)

    def log(self) -> None:
        """Let the filters log, behind the listener's access log as in Envoy, and let go of them."""
        filters, self.filters = self.filters, []
        self.receive = discard
        for filter_ in filters:
            if hasattr(filter_, "on_log"):
                filter_.on_log(self._connection)
