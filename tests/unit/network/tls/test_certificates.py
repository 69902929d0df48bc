"""What is read of a certificate."""

from __future__ import annotations

import base64
import hashlib
from urllib.parse import unquote

import pytest

from pyvoy.network.tls.certificates import CertificateFacts, facts_of, pem_blocks
from tests.support.certificates import authority

ISSUED = authority().issue("who", ("a.test", "b.test"), ("spiffe://x/y",), ("10.0.0.1", "::1"), ("m@a.test",))


def test_all_facts_of_a_certificate() -> None:
    facts = facts_of(ISSUED.der)
    assert facts.subject == "O=Test Org,CN=who"
    assert facts.issuer == "O=Test Org,CN=Test CA"
    assert facts.common_name == "who"
    assert (facts.dns_sans, facts.uri_sans) == (("a.test", "b.test"), ("spiffe://x/y",))
    assert (facts.ip_sans, facts.email_sans) == (("10.0.0.1", "::1"), ("m@a.test",))
    assert facts.sans == ("a.test", "b.test", "spiffe://x/y", "10.0.0.1", "::1", "m@a.test")
    assert int(facts.serial, 16) == ISSUED.certificate.serial_number
    assert len(facts.serial) % 2 == 0
    assert facts.fingerprint_256 == hashlib.sha256(ISSUED.der).hexdigest()
    assert facts.spki_hash == base64.b64encode(hashlib.sha256(ISSUED.spki).digest()).decode()
    assert unquote(facts.pem) == ISSUED.cert
    assert facts.valid_to_s > facts.valid_from_s > 0
    assert facts.is_ecdsa


def test_of_what_is_no_certificate_there_are_hashes() -> None:
    assert facts_of(b"nonsense") == CertificateFacts(
        fingerprint_1=hashlib.sha1(b"nonsense").hexdigest(),
        fingerprint_256=hashlib.sha256(b"nonsense").hexdigest(),
        pem=facts_of(b"nonsense").pem,
    )


def test_the_blocks_of_a_pem_text() -> None:
    text = f"words\n{ISSUED.cert}between\n{authority().cert}".encode()
    assert pem_blocks(text) == [ISSUED.der, authority().issued.der]
    assert pem_blocks(b"") == []
    with pytest.raises(ValueError, match="has no end"):
        pem_blocks(text[:-40])
