"""Whatever a client sends first: a parser answers or refuses, and how the bytes were cut changes nothing."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pyvoy.network.address import Address
from pyvoy.network.http_sniff import HttpSniff, sniff
from pyvoy.network.proxy_protocol import ProxyProtocolError, parse, write_v1, write_v2
from pyvoy.network.tls.client_hello import ClientHelloReader, ClientHelloState
from pyvoy.network.tls.fingerprint import ja3_text, ja4
from tests.support.client_hello import alpn, extension, message, records, server_names, versions

HELLO = message(
    server_names(b"example.com")
    + alpn(b"h2", b"http/1.1")
    + versions(0x0304, 0x0303)
    + extension(10, b"\x00\x02\x00\x1d")
    + extension(0xFE0D, b"\x00\x00\x01\x00\x01\x07\x00\x01e\x00\x01p")
)
V4 = st.ip_addresses(v=4).filter(lambda ip: not (ip.is_multicast or ip.is_unspecified or int(ip) == 2**32 - 1))
V6 = st.ip_addresses(v=6).filter(lambda ip: not (ip.is_multicast or ip.is_unspecified))
PORTS = st.integers(0, 65535)
PAIRS = st.one_of(st.tuples(V4, PORTS, V4, PORTS), st.tuples(V6, PORTS, V6, PORTS))
TLVS = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=40)), max_size=5)


@st.composite
def bent_hellos(draw: st.DrawFn) -> bytes:
    """A hello with some bytes changed, in records of some size, perhaps cut off."""
    data = bytearray(records(HELLO, draw(st.integers(1, 400))))
    for _ in range(draw(st.integers(0, 3))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(1, len(data)))])


@given(st.one_of(bent_hellos(), st.binary(min_size=1, max_size=300)), st.lists(st.integers(1, 400), max_size=5))
def test_client_hello(data: bytes, cuts: list[int]) -> None:
    whole, pieces = ClientHelloReader(), ClientHelloReader()
    expected = whole.inspect(data)
    state = ClientHelloState.NEED_MORE
    for end in [*sorted(cut for cut in cuts if cut < len(data)), len(data)]:
        state = pieces.inspect(data[:end])
        if state is not ClientHelloState.NEED_MORE:
            break
    assert state is expected
    assert (pieces.hello, pieces.refusal) == (whole.hello, whole.refusal)
    if whole.hello is not None:
        assert ja3_text(whole.hello).count(",") == 4
        assert ja4(whole.hello).count("_") == 2


@given(st.binary(min_size=1, max_size=300))
def test_proxy_protocol_of_any_bytes(data: bytes) -> None:
    try:
        header = parse(data)
    except ProxyProtocolError:
        return
    assert header is None or header.length_bytes <= len(data)


def address(ip: IPv4Address | IPv6Address, port: int) -> Address:
    """With the text form of the C library, which writes mapped addresses in another way."""
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
    return Address(socket.inet_ntop(family, ip.packed), port)


@given(PAIRS, TLVS, st.binary(max_size=20))
def test_proxy_protocol_that_was_written_is_read(pair, tlvs, trailing) -> None:
    source, destination = address(pair[0], pair[1]), address(pair[2], pair[3])
    for data, kept in ((write_v1(source, destination), ()), (write_v2(source, destination, tlvs), tuple(tlvs))):
        header = parse(data + trailing)
        assert header is not None
        assert (header.source, header.destination, header.tlvs) == (source, destination, kept)
        assert header.length_bytes == len(data)
        assert parse(data[:-1]) is None


@given(
    st.one_of(
        st.binary(min_size=1, max_size=80),
        st.text("GETP RI*HT/1.0\r\n:abc", min_size=1, max_size=40).map(str.encode),
    )
)
def test_http_sniff(data: bytes) -> None:
    states = [sniff(data[:end]) for end in range(1, len(data) + 1)]
    for earlier, later in pairwise(states):
        assert earlier is HttpSniff.NEED_MORE or later is earlier
