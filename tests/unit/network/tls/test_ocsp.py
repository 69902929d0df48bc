"""OCSP responses: which are read, and which a client gets that asks for one."""

from __future__ import annotations

import ctypes
import time

import pytest

from pyvoy.network.tls import openssl
from pyvoy.network.tls.context import CertificatePlan, TlsPlan
from pyvoy.network.tls.ocsp import StaplePolicy, Stapler, stapled
from pyvoy.network.tls.stats import TlsStats
from pyvoy.network.tls.verify import ValidationPlan
from pyvoy.stats.store import memory_store
from tests.support.certificates import authority, issued
from tests.support.tls import Tls
from tests.unit.network.tls.test_transport import SERVER, Ends

CA = authority()
GOOD, OLD, ENDLESS = CA.staple(SERVER), CA.staple(SERVER, expired=True), CA.staple(SERVER, endless=True)
LENIENT, STRICT, MUST = StaplePolicy
MUST_HAVE = CA.issue("must", must_staple=True)


@pytest.mark.parametrize(
    ("response", "policy", "answer", "counted"),
    [
        (GOOD, LENIENT, GOOD, "responses"),
        (OLD, LENIENT, None, "omitted"),
        (ENDLESS, LENIENT, None, "omitted"),
        (b"", LENIENT, None, "omitted"),
        (GOOD, STRICT, GOOD, "responses"),
        (OLD, STRICT, False, "failed"),
        (b"", STRICT, None, "omitted"),
        (GOOD, MUST, GOOD, "responses"),
        (OLD, MUST, False, "failed"),
    ],
)
def test_the_policy_says_what_a_client_gets(
    response: bytes, policy: StaplePolicy, answer: openssl.Status, counted: str
) -> None:
    stats = TlsStats(memory_store().root)
    stapler = Stapler({SERVER.der: stapled(response, SERVER.der, policy)}, stats)
    assert stapler.answer(SERVER.der) == answer
    assert (stats.ocsp_staple_requests.value, getattr(stats, f"ocsp_staple_{counted}").value) == (1, 1)


def test_a_response_expires_while_it_is_in_use() -> None:
    now = [time.time()]
    found = {SERVER.der: stapled(GOOD, SERVER.der, STRICT)}
    stapler = Stapler(found, TlsStats(memory_store().root), lambda: now[0])
    assert stapler.answer(SERVER.der) == GOOD
    now[0] += 48 * 3600
    assert stapler.answer(SERVER.der) is False


def test_a_certificate_that_must_be_stapled_is_whatever_the_policy_says() -> None:
    found = stapled(CA.staple(MUST_HAVE), MUST_HAVE.der, LENIENT)
    assert found.policy is MUST
    with pytest.raises(ValueError, match="required for must-staple"):
        stapled(b"", MUST_HAVE.der, LENIENT)


@pytest.mark.parametrize(
    ("response", "words"),
    [(CA.staple(issued("b", ("b.test",))), "does not match"), (b"junk", "parsing|parse|error")],
)
def test_a_response_that_is_none_of_this_certificates_is_refused(response: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        stapled(response, SERVER.der, LENIENT)


def test_a_client_that_asks_gets_the_response_inside_the_handshake() -> None:
    certificate = CertificatePlan(SERVER.cert.encode(), SERVER.key.encode(), staple=GOOD)
    asking = Ends(Tls(asks_staple=True), TlsPlan((certificate,))).shake()
    assert asking.peer.staple == GOOD
    silent = Ends(Tls(), TlsPlan((certificate,))).shake()
    assert (silent.tls.opened, silent.peer.staple) == (1, b"")


def test_a_client_that_would_go_without_is_refused_where_it_must_not() -> None:
    certificate = CertificatePlan(SERVER.cert.encode(), SERVER.key.encode(), staple=OLD)
    ends = Ends(Tls(asks_staple=True), TlsPlan((certificate,), staple_policy=MUST)).shake()
    assert ends.tls.opened == 0
    assert "CONNECTION_REJECTED" in ends.tls.failed[0]


def test_clients_hear_whose_certificates_are_trusted() -> None:
    plan = TlsPlan(
        (CertificatePlan(SERVER.cert.encode(), SERVER.key.encode()),),
        ValidationPlan(trusted_ca=(CA.cert + authority("Other CA").cert + CA.cert).encode()),
        require_certificate=True,
    )
    ends = Ends(Tls(certificate=issued("client", ("c.test",))), plan).shake()
    library = openssl.loaded()
    for function in (library.SSL_get_client_CA_list, library.OPENSSL_sk_num):
        function.argtypes = (ctypes.c_void_p,)
    library.SSL_get_client_CA_list.restype = ctypes.c_void_p
    names = library.SSL_get_client_CA_list(openssl._session_pointer(ends.peer.object._sslobj))
    assert library.OPENSSL_sk_num(names) == 2
