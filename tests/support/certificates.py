"""Certificates for tests, made on the spot: an authority, and what it signs."""

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
_START = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
_END = datetime.datetime(2120, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    private_key: Key

    @property
    def cert(self) -> str:
        """The certificate as PEM."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def der(self) -> bytes:
        """The certificate in DER form."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def key(self) -> str:
        """The private key as PEM."""
        return self.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    @property
    def spki(self) -> bytes:
        """The public key in DER form."""
        return self.certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Write `name`.crt and `name`.key."""
        paths = folder / f"{name}.crt", folder / f"{name}.key"
        paths[0].write_text(self.cert)
        paths[1].write_text(self.key)
        return paths


def _name(common: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, common), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test Org")]
    )


class Authority:
    """Signs certificates."""

    def __init__(self, common: str = "Test CA") -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(_name(common), _name(common), key, 1)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        self.issued = Issued(builder.sign(key, hashes.SHA256()), key)
        self._serial = 100

    @property
    def cert(self) -> str:
        """The authority's certificate as PEM."""
        return self.issued.cert

    @staticmethod
    def _builder(
        subject: x509.Name, issuer: x509.Name, key: Key, serial: int, start: datetime.datetime = _START
    ) -> x509.CertificateBuilder:
        end = _END if start is _START else start + datetime.timedelta(days=1)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        return builder.serial_number(serial).not_valid_before(start).not_valid_after(end)

    def issue(
        self,
        common: str,
        dns: Sequence[str] = (),
        uri: Sequence[str] = (),
        ip: Sequence[str] = (),
        email: Sequence[str] = (),
        *,
        is_rsa: bool = False,
        expired: bool = False,
        must_staple: bool = False,
    ) -> Issued:
        """A certificate for servers and clients."""
        key: Key = rsa.generate_private_key(65537, 2048) if is_rsa else ec.generate_private_key(ec.SECP256R1())
        self._serial += 1
        start = _START + datetime.timedelta(days=1) if expired else _START
        builder = self._builder(_name(common), self.issued.certificate.subject, key, self._serial, start)
        names: list[x509.GeneralName] = [x509.DNSName(name) for name in dns]
        names += [x509.UniformResourceIdentifier(name) for name in uri]
        names += [x509.IPAddress(ipaddress.ip_address(name)) for name in ip]
        names += [x509.RFC822Name(name) for name in email]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        usage = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.ExtendedKeyUsage(usage), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        if must_staple:
            builder = builder.add_extension(x509.TLSFeature([x509.TLSFeatureType.status_request]), critical=False)
        return Issued(builder.sign(self.issued.private_key, hashes.SHA256()), key)

    def staple(self, issued: Issued, *, expired: bool = False, endless: bool = False) -> bytes:
        """An OCSP response that the certificate is good."""
        hour = datetime.timedelta(hours=1)
        now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        start = now - 2 * hour
        until = None if endless else now - hour if expired else now + 24 * hour
        builder = ocsp.OCSPResponseBuilder().add_response(
            issued.certificate,
            self.issued.certificate,
            hashes.SHA1(),
            ocsp.OCSPCertStatus.GOOD,
            start,
            until,
            None,
            None,
        )
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, self.issued.certificate)
        return builder.sign(self.issued.private_key, hashes.SHA256()).public_bytes(Encoding.DER)

    def revoke(self, *revoked: Issued) -> str:
        """A revocation list as PEM."""
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.issued.certificate.subject)
        builder = builder.last_update(_START).next_update(_END)
        for one in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(one.certificate.serial_number)
            builder = builder.add_revoked_certificate(entry.revocation_date(_START).build())
        return builder.sign(self.issued.private_key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


_authority = cache(Authority)


def authority(common: str = "Test CA") -> Authority:
    """The authority of that name, one for all tests of a run."""
    return _authority(common)


@cache
def issued(common: str, dns: tuple[str, ...] = (), uri: tuple[str, ...] = (), *, is_rsa: bool = False) -> Issued:
    """A certificate of the usual authority, one for all tests of a run."""
    return authority().issue(common, dns, uri, is_rsa=is_rsa)
