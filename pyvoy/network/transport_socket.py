"""The transport socket interface: what stands between the socket's bytes and the network filters (TLS, PROXY, ...).

Sans-I/O towards the connection: ciphertext comes in by `receive`, plain bytes go on to the connection's filter runner;
plain bytes come in by `send`, ciphertext goes to the transport.  Plain TCP has no transport socket at all, so that it
costs nothing.  TLS (over ssl.MemoryBIO) implements this interface for both sides.
"""

from __future__ import annotations

from typing import Protocol


class TransportSocket(Protocol):
    """One side of one connection."""

    def receive(self, data: bytes) -> None:
        """Bytes from the peer."""

    def receive_eof(self) -> None:
        """The peer closed its side of the transport."""

    def send(self, data: bytes) -> None:
        """Plain bytes for the peer."""

    def send_end(self) -> None:
        """Close our side behind what was sent (TLS: close_notify, then FIN)."""

    def closed(self) -> None:
        """The transport is gone."""
