"""TLS as a transport between a socket's transport and its protocol, for both sides, over `ssl.MemoryBIO`.

To the protocol it is an ordinary asyncio transport that carries plain bytes: `write`, `write_eof`, `close`, `abort`,
`pause_reading` mean what they mean on plain TCP, so that no other room knows of TLS.  Never asyncio's or uvloop's
`ssl=`: those drop a connection at the peer's close_notify and cannot half-close.
How a connection ends is Envoy's: close_notify is the peer's end, and so is a FIN without one; our end is a
close_notify alone, the FIN comes when both sides are done.  Source: Envoy, SslSocket.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyvoy.network.tls import openssl
from pyvoy.network.tls.failures import failure_text, reason_of
from pyvoy.network.tls.session import client_session, server_session

if TYPE_CHECKING:
    from pyvoy.network.tls.agreed import Agreed
    from pyvoy.network.tls.context import TlsContext
    from pyvoy.network.tls.session import Session

READ_BYTES = 16384
"""What a record holds at most: one read is one record, and nothing of it is left behind in the session."""

_OFFERS_13 = re.compile(rb"\x00\x2b\x00.{2}(?:..){0,14}?\x03\x04", re.DOTALL)
"""The extension supported_versions with TLS 1.3, in a client's first message.  BoringSSL then takes the client's first
cipher; OpenSSL's order would be its own, AES-256 before ChaCha20 before AES-128."""

_NOBODY = asyncio.Protocol()
"""Stands for the protocol of a connection that is gone."""


def _forget(_: object) -> None:
    """What a connection that is gone does with whatever comes."""


class TlsTransport(asyncio.Transport, asyncio.Protocol):
    """One side of one TLS connection.  Owns the raw transport that it is the protocol of.

    The two sides say what they do in `_established`, when the handshake is complete and before any byte is delivered,
    and in `_broken`, when the connection breaks on the level of TLS."""

    __slots__ = (
        "_closing",
        "_deliver",
        "_encrypt",
        "_incoming",
        "_open",
        "_outgoing",
        "_paused",
        "_peer_ended",
        "_pending",
        "_pending_bytes",
        "_protocol",
        "_read",
        "_said",
        "_write_ended",
        "agreed",
        "begun",
        "context",
        "data_received",
        "expected_name",
        "raw",
        "server_name",
        "session",
    )

    raw: asyncio.Transport
    session: Session
    """Once begun."""
    context: TlsContext
    agreed: Agreed
    """Once the handshake is complete."""
    data_received: Callable[[bytes], None]  # type: ignore[assignment]  # a slot: transports call what it holds

    def __init__(self, protocol: asyncio.Protocol) -> None:
        self._protocol = protocol
        self._deliver: Callable[[bytes], None] = protocol.data_received
        self.begun = False
        self._said = b""
        """What we said last in the handshake."""
        self._open = False
        self._closing = False
        self._paused = False
        self._peer_ended = False
        self._write_ended = False
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self.data_received = self._shake

    def _established(self) -> None:
        """The handshake is complete."""

    def _broken(self, text: str) -> None:
        """TLS broke: Envoy's text, "" for a peer that simply left during the handshake."""

    # ---- the handshake ----

    def begin_server(self, context: TlsContext) -> None:
        """Wait for a client.  The session is made when it speaks: many connections never do, and what OpenSSL needs for
        the one is then still at hand for the other."""
        self.context = context
        self.server_name = self.expected_name = ""

    def begin_client(self, context: TlsContext, server_name: str = "", expected_name: str = "") -> None:
        """Ask for `server_name`; `expected_name` is a DNS name that the peer's certificate must have."""
        self.context = context
        self.server_name = server_name
        self.expected_name = expected_name
        resumed = None if context.sessions is None else context.sessions.take(server_name)
        incoming, outgoing = self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._use(client_session(context.context, incoming, outgoing, server_name, resumed))
        self._advance()

    def _use(self, session: Session) -> None:
        self.session = session
        self._read = session.read
        self._encrypt = session.write
        self.begun = True

    def _shake(self, data: bytes) -> None:
        """Bytes while the handshake is under way."""
        if not self.begun:
            incoming, outgoing = self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            context = self.context
            self._use(server_session(context.context, incoming, outgoing))
            if context.speaks_13 and _OFFERS_13.search(data):
                openssl.follow_client_order(self.session)
        self._incoming.write(data)
        self._advance()

    def _advance(self) -> None:
        context = self.context
        if context.asks:
            context.verifier.prepare(self.expected_name)
        try:
            self.session.do_handshake()
        except ssl.SSLWantReadError:
            said = self._outgoing.read()
            if said:
                self._said = said
                self.raw.write(said)
            return
        except ssl.SSLError as error:
            self._break(error)
            return
        except OSError:  # the peer has ended inside the handshake
            self._lost("")
            return
        self._complete(context)

    def _complete(self, context: TlsContext) -> None:
        """The handshake is complete."""
        self._open = True
        self.data_received = self._decrypt
        session = self.session
        if context.sessions is not None:
            if session.version() == "TLSv1.3":
                self.data_received = self._decrypt_first
            else:
                context.sessions.keep(self.server_name, session)
        if self._paused:
            self.raw.pause_reading()
        self.raw.set_protocol(self)
        is_server = session.server_side
        self.agreed = context.count(session, self._said if is_server else b"")
        self._said = b""
        self._established()
        if self._pending or self._write_ended:
            self._send_pending()
        if not is_server or self.agreed.version != "TLSv1.3":
            self._flush()  # what else there is are tickets, which go out with the first answer, as Envoy's do
        if self._incoming.pending and not self._closing:
            self.data_received(b"")

    def _send_pending(self) -> None:
        pending, self._pending, self._pending_bytes = self._pending, [], 0
        if pending:
            self.write(b"".join(pending))
        if self._write_ended:
            self._say_goodbye()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self.raw.write(self._outgoing.read())

    # ---- the end by a fault ----

    def _break(self, error: ssl.SSLError) -> None:
        """The peer does not speak TLS as we do; it hears the alert that OpenSSL has prepared."""
        self._flush()
        context = self.context
        reason = reason_of(error)
        context.count_failure(reason)
        self._lost(failure_text(reason, context.verifier.failure))

    def _lost(self, text: str) -> None:
        self._broken(text)
        self._pending = []
        self._closing = True
        self.raw.close()

    # ---- bytes ----

    def _decrypt(self, data: bytes) -> None:
        incoming = self._incoming
        incoming.write(data)
        try:
            while True:
                plain = self._read(READ_BYTES)
                if not plain:
                    self._end_of_peer()
                    return
                self._deliver(plain)
                if self._closing or not incoming.pending:
                    break
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self._end_of_peer()
        except ssl.SSLError as error:
            if not self._closing:
                self._break(error)
            return
        if self._outgoing.pending:
            self._flush()

    def _decrypt_first(self, data: bytes) -> None:
        """The first bytes on a client's connection of TLS 1.3: the session's tickets come before them."""
        self.data_received = self._decrypt
        self.raw.set_protocol(self)
        self._decrypt(data)
        if self.context.sessions is not None:
            self.context.sessions.keep(self.server_name, self.session)

    def write(self, data: Any) -> None:
        """Encrypt and send; before the handshake is complete bytes wait for it."""
        if not self._open:
            self._pending.append(bytes(data))
            self._pending_bytes += len(data)
            return
        try:
            sent = self._encrypt(data)
            size = len(data)
            if sent < size:
                view = memoryview(data)
                while sent < size:
                    sent += self._encrypt(view[sent:])
        except ssl.SSLError:
            return  # our side has ended
        self.raw.write(self._outgoing.read())

    def write_last(self, data: bytes) -> None:
        """Write and close behind it: the bytes and close_notify leave in one system call."""
        if len(data) > READ_BYTES or not self._open or self._closing or self._write_ended:
            self.write(data)
            self.close()
            return
        self._closing = True
        try:
            self._encrypt(data)
            self._say_goodbye()
        except ssl.SSLError:
            self._flush()  # the connection is broken
        self.raw.close()

    def writelines(self, list_of_data: Any) -> None:
        """Encrypt and send several pieces."""
        self.write(b"".join(list_of_data))

    # ---- ends ----

    def _end_of_peer(self) -> None:
        """close_notify, or the end of the connection without one."""
        if self._peer_ended or self._closing:
            return
        self._peer_ended = True
        if not self._protocol.eof_received():
            self.close()

    def eof_received(self) -> bool:
        """The peer has ended its side of the connection; True: we close it ourselves."""
        if self._open:
            self._end_of_peer()
        elif not self._closing:
            self._lost("")
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; what refers to it in a circle is let go, so that no collector has to find it."""
        self._closing = True
        self._pending = []
        protocol = self._protocol
        self._protocol = _NOBODY
        self.data_received = self._deliver = _forget
        protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        """The peer reads too slowly."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """The peer has caught up."""
        self._protocol.resume_writing()

    def can_write_eof(self) -> bool:
        """close_notify ends one direction."""
        return True

    def write_eof(self) -> None:
        """End our side behind what was written."""
        if not self._write_ended:
            self._write_ended = True
            if self._open:
                self._say_goodbye()

    def _say_goodbye(self) -> None:
        """Send close_notify."""
        openssl.say_goodbye(self.session)
        self._flush()

    def close(self) -> None:
        """Close behind what was written; what still waits for the handshake is dropped, as in Envoy."""
        if self._closing:
            return
        self._closing = True
        if self._open and not self._write_ended:
            self._say_goodbye()
        self.raw.close()

    def abort(self) -> None:
        """Close now; the peer is still told, if nothing is in the way."""
        self._pending = []
        if self._open and not self._closing and not self.raw.get_write_buffer_size():
            self.close()
        else:
            self._closing = True
            self.raw.abort()

    def is_closing(self) -> bool:
        """Whether the connection is closing or closed."""
        return self._closing or self.raw.is_closing()

    # ---- what the raw transport does ----

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """From now on plain bytes go to what `protocol.data_received` holds."""
        self._protocol = protocol  # type: ignore[assignment]  # streams only, here
        self._deliver = protocol.data_received  # type: ignore[attr-defined]

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Who gets the plain bytes."""
        return self._protocol

    def pause_reading(self) -> None:
        """Read no more; a handshake goes on."""
        self._paused = True
        if self._open:
            self.raw.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        self._paused = False
        if self._open:
            self.raw.resume_reading()

    def get_write_buffer_size(self) -> int:
        """Bytes that are not sent yet."""
        return self._pending_bytes + self.raw.get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """The marks at which the protocol pauses and resumes."""
        return self.raw.get_write_buffer_limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set these marks."""
        self.raw.set_write_buffer_limits(high, low)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What the socket is."""
        return self.raw.get_extra_info(name, default)
