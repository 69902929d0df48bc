"""The facts of one TLS connection that logs, headers and filters show; a TLS transport socket fills them in.

Texts are Envoy's: distinguished names in RFC 2253 form, serials and fingerprints as lower-case hex, certificates as
URL-encoded PEM.  Everything has the value of a connection that did not present it.
"""

from __future__ import annotations


class TlsInfo:
    """Facts of the handshake; `peer_` is the other side's certificate, `local_` our own."""

    alpn: str = ""
    """The application protocol that was agreed on."""
    version: str = ""
    cipher: str = ""
    group: str = ""
    session_id: str = ""
    peer_presented: bool = False
    peer_validated: bool = False
    peer_subject: str = ""
    peer_issuer: str = ""
    peer_serial: str = ""
    peer_fingerprint_1: str = ""
    peer_fingerprint_256: str = ""
    peer_chain_fingerprints_1: tuple[str, ...] = ()
    peer_chain_fingerprints_256: tuple[str, ...] = ()
    peer_chain_serials: tuple[str, ...] = ()
    peer_uri_sans: tuple[str, ...] = ()
    peer_dns_sans: tuple[str, ...] = ()
    peer_ip_sans: tuple[str, ...] = ()
    peer_email_sans: tuple[str, ...] = ()
    peer_certificate: str = ""
    peer_valid_from_s: float | None = None
    """Epoch seconds."""
    peer_valid_to_s: float | None = None
    local_subject: str = ""
    local_uri_sans: tuple[str, ...] = ()
    local_dns_sans: tuple[str, ...] = ()
    local_ip_sans: tuple[str, ...] = ()
    local_email_sans: tuple[str, ...] = ()
