"""A downstream connection: from accept through listener filters and the chain match to the network filters.

One asyncio Protocol per connection.  It moves through phases by exchanging the one callable that the transport hands
incoming bytes to (`data_received`): the listener filters' look at the first bytes, the transport socket, the network
filter chain or its only filter; a phase that the configuration does not need is skipped and costs nothing.
Watermarks are the transport's.
Source: Envoy's ActiveTcpSocket (listener filters), ConnectionImpl and FilterManagerImpl (network filters).
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from pyvoy.network.address import from_sockname
from pyvoy.network.connection_source import ConnectionSource
from pyvoy.network.filter_runner import FilterRunner, discard
from pyvoy.network.listener_filter_runner import ListenerFilterRunner
from pyvoy.network.network_filter import CloseType, NetworkFilter
from pyvoy.network.timers import Timer
from pyvoy.network.watermarks import set_watermarks
from pyvoy.observe.stream_info import ConnectionInfo

if TYPE_CHECKING:
    from pyvoy.network.listener import FilterChain, Listener, ListenerPlan

log = logging.getLogger("pyvoy.connection")

_FLUSH = CloseType.FLUSH
"""Named once: in CPython 3.11 a look-up in an enumeration costs as much as a call."""
_FLUSHES = (CloseType.FLUSH, CloseType.FLUSH_AND_DELAY)
FILTER_FLUSH_LIMIT_S = 60.0
"""How long a filter may keep bytes for the client of a closed connection (ours: Envoy's filters cannot wait)."""
_RST = struct.pack("ii", 1, 0)


class DownstreamConnection(asyncio.Protocol):
    """Implements `Accepted` for listener filters and `Connection` for network filters.

    Owns its transport; its listener owns it.
    """

    __slots__ = (
        "_ahead",
        "_closing",
        "_delay_timer",
        "_end_sent",
        "_eof",
        "_flushing",
        "_full",
        "_hand_on_due",
        "_holding",
        "_inspection",
        "_listener",
        "_read_disabled",
        "_secured",
        "_source",
        "_target",
        "_write",
        "_write_ended",
        "buffer",
        "buffer_limit_bytes",
        "chain",
        "closed_locally",
        "counted",
        "data_received",
        "end_is_stopped",
        "info",
        "plan",
        "reset_by_peer",
        "runner",
        "services",
        "transport",
    )

    transport: asyncio.Transport
    buffer_limit_bytes: int
    """The listener's per_connection_buffer_limit_bytes, once there is a filter chain."""
    data_received: Callable[[bytes], None]  # type: ignore[assignment]  # a slot: transports call what it holds

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.plan: ListenerPlan = listener.plan
        self.services = listener.services
        self.info = ConnectionInfo()
        self.chain: FilterChain | None = None
        self.runner: FilterRunner | None = None
        self.buffer = bytearray()
        """What was looked at, or came while it was held back, and has not reached the network filters."""
        self.closed_locally = False
        self.counted = False
        """The listener's statistics hold it as a connection with a filter chain."""
        self.reset_by_peer = False
        self._target: Callable[[bytes], None] = discard
        self.data_received = discard
        self._inspection: ListenerFilterRunner | None = None
        """While the listener filters look at the first bytes."""
        self._delay_timer: Timer | None = None
        self._read_disabled = 0
        self._holding = False
        self._ahead: Callable[[bytes], None] | None = None
        """Where bytes go that are held back."""
        self._full = False
        self._hand_on_due = False
        self._closing = False
        self._eof = False
        self._write_ended = False
        self._end_sent = False
        self.end_is_stopped = False
        """A write filter has stopped our half-close: it never comes."""
        self._flushing = False
        self._source: ConnectionSource | None = None
        self._secured: Any = None
        """The transport, where it is a transport socket."""

    # ---- asyncio.Protocol ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accepted: note the facts, then look or go straight on to the chain."""
        self.transport = transport  # type: ignore[assignment]  # what servers make is a whole transport
        try:
            self._accepted(transport)
        except Exception:  # the wall of a connection: its transport would stay open for ever
            log.exception("a connection of listener %s failed at its start", self.plan.name)
            self._closing = True
            self.transport.abort()

    def _accepted(self, transport: asyncio.BaseTransport) -> None:
        services = self.services
        info = self.info
        info.connection_id = services.connection_ids()
        info.start_s = services.clock()
        info.start_wall_s = services.wall()
        local = self._listener.fixed_local
        if local is None:
            local = from_sockname(transport.get_extra_info("sockname"))
        info.direct_local = info.local = local
        if local.path:  # the client of a Unix socket has no name; Envoy gives it the listener's
            info.direct_remote = info.remote = local
        else:
            info.transport = transport
        info.listener_name = self.plan.name
        if not self._listener.admit(self):
            self._closing = True
            self.transport.abort()
            return
        if self.plan.listener_filters:
            stats = self._listener.stats
            inspection = ListenerFilterRunner(self, self.plan, stats, self._inspected, self._refuse)
            self._inspection = inspection
            self._receive_with(inspection.receive)
            inspection.start()
        else:
            self._choose_chain()

    def _receive_with(self, target: Callable[[bytes], None]) -> None:
        """From now on bytes go straight to `target`; the transport keeps the callable, so it is told."""
        self._target = target
        if not self._holding:
            self.data_received = target
            self.transport.set_protocol(self)

    def eof_received(self) -> bool:
        """The client half-closed; True keeps our side open."""
        self._eof = True
        if self._closing:
            if not self._flushing:
                self._finish_close()
        elif self._inspection is not None:
            self._inspection.on_end()
        elif self.runner is not None and not self._holding:
            self._deliver_end(self.runner)
        return True

    def _deliver_end(self, runner: FilterRunner) -> None:
        runner.on_end()
        if self._end_sent:
            self._finish_close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, by either side."""
        self._closing = True
        if self._delay_timer is not None:
            self._delay_timer.cancel()
            self._delay_timer = None
        self.data_received = self._target = discard
        if isinstance(exc, ConnectionResetError) and not self.closed_locally:
            self.reset_by_peer = True
        runner = self.runner
        if runner is not None:
            self.runner = None
            runner.destroy()
        elif self._inspection is not None:
            self._inspection.on_lost(by_error=exc is not None)
            self._inspection = None
        self._listener.forget(self)
        if runner is not None:
            runner.log()

    def pause_writing(self) -> None:
        """The client reads too slowly."""
        if self.runner is not None:
            self.runner.on_watermark(True)

    def resume_writing(self) -> None:
        """The client has caught up."""
        if self.runner is not None:
            self.runner.on_watermark(False)

    # ---- listener filters ----

    def _inspected(self) -> None:
        """The listener filters have seen enough."""
        self._inspection = None
        self._choose_chain()

    def _refuse(self) -> None:
        """Close a connection that has no chain.  Unread bytes make that a reset, as when a socket is closed."""
        self._inspection = None
        self._closing = self.closed_locally = True
        self.data_received = discard
        if self.buffer:
            self._reset()
        else:
            self.transport.close()

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
        chain = self.plan.match(self.info)
        if chain is None:
            listener.no_chain(self)
            self._refuse()
            return
        self.chain = chain
        self.info.filter_chain_name = chain.name
        listener.admitted(self)
        if not chain.filters:
            listener.stats.network_extension_config_missing.inc()
            self._refuse()
            return
        self.buffer_limit_bytes = set_watermarks(self.transport, self.plan.per_connection_buffer_limit_bytes)
        if chain.transport_socket is None:
            self._open_filters(chain)
        else:
            self._open_secured(chain, chain.transport_socket)

    def _open_secured(self, chain: FilterChain, transport_socket: Callable[[DownstreamConnection], Any]) -> None:
        """Put the transport socket between the socket and the filters; the bytes that were looked at are its."""
        first, ended = bytes(self.buffer), self._eof
        self.buffer.clear()
        self._eof = False
        secured = self.transport = self._secured = transport_socket(self)
        self._open_filters(chain)
        secured.start(first, ended=ended)

    def _open_filters(self, chain: FilterChain) -> None:
        runner = self.runner = FilterRunner(self, chain)
        self._write: Callable[[bytes], None] = self.transport.write
        runner.start()
        self._target = runner.receive
        if self._closing:
            return
        if self._read_disabled:
            # A filter that disabled reading gets no bytes, though some may be here.
            self._holding = True
            self.data_received = self._hold
            self.transport.set_protocol(self)
            return
        self.data_received = self._target
        self.transport.set_protocol(self)
        if self.buffer or self._eof:
            self._deliver_held()

    def _hold(self, data: bytes) -> None:
        """A transport that was just made reads once in spite of `pause_reading`."""
        self.buffer += data
        self.transport.pause_reading()

    def _deliver_held(self) -> None:
        if self.buffer:
            data = bytes(self.buffer)
            self.buffer.clear()
            self._target(data)
        if self._eof and self.runner is not None and not self._closing:
            self._deliver_end(self.runner)

    def receive_directly(self, receive: Callable[[bytes], None]) -> None:
        """The filter chain's way for plain bytes is this one call from now on."""
        if self.runner is not None and not self._closing:
            self.runner.receive = receive
            self._receive_with(receive)

    # ---- Connection (what network filters call) ----

    @property
    def is_open(self) -> bool:
        """False once the connection is closing or closed."""
        return not self._closing

    @property
    def ended_by_peer(self) -> bool:
        """True once the client has closed its side or reset the connection."""
        return self._eof or self.reset_by_peer

    @property
    def source(self) -> ConnectionSource:
        """What access logs read of this connection."""
        if self._source is None:
            self._source = ConnectionSource(self.info, self.services)
        return self._source

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

    def write_last(self, data: bytes) -> None:
        """Send what `writer` would send and close behind it: on TLS one system call instead of two."""
        if self._closing:
            return
        self._closing = self.closed_locally = True
        self._holding = False
        if self._secured is not None:
            self._secured.write_last(data)
        else:
            self._write(data)
            self.transport.close()

    def write_end(self) -> None:
        """Half-close behind what is written; the connection ends with it when the client is done too."""
        if self._closing or self._write_ended:
            return
        self._write_ended = True
        runner = self.runner
        if runner is not None and runner.has_write_filters:
            if runner.write(b"", end=True):
                runner.when_written(self._send_end)
            else:
                self.end_is_stopped = True
        else:
            self._send_end()

    def _send_end(self) -> None:
        self._end_sent = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        if self._eof and not self._closing:
            self._closing = True
            self._finish_close()

    def close(self, kind: CloseType = CloseType.FLUSH, details: str = "") -> None:
        """End the connection."""
        if details and not self.info.termination_details:
            self.info.termination_details = details
        if self._closing:
            if self._flushing and kind not in _FLUSHES:
                self._end(kind)
            return
        self._closing = self.closed_locally = True
        self._holding = False
        runner = self.runner
        if runner is not None and runner.has_write_filters and kind in _FLUSHES:
            self._flushing = not runner.when_written(lambda: self._end(kind))
            if self._flushing:
                self._receive_with(discard)
                self._delay_timer = self.services.timers.call_later(FILTER_FLUSH_LIMIT_S, self.transport.abort)
        else:
            self._end(kind)

    def _end(self, kind: CloseType) -> None:
        """What the filters had for the client is written; now as `kind` says."""
        if self._flushing:
            self._flushing = False
            if self._delay_timer is not None:
                self._delay_timer.cancel()
                self._delay_timer = None
        if kind is _FLUSH:
            self._finish_close()
        elif kind is CloseType.FLUSH_AND_DELAY and not self._eof:
            self._receive_with(discard)
            self._close_delayed()
        elif kind is CloseType.ABORT or (kind is CloseType.NO_FLUSH and self.buffer):
            self._reset()
        elif kind is CloseType.NO_FLUSH:
            self.transport.abort()
        else:
            self._finish_close()

    def _reset(self) -> None:
        self.socket().setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
        self.transport.abort()

    def _close_delayed(self) -> None:
        """Give the client time to read its reply and to close: closing at once could reset the reply away."""
        chain = self.chain
        delay_s = chain.delayed_close_timeout_s if chain is not None else 1.0
        if not delay_s:
            self._finish_close()
            return
        if self._read_disabled:
            self._read_disabled = 0
            self.transport.resume_reading()
        self._wait_for_close(delay_s, self.transport.get_write_buffer_size())

    def _wait_for_close(self, delay_s: float, unwritten_bytes: int) -> None:
        self._delay_timer = self.services.timers.call_later(delay_s, lambda: self._delay_over(delay_s, unwritten_bytes))

    def _delay_over(self, delay_s: float, unwritten_bytes: int) -> None:
        """The client has not closed; one that still takes bytes gets more time, as in Envoy."""
        self._delay_timer = None
        left_bytes = self.transport.get_write_buffer_size()
        if left_bytes < unwritten_bytes:
            self._wait_for_close(delay_s, left_bytes)
            return
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
                if self._holding:
                    self._holding = False
                    self._receive_with(self._target)
                    self._deliver_held()
                elif self._hand_on_due:
                    self.services.loop.call_soon(self._hand_on)

    def hold_back(self, hold: bool) -> None:
        """Keep what comes (True) until it is wanted (False).

        Unlike `read_disable` this lets the end of the client be seen: one that has sent ahead and gone waits for
        nothing.  Beyond the buffer's limit nothing is read any more, and then the end is not seen either."""
        if self._closing:
            return
        if hold:
            self._ahead = self._target
            self._receive_with(self._keep)
        else:
            self._hand_on_due = True
            self.services.loop.call_soon(self._hand_on)

    def _keep(self, data: bytes) -> None:
        self.buffer += data
        if not self._full and len(self.buffer) >= self.buffer_limit_bytes:
            self._full = True
            self.read_disable(True)

    def _hand_on(self) -> None:
        target = self._ahead
        if target is None or not self._hand_on_due or self._closing:
            return
        if self._full:
            self._full = False
            self.read_disable(False)
        if self._read_disabled:
            return  # `read_disable` comes back to it
        self._ahead = None
        self._hand_on_due = False
        self._receive_with(target)
        self._deliver_held()

    def continue_reading(self, filter_: NetworkFilter) -> None:
        """Resume behind a filter that answered STOP."""
        if self.runner is not None:
            self.runner.resume(filter_)
