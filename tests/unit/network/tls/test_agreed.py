"""What handshakes agree on is worked out once, and shown and counted for each of them."""

from __future__ import annotations

import ssl

import pytest

from pyvoy.network.tls.context import CertificatePlan, TlsPlan
from pyvoy.network.tls.facts import note_handshake
from pyvoy.observe.tls_info import TlsInfo
from tests.support.tls import Tls
from tests.unit.network.tls.test_transport import SERVER, Ends

CERTIFICATES = (CertificatePlan(SERVER.cert.encode(), SERVER.key.encode()),)
CIPHERS = ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA")
V12 = ssl.TLSVersion.TLSv1_2


def facts(ends: Ends) -> TlsInfo:
    info = TlsInfo()
    note_handshake(info, ends.tls)
    return info


@pytest.mark.parametrize(
    ("peer", "version"),
    [
        pytest.param(Tls(), "TLSv1.3", id="1.3"),
        pytest.param(Tls(maximum=V12), "TLSv1.2", id="1.2"),
        # An old cipher, which TLS 1.2 took over.
        pytest.param(Tls(maximum=V12, ciphers="ECDHE-ECDSA-AES128-SHA"), "TLSv1.2", id="1.2-old-cipher"),
    ],
)
def test_the_facts_of_a_handshake(peer: Tls, version: str) -> None:
    ends = Ends(
        peer, TlsPlan(CERTIFICATES, ciphers=("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA"))
    ).shake()
    info = facts(ends)
    cipher = ends.peer.object.cipher()
    assert (info.version, info.cipher, info.group) == (version, cipher and cipher[0], "X25519")
    assert (info.local_subject, info.local_dns_sans) == ("O=Test Org,CN=server", ("a.test",))


def test_handshakes_that_differ_are_told_apart() -> None:
    plan = TlsPlan(CERTIFICATES, alpn=("h2", "http/1.1"))
    first = Ends(Tls(alpn=("h2",)), plan).shake()
    seen = [facts(first).alpn]
    for peer in (Tls(alpn=("http/1.1",)), Tls(), Tls(alpn=("h2",))):
        ends = Ends(peer, plan)
        ends.tls.begin_server(first.context)
        seen.append(facts(ends.shake()).alpn)
    assert seen == ["h2", "http/1.1", "", "h2"]
    ssl_scope = first.store.root.scope("listener.l").scope("ssl")
    assert (ssl_scope.counter("handshake").value, ssl_scope.counter("versions.TLSv1.3").value) == (4, 4)
    assert ssl_scope.counter("curves.X25519").value == 4
