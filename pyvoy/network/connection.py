"""A downstream connection: from accept through listener filters and the chain match to the network filters.

One asyncio Protocol per connection.  It moves through phases by exchanging the one callable that incoming bytes go to
(`_receive`): the listener filters' look at the first bytes, the transport socket, the network filter chain; a phase
that the configuration does not need is skipped and costs nothing.  Watermarks are the transport's.
Source: Envoy's ActiveTcpSocket (listener filters), ConnectionImpl and FilterManagerImpl (network filters).
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from pyvoy.network.address import from_sockname
from pyvoy.network.filter_runner import FilterRunner
from pyvoy.network.listener_filter import ListenerFilter, ListenerVerdict
from pyvoy.network.network_filter import CloseType, NetworkFilter
from pyvoy.network.timers import Timer
from pyvoy.observe.stream_info import ConnectionInfo

if TYPE_CHECKING:
    from pyvoy.network.listener import FilterChain, Listener
    from pyvoy.network.transport_socket import TransportSocket

_RST = struct.pack("ii", 1, 0)


class DownstreamConnection(asyncio.Protocol):
    """Implements `Accepted` for listener filters and `Connection` for network filters.

    Owns its transport; its listener owns it.
    """

    __slots__ = (
        "_closing",
        "_delay_timer",
        "_eof",
        "_filter_index",
        "_filter_timer",
        "_listener",
        "_listener_filters",
        "_read_disabled",
        "_receive",
        "_write",
        "buffer",
        "chain",
        "info",
        "runner",
        "services",
        "transport",
        "transport_socket",
    )

    transport: asyncio.Transport

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.services = listener.services
        self.info = ConnectionInfo()
        self.chain: FilterChain | None = None
        self.runner: FilterRunner | None = None
        self.transport_socket: TransportSocket | None = None
        self.buffer = bytearray()
        self._listener_filters: list[ListenerFilter] = []
        self._filter_index = 0
        self._filter_timer: Timer | None = None
        self._delay_timer: Timer | None = None
        self._read_disabled = 0
        self._closing = False
        self._eof = False

    # ---- asyncio.Protocol ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accepted: note the facts, then look or go straight on to the chain."""
        self.transport = cast("asyncio.Transport", transport)
        services = self.services
        info = self.info
        info.connection_id = services.connection_ids()
        info.start_s = services.clock()
        info.start_wall_s = services.wall()
        info.direct_remote = info.remote = from_sockname(transport.get_extra_info("peername"))
        local = self._listener.fixed_local
        if local is None:
            local = from_sockname(transport.get_extra_info("sockname"))
        info.direct_local = info.local = local
        info.listener_name = self._listener.plan.name
        if not self._listener.admit(self):
            self._closing = True
            self._receive: Callable[[bytes], None] = self._discard
            self.transport.abort()
            return
        filters = self._listener.plan.listener_filters
        if filters:
            self._start_inspection([make(plan) for make, plan in filters])
        else:
            self._choose_chain()

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        self._receive(data)

    def eof_received(self) -> bool:
        """The client half-closed; True keeps our side open."""
        self._eof = True
        if self._closing:
            self._finish_close()
        elif self.runner is None:
            self._inspect(b"")
        elif self.transport_socket is not None:
            self.transport_socket.receive_eof()
        else:
            self.runner.on_end()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, by either side."""
        self._closing = True
        self._cancel_timers()
        self._receive = self._discard
        runner = self.runner
        if runner is not None:
            self.runner = None
            runner.destroy()
        elif self._filter_index < len(self._listener_filters):
            self._listener_filter_gone()
        if self.transport_socket is not None:
            self.transport_socket.closed()
        self._listener.forget(self)

    def pause_writing(self) -> None:
        """The client reads too slowly."""
        if self.runner is not None:
            self.runner.on_watermark(True)

    def resume_writing(self) -> None:
        """The client has caught up."""
        if self.runner is not None:
            self.runner.on_watermark(False)

    # ---- listener filters ----

    def _start_inspection(self, filters: list[ListenerFilter]) -> None:
        self._listener_filters = filters
        self._receive = self._inspect
        timeout_s = self._listener.plan.listener_filters_timeout_s
        if timeout_s:
            self._filter_timer = self.services.timers.call_later(timeout_s, self._inspection_timeout)
        self._listener.stats.downstream_pre_cx_active.inc()
        self._run_listener_filters(started=False)

    def _inspect(self, data: bytes) -> None:
        self.buffer += data
        self._run_listener_filters(started=True)

    def _run_listener_filters(self, *, started: bool) -> None:
        """Go on from the filter that waits; a filter just reached gets on_accept first."""
        filters = self._listener_filters
        while self._filter_index < len(filters):
            filter_: Any = filters[self._filter_index]
            verdict = ListenerVerdict.MORE if started else filter_.on_accept(self)
            if verdict is ListenerVerdict.MORE and (self.buffer or self._eof):
                verdict = filter_.on_data(self, self._eof)
            if verdict is ListenerVerdict.MORE:
                if self._eof:
                    self._inspection_failed("downstream_listener_filter_remote_close")
                return
            if verdict is ListenerVerdict.CLOSE:
                self._inspection_failed("downstream_listener_filter_error")
                return
            self._filter_index += 1
            started = False
        self._inspection_done()

    def _inspection_done(self) -> None:
        if self._filter_timer is not None:
            self._filter_timer.cancel()
            self._filter_timer = None
        self._listener.stats.downstream_pre_cx_active.dec()
        self._filter_index = len(self._listener_filters)
        self._choose_chain()
        if self.buffer and self.runner is not None:
            data = bytes(self.buffer)
            self.buffer.clear()
            self._receive(data)
        if self._eof and self.runner is not None:
            self.runner.on_end()

    def _inspection_timeout(self) -> None:
        self._filter_timer = None
        self._listener.stats.downstream_pre_cx_timeout.inc()
        if self._listener.plan.continue_on_listener_filters_timeout:
            self._inspection_done()
        else:
            self._inspection_failed("")

    def _inspection_failed(self, counter: str) -> None:
        if counter:
            getattr(self._listener.stats, counter).inc()
        self._receive = self._discard
        self._listener_filter_gone()
        self._closing = True
        self.transport.close()

    def _listener_filter_gone(self) -> None:
        """The connection ended while a listener filter was waiting."""
        waiting: Any = self._listener_filters[self._filter_index]
        self._filter_index = len(self._listener_filters)
        self._listener.stats.downstream_pre_cx_active.dec()
        if hasattr(waiting, "on_close"):
            waiting.on_close(self)

    def drain(self, count: int) -> None:
        """Drop a prefix of the buffer (PROXY protocol's own bytes)."""
        del self.buffer[:count]

    def socket(self) -> socket.socket:
        """The accepted socket."""
        return cast("socket.socket", self.transport.get_extra_info("socket"))

    # ---- network filters ----

    def _choose_chain(self) -> None:
        """Match the filter chain and build its filters (Envoy: newConnection)."""
        listener = self._listener
        if not self.info.transport_protocol:
            self.info.transport_protocol = "raw_buffer"
        chain = listener.match(self.info)
        if chain is None or not chain.filters:
            listener.no_chain(self, matched=chain is not None)
            self._closing = True
            self._receive = self._discard
            self.transport.close()
            return
        self.chain = chain
        self.info.filter_chain_name = chain.name
        limit = listener.plan.per_connection_buffer_limit_bytes
        self.transport.set_write_buffer_limits(high=limit, low=limit // 2)
        listener.admitted(self)
        runner = self.runner = FilterRunner(self, chain)
        if chain.transport_socket is None:
            self._write = self.transport.write
            self._receive = runner.receive
        else:
            self.transport_socket = chain.transport_socket(self)
            self._write = self.transport_socket.send
            self._receive = self.transport_socket.receive
        runner.start()

    # ---- Connection (what network filters call) ----

    @property
    def is_open(self) -> bool:
        """False once the connection is closing or closed."""
        return not self._closing

    @property
    def buffer_limit_bytes(self) -> int:
        """The listener's per_connection_buffer_limit_bytes."""
        return self._listener.plan.per_connection_buffer_limit_bytes

    @property
    def writer(self) -> Callable[[bytes], None]:
        """The direct way to the transport socket, for filters that write much."""
        return self._write

    def write(self, data: bytes) -> None:
        """Send bytes to the client, through the write filters if there are any."""
        if self._closing or not data:
            return
        runner = self.runner
        if runner is not None and runner.has_write_filters:
            runner.write(data, end=False)
        else:
            self.info.bytes_sent += len(data)
            self._write(data)

    def write_end(self) -> None:
        """Half-close behind what is written."""
        if self._closing:
            return
        if self.transport_socket is not None:
            self.transport_socket.send_end()
        elif self.transport.can_write_eof():
            self.transport.write_eof()

    def close(self, kind: CloseType = CloseType.FLUSH, details: str = "") -> None:
        """End the connection."""
        if details and not self.info.termination_details:
            self.info.termination_details = details
        if self._closing:
            return
        self._closing = True
        self._receive = self._discard
        if kind is CloseType.FLUSH_AND_DELAY and not self._eof:
            self._close_delayed()
        elif kind is CloseType.ABORT:
            self.socket().setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
            self.transport.abort()
        elif kind is CloseType.NO_FLUSH:
            self.transport.abort()
        else:
            self._finish_close()

    def _close_delayed(self) -> None:
        """Half-close, then wait for the client to close: closing at once could reset away an unread reply."""
        chain = self.chain
        delay_s = chain.delayed_close_timeout_s if chain is not None else 1.0
        if not delay_s:
            self._finish_close()
            return
        if self._read_disabled:
            self._read_disabled = 0
            self.transport.resume_reading()
        if self.transport_socket is not None:
            self.transport_socket.send_end()
        elif self.transport.can_write_eof():
            self.transport.write_eof()
        self._delay_timer = self.services.timers.call_later(delay_s, self._delay_over)

    def _delay_over(self) -> None:
        self._delay_timer = None
        if self.chain is not None and self.chain.on_delayed_close_timeout is not None:
            self.chain.on_delayed_close_timeout()
        self.transport.abort()

    def _finish_close(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()

    def read_disable(self, disable: bool) -> None:
        """Stop or resume reading; calls nest."""
        if self._closing:
            return
        if disable:
            self._read_disabled += 1
            if self._read_disabled == 1:
                self.transport.pause_reading()
        else:
            self._read_disabled -= 1
            if self._read_disabled == 0:
                self.transport.resume_reading()

    def continue_reading(self, filter_: NetworkFilter) -> None:
        """Resume behind a filter that answered STOP."""
        if self.runner is not None:
            self.runner.resume(filter_)

    def _discard(self, data: bytes) -> None:
        """Bytes that come after the connection was closed from here."""

    def _cancel_timers(self) -> None:
        for timer in (self._filter_timer, self._delay_timer):
            if timer is not None:
                timer.cancel()
        self._filter_timer = self._delay_timer = None
