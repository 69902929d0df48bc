"""The HTTP inspector filter: application protocol, counters and verdicts."""

from __future__ import annotations

import pytest

from pyvoy.filters.listener.http_inspector import HttpInspector
from pyvoy.network.http_sniff import HTTP2_PREFACE
from pyvoy.network.listener_filter import ListenerVerdict
from tests.support.building import Place
from tests.support.connections import FakeAccepted, bytewise

CONTINUE, MORE, CLOSE = ListenerVerdict.CONTINUE, ListenerVerdict.MORE, ListenerVerdict.CLOSE
COUNTERS = ("http10_found", "http11_found", "http2_found", "http_not_found", "read_error")

CASES = [
    (b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", CONTINUE, "http11_found", ("http/1.1",)),
    (b"GET / HTTP/1.0\r\n\r\n", CONTINUE, "http10_found", ("http/1.0",)),
    (HTTP2_PREFACE, CONTINUE, "http2_found", ("h2c",)),
    (b"\x16\x03\x01\x00\x10", CONTINUE, "http_not_found", ()),
    (b"GET / HTT", MORE, None, ()),
]


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize(("data", "verdict", "counter", "protocols"), CASES)
def test_outcomes(
    data: bytes, verdict: ListenerVerdict, counter: str | None, protocols: tuple[str, ...], split: bool
) -> None:
    place = Place()
    accepted = FakeAccepted()
    pieces = bytewise(data) if split else [data]
    assert accepted.run(HttpInspector(place.plan(HttpInspector)), *pieces) is verdict
    assert [name for name in COUNTERS if place.count(f"http_inspector.{name}")] == ([counter] if counter else [])
    assert accepted.info.application_protocols == protocols
    assert bytes(accepted.buffer) == data


def test_a_line_without_end_is_refused() -> None:
    place = Place()
    assert FakeAccepted().run(HttpInspector(place.plan(HttpInspector)), b"x" * 70000) is CLOSE
    assert place.count("http_inspector.read_error") == 1


def test_tls_is_not_looked_at() -> None:
    place = Place()
    accepted = FakeAccepted()
    accepted.info.transport_protocol = "tls"
    assert accepted.run(HttpInspector(place.plan(HttpInspector)), b"GET / HTTP/1.1\r\n\r\n") is CONTINUE
    assert accepted.info.application_protocols == ()


def test_a_client_that_ends_before_its_first_byte_is_waited_out() -> None:
    assert FakeAccepted().run(HttpInspector(Place().plan(HttpInspector)), b"", end=True) is MORE
