"""OCSP responses that a server staples to its handshakes: what is read at load, and what a client gets that asks.

Source: Envoy, OcspResponseWrapper (whose checks these are: the serial number tells whose response it is, and without a
nextUpdate it has expired) and ServerContextImpl::ocspStapleAction.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from pyvoy.network.tls import openssl

if TYPE_CHECKING:
    from cryptography import x509

    from pyvoy.network.tls.stats import TlsStats


class StaplePolicy(IntEnum):
    """DownstreamTlsContext.OcspStaplePolicy."""

    LENIENT_STAPLING = 0
    STRICT_STAPLING = 1
    MUST_STAPLE = 2


@dataclass(slots=True, frozen=True)
class Staple:
    """One response; `starts_s` and `expires_s` are epoch seconds."""

    der: bytes
    starts_s: float
    expires_s: float


@dataclass(slots=True, frozen=True)
class Stapled:
    """What a certificate comes with: its response, if it has one, and the policy that holds for it."""

    staple: Staple | None
    policy: StaplePolicy


def stapled(der: bytes, certificate_der: bytes, policy: StaplePolicy) -> Stapled:
    """What belongs to a certificate whose configuration has this response (b"": none).  Raises ValueError."""
    from cryptography import x509

    try:
        certificate = x509.load_der_x509_certificate(certificate_der)
        must = _must_staple(certificate)
    except ValueError:
        if der:
            raise
        must = False  # of one that only OpenSSL can read, as `facts_of` says nothing either
    if not der:
        if must:
            raise ValueError("OCSP response is required for must-staple certificate")
        if policy is StaplePolicy.MUST_STAPLE:
            raise ValueError("Required OCSP response is missing from TLS context")
        return Stapled(None, policy)
    serial, staple = read_response(der)
    if serial != certificate.serial_number:
        raise ValueError("OCSP response does not match its TLS certificate")
    return Stapled(staple, StaplePolicy.MUST_STAPLE if must else policy)


def _must_staple(certificate: x509.Certificate) -> bool:
    """RFC 7633: the certificate is no good without a staple."""
    from cryptography import x509

    try:
        feature = certificate.extensions.get_extension_for_class(x509.TLSFeature).value
    except x509.ExtensionNotFound:
        return False
    return x509.TLSFeatureType.status_request in feature


def read_response(der: bytes) -> tuple[int, Staple]:
    """The serial number that a response is about, and the response.  Raises ValueError."""
    from cryptography.x509 import ocsp

    response = ocsp.load_der_ocsp_response(der)
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise ValueError("OCSP response was unsuccessful")
    found = list(response.responses)
    if len(found) != 1:
        raise ValueError("OCSP Response must be for one certificate only")
    until = found[0].next_update_utc
    expires_s = until.timestamp() if until is not None else 0.0
    return found[0].serial_number, Staple(der, found[0].this_update_utc.timestamp(), expires_s)


class Stapler:
    """Answers the clients of one context that ask for a staple."""

    __slots__ = ("_by_certificate", "_now", "_stats")

    def __init__(
        self, by_certificate: Mapping[bytes, Stapled], stats: TlsStats, now: Callable[[], float] = time.time
    ) -> None:
        """`by_certificate`: by the certificate that is shown, in DER form; `now` is the wall clock."""
        self._by_certificate = by_certificate
        self._stats = stats
        self._now = now

    def answer(self, certificate_der: bytes) -> openssl.Status:
        """The staple for the certificate that is about to be shown; None sends none, False refuses the client."""
        stats = self._stats
        stats.ocsp_staple_requests.inc()
        found = self._by_certificate.get(certificate_der)
        staple = found.staple if found is not None else None
        if staple is not None and staple.expires_s >= self._now():
            stats.ocsp_staple_responses.inc()
            return staple.der
        policy = found.policy if found is not None else StaplePolicy.LENIENT_STAPLING
        if policy is StaplePolicy.MUST_STAPLE or (policy is StaplePolicy.STRICT_STAPLING and staple is not None):
            stats.ocsp_staple_failed.inc()
            return False
        stats.ocsp_staple_omitted.inc()
        return None
