"""The network (L4) filter interface: what a connection calls and what a filter may do to its connection.

Modelled on Envoy's ReadFilter/WriteFilter.  Data from the client passes the filters first to last; data to the client
that a terminal filter writes passes those filters that define `on_write`, last to first.  As with HTTP filters,
methods that a class does not define cost nothing.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from pyvoy.observe.stream_info import ConnectionInfo
    from pyvoy.server.services import Services


class NetworkVerdict(Enum):
    """CONTINUE hands the event on; STOP holds it (data is kept by the connection until `continue_reading`); TAKEN: the
    filter has the data, and the end if there is one, and hands on what it likes (`FilterRunner.inject`)."""

    CONTINUE = 0
    STOP = 1
    TAKEN = 2


class CloseType(Enum):
    """How a connection ends (Envoy: ConnectionCloseType).

    NO_FLUSH drops what is unwritten; FLUSH writes it first; FLUSH_AND_DELAY also waits for the
    client to close, so that an error reply is not lost to a reset (delayed_close_timeout); ABORT sends a TCP reset.
    """

    NO_FLUSH = 0
    FLUSH = 1
    FLUSH_AND_DELAY = 2
    ABORT = 3


class NetworkFilter:
    """Base class; one instance per connection, made as `cls(plan)`.

    Event methods, none defined here on purpose (the runner calls those that exist):

    on_new_connection(connection) -> NetworkVerdict       before any data; STOP holds the later filters
    on_data(connection, data, end) -> NetworkVerdict      bytes from the client; `end` is the client's half-close
    on_write(connection, data, end) -> NetworkVerdict     bytes to the client
        (both may answer bytes instead: those go on in place of the data)
    on_high_watermark(connection) / on_low_watermark(connection)   the client reads too slowly / has caught up
    on_close(connection) -> None                          once, when the connection is gone
    on_log(connection) -> None                            last, behind the listener's access log
    receiver(connection) -> callable(bytes)               the last filter's direct way for bytes, in place of `on_data`
    """

    __slots__ = ()

    terminal: ClassVar[bool] = False
    handles_half_close: ClassVar[bool] = False
    """A terminal filter with half-close semantics gets `on_data(b"", True)` and keeps the write side; for the others
    the connection is closed when the client half-closes (Envoy: enableHalfClose)."""

    def __init__(self, plan: Any) -> None:
        """Filters keep what they need of their plan."""


class Connection(Protocol):
    """What a network filter may do to the downstream connection."""

    info: ConnectionInfo
    services: Services
    end_is_stopped: bool
    """A write filter has stopped the half-close that `write_end` asked for."""

    def write(self, data: bytes) -> None:
        """Send bytes to the client (through the write filters, if there are any)."""

    def write_end(self) -> None:
        """Half-close: no more bytes to the client after those already written."""

    def close(self, kind: CloseType = CloseType.FLUSH, details: str = "") -> None:
        """End the connection; `details` becomes %CONNECTION_TERMINATION_DETAILS% if none is set."""

    def read_disable(self, disable: bool) -> None:
        """Stop (or resume) reading from the client; calls nest, reading resumes when all are taken back."""

    def hold_back(self, hold: bool) -> None:
        """Keep what comes from the client (True), or hand it on (False); its end is seen all the same."""

    def continue_reading(self, filter_: NetworkFilter) -> None:
        """Resume behind a filter that answered STOP."""

    @property
    def is_open(self) -> bool:
        """False once the connection is closing or closed."""
