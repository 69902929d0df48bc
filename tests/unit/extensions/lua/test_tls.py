"""The SSL connection object: every question has an answer, also without a certificate."""

from __future__ import annotations

import pytest

from pyvoy.extensions.lua.tls import ANSWERS, subject_fields
from pyvoy.observe.tls_info import TlsInfo
from tests.unit.extensions.lua.lua_play import on_request


def test_without_a_certificate_everything_is_empty() -> None:
    info = TlsInfo()
    answers = {name: answer(info) for name, answer in ANSWERS.items()}
    assert answers[b"ciphersuiteId"] == "0xffff"
    assert answers[b"expirationPeerCertificate"] == 0
    assert not any(value for name, value in answers.items() if name != b"ciphersuiteId")


def test_the_issuer_is_the_second_of_the_chain() -> None:
    info = TlsInfo()
    info.peer_chain_serials, info.peer_chain_fingerprints_256 = ("1", "2"), ("a", "b")
    assert ANSWERS[b"serialNumberPeerCertificateIssuer"](info) == "2"
    assert ANSWERS[b"sha256PeerCertificateIssuerDigest"](info) == "b"


SUBJECTS = [
    ("CN=cli,O=Org", "CN", ["cli"]),
    ("O=Two,O=One,CN=x", "O", ["One", "Two"]),
    (r"CN=a\,b,O=c", "CN", ["a,b"]),
    ("", "CN", []),
]


@pytest.mark.parametrize(("text", "name", "values"), SUBJECTS)
def test_fields_of_a_subject(text: str, name: str, values: list[str]) -> None:
    assert subject_fields(text, name) == values


def test_a_script_reads_the_connection() -> None:
    info = TlsInfo()
    info.version, info.cipher, info.peer_presented = "TLSv1.3", "TLS_AES_256_GCM_SHA384", True
    info.peer_subject, info.peer_uri_sans, info.peer_valid_to_s = "CN=cli,O=Org", ("spiffe://a", "spiffe://b"), 99.0
    p = on_request("""
        local s = h:streamInfo():downstreamSslConnection()
        local n = s:parsedSubjectPeerCertificate()
        seen = {
          s:tlsVersion(), s:ciphersuiteId(), tostring(s:peerCertificatePresented()), s:uriSanPeerCertificate()[2],
          n:commonName(), n:organizationName()[1], s:expirationPeerCertificate(), s:sessionId(),
          h:connection():ssl():tlsVersion(),
        }
        h:respond({[":status"] = "200"}, table.concat(seen, "|"))""")
    p.stage.connection.info.tls = info
    from pyvoy.testing.playbook import headers, reply

    p >> headers("GET") << reply(200, b"TLSv1.3|0x1302|true|spiffe://b|cli|Org|99||TLSv1.3")
    p.end()
