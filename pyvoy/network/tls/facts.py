"""What a finished handshake lets logs, headers and filters know: fills in the connection's TlsInfo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyvoy.network.tls import openssl
from pyvoy.network.tls.agreed import local_facts
from pyvoy.network.tls.certificates import facts_of, url_encoded_pem
from pyvoy.observe.tls_info import TlsInfo

if TYPE_CHECKING:
    from pyvoy.network.tls.certificates import CertificateFacts
    from pyvoy.network.tls.session import Session
    from pyvoy.network.tls.transport import TlsTransport

_DER = 2  # _ssl.ENCODING_DER


def note_handshake(info: TlsInfo, transport: TlsTransport) -> None:
    """Write down what the handshake of a transport has settled."""
    session, context, agreed = transport.session, transport.context, transport.agreed
    known = vars(info)
    known.update(agreed.facts)
    if agreed.version != "TLSv1.3" and session.session is not None:
        info.session_id = session.session.id.hex()
    if context.is_choosing:
        own_der = openssl.own_certificate(session)
        if own_der:
            known.update(local_facts(facts_of(own_der)))
    certificate = session.getpeercert(True) if context.asks else None
    if certificate is not None:
        info.peer_presented = True
        info.peer_validated = context.validates and not session.session_reused
        _note_peer(info, facts_of(certificate))
        # A resumed session of OpenSSL keeps the peer's own certificate alone.
        _note_chain(info, _unverified_chain(session) or [certificate])


def note_failure(info: TlsInfo, transport: TlsTransport) -> None:
    """Write down how far a handshake came: BoringSSL calls what was not agreed on yet TLSv1.2."""
    version = openssl.version_name(transport.session) if transport.begun else ""
    info.version = version if version.startswith("TLSv") else "TLSv1.2"


def _note_peer(info: TlsInfo, facts: CertificateFacts) -> None:
    info.peer_oids = facts.oids
    info.peer_subject = facts.subject
    info.peer_issuer = facts.issuer
    info.peer_serial = facts.serial
    info.peer_fingerprint_1 = facts.fingerprint_1
    info.peer_fingerprint_256 = facts.fingerprint_256
    info.peer_uri_sans = facts.uri_sans
    info.peer_dns_sans = facts.dns_sans
    info.peer_ip_sans = facts.ip_sans
    info.peer_email_sans = facts.email_sans
    info.peer_certificate = facts.pem
    info.peer_valid_from_s = facts.valid_from_s
    info.peer_valid_to_s = facts.valid_to_s


def _note_chain(info: TlsInfo, chain: list[bytes]) -> None:
    facts = [facts_of(der) for der in chain]
    info.peer_chain_fingerprints_1 = tuple(one.fingerprint_1 for one in facts)
    info.peer_chain_fingerprints_256 = tuple(one.fingerprint_256 for one in facts)
    info.peer_chain_serials = tuple(one.serial for one in facts)
    info.peer_chain = "".join(url_encoded_pem(der) for der in chain)


def _unverified_chain(session: Session) -> list[bytes]:
    """All certificates that the peer sent, in DER form."""
    return [certificate.public_bytes(_DER) for certificate in session.get_unverified_chain() or ()]
