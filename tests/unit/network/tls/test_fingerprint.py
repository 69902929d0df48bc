"""JA3 and JA4 of hellos whose fingerprints Envoy 1.40 logged."""

from __future__ import annotations

import pytest

from pyvoy.network.tls.client_hello import ClientHello, ClientHelloReader
from pyvoy.network.tls.fingerprint import ja3_hash, ja3_text, ja4
from tests.support.client_hello import (
    alpn,
    extension,
    groups_formats_algorithms,
    message,
    records,
    server_names,
    v2_hello,
    versions,
)

NAME = server_names(b"Example.COM")
REST = groups_formats_algorithms()

CASES = {
    "a usual client": (
        records(message(NAME + alpn(b"h2", b"http/1.1") + versions(0x0A0A, 0x0304, 0x0303) + REST)),
        "996afc8da555868232f8ddf7e72c73b3",
        "t13d0206h2_c1929292aa6b_fb71836bce29",
    ),
    "GREASE everywhere": (
        records(
            message(
                extension(0x0A0A, b"")
                + NAME
                + alpn(b"h2")
                + REST
                + versions(0x3A3A, 0x0304)
                + extension(0xBABA, b"\0"),
                ciphers=(0x5A5A, 0x1301, 0x1302),
            )
        ),
        "2c3bd5300bb08a9e6bfce3e31420d389",
        "t13d0206h2_62ed6f6ca7ad_fb71836bce29",
    ),
    "a protocol that is no text": (
        records(message(NAME + alpn(b"\xab\xcd"))),
        "49cbdc1ae4567ba59ab722a6eed4184d",
        "t12d0202ad_c1929292aa6b_000000000000",
    ),
    "a protocol of one letter": (
        records(message(NAME + alpn(b"x"))),
        "49cbdc1ae4567ba59ab722a6eed4184d",
        "t12d0202xx_c1929292aa6b_000000000000",
    ),
    "TLS 1.0": (
        records(message(NAME, version=0x0301)),
        "23352d3524e2d5dc815268ca1bc5f8d3",
        "t10d020100_c1929292aa6b_000000000000",
    ),
    "no extensions": (
        records(message(None)),
        "6ac28f635e78b6e59638f7a1e035f458",
        "t12i020000_c1929292aa6b_000000000000",
    ),
    "version 2 framing": (
        v2_hello(),
        "1bff29ff415ef481b4b9384825d0792f",
        "t10i010000_f06271c2b022_000000000000",
    ),
    "SSL 3.0 with TLS 1.3 in the extension": (
        records(message(NAME + versions(0x0304), version=0x0300)),
        "bf7f847d532283334e5e6c66665c69a0",
        "t13d020200_c1929292aa6b_b9a491fefe05",
    ),
}


def parse(data: bytes) -> ClientHello:
    reader = ClientHelloReader()
    reader.inspect(data)
    assert reader.hello is not None
    return reader.hello


@pytest.mark.parametrize(("data", "ja3", "expected_ja4"), CASES.values(), ids=CASES)
def test_fingerprints_are_envoys(data: bytes, ja3: str, expected_ja4: str) -> None:
    hello = parse(data)
    assert ja3_hash(hello) == ja3
    assert ja4(hello) == expected_ja4


def test_ja3_text_lists_decimal_numbers_and_keeps_grease_among_the_curves() -> None:
    hello = parse(records(message(NAME + REST, ciphers=(0x5A5A, 0x1301))))
    assert ja3_text(hello) == "771,4865,0-10-11-13,10794-29-23,0"


def test_ja4_counts_stop_at_99() -> None:
    hello = parse(records(message(NAME, ciphers=range(1, 151))))
    assert ja4(hello).startswith("t12d9901")
