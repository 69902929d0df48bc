"""The rules for a peer's certificate beside its chain."""

from __future__ import annotations

from typing import Any, cast

import pytest

from pyvoy.network.tls.certificates import facts_of
from pyvoy.network.tls.stats import TlsStats
from pyvoy.network.tls.verify import SanMatcher, SanType, ValidationPlan, Verifier, dns_name_matches
from pyvoy.stats.store import memory_store
from tests.support.certificates import authority

ISSUED = authority().issue("who", ("a.test", "*.w.test"), ("spiffe://x/y",), ("10.0.0.1",), ("m@a.test",))
FACTS = facts_of(ISSUED.der)


class Chain:
    """A chain whose check says `fault`."""

    def __init__(self, fault: str = "") -> None:
        self.fault = fault
        self.said = ""

    def verify(self, *, allow_expired: bool) -> str:
        return self.fault

    def leaf(self) -> bytes:
        return ISSUED.der

    def accept(self) -> None:
        self.said = "accept"

    def refuse(self) -> None:
        self.said = "refuse"


def judged(chain: Chain | None = None, expected: str = "", **plan: Any) -> tuple[bool, str, str]:
    """(passed, failure, the counter that moved)."""
    store = memory_store()
    verifier = Verifier(ValidationPlan(**plan), TlsStats(store.root))
    verifier.prepare(expected)
    passed = verifier(cast(Any, chain or Chain()))
    names = ("fail_verify_error", "fail_verify_san", "fail_verify_cert_hash")
    return passed, verifier.failure, " ".join(name for name in names if store.root.counter(f"ssl.{name}").value)


@pytest.mark.parametrize(
    ("name", "pattern", "fits"),
    [
        ("a.test", "a.test", True), ("A.test", "a.TEST", True), ("b.test", "a.test", False),
        ("x.w.test", "*.w.test", True), ("x.y.w.test", "*.w.test", False), ("w.test", "*.w.test", False),
        (".w.test", "*.w.test", False), ("x.w.test", "x*.w.test", False), ("x.test", "*", False),
    ],
)  # fmt: skip
def test_a_wildcard_stands_for_one_whole_label(name: str, pattern: str, fits: bool) -> None:
    assert dns_name_matches(name, pattern) is fits


@pytest.mark.parametrize(
    ("kind", "value", "accepted"),
    [
        (SanType.DNS, "a.test", True), (SanType.DNS, "x.w.test", True), (SanType.DNS, "spiffe://x/y", False),
        (SanType.URI, "spiffe://x/y", True), (SanType.URI, "a.test", False),
        (SanType.IP_ADDRESS, "10.0.0.1", True), (SanType.EMAIL, "m@a.test", True), (SanType.EMAIL, "a.test", False),
    ],
)  # fmt: skip
def test_a_name_must_be_of_its_kind(kind: SanType, value: str, accepted: bool) -> None:
    matcher = SanMatcher(kind, lambda name: name == value.encode(), value)
    assert matcher.accepts(FACTS) is accepted


def test_an_untrusted_chain_is_refused_or_only_counted() -> None:
    ca = {"trusted_ca": b"some"}
    assert judged(Chain("no issuer"), **ca) == (False, "verify cert failed: no issuer", "fail_verify_error")
    assert judged(Chain("no issuer"), accept_untrusted=True, **ca) == (True, "", "fail_verify_error")
    assert judged(Chain("not looked at")) == (True, "", "")


def test_one_pin_is_enough() -> None:
    wrong, right = frozenset(("00",)), frozenset((FACTS.fingerprint_256,))
    assert judged(spki_pins=wrong, certificate_pins=right)[0]
    assert judged(spki_pins=frozenset((FACTS.spki_hash,)), certificate_pins=wrong)[0]
    assert judged(spki_pins=wrong) == (False, "verify cert failed: cert hash and spki", "fail_verify_cert_hash")


def test_the_name_that_was_asked_for_takes_the_place_of_the_plans() -> None:
    nobody = (SanMatcher(SanType.DNS, lambda _: False),)
    assert judged(expected="a.test", sans=nobody)[0]
    passed, failure, counted = judged(expected="other.test")
    assert (passed, counted) == (False, "fail_verify_san")
    assert "expected SANs: [other.test]" in failure
    assert "SAN matcher" in judged(sans=nobody)[1]
