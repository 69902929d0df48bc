"""Who the client is, by x-forwarded-for and extensions; expectations from the running Envoy 1.40."""

from __future__ import annotations

import ipaddress

import pytest

from pyvoy.http.client_address import (
    Detector,
    custom_header_detector,
    last_address,
    parse_ip,
    xff_detector,
    xff_ranges_detector,
)
from pyvoy.http.headers import HeaderMap
from pyvoy.network.address import Address

PEER = Address("127.0.0.1", 5555)


class Ranges:
    """Ranges as the configuration makes them."""

    def __init__(self, *ranges: str) -> None:
        self.networks = [ipaddress.ip_network(text) for text in ranges]

    def contains(self, ip_text: str) -> bool:
        return any(ipaddress.ip_address(ip_text) in network for network in self.networks)


@pytest.mark.parametrize(
    ("xff", "skip", "address", "alone"),
    [
        (b"1.2.3.4", 0, "1.2.3.4:0", True),
        (b"1.2.3.4, 10.0.0.1", 0, "10.0.0.1:0", False),
        (b"1.1.1.1,2.2.2.2,3.3.3.3", 0, "3.3.3.3:0", False),
        (b"1.1.1.1,2.2.2.2,3.3.3.3", 1, "2.2.2.2:0", False),
        (b"1.1.1.1,2.2.2.2", 1, "1.1.1.1:0", False),
        (b"1.1.1.1,2.2.2.2", 2, None, False),
        (b"1.2.3.4", 1, None, False),
        (b"bad", 0, None, True),
        (b"1.2.3.4,", 0, None, False),
        (b"1.2.3.4,", 1, "1.2.3.4:0", False),
        (b"[::1]", 0, None, True),
        (b"::1", 0, "[::1]:0", True),
        (b"10.0.0.1:80", 0, None, True),
        (b"1.2.3.4,bad,127.0.0.1", 0, "127.0.0.1:0", False),
        (b"1.2.3.4,bad,127.0.0.1", 1, None, False),
    ],
)
def test_last_address(xff: bytes, skip: int, address: str | None, alone: bool) -> None:
    found, single = last_address(xff, skip)
    assert (found.text if found else None, single) == (address, alone)


@pytest.mark.parametrize("text", [b"", b"1.2.3", b"1.2.3.4.5", b"a", b"1.2.3.4:80", b"\xff", b"[::1]", b"::1%eth0\x00"])
def test_what_is_no_bare_address(text: bytes) -> None:
    assert parse_ip(text) is None


def detected(detector: Detector, *pairs: tuple[bytes, bytes]) -> str | int | None:
    found = detector(HeaderMap(pairs), PEER)
    if found.refusal:
        return found.refusal.status
    return found.address.text if found.address else None


@pytest.mark.parametrize(
    ("xff", "expected"),
    [
        (b"1.2.3.4", "1.2.3.4:0"),
        (b"10.0.0.1", "10.0.0.1:0"),
        (b"1.2.3.4, 10.0.0.1", "1.2.3.4:0"),
        (b"1.1.1.1,2.2.2.2,3.3.3.3", "3.3.3.3:0"),
        (b"1.2.3.4,bad,127.0.0.1", None),
        (b"1.2.3.4,", None),
    ],
)
def test_xff_by_trusted_ranges(xff: bytes, expected: str | None) -> None:
    detector = xff_ranges_detector(Ranges("127.0.0.0/8", "10.0.0.0/8"))
    assert detected(detector, (b"x-forwarded-for", xff)) == expected


def test_xff_of_a_peer_that_is_not_trusted_says_nothing() -> None:
    assert detected(xff_ranges_detector(Ranges("10.0.0.0/8")), (b"x-forwarded-for", b"1.2.3.4")) is None


def test_xff_by_hops() -> None:
    assert detected(xff_detector(1), (b"x-forwarded-for", b"1.1.1.1,2.2.2.2")) == "1.1.1.1:0"
    assert detected(xff_detector(1)) is None


def test_custom_header() -> None:
    refusing = custom_header_detector(b"x-real", False, 403)
    assert detected(refusing, (b"x-real", b"10.1.2.3")) == "10.1.2.3:0"
    assert detected(refusing, (b"x-real", b"bad")) == 403
    assert detected(refusing) == 403
    assert detected(custom_header_detector(b"x-real", False, None), (b"x-real", b"bad")) is None
