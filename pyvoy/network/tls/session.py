"""The session of one TLS connection: the object that `ssl.SSLObject` wraps, without the wrapper.

Every call through the wrapper is a Python call that adds nothing; a handshake makes some twelve of them, each on caches
that OpenSSL has just filled with its own: together about a fiftieth of what a connection costs.
"""

from __future__ import annotations

import ssl
from typing import Any, Protocol


class Session(Protocol):
    """What `_ssl` offers; errors are those of the standard library's `SSLObject`, which passes them on."""

    server_side: bool
    session_reused: bool
    session: ssl.SSLSession | None

    def do_handshake(self) -> None:
        """One step, or the last one; SSLWantReadError: the peer's next message is not here."""

    def read(self, size: int, /) -> bytes:
        """Plain bytes of at most one record; b"" is close_notify."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Encrypt; returns how many bytes were taken, which is at most a record."""

    def shutdown(self) -> object:
        """Send close_notify, or hear the peer's."""

    def cipher(self) -> tuple[str, str, int] | None:
        """Name, the version it came with, secret bits."""

    def version(self) -> str | None:
        """That of the protocol."""

    def selected_alpn_protocol(self) -> str | None:
        """The application protocol that was agreed on."""

    def getpeercert(self, der: bool, /) -> bytes | None:
        """The peer's own certificate."""

    def get_unverified_chain(self) -> list[Any] | None:
        """All certificates that the peer sent."""


def server_session(context: ssl.SSLContext, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> Session:
    """A server's session that reads and writes these."""
    inner: Any = context
    session: Session = inner._wrap_bio(incoming, outgoing, True)
    return session


def client_session(
    context: ssl.SSLContext,
    incoming: ssl.MemoryBIO,
    outgoing: ssl.MemoryBIO,
    server_name: str,
    resumed: ssl.SSLSession | None,
) -> Session:
    """A client's session that asks for `server_name` ("": for none) and would like to go on with `resumed`."""
    wrapped: Any = context.wrap_bio(incoming, outgoing, server_hostname=server_name or None, session=resumed)
    session: Session = wrapped._sslobj
    return session
