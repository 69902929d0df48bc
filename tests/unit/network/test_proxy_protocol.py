"""PROXY protocol headers, by tables whose expectations were seen on Envoy 1.40's proxy_protocol filter."""

from __future__ import annotations

import socket
import struct

import pytest

from pyvoy.network.address import Address
from pyvoy.network.proxy_protocol import (
    V2_SIGNATURE,
    ProxyProtocolError,
    ProxyVersion,
    may_be_proxy_header,
    parse,
    write_v1,
    write_v2,
)

NOT_FOUND, V1, V2 = ProxyVersion.NOT_FOUND, ProxyVersion.V1, ProxyVersion.V2


def ipv4(source: str = "10.1.2.3", destination: str = "10.4.5.6") -> bytes:
    return socket.inet_aton(source) + socket.inet_aton(destination) + struct.pack("!HH", 1111, 2222)


def ipv6(source: str = "2001:db8::1", destination: str = "2001:db8::2") -> bytes:
    packed = [socket.inet_pton(socket.AF_INET6, text) for text in (source, destination)]
    return b"".join(packed) + struct.pack("!HH", 1, 2)


def tlv(kind: int, value: bytes) -> bytes:
    return struct.pack("!BH", kind, len(value)) + value


def v2(
    body: bytes | None = None,
    *,
    tlvs: bytes = b"",
    command: int = 1,
    family: int = 1,
    transport: int = 1,
    version: int = 2,
) -> bytes:
    body = (ipv4() if body is None else body) + tlvs
    return V2_SIGNATURE + struct.pack("!BBH", version << 4 | command, family << 4 | transport, len(body)) + body


ACCEPTED = {
    "v1 TCP4": (b"PROXY TCP4 1.2.3.4 5.6.7.8 1000 2000\r\n", "1.2.3.4:1000", "5.6.7.8:2000", ()),
    "v1 TCP6": (b"PROXY TCP6 1::2 3::4 1000 2000\r\n", "[1::2]:1000", "[3::4]:2000", ()),
    "v1 mapped": (b"PROXY TCP6 ::ffff:1.2.3.4 3::4 1 2\r\n", "[::ffff:1.2.3.4]:1", "[3::4]:2", ()),
    "v1 blank at the end": (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n", "1.2.3.4:1", "5.6.7.8:2", ()),
    "v1 ports zero": (b"PROXY TCP4 1.2.3.4 5.6.7.8 0 0\r\n", "1.2.3.4:0", "5.6.7.8:0", ()),
    "v1 odd ports": (b"PROXY TCP4 1.2.3.4 5.6.7.8 +1 02\r\n", "1.2.3.4:1", "5.6.7.8:2", ()),
    "v1 UNKNOWN": (b"PROXY UNKNOWN\r\n", None, None, ()),
    "v1 UNKNOWN and more": (b"PROXY UNKNOWN foo bar\r\n", None, None, ()),
    "v1 of 108 bytes": (b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n", None, None, ()),
    "v2 INET": (v2(), "10.1.2.3:1111", "10.4.5.6:2222", ()),
    "v2 INET6": (v2(ipv6(), family=2), "[2001:db8::1]:1", "[2001:db8::2]:2", ()),
    "v2 datagram": (v2(transport=2), "10.1.2.3:1111", "10.4.5.6:2222", ()),
    "v2 LOCAL": (v2(b"", command=0, family=0, transport=0), None, None, ()),
    "v2 LOCAL with a body": (v2(command=0), None, None, ()),
    "v2 LOCAL with bad TLVs": (v2(command=0, tlvs=b"\2\0\5a"), None, None, ()),
    "v2 TLVs": (
        v2(tlvs=tlv(2, b"abc") + tlv(4, b"") + tlv(2, b"def")),
        "10.1.2.3:1111",
        "10.4.5.6:2222",
        ((2, b"abc"), (4, b""), (2, b"def")),
    ),
    "v2 of 65,535 bytes": (
        v2(tlvs=tlv(3, b"z" * (65535 - 12 - 3))),
        "10.1.2.3:1111",
        "10.4.5.6:2222",
        ((3, b"z" * (65535 - 12 - 3)),),
    ),
}

REFUSED = {
    "v1 with a double blank": (b"PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n", V1),
    "v1 with a word more": (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 x\r\n", V1),
    "v1 with a word less": (b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n", V1),
    "v1 of another family": (b"PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n", V1),
    "v1 port too high": (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 70000\r\n", V1),
    "v1 port with digits to no end": (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 " + b"9" * 60 + b"\r\n", V1),
    "v1 port negative": (b"PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n", V1),
    "v1 port no number": (b"PROXY TCP4 1.2.3.4 5.6.7.8 1a 2\r\n", V1),
    "v1 port in other digits": ("PROXY TCP4 1.2.3.4 5.6.7.8 ² 2\r\n".encode("latin-1"), V1),
    "v1 IPv6 as TCP4": (b"PROXY TCP4 1::2 3::4 1 2\r\n", V1),
    "v1 IPv4 as TCP6": (b"PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n", V1),
    "v1 wildcard": (b"PROXY TCP4 0.0.0.0 5.6.7.8 1 2\r\n", V1),
    "v1 multicast": (b"PROXY TCP4 1.2.3.4 224.0.0.1 1 2\r\n", V1),
    "v1 broadcast": (b"PROXY TCP4 255.255.255.255 5.6.7.8 1 2\r\n", V1),
    "v1 IPv6 wildcard": (b"PROXY TCP6 :: 3::4 1 2\r\n", V1),
    "v1 IPv6 multicast": (b"PROXY TCP6 ff02::1 3::4 1 2\r\n", V1),
    "v1 IP with a leading zero": (b"PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n", V1),
    "v1 IP too short": (b"PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n", V1),
    "v1 IP with NUL": (b"PROXY TCP4 1.2.3.4\0 5.6.7.8 1 2\r\n", V1),
    "v1 without a word": (b"PROXY \r\n", V1),
    "v1 of 109 bytes": (b"PROXY UNKNOWN " + b"x" * 93 + b"\r\n", V1),
    "any short line": (b"GET /\r\n", V1),
    "v1 in lower case": (b"proxy TCP4 1.2.3.4 5.6.7.8 1000 2000\r\n", NOT_FOUND),
    "v1 with a tab": (b"PROXY\tTCP4 1.2.3.4 5.6.7.8 1 2\r\n", NOT_FOUND),
    "v1 without an end": (b"PROXY UNKNOWN " + b"x" * 95, NOT_FOUND),
    "HTTP": (b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", NOT_FOUND),
    "an empty line and HTTP": (b"\r\nGET / HTTP/1.1\r\n\r\n", NOT_FOUND),
    "v2 Unix": (v2(b"x" * 216, family=3), V2),
    "v2 unspecified": (v2(b"", family=0, transport=0), V2),
    "v2 transport 0": (v2(transport=0), V2),
    "v2 transport 3": (v2(transport=3), V2),
    "v2 command 2": (v2(command=2), V2),
    "v2 version 1": (v2(version=1), V2),
    "v2 version 3": (v2(version=3), V2),
    "v2 too short": (v2(b"x" * 11), V2),
    "v2 wildcard": (v2(ipv4("0.0.0.0", "1.1.1.1")), V2),
    "v2 multicast": (v2(ipv4("1.1.1.1", "239.1.1.1")), V2),
    "v2 broadcast": (v2(ipv4("255.255.255.255", "1.1.1.1")), V2),
    "v2 TLV overruns": (v2(tlvs=b"\2\0\5ab"), V2),
    "v2 TLV without its length": (v2(tlvs=b"\2\0"), V2),
    "v2 TLV of one byte": (v2(tlvs=b"\2"), V2),
}

WAITING = {
    "v1 with a bare newline": b"PROXY TCP4 1.2.3.4 5.6.7.8 1000 2000\n",
    "v1 with a bare carriage return": b"PROXY UNKNOWN x\r",
    "v1 half": b"PROXY TCP4",
    "v1 of 108 bytes and no end": b"PROXY UNKNOWN " + b"x" * 94,
    "something short": b"GET /",
    "the start of both": b"\r\n",
    "half a signature": V2_SIGNATURE[:11],
    "the signature": V2_SIGNATURE,
    "v2 half": v2()[:20],
    "v2 LOCAL half": v2(command=0)[:20],
    "v2 without its TLVs": v2(tlvs=tlv(2, b"abc"))[:-2],
}


def text(address: Address | None) -> str | None:
    return None if address is None else address.text


@pytest.mark.parametrize("trailing", [b"", b"hello", b"\r\n", v2()])
@pytest.mark.parametrize(("data", "source", "destination", "tlvs"), ACCEPTED.values(), ids=ACCEPTED)
def test_a_header_is_read(
    data: bytes, source: str | None, destination: str | None, tlvs: tuple[tuple[int, bytes], ...], trailing: bytes
) -> None:
    header = parse(bytearray(data + trailing))
    assert header is not None
    assert (text(header.source), text(header.destination)) == (source, destination)
    assert header.tlvs == tlvs
    assert header.length_bytes == len(data)


@pytest.mark.parametrize("name", [name for name, case in ACCEPTED.items() if len(case[0]) < 300])
def test_byte_by_byte_it_waits_until_the_header_is_whole(name: str) -> None:
    data = ACCEPTED[name][0]
    assert [parse(data[:end]) for end in range(1, len(data))] == [None] * (len(data) - 1)


@pytest.mark.parametrize(("data", "version"), REFUSED.values(), ids=REFUSED)
def test_a_bad_header_is_refused_and_counted_for_its_version(data: bytes, version: ProxyVersion) -> None:
    with pytest.raises(ProxyProtocolError) as refusal:
        parse(data)
    assert refusal.value.version is version


@pytest.mark.parametrize("data", WAITING.values(), ids=WAITING)
def test_too_few_bytes_decide_nothing(data: bytes) -> None:
    assert parse(data) is None


@pytest.mark.parametrize(
    ("data", "allowed", "expected"),
    [
        (b"P", {}, True),
        (b"\r", {}, True),
        (b"PROXY TCP4 ", {}, True),
        (V2_SIGNATURE + b"!", {}, True),
        (b"PROXYX", {}, False),
        (b"GET /", {}, False),
        (b"\r\nGET", {}, False),
        (b"PROXY TCP4 ", {"v1": False}, False),
        (V2_SIGNATURE, {"v2": False}, False),
    ],
)
def test_whether_it_can_still_become_a_header(data: bytes, allowed: dict[str, bool], expected: bool) -> None:
    assert may_be_proxy_header(data, **allowed) is expected


V4_PAIR = (Address("1.2.3.4", 1000), Address("5.6.7.8", 2000))
V6_PAIR = (Address("1::2", 1000), Address("3::4", 2000))


@pytest.mark.parametrize("pair", [V4_PAIR, V6_PAIR])
def test_what_is_written_is_read_back(pair: tuple[Address, Address]) -> None:
    tlvs = ((2, b"authority"), (0xE0, b""))
    for data, expected in ((write_v1(*pair), ()), (write_v2(*pair, tlvs), tlvs)):
        header = parse(data)
        assert header is not None
        assert (header.source, header.destination, header.tlvs) == (*pair, expected)
        assert header.length_bytes == len(data)


@pytest.mark.parametrize(
    "pair", [(None, V4_PAIR[1]), (V4_PAIR[0], None), (V4_PAIR[0], V6_PAIR[1]), (Address("", 0, "/run/x"), V4_PAIR[1])]
)
def test_without_a_pair_of_one_family_the_header_claims_nothing(pair: tuple[Address | None, Address | None]) -> None:
    assert write_v1(*pair) == b"PROXY UNKNOWN\r\n"
    assert write_v2(*pair, ((2, b"x"),)) == V2_SIGNATURE + b"\x20\x00\x00\x00"


def test_too_many_tlvs_are_an_error() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        write_v2(*V4_PAIR, [(2, b"x" * 40000)] * 2)
