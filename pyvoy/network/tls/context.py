"""TLS plans -> OpenSSL contexts, made once at load: certificates, versions, ciphers, trust, tickets.

One `TlsContext` is what one handshake uses.  Which one, `server.py` and `client.py` decide before the handshake.
Source: Envoy, ContextImpl, ServerContextImpl and ClientContextImpl; defaults of the running 1.40.
"""

from __future__ import annotations

import hashlib
import os
import ssl
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyvoy.network.tls import openssl, tickets
from pyvoy.network.tls.agreed import Agreed, Agreements
from pyvoy.network.tls.certificates import CertificateFacts, facts_of, pem_blocks
from pyvoy.network.tls.failures import NO_PEER_CERTIFICATE, VERIFY_FAILED
from pyvoy.network.tls.ocsp import StaplePolicy, Stapler, stapled
from pyvoy.network.tls.stats import TlsStats
from pyvoy.network.tls.verify import ValidationPlan, Verifier

if TYPE_CHECKING:
    from pyvoy.network.tls.session import Session

DEFAULT_CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
)
DEFAULT_GROUPS = ("X25519", "P-256")
_ANY_KEY = "@SECLEVEL=0"  # BoringSSL has no levels; key sizes are checked where certificates are read


class TlsError(ValueError):
    """A plan that no context can be made of; `field` is the place within the CommonTlsContext message."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


@dataclass(slots=True, frozen=True)
class CertificatePlan:
    """A certificate chain and its key, both PEM."""

    chain: bytes
    key: bytes
    password: bytes = b""
    name: str = ""
    """Of the secret that it came with."""
    staple: bytes = b""
    """An OCSP response in DER form."""

    @property
    def leaf_der(self) -> bytes:
        """The first certificate; raises ValueError when there is none."""
        blocks = pem_blocks(self.chain)
        if not blocks:
            raise ValueError("there is no certificate in it")
        return blocks[0]

    @property
    def leaf(self) -> CertificateFacts:
        """Its facts; raises ValueError."""
        return facts_of(self.leaf_der)


@dataclass(slots=True, frozen=True)
class TlsPlan:
    """What both sides have in common.  Versions are the standard library's; empty tuples mean the defaults."""

    certificates: tuple[CertificatePlan, ...] = ()
    validation: ValidationPlan | None = None
    alpn: tuple[str, ...] = ()
    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    maximum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    ciphers: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    signature_algorithms: tuple[str, ...] = ()
    key_log_path: str = ""
    require_certificate: bool = False
    """A server demands a certificate of its clients."""
    tickets: bool = True
    session_ids: bool = True
    session_timeout_s: int | None = None
    prefers_client_ciphers: bool = False
    """A server takes the first cipher of the client's that it has; with TLS 1.3 it always does."""
    ticket_keys: bytes = b""
    """OpenSSL's keys for session tickets, one behind the other: the first encrypts; b"" leaves them to the context."""
    staple_policy: StaplePolicy = StaplePolicy.LENIENT_STAPLING
    max_sessions: int = 0
    """How many sessions a client keeps to resume them."""


class ClientSessions:
    """Sessions that can be resumed, by server name; those of TLS 1.3 once."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: dict[str, deque[tuple[ssl.SSLSession, bool]]] = {}

    def take(self, server_name: str) -> ssl.SSLSession | None:
        """The newest session of a name."""
        kept = self._kept.get(server_name)
        if not kept:
            return None
        session, once = kept[-1]
        if once:
            kept.pop()
        return session

    def keep(self, server_name: str, connection: Session) -> None:
        """Remember a connection's session."""
        session = connection.session
        if session is not None and session.has_ticket:
            kept = self._kept.setdefault(server_name, deque(maxlen=self._limit))
            kept.append((session, connection.version() == "TLSv1.3"))


@dataclass(slots=True)
class TlsContext:
    """An OpenSSL context and what belongs to it.  `sessions` is None on servers and where none are kept."""

    context: ssl.SSLContext
    stats: TlsStats
    verifier: Verifier
    validates: bool
    agreements: Agreements
    is_choosing: bool = False
    """OpenSSL chooses between certificates, so that another one than the first may be shown."""
    sessions: ClientSessions | None = None
    speaks_13: bool = True
    asks: bool = True
    """The peer may show a certificate: clients always see one, servers where they ask for it."""
    kept: object = None
    """What must live as long as the context."""

    def count(self, session: Session, said: bytes) -> Agreed:
        """A handshake is complete; returns what it has agreed on.  `said` is what a server said first."""
        agreed = self.agreements.of(session, said)
        cells = agreed.cells
        for index in agreed.indexes:
            cells[index] += 1
        if session.session_reused:
            self.stats.session_reused.inc()
        if self.asks:
            self.stats.count_peer(session)
        return agreed

    def count_failure(self, reason: str) -> None:
        """A connection broke; what the verifier refused has been counted."""
        if reason == NO_PEER_CERTIFICATE:
            self.stats.fail_verify_no_cert.inc()
        elif reason != VERIFY_FAILED:
            self.stats.connection_error.inc()


def make_context(plan: TlsPlan, stats: TlsStats, *, server_side: bool) -> TlsContext:
    """The context of a plan, with the certificates of different key types that it names.  Raises TlsError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server_side else ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    openssl.show_no_more(context)
    _set_parameters(context, plan)
    for index, certificate in enumerate(plan.certificates):
        _load_certificate(context, certificate, index)
    verifier = Verifier(plan.validation or ValidationPlan(), stats)
    kept = _set_verification(context, plan, verifier, server_side=server_side)
    asks = not server_side or kept is not None
    staples = _set_staples(context, plan, stats) if server_side else None
    if plan.alpn:
        context.set_alpn_protocols(list(plan.alpn))
    if plan.key_log_path:
        context.keylog_filename = plan.key_log_path
    kept_tickets = _set_sessions(context, plan) if server_side else None
    _show_expiries(plan, stats)
    return TlsContext(
        context,
        stats,
        verifier,
        validates=plan.validation is not None and plan.validation.checks_chain,
        agreements=Agreements(stats, plan.certificates[0].leaf if plan.certificates else CertificateFacts(), asks=asks),
        is_choosing=len(plan.certificates) > 1,
        speaks_13=plan.maximum >= ssl.TLSVersion.TLSv1_3,
        sessions=ClientSessions(plan.max_sessions) if plan.max_sessions else None,
        asks=asks,
        kept=(kept, staples, kept_tickets),
    )


def _set_parameters(context: ssl.SSLContext, plan: TlsPlan) -> None:
    context.minimum_version = plan.minimum
    context.maximum_version = plan.maximum
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_COMPRESSION
    if plan.prefers_client_ciphers:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    refused = [name for name in plan.ciphers if not _knows_cipher(context, name)]
    if refused:
        text = f"Failed to initialize cipher suites {':'.join(plan.ciphers)}. The following ciphers were rejected "
        raise TlsError("tls_params.cipher_suites", f"{text}when tried individually: {', '.join(refused)}")
    context.set_ciphers(":".join((*(plan.ciphers or DEFAULT_CIPHERS), _ANY_KEY)))
    if (plan.groups or openssl.available()) and not openssl.set_groups(
        context, ":".join(plan.groups or DEFAULT_GROUPS)
    ):
        raise TlsError("tls_params.ecdh_curves", f"Failed to initialize ECDH curves {':'.join(plan.groups)}")
    if plan.signature_algorithms and not openssl.set_signature_algorithms(context, ":".join(plan.signature_algorithms)):
        text = f"Failed to initialize TLS signature algorithms {':'.join(plan.signature_algorithms)}"
        raise TlsError("tls_params.signature_algorithms", text)


def _knows_cipher(context: ssl.SSLContext, name: str) -> bool:
    try:
        context.set_ciphers(name)
    except ssl.SSLError:
        return False
    return not name.startswith("@")


@contextmanager
def _as_file(data: bytes) -> Iterator[str]:
    """A path from which `data` can be read, without a file on any disk."""
    descriptor = os.memfd_create("pyvoy-tls", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, data)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _load_certificate(context: ssl.SSLContext, certificate: CertificatePlan, index: int) -> None:
    place = f"tls_certificates[{index}]"
    with _as_file(certificate.chain) as chain, _as_file(certificate.key) as key:
        try:
            context.load_cert_chain(chain, key, lambda: certificate.password)
        except (ssl.SSLError, OSError) as error:
            raise TlsError(place, f"Failed to load certificate chain or private key: {_said(error)}") from None


def _said(error: OSError) -> str:
    reason = getattr(error, "reason", None)
    return str(reason or error.strerror or error)


def _set_verification(context: ssl.SSLContext, plan: TlsPlan, verifier: Verifier, *, server_side: bool) -> object:
    validation = plan.validation
    if validation is None or not validation.checks_anything:
        return None
    if not openssl.available():
        raise TlsError("validation_context", "needs an OpenSSL that is linked dynamically into this Python")
    optional = server_side and not plan.require_certificate
    context.verify_mode = ssl.CERT_OPTIONAL if optional else ssl.CERT_REQUIRED
    _trust(context, validation)
    if server_side and validation.trusted_ca:
        openssl.name_client_authorities(context, list(dict.fromkeys(pem_blocks(validation.trusted_ca))))
    return openssl.set_verifier(context, verifier)


def _set_staples(context: ssl.SSLContext, plan: TlsPlan, stats: TlsStats) -> object:
    """Answer clients that ask for an OCSP response; returns what must live as long as the context."""
    found = {}
    for index, certificate in enumerate(plan.certificates):
        try:
            found[certificate.leaf_der] = stapled(certificate.staple, certificate.leaf_der, plan.staple_policy)
        except ValueError as error:
            raise TlsError(f"tls_certificates[{index}].ocsp_staple", str(error)) from None
    if not openssl.available():
        if any(one.staple for one in found.values()):
            raise TlsError(
                "tls_certificates", "OCSP staples need an OpenSSL that is linked dynamically into this Python"
            )
        return None
    return openssl.set_status_callback(context, Stapler(found, stats).answer)


def _trust(context: ssl.SSLContext, plan: ValidationPlan) -> None:
    if plan.system_roots:
        context.set_default_verify_paths()
    if plan.trusted_ca:
        try:
            context.load_verify_locations(cadata=_certificates(plan.trusted_ca))
        except (ssl.SSLError, ValueError, TypeError) as error:
            text = f"Failed to load trusted CA certificates: {error}"
            raise TlsError("validation_context.trusted_ca", text) from None
    if plan.crl:
        with _as_file(plan.crl) as path:
            try:
                context.load_verify_locations(cafile=path)
            except (ssl.SSLError, OSError) as error:
                raise TlsError("validation_context.crl", f"Failed to load CRL: {_said(error)}") from None
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF if plan.crl_leaf_only else ssl.VERIFY_CRL_CHECK_CHAIN
    if plan.max_depth is not None:
        openssl.set_verify_depth(context, plan.max_depth)


def _certificates(pem: bytes) -> bytes:
    blocks = pem_blocks(pem)
    if not blocks:
        raise ValueError("there is no certificate in it")
    return b"".join(blocks)


def _show_expiries(plan: TlsPlan, stats: TlsStats) -> None:
    for certificate in plan.certificates:
        stats.show_expiry(certificate.name, "cert", certificate.leaf.valid_to_s)
    if plan.validation is not None and plan.validation.trusted_ca:
        first = facts_of(pem_blocks(plan.validation.trusted_ca)[0])
        stats.show_expiry(plan.validation.name, "ca_cert", first.valid_to_s)
    elif plan.validation is not None:
        stats.show_no_expiry()


def _set_sessions(context: ssl.SSLContext, plan: TlsPlan) -> object:
    """Whether and how clients may resume; returns what must live as long as the context does."""
    if not plan.tickets:
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
    if not plan.session_ids and openssl.available():
        openssl.forget_sessions(context)
    if plan.session_timeout_s is not None and openssl.available():
        openssl.set_session_timeout(context, plan.session_timeout_s)
    if len(plan.ticket_keys) > openssl.TICKET_KEYS_BYTES:
        return tickets.set_several_keys(context, plan.ticket_keys)
    if plan.ticket_keys:
        openssl.set_ticket_keys(context, plan.ticket_keys)
    return None


def ticket_keys(secret: bytes, *belonging: bytes) -> bytes:
    """Keys for the tickets of one context from a secret that all workers know and what makes the context its own."""
    return hashlib.shake_256(b"\0".join((secret, *belonging))).digest(openssl.TICKET_KEYS_BYTES)
