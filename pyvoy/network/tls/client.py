"""TLS of upstream connections: which socket a host gets, and the client's side of a connection.

Source: Envoy, ClientContextImpl, TransportSocketMatcherImpl, UpstreamTlsContext (fields sni, auto_host_sni,
auto_sni_san_validation) and the router's auto_sni.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, cast

from pyvoy.network.tls.context import TlsContext, TlsPlan, make_context
from pyvoy.network.tls.facts import note_handshake
from pyvoy.network.tls.transport import TlsTransport
from pyvoy.observe.tls_info import TlsInfo

if TYPE_CHECKING:
    from pyvoy.network.tls.stats import TlsStats
    from pyvoy.upstream.endpoint import Host

NOT_READY = "TLS_error:_Secret_is_not_supplied_by_SDS"
MATCH_NAMESPACE = "envoy.transport_socket_match"


class Secured(Protocol):
    """A connection that is to be TLS: an asyncio protocol that says what it wants, and hears what comes of it.

    `server_name` is what the request asks for ("": what the cluster says), `expected_name` a DNS name that the host's
    certificate must have, `alpn` what is offered where the cluster says nothing; `tls` is set before
    `connection_made`."""

    host: Host
    server_name: str
    expected_name: str
    alpn: tuple[str, ...]
    tls: TlsInfo | None

    @property
    def closed(self) -> bool:
        """Nobody waits for the connection any more."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake is complete."""

    def transport_failed(self, text: str) -> None:
        """TLS broke."""


class ClientContexts:
    """The contexts of one UpstreamTlsContext, by the application protocols that are offered."""

    def __init__(self, plan: TlsPlan, stats: TlsStats) -> None:
        """Raises TlsError for a plan of which no context can be made."""
        self._plan = plan
        self._stats = stats
        self._made = {plan.alpn: make_context(plan, stats, server_side=False)}

    def offering(self, alpn: tuple[str, ...]) -> TlsContext:
        """The context that offers what the configuration says, or these if it says nothing."""
        alpn = self._plan.alpn or alpn
        found = self._made.get(alpn)
        if found is None:
            found = self._made[alpn] = make_context(replace(self._plan, alpn=alpn), self._stats, server_side=False)
        return found


class ClientSecrets:
    """The contexts in force; None while a secret is missing.  SDS puts new ones in place."""

    __slots__ = ("current",)

    def __init__(self, current: ClientContexts | None = None) -> None:
        self.current = current


@dataclass(slots=True, frozen=True)
class UpstreamTls:
    """Makes the transports of a cluster's connections.

    `server_name` is what they ask for unless the request names another; `auto_host_sni` takes the host's name,
    `auto_san` demands the name that was asked for in the certificate.  `not_ready` counts connections that came before
    their secrets."""

    secrets: ClientSecrets
    not_ready: Callable[[], None]
    server_name: str = ""
    auto_host_sni: bool = False
    auto_san: bool = False

    def secure(self, connection: Secured) -> ClientTransport:
        """The transport of a connection that is about to be made."""
        name = connection.server_name or self.server_name
        if self.auto_host_sni and connection.host.hostname and not connection.server_name:
            name = connection.host.hostname
        return ClientTransport(self, connection, name)


@dataclass(slots=True, frozen=True)
class SocketMatch:
    """One entry of transport_socket_matches."""

    name: str
    wanted: Mapping[str, Any]
    socket: UpstreamTls | None


@dataclass(slots=True, frozen=True)
class TransportSockets:
    """How the hosts of a cluster are spoken to; None is plain text.

    `matches` are asked in order: the first whose fields are all in the host's metadata (or its locality's) counts."""

    default: UpstreamTls | None
    matches: tuple[SocketMatch, ...] = ()

    @property
    def all_secure(self) -> bool:
        """Whether TLS is spoken to every host, whatever its metadata."""
        return self.default is not None and all(match.socket is not None for match in self.matches)

    def of(self, host: Host) -> SocketMatch:
        """The socket for a host, with the name that statistics give to the match."""
        if self.matches:
            known = host.metadata.get(MATCH_NAMESPACE, {})
            for match in self.matches:
                if all(name in known and known[name] == value for name, value in match.wanted.items()):
                    return match
        return SocketMatch("default", {}, self.default)


class ClientTransport(TlsTransport):
    """The client's side of an upstream connection, which hears of it when the handshake is done."""

    __slots__ = ("_connection", "_name", "_plan", "_told")

    def __init__(self, plan: UpstreamTls, connection: Secured, name: str) -> None:
        super().__init__(cast("asyncio.Protocol", connection))
        self._plan = plan
        self._connection = connection
        self._name = name
        self._told = False
        """The connection knows that it has failed."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected: begin the handshake."""
        self.raw = cast("asyncio.Transport", transport)
        connection, plan = self._connection, self._plan
        contexts = plan.secrets.current
        if connection.closed:
            self.raw.abort()
        elif contexts is None:
            plan.not_ready()
            self._lost(NOT_READY)
        else:
            expected = connection.expected_name or (self._name if plan.auto_san else "")
            context = contexts.offering(connection.alpn)
            self.begin_client(context, self._name, expected)

    def give_up(self) -> None:
        """The connection is not wanted any more, before it was there."""
        self._told = True
        self._closing = True
        if hasattr(self, "raw"):
            self.raw.abort()

    def _established(self) -> None:
        info = self._connection.tls = TlsInfo()
        info.server_name = self._name
        note_handshake(info, self)
        self._connection.connection_made(self)

    def _broken(self, text: str) -> None:
        self._told = True
        self._connection.transport_failed(text)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; one that never was is no connection's end."""
        if self._open:
            super().connection_lost(exc)
        elif not self._told:
            self._broken("")
