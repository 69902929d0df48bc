"""TLS of downstream connections: which context a client gets, decided from its ClientHello before the handshake begins.

Never by OpenSSL's server name callback: that would take over the certificates of another context and keep the trust
and the demand for a client certificate of the first.  Source: Envoy, ServerContextImpl (certificate selection) and
ActiveTcpListener (transport_socket_connect_timeout).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from pyvoy.network.network_filter import CloseType
from pyvoy.network.tls.client_hello import ClientHelloReader, ClientHelloState
from pyvoy.network.tls.context import CertificatePlan, TlsContext, TlsPlan, make_context
from pyvoy.network.tls.facts import note_failure, note_handshake
from pyvoy.network.tls.stats import TlsStats
from pyvoy.network.tls.transport import TlsTransport
from pyvoy.observe import details
from pyvoy.observe.tls_info import TlsInfo

if TYPE_CHECKING:
    from pyvoy.network.connection import DownstreamConnection
    from pyvoy.network.timers import Timer

NOT_READY = "TLS_error:_Secret_is_not_supplied_by_SDS"


@dataclass(slots=True, frozen=True)
class ServerContexts:
    """The contexts of one DownstreamTlsContext.  `by_name` holds DNS names, lower case; of wildcards the part behind
    the star, with its dot."""

    default: TlsContext
    by_name: dict[str, TlsContext]

    def choose(self, server_name: str) -> TlsContext:
        """The context for the name that the client asks for ("": none)."""
        name = server_name.lower()
        found = self.by_name.get(name)
        if found is None:
            found = self.by_name.get(name[name.find(".") :])
        return found or self.default


def server_contexts(plan: TlsPlan, stats: TlsStats, *, scan_all: bool) -> ServerContexts:
    """Make the contexts of a plan.  Raises TlsError.

    A context holds one certificate of each key type; OpenSSL chooses between them by what the client can, ECDSA first
    as Envoy.  `scan_all`: a name that no certificate has may get any of them (full_scan_certs_on_sni_mismatch)."""
    certificates = plan.certificates
    if len(certificates) < 2:
        return ServerContexts(make_context(plan, stats, server_side=True), {})
    made: dict[tuple[CertificatePlan, ...], TlsContext] = {}

    def context_of(chosen: tuple[CertificatePlan, ...]) -> TlsContext:
        if chosen not in made:
            made[chosen] = make_context(replace(plan, certificates=chosen), stats, server_side=True)
        return made[chosen]

    default = context_of(_one_of_each_type(certificates) if scan_all else certificates[:1])
    return ServerContexts(
        default, {name: context_of(_one_of_each_type(group)) for name, group in _by_name(certificates).items()}
    )


def _one_of_each_type(certificates: Sequence[CertificatePlan]) -> tuple[CertificatePlan, ...]:
    first: dict[bool, CertificatePlan] = {}
    for certificate in certificates:
        first.setdefault(certificate.leaf.is_ecdsa, certificate)
    return tuple(first.values())


def _by_name(certificates: Sequence[CertificatePlan]) -> dict[str, list[CertificatePlan]]:
    found: dict[str, list[CertificatePlan]] = {}
    for certificate in certificates:
        facts = certificate.leaf
        for name in facts.dns_sans or ((facts.common_name,) if facts.common_name else ()):
            key = name.lower()
            found.setdefault(key[1:] if key.startswith("*.") else key, []).append(certificate)
    return found


class ServerSecrets:
    """The contexts in force; None while a secret is missing.  SDS puts new ones in place."""

    __slots__ = ("current",)

    def __init__(self, current: ServerContexts | None = None) -> None:
        self.current = current


class DownstreamTls:
    """Makes the transports of a filter chain's connections."""

    __slots__ = ("_on_timeout", "_secrets", "_timeout_s", "not_ready")

    def __init__(self, secrets: ServerSecrets, not_ready: Callable[[], None]) -> None:
        """`not_ready` counts connections that came before their secrets."""
        self._secrets = secrets
        self._timeout_s = 0.0
        self._on_timeout: Callable[[], None] = lambda: None
        self.not_ready = not_ready

    def limit_handshakes(self, timeout_s: float, on_timeout: Callable[[], None]) -> None:
        """Close connections whose handshake takes longer (0: never), and call `on_timeout` for each."""
        self._timeout_s = timeout_s
        self._on_timeout = on_timeout

    def __call__(self, connection: DownstreamConnection) -> ServerTransport:
        """The transport of a connection, which still has its raw one."""
        transport = ServerTransport(connection, self._secrets.current, self.not_ready)
        if self._timeout_s:
            transport.limit_handshake(self._timeout_s, self._on_timeout)
        return transport


class ServerTransport(TlsTransport):
    """The server's side of a downstream connection."""

    __slots__ = ("_connection", "_contexts", "_first", "_info", "_not_ready", "_reader", "_timer")

    def __init__(
        self, connection: DownstreamConnection, contexts: ServerContexts | None, not_ready: Callable[[], None]
    ) -> None:
        super().__init__(connection)
        self.raw = connection.transport
        self._connection = connection
        self._contexts = contexts
        self._not_ready = not_ready
        self._info = connection.info.tls = TlsInfo()
        self._first = b""
        self._reader: ClientHelloReader | None = None
        self._timer: Timer | None = None

    def limit_handshake(self, limit_s: float, on_timeout: Callable[[], None]) -> None:
        """Close the connection when its handshake takes longer."""
        connection = self._connection

        def give_up() -> None:
            self._timer = None
            on_timeout()
            connection.close(CloseType.NO_FLUSH, details.CLOSE_TRANSPORT_SOCKET_TIMEOUT)

        self._timer = connection.services.timers.call_later(limit_s, give_up)

    def start(self, first: bytes, *, ended: bool) -> None:
        """Begin, with the bytes that came already; `ended`: the client has closed its side behind them."""
        contexts = self._contexts
        if contexts is None:
            self._not_ready()
            self._lost(NOT_READY)
            return
        name = self._connection.info.requested_server_name
        if contexts.by_name and not name:
            self._reader = ClientHelloReader()
            self.data_received = self._await_hello
        else:
            self._choose(contexts, name)
        self.raw.set_protocol(self)
        if first:
            self.data_received(first)
        if ended:
            self.eof_received()

    def _choose(self, contexts: ServerContexts, name: str) -> None:
        if name:
            self._info.server_name = name
        self.begin_server(contexts.choose(name) if contexts.by_name else contexts.default)
        self.data_received = self._shake

    def _await_hello(self, data: bytes) -> None:
        """Bytes until the client's wish is known, or is none."""
        self._first += data
        reader = cast("ClientHelloReader", self._reader)
        state = reader.inspect(self._first)
        if state is ClientHelloState.NEED_MORE:
            return
        hello = reader.hello
        name = hello.server_name.decode("latin-1") if hello is not None else ""
        self._reader = None
        self._choose(cast("ServerContexts", self._contexts), name)
        self.raw.set_protocol(self)
        first, self._first = self._first, b""
        self.data_received(first)

    def _established(self) -> None:
        if self._timer is not None:
            self._stop_timer()
        note_handshake(self._info, self)

    def _broken(self, text: str) -> None:
        self._stop_timer()
        self._connection.info.transport_failure_reason = text
        if self._contexts is not None and not self._open:
            note_failure(self._info, self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        if self._timer is not None:
            self._stop_timer()
        super().connection_lost(exc)
        del self._connection

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
