"""What certificates say, in the texts that logs, headers and filters show.

A peer's certificate is read once and remembered, as most peers come again.  The `cryptography` package, which reads
them, is loaded with the first certificate.  Source of the texts: Envoy, Ssl::Utility (X509_NAME_print_ex with
XN_FLAG_RFC2253, BN_bn2hex, URL-encoded PEM).
"""

from __future__ import annotations

import base64
import functools
import hashlib
import ssl
from dataclasses import dataclass
from typing import Any

REMEMBERED = 1024
"""Certificates whose facts are kept."""

_URL = {"\n": "%0A", " ": "%20", "+": "%2B", "/": "%2F", "=": "%3D"}
_TABLE = str.maketrans(_URL)


@dataclass(slots=True, frozen=True)
class CertificateFacts:
    """Facts of one certificate; times are epoch seconds."""

    subject: str = ""
    issuer: str = ""
    serial: str = ""
    fingerprint_1: str = ""
    fingerprint_256: str = ""
    spki_hash: str = ""
    """Base64 of the SHA-256 of the public key, as pins are written."""
    sans: tuple[str, ...] = ()
    """All names, as they stand in the certificate."""
    uri_sans: tuple[str, ...] = ()
    dns_sans: tuple[str, ...] = ()
    ip_sans: tuple[str, ...] = ()
    email_sans: tuple[str, ...] = ()
    oids: tuple[str, ...] = ()
    """Of the extensions."""
    common_name: str = ""
    pem: str = ""
    """URL-encoded."""
    valid_from_s: float = 0.0
    valid_to_s: float = 0.0
    is_ecdsa: bool = False


@functools.lru_cache(maxsize=REMEMBERED)
def facts_of(der: bytes) -> CertificateFacts:
    """The facts of a certificate in DER form; those of one that cannot be read are empty but for its hashes."""
    hashes = (hashlib.sha1(der).hexdigest(), hashlib.sha256(der).hexdigest())
    try:
        return _read(der, *hashes)
    except ValueError:
        return CertificateFacts(fingerprint_1=hashes[0], fingerprint_256=hashes[1], pem=url_encoded_pem(der))


def _read(der: bytes, fingerprint_1: str, fingerprint_256: str) -> CertificateFacts:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    certificate = x509.load_der_x509_certificate(der)
    try:
        names: Any = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = ()
    key = certificate.public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return CertificateFacts(
        subject=_name(certificate.subject),
        issuer=_name(certificate.issuer),
        serial=_serial(certificate.serial_number),
        fingerprint_1=fingerprint_1,
        fingerprint_256=fingerprint_256,
        spki_hash=base64.b64encode(hashlib.sha256(spki).digest()).decode(),
        sans=tuple(_text(name) for name in names if _text(name)),
        uri_sans=_values(names, x509.UniformResourceIdentifier),
        dns_sans=_values(names, x509.DNSName),
        ip_sans=_values(names, x509.IPAddress),
        email_sans=_values(names, x509.RFC822Name),
        oids=tuple(extension.oid.dotted_string for extension in certificate.extensions),
        common_name=str(common[0].value) if common else "",
        pem=url_encoded_pem(der),
        valid_from_s=certificate.not_valid_before_utc.timestamp(),
        valid_to_s=certificate.not_valid_after_utc.timestamp(),
        is_ecdsa=isinstance(key, EllipticCurvePublicKey),
    )


def _values(names: Any, kind: Any) -> tuple[str, ...]:
    return tuple(str(name.value) for name in names if type(name) is kind)


def _text(name: Any) -> str:
    value = name.value
    return value if isinstance(value, str) else str(value) if hasattr(value, "packed") else ""


def _name(name: Any) -> str:
    """A distinguished name by RFC 2253."""
    from cryptography.x509 import NameOID

    return str(name.rfc4514_string({NameOID.EMAIL_ADDRESS: "emailAddress", NameOID.SERIAL_NUMBER: "serialNumber"}))


def _serial(number: int) -> str:
    digits = f"{number:x}"
    return digits if len(digits) % 2 == 0 else f"0{digits}"


def url_encoded_pem(der: bytes) -> str:
    """A certificate as PEM with the characters encoded that Envoy encodes."""
    return ssl.DER_cert_to_PEM_cert(der).translate(_TABLE)


def pem_blocks(pem: bytes, kind: str = "CERTIFICATE") -> list[bytes]:
    """The DER forms of all blocks of a kind in a PEM text; raises ValueError for one that is broken."""
    begin, end = f"-----BEGIN {kind}-----".encode(), f"-----END {kind}-----".encode()
    blocks = []
    rest = pem
    while begin in rest:
        body, found, rest = rest.partition(begin)[2].partition(end)
        if not found:
            raise ValueError(f"a {kind} block has no end")
        blocks.append(base64.b64decode(b"".join(body.split()), validate=True))
    return blocks
