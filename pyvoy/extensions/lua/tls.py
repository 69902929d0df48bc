"""What the SSL connection object answers, from the facts of the TLS connection.

Source: Envoy's SslConnectionWrapper; what a connection did not present is an empty text, an empty list or 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyvoy.observe.tls_info import TlsInfo

CIPHER_IDS = {
    "TLS_AES_128_GCM_SHA256": 0x1301,
    "TLS_AES_256_GCM_SHA384": 0x1302,
    "TLS_CHACHA20_POLY1305_SHA256": 0x1303,
    "AES128-SHA": 0x002F,
    "AES256-SHA": 0x0035,
    "AES128-GCM-SHA256": 0x009C,
    "AES256-GCM-SHA384": 0x009D,
    "ECDHE-ECDSA-AES128-SHA": 0xC009,
    "ECDHE-ECDSA-AES256-SHA": 0xC00A,
    "ECDHE-RSA-AES128-SHA": 0xC013,
    "ECDHE-RSA-AES256-SHA": 0xC014,
    "ECDHE-ECDSA-AES128-GCM-SHA256": 0xC02B,
    "ECDHE-ECDSA-AES256-GCM-SHA384": 0xC02C,
    "ECDHE-RSA-AES128-GCM-SHA256": 0xC02F,
    "ECDHE-RSA-AES256-GCM-SHA384": 0xC030,
    "ECDHE-RSA-CHACHA20-POLY1305": 0xCCA8,
    "ECDHE-ECDSA-CHACHA20-POLY1305": 0xCCA9,
}
"""The registered numbers of the suites that TLS 1.2 and 1.3 negotiate here (IANA, TLS cipher suites)."""


def subject_fields(text: str, name: str) -> list[str]:
    """The values of one attribute (CN, O) of an RFC 2253 name, in the order of the certificate."""
    values = []
    for part in _split(text):
        key, _, value = part.partition("=")
        if key == name:
            values.append(value.replace("\\", ""))
    return values[::-1]


def _split(text: str) -> list[str]:
    parts, start, at = [], 0, 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] in ",+":
            parts.append(text[start:at])
            start = at + 1
        at += 1
    return [*parts, text[start:]]


def _first(values: list[str]) -> str:
    return values[0] if values else ""


def _cipher_id(info: TlsInfo) -> str:
    return f"0x{CIPHER_IDS.get(info.cipher, 0xFFFF):04x}"


def _issuer_of(values: tuple[str, ...]) -> str:
    """What belongs to the second certificate of the chain."""
    return values[1] if len(values) > 1 else ""


ANSWERS: dict[bytes, Callable[[TlsInfo], Any]] = {
    b"peerCertificatePresented": lambda info: info.peer_presented,
    b"peerCertificateValidated": lambda info: info.peer_validated,
    b"uriSanLocalCertificate": lambda info: info.local_uri_sans,
    b"dnsSansLocalCertificate": lambda info: info.local_dns_sans,
    b"subjectLocalCertificate": lambda info: info.local_subject,
    b"oidsLocalCertificate": lambda info: getattr(info, "local_oids", ()),
    b"sha256PeerCertificateDigest": lambda info: info.peer_fingerprint_256,
    b"serialNumberPeerCertificate": lambda info: info.peer_serial,
    b"serialNumberPeerCertificateIssuer": lambda info: _issuer_of(info.peer_chain_serials),
    b"sha256PeerCertificateIssuerDigest": lambda info: _issuer_of(info.peer_chain_fingerprints_256),
    b"issuerPeerCertificate": lambda info: info.peer_issuer,
    b"subjectPeerCertificate": lambda info: info.peer_subject,
    b"uriSanPeerCertificate": lambda info: info.peer_uri_sans,
    b"dnsSansPeerCertificate": lambda info: info.peer_dns_sans,
    b"oidsPeerCertificate": lambda info: getattr(info, "peer_oids", ()),
    b"urlEncodedPemEncodedPeerCertificate": lambda info: info.peer_certificate,
    b"urlEncodedPemEncodedPeerCertificateChain": lambda info: getattr(info, "peer_certificate_chain", ""),
    b"validFromPeerCertificate": lambda info: int(info.peer_valid_from_s or 0),
    b"expirationPeerCertificate": lambda info: int(info.peer_valid_to_s or 0),
    b"sessionId": lambda info: info.session_id,
    b"ciphersuiteId": _cipher_id,
    b"ciphersuiteString": lambda info: info.cipher,
    b"tlsVersion": lambda info: info.version,
    b"commonName": lambda info: _first(subject_fields(info.peer_subject, "CN")),
    b"organizationName": lambda info: subject_fields(info.peer_subject, "O"),
}
