"""DownstreamTlsContext messages -> DownstreamTls: the transport socket of a filter chain.

Source: Envoy, ServerContextConfigImpl and ServerSslSocketFactory (texts and counters of the running 1.40).
"""

from __future__ import annotations

import hashlib
import secrets as chance
import ssl
from dataclasses import replace
from typing import Any

from pyvoy.config.compile import data_source
from pyvoy.config.compile.tls import TLS, report, tls_plan
from pyvoy.config.compile.tls_secrets import Secrets, hold
from pyvoy.config.context import Context
from pyvoy.config.registry import extension, supports
from pyvoy.network.tls import openssl, tickets
from pyvoy.network.tls.context import TlsError, TlsPlan, ticket_keys
from pyvoy.network.tls.ocsp import StaplePolicy
from pyvoy.network.tls.server import DownstreamTls, ServerContexts, ServerSecrets, server_contexts
from pyvoy.network.tls.stats import TlsStats
from pyvoy.server.local_store import ABSENT

DOWNSTREAM_TRANSPORT_SOCKET = "downstream_transport_socket"
_TYPE = TLS + "DownstreamTlsContext"
_RAW_BUFFER = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"
_SECRET_KEY = b"\0pyvoy.tls.tickets"

supports(
    _TYPE,
    """common_tls_context require_client_certificate session_ticket_keys session_ticket_keys_sds_secret_config
    disable_stateless_session_resumption disable_stateful_session_resumption session_timeout
    full_scan_certs_on_sni_mismatch ocsp_staple_policy prefer_client_ciphers""",
    tuning="require_sni",
)
supports(TLS + "TlsSessionTicketKeys", "keys")


@extension(DOWNSTREAM_TRANSPORT_SOCKET, name="envoy.transport_sockets.raw_buffer", type_url=_RAW_BUFFER)
class RawBuffer:
    """Plain text: no transport socket at all."""

    @staticmethod
    def build(message: Any, context: Context) -> None:
        """Nothing."""


@extension(
    DOWNSTREAM_TRANSPORT_SOCKET,
    name="envoy.transport_sockets.tls",
    type_url=_TYPE,
    posture="robust_to_untrusted_downstream_and_upstream",
)
class DownstreamTlsSocket:
    """TLS with a certificate of ours."""

    @staticmethod
    def build(message: Any, context: Context) -> DownstreamTls | None:
        """The maker of transports; None after a problem."""
        builder = _Builder(message, context)
        held = ServerSecrets()
        hold(held, builder, context)
        return DownstreamTls(held, builder.not_ready.inc)


class _Builder:
    """Makes the contexts of one message, now and whenever a secret has changed."""

    def __init__(self, message: Any, context: Context) -> None:
        self._message = message
        self._stats = TlsStats(context.scope)
        scope = context.scope.scope("server_ssl_socket_factory")
        self.updated = scope.counter("ssl_context_update_by_sds")
        self.not_ready = scope.counter("downstream_context_secrets_not_ready")
        scope.counter("upstream_context_secrets_not_ready")
        self.secrets = Secrets(context)

    def contexts(self, context: Context) -> ServerContexts | None:
        """The contexts; None after a problem.  Raises NotReadyError."""
        common = context.at("common_tls_context")
        plan = self._plan(context, common)
        if not plan.certificates:
            if not common.env.problems.has_errors:
                common.error("", "No TLS certificates found for server context")
            return None
        scan_all = context.wrapped(self._message, "full_scan_certs_on_sni_mismatch", False)
        try:
            return server_contexts(plan, self._stats, scan_all=scan_all)
        except TlsError as error:
            report(error, common)
            return None

    def _plan(self, context: Context, common: Context) -> TlsPlan:
        message = self._message
        plan = tls_plan(message.common_tls_context, common, self.secrets, ssl.TLSVersion.TLSv1_3)
        timeout_s = context.duration_s(message, "session_timeout")
        return replace(
            plan,
            require_certificate=context.wrapped(message, "require_client_certificate", False),
            tickets=not message.disable_stateless_session_resumption,
            session_ids=not message.disable_stateful_session_resumption,
            session_timeout_s=None if timeout_s is None else int(timeout_s),
            prefers_client_ciphers=message.prefer_client_ciphers,
            ticket_keys=self._ticket_keys(message, context, plan),
            staple_policy=StaplePolicy(message.ocsp_staple_policy),
        )

    def _ticket_keys(self, message: Any, context: Context, plan: TlsPlan) -> bytes:
        """Those of the configuration, or keys made from what all workers of this proxy know."""
        configured = message.session_ticket_keys
        if message.HasField("session_ticket_keys_sds_secret_config"):
            found = self.secrets.find(
                message.session_ticket_keys_sds_secret_config,
                "session_ticket_keys",
                "session_ticket_keys_sds_secret_config",
            )
            configured = found or configured
        if configured.keys:
            return _configured_keys(configured, context.at("session_ticket_keys"))
        belonging = hashlib.sha256(repr(plan.certificates).encode()).digest()
        settings = message.SerializeToString(deterministic=True)
        return ticket_keys(_proxy_secret(context), belonging, settings, context.path.encode())


def _configured_keys(message: Any, context: Context) -> bytes:
    """All of them, of which the first encrypts; Envoy's 80 bytes are laid out as OpenSSL's."""
    keys = []
    for index, source in enumerate(message.keys):
        key = context.at("keys", index)
        data = data_source.read(source, key)
        if len(data) != openssl.TICKET_KEYS_BYTES:
            wanted = f"expected length {openssl.TICKET_KEYS_BYTES}"
            key.error("", f"Incorrect TLS session ticket key length. Length {len(data)}, {wanted}.")
            return b""
        keys.append(data)
    if not openssl.available():
        context.error("keys", "needs an OpenSSL that is linked dynamically into this Python")
    elif len(keys) > 1 and not tickets.available():
        context.error("keys", "more than one key needs OpenSSL 3.0 or later")
    return b"".join(keys)


def _proxy_secret(context: Context) -> bytes:
    """A secret that all workers of this proxy share, and nobody else knows."""
    store = context.arena.store
    store.set(_SECRET_KEY, chance.token_bytes(32), ABSENT)
    found = store.get(_SECRET_KEY)
    return found[0] if found is not None else chance.token_bytes(32)
