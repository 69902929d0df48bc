"""TLS of the scripted peers: a session over memory BIOs that tells how a connection began and ended.

What a peer wants of TLS is `Tls`; `Session` is one connection's, for either side."""

import contextlib
import ctypes
import ssl
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pyvoy.network.tls import openssl
from tests.support.certificates import Issued

_ASK_STATUS, _GET_RESPONSE, _OCSP = 65, 70, 1


@dataclass(frozen=True)
class Tls:
    """How a peer speaks TLS.  `sni` and `resume` are a client's, `require` (a client certificate) a server's.

    `alpn` in order of preference; `trusted` is PEM, without it nothing is verified."""

    sni: str | None = "a.test"
    certificate: Issued | None = None
    alpn: tuple[str, ...] = ()
    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    maximum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    ciphers: str = ""
    suites: str = ""
    """The ciphers of TLS 1.3, in order of preference."""
    trusted: str = ""
    require: bool = False
    resume: bool = False
    asks_staple: bool = False
    """A client's: wants an OCSP response."""
    _contexts: dict[bool, ssl.SSLContext] = field(default_factory=dict, compare=False, repr=False)
    _sessions: list[ssl.SSLSession] = field(default_factory=list, compare=False, repr=False)

    def context(self, *, server_side: bool) -> ssl.SSLContext:
        """The context, made once."""
        if server_side not in self._contexts:
            self._contexts[server_side] = self._make(server_side=server_side)
        return self._contexts[server_side]

    def _make(self, *, server_side: bool) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server_side else ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED if self.require or self.trusted else ssl.CERT_NONE
        context.minimum_version, context.maximum_version = self.minimum, self.maximum
        context.set_ciphers(f"{self.ciphers or 'DEFAULT'}:@SECLEVEL=0")
        if self.suites:
            library = openssl.loaded()
            library.SSL_CTX_set_ciphersuites.argtypes = (ctypes.c_void_p, ctypes.c_char_p)
            assert library.SSL_CTX_set_ciphersuites(openssl.pointer(context), self.suites.encode())
        if self.trusted:
            context.load_verify_locations(cadata=self.trusted)
        if self.alpn:
            context.set_alpn_protocols(list(self.alpn))
        if self.certificate is not None:
            with tempfile.TemporaryDirectory() as folder:
                context.load_cert_chain(*self.certificate.write(Path(folder), "peer"))
        return context

    def session(self, send: Callable[[bytes], None], *, server_side: bool) -> "Session":
        """A new connection's session; `send` takes what goes to the wire."""
        resumed = self._sessions[-1] if self.resume and self._sessions else None
        return Session(self, send, resumed, server_side=server_side)

    def keep(self, session: ssl.SSLSession | None) -> None:
        """Resume this one next time."""
        if session is not None:
            self._sessions.append(session)


class Session:
    """One side of one TLS connection."""

    def __init__(
        self, wish: Tls, send: Callable[[bytes], None], resumed: ssl.SSLSession | None, *, server_side: bool
    ) -> None:
        self._wish = wish
        self._send = send
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.object = wish.context(server_side=server_side).wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=server_side,
            server_hostname=None if server_side else wish.sni,
            session=resumed,
        )
        if wish.asks_staple:
            self._control(_ASK_STATUS, _OCSP)
        self.done = False
        self.ended = False
        """The other side has sent close_notify."""
        self.fault = ""
        self._waiting = b""

    def start(self) -> None:
        """Begin the handshake."""
        self._shake()

    def receive(self, data: bytes) -> bytes:
        """Plain bytes of what came from the wire."""
        self._incoming.write(data)
        if not self.done:
            self._shake()
        plain = b""
        try:
            while self.done and not self.fault:
                piece = self.object.read(65536)
                if not piece:
                    self.ended = True
                    break
                plain += piece
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        except ssl.SSLError as error:
            self.fault = error.reason or str(error)
        if plain and self._wish.resume and not self.fault:
            self._wish.keep(self.object.session)
        self._flush()
        return plain

    def _shake(self) -> None:
        try:
            self.object.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self.fault = error.reason or str(error)
        else:
            self.done = True
        self._flush()
        if self.done and self._waiting:
            waiting, self._waiting = self._waiting, b""
            self.write(waiting)

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._send(self._outgoing.read())

    def write(self, data: bytes) -> None:
        """Encrypt and send, behind the handshake."""
        if not self.done:
            self._waiting += data
            return
        view = memoryview(data)
        with contextlib.suppress(ssl.SSLError):  # a failed handshake is seen when the other side says so
            while view:
                view = view[self.object.write(view) :]
        self._flush()

    def say_goodbye(self) -> None:
        """Send close_notify."""
        with contextlib.suppress(ssl.SSLError):
            self.object.unwrap()
        self._flush()

    @property
    def facts(self) -> str:
        """What was agreed on, and how it ended."""
        if not self.done or self.fault:
            return f"failed, {self.fault}"
        alpn = self.object.selected_alpn_protocol()
        resumed = " resumed" if self.object.session_reused else ""
        end = "close_notify" if self.ended else ""
        stapled = " stapled" if self._wish.asks_staple and self.staple else ""
        return f"{self.object.version()} {alpn}{resumed}{stapled} {self._peer_name()} {end}".rstrip()

    @property
    def staple(self) -> bytes:
        """The OCSP response that the server has sent."""
        place = ctypes.c_void_p()
        size = self._control(_GET_RESPONSE, 0, ctypes.cast(ctypes.byref(place), ctypes.c_char_p))
        return ctypes.string_at(place, size) if place.value and size > 0 else b""

    def _control(self, command: int, number: int, place: ctypes.c_char_p | None = None) -> int:
        """What the standard library's ssl does not offer."""
        library = openssl.loaded()
        return int(library.SSL_ctrl(openssl._session_pointer(self.object._sslobj), command, number, place))

    def _peer_name(self) -> str:
        der = self.object.getpeercert(True)
        if der is None:
            return "-"
        from cryptography import x509

        return x509.load_der_x509_certificate(der).subject.rfc4514_string()
