"""What a peer's certificate must be: a chain to a trusted one, names, pins.  Decides inside the handshake.

Source: Envoy, DefaultCertValidator (order of the checks, texts and counters).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from pyvoy.network.tls.certificates import CertificateFacts, facts_of

if TYPE_CHECKING:
    from pyvoy.network.tls.openssl import PeerChain
    from pyvoy.network.tls.stats import TlsStats


class SanType(IntEnum):
    """Kinds of names in a certificate: Envoy's SubjectAltNameMatcher.SanType."""

    EMAIL = 1
    DNS = 2
    URI = 3
    IP_ADDRESS = 4


@dataclass(slots=True, frozen=True)
class SanMatcher:
    """One name that is wanted.  `exact` is the text of an exact match, which a wildcard of a DNS name satisfies too."""

    kind: SanType
    matches: Callable[[bytes], bool]
    exact: str = ""

    def accepts(self, facts: CertificateFacts) -> bool:
        """Whether one of the certificate's names of this kind matches."""
        names = _names(facts, self.kind)
        if self.kind is SanType.DNS and self.exact:
            return any(dns_name_matches(self.exact, name) for name in names)
        return any(self.matches(name.encode()) for name in names)


@dataclass(slots=True, frozen=True)
class ValidationPlan:
    """What is demanded of a peer's certificate.

    `trusted_ca` and `crl` are PEM; without `trusted_ca` the chain is not looked at.  `spki_pins` are base64 of SHA-256,
    `certificate_pins` lower-case hex of SHA-256; one of all pins is enough."""

    trusted_ca: bytes = b""
    system_roots: bool = False
    crl: bytes = b""
    crl_leaf_only: bool = False
    sans: tuple[SanMatcher, ...] = ()
    spki_pins: frozenset[str] = frozenset()
    certificate_pins: frozenset[str] = frozenset()
    accept_untrusted: bool = False
    allow_expired: bool = False
    max_depth: int | None = None
    name: str = ""
    """Of the secret that it came with."""

    @property
    def checks_anything(self) -> bool:
        """Whether a certificate is asked for at all."""
        return self.checks_chain or bool(self.spki_pins or self.certificate_pins)

    @property
    def checks_chain(self) -> bool:
        """Whether certificates must lead to a trusted one."""
        return bool(self.trusted_ca) or self.system_roots


class Verifier:
    """Decides on the certificates of one context's peers; `failure` is what it found, for the handshake under way."""

    __slots__ = ("_expected_name", "_plan", "_stats", "failure")

    def __init__(self, plan: ValidationPlan, stats: TlsStats) -> None:
        self._plan = plan
        self._stats = stats
        self._expected_name = ""
        self.failure = ""

    def prepare(self, expected_name: str) -> None:
        """The next step is of another handshake; `expected_name` is a DNS name that is wanted in place of the plan's
        names (auto_sni_san_validation)."""
        self._expected_name = expected_name
        self.failure = ""

    def __call__(self, chain: PeerChain) -> bool:
        """Whether the peer may go on."""
        self.failure = self._find_fault(chain)
        if not self.failure:
            chain.accept()
        return not self.failure

    def _find_fault(self, chain: PeerChain) -> str:
        plan, stats = self._plan, self._stats
        if plan.checks_chain:
            fault = chain.verify(allow_expired=plan.allow_expired)
            if fault:
                stats.fail_verify_error.inc()
                if not plan.accept_untrusted:
                    return f"verify cert failed: {fault}"
        if not (plan.sans or plan.spki_pins or plan.certificate_pins or self._expected_name):
            return ""
        facts = facts_of(chain.leaf())
        if not self._names_fit(facts):
            stats.fail_verify_san.inc()
            chain.refuse()
            has = ", ".join(facts.sans)
            if self._expected_name:
                wanted = f"expected SANs: [{self._expected_name}]"
                return f"verify cert failed: verify SAN list, {wanted}, certificate SANs: [{has}]"
            return f"verify cert failed: SAN matcher, certificate SANs are [{has}]"
        if (plan.spki_pins or plan.certificate_pins) and not (
            facts.spki_hash in plan.spki_pins or facts.fingerprint_256 in plan.certificate_pins
        ):
            stats.fail_verify_cert_hash.inc()
            chain.refuse()
            return "verify cert failed: cert hash and spki"
        return ""

    def _names_fit(self, facts: CertificateFacts) -> bool:
        if self._expected_name:
            return any(dns_name_matches(self._expected_name, name) for name in facts.dns_sans)
        sans = self._plan.sans
        return not sans or any(matcher.accepts(facts) for matcher in sans)


def _names(facts: CertificateFacts, kind: SanType) -> tuple[str, ...]:
    if kind is SanType.DNS:
        return facts.dns_sans
    if kind is SanType.URI:
        return facts.uri_sans
    return facts.ip_sans if kind is SanType.IP_ADDRESS else facts.email_sans


def dns_name_matches(name: str, pattern: str) -> bool:
    """Whether a DNS name fits the name in a certificate, which may have `*` as its first label (RFC 6125 6.4.3)."""
    name, pattern = name.lower(), pattern.lower()
    if name == pattern:
        return True
    if not pattern.startswith("*."):
        return False
    label, dot, rest = name.partition(".")
    return bool(label and dot) and rest == pattern[2:]
