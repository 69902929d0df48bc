"""The TLS inspector filter: facts, counters, metadata and verdicts."""

from __future__ import annotations

import pytest

from pyvoy.filters.listener.tls_inspector import METADATA_NAMESPACE, TlsInspector
from pyvoy.network.listener_filter import ListenerVerdict
from tests.support.building import Place
from tests.support.client_hello import alpn, message, records, server_names, versions
from tests.support.connections import FakeAccepted, bytewise

CONTINUE, MORE, CLOSE = ListenerVerdict.CONTINUE, ListenerVerdict.MORE, ListenerVerdict.CLOSE
HELLO = records(message(server_names(b"WWW.Example.com") + alpn(b"h2", b"http/1.1") + versions(0x0304)))
NAMELESS = records(message(b""))
OLD = records(message(server_names(b"a.com") + alpn(b"h2"), version=0x0300))
HTTP = b"GET / HTTP/1.1\r\n\r\n"
HUGE = b"\x16\x03\x01\x40\x01" + bytes(20000)
GOODBYE = records(b"\x01\x00", kind=21)
STRICT = "close_connection_on_client_hello_parsing_errors: true"

COUNTERS = (
    "tls_found",
    "tls_not_found",
    "sni_found",
    "sni_not_found",
    "alpn_found",
    "alpn_not_found",
    "client_hello_too_large",
)

CASES = [
    ("{}", HELLO, CONTINUE, {"tls_found", "sni_found", "alpn_found"}, None),
    ("{}", NAMELESS, CONTINUE, {"tls_found", "sni_not_found", "alpn_not_found"}, None),
    ("{}", HTTP, CONTINUE, {"tls_not_found"}, "ClientHelloNotDetected"),
    ("{}", HUGE, CLOSE, {"client_hello_too_large"}, "ClientHelloTooLarge"),
    ("{}", OLD, CLOSE, {"sni_found", "tls_not_found"}, "ClientHelloInvalidTlsVersion"),
    ("{}", GOODBYE, CLOSE, set(), None),
    ("{}", HELLO[:40], MORE, set(), None),
    (STRICT, HTTP, CLOSE, {"tls_not_found"}, "ClientHelloNotDetected"),
    (STRICT, HELLO, CONTINUE, {"tls_found", "sni_found", "alpn_found"}, None),
    (STRICT + "\nmax_client_hello_size: 256", b"x" * 300, CLOSE, {"client_hello_too_large"}, "ClientHelloTooLarge"),
    ("max_client_hello_size: 256", b"x" * 300, CONTINUE, {"tls_not_found"}, "ClientHelloNotDetected"),
    ("max_client_hello_size: 256", HUGE, CLOSE, {"client_hello_too_large"}, "ClientHelloTooLarge"),
]


# What is too large is told by the bytes that came at once: not byte by byte.
PIECES = [(case, [case[1]]) for case in CASES]
PIECES += [(case, list(bytewise(case[1]))) for case in CASES if case[1] not in (HUGE, b"x" * 300)]


@pytest.mark.parametrize(("case", "pieces"), PIECES)
def test_outcomes(case: tuple[str, bytes, ListenerVerdict, set[str], str | None], pieces: list[bytes]) -> None:
    config, data, verdict, counted, reason = case
    place = Place()
    accepted = FakeAccepted()
    assert accepted.run(TlsInspector(place.plan(TlsInspector, config)), *pieces) is verdict
    assert {name for name in COUNTERS if place.count(f"tls_inspector.{name}")} == counted
    assert accepted.info.dynamic_metadata.get(METADATA_NAMESPACE, {}).get("failure_reason") == reason
    assert bytes(accepted.buffer) == data


def test_a_hello_fills_the_facts_for_the_chain_match() -> None:
    accepted = FakeAccepted()
    accepted.run(TlsInspector(Place().plan(TlsInspector)), HELLO)
    info = accepted.info
    assert info.transport_protocol == "tls"
    assert info.requested_server_name == "www.example.com"
    assert info.application_protocols == ("h2", "http/1.1")
    assert (info.ja3, info.ja4) == ("", "")


def test_fingerprints_when_they_are_asked_for() -> None:
    accepted = FakeAccepted()
    plan = Place().plan(TlsInspector, "{enable_ja3_fingerprinting: true, enable_ja4_fingerprinting: true}")
    accepted.run(TlsInspector(plan), HELLO)
    assert len(accepted.info.ja3) == 32
    assert accepted.info.ja4.startswith("t13d0203h2_")


def test_plain_text_is_passed_on_with_the_reason_for_the_log() -> None:
    accepted = FakeAccepted()
    accepted.run(TlsInspector(Place().plan(TlsInspector)), HTTP)
    assert accepted.info.transport_protocol == ""
    assert "HTTP_REQUEST" in accepted.info.transport_failure_reason


def test_a_limit_above_the_ceiling_is_a_problem() -> None:
    place = Place()
    place.plan(TlsInspector, "max_client_hello_size: 16385")
    text = "max_client_hello_size of 16385 is greater than maximum of 16384."
    assert place.errors == [f"here.max_client_hello_size: {text}"]
