"""Transport sockets of a cluster: UpstreamTlsContext messages and transport_socket_matches -> TransportSockets.

Source: Envoy, ClientContextConfigImpl, ClientSslSocketFactory and TransportSocketMatcherImpl.
"""

from __future__ import annotations

import ssl
from dataclasses import replace
from typing import Any

from pyvoy.config.compile.tls import TLS, report, tls_plan
from pyvoy.config.compile.tls_secrets import Secrets, hold
from pyvoy.config.context import Context
from pyvoy.config.registry import extension, supports
from pyvoy.network.tls.client import ClientContexts, ClientSecrets, SocketMatch, TransportSockets, UpstreamTls
from pyvoy.network.tls.context import TlsError
from pyvoy.network.tls.stats import TlsStats

UPSTREAM_TRANSPORT_SOCKET = "upstream_transport_socket"
_TYPE = TLS + "UpstreamTlsContext"
_RAW_BUFFER = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"
_LONGEST_NAME = 255

supports(
    _TYPE,
    "common_tls_context sni auto_host_sni auto_sni_san_validation max_session_keys",
    # OpenSSL is told to refuse renegotiation; key usage is always enforced by it.
    tuning="allow_renegotiation enforce_rsa_key_usage",
)
supports("envoy.config.cluster.v3.Cluster.TransportSocketMatch", "name match transport_socket")


@extension(UPSTREAM_TRANSPORT_SOCKET, name="envoy.transport_sockets.raw_buffer", type_url=_RAW_BUFFER)
class RawBuffer:
    """Plain text: no transport socket at all."""

    @staticmethod
    def build(message: Any, context: Context) -> None:
        """Nothing."""


@extension(
    UPSTREAM_TRANSPORT_SOCKET,
    name="envoy.transport_sockets.tls",
    type_url=_TYPE,
    posture="robust_to_untrusted_downstream_and_upstream",
)
class UpstreamTlsSocket:
    """TLS to the hosts of a cluster."""

    @staticmethod
    def build(message: Any, context: Context) -> UpstreamTls:
        """The maker of transports."""
        if len(message.sni) > _LONGEST_NAME:
            context.error("sni", f"must have at most {_LONGEST_NAME} bytes")
        builder = _Builder(message, context)
        held = ClientSecrets()
        hold(held, builder, context)
        return UpstreamTls(
            held,
            builder.not_ready.inc,
            server_name=message.sni,
            auto_host_sni=message.auto_host_sni,
            auto_san=message.auto_sni_san_validation,
        )


class _Builder:
    """Makes the context of one message, now and whenever a secret has changed."""

    def __init__(self, message: Any, context: Context) -> None:
        self._message = message
        self._stats = TlsStats(context.scope)
        scope = context.scope.scope("client_ssl_socket_factory")
        self.updated = scope.counter("ssl_context_update_by_sds")
        self.not_ready = scope.counter("upstream_context_secrets_not_ready")
        scope.counter("downstream_context_secrets_not_ready")
        self.secrets = Secrets(context)

    def contexts(self, context: Context) -> ClientContexts | None:
        """The contexts; None after a problem.  Raises NotReadyError."""
        message = self._message
        common = context.at("common_tls_context")
        plan = tls_plan(message.common_tls_context, common, self.secrets, ssl.TLSVersion.TLSv1_2)
        if len(plan.certificates) > 1:
            common.error("", "Multiple TLS certificates are not supported for client contexts")
        if message.auto_sni_san_validation and not (plan.validation and plan.validation.checks_chain):
            text = "'auto_sni_san_validation' was configured without configuring a trusted CA"
            context.error("auto_sni_san_validation", text)
        plan = replace(plan, max_sessions=context.wrapped(message, "max_session_keys", 1))
        try:
            return ClientContexts(plan, self._stats)
        except TlsError as error:
            report(error, common)
            return None


def build_transport_sockets(message: Any, context: Context) -> TransportSockets | None:
    """How the hosts of a Cluster are spoken to; None when all are spoken to in plain text."""
    if not (message.HasField("transport_socket") or message.transport_socket_matches):
        return None
    inner = context.within(context.root_scope.scope(f"cluster.{message.alt_stat_name or message.name}"))
    default = None
    if message.HasField("transport_socket"):
        default = inner.extension(UPSTREAM_TRANSPORT_SOCKET, message.transport_socket, "transport_socket")
    matches = []
    for index, item in enumerate(message.transport_socket_matches):
        at = inner.at("transport_socket_matches", index)
        socket = None
        if item.HasField("transport_socket"):
            socket = at.extension(UPSTREAM_TRANSPORT_SOCKET, item.transport_socket, "transport_socket")
        matches.append(SocketMatch(item.name, _wanted(item.match), socket))
    return TransportSockets(default, tuple(matches)) if matches or default is not None else None


def _wanted(match: Any) -> dict[str, Any]:
    from google.protobuf import json_format

    return dict(json_format.MessageToDict(match))
