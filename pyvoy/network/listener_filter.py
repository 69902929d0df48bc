"""The listener filter interface: look at the first bytes of a connection, or at its socket, before a chain is chosen.

A listener filter never consumes application bytes; PROXY protocol is the exception that strips its own header, and
says how many bytes to drop.  Bytes are looked at in the connection's own buffer (see `network/connection.py`).
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    import socket

    from pyvoy.observe.stream_info import ConnectionInfo
    from pyvoy.server.services import Services


class ListenerVerdict(Enum):
    """CONTINUE: done, next filter.  MORE: call again when more bytes have come.  CLOSE: refuse the connection."""

    CONTINUE = 0
    MORE = 1
    CLOSE = 2


class Accepted(Protocol):
    """An accepted connection before its filter chain is known."""

    info: ConnectionInfo
    services: Services
    buffer: bytearray
    """The bytes received so far; filters only read it, and call `drain` to drop a prefix."""

    def drain(self, count: int) -> None:
        """Drop the first `count` bytes: they belonged to the filter's own protocol (PROXY header)."""

    def socket(self) -> socket.socket:
        """The accepted socket, for socket options such as SO_ORIGINAL_DST."""


class ListenerFilter:
    """Base class; one instance per connection, made as `cls(plan)`.

    on_accept(accepted) -> ListenerVerdict        called at once; MORE when the filter wants to see bytes
    on_data(accepted, end) -> ListenerVerdict     called when bytes have come, or the client half-closed (`end`)
    on_close(accepted) -> None                    the connection ended before the filter was done

    `max_read_bytes(plan)` tells how far the filter may look; 0 when it needs no bytes.
    """

    needs_bytes: ClassVar[bool] = False

    def __init__(self, plan: Any) -> None:
        """Filters keep what they need of their plan."""
