"""The PROXY protocol, versions 1 and 2: parser and writer, pure.

The parser judges the first bytes of a connection; it decides neither what is allowed nor what happens to the addresses.
Source: the PROXY protocol specification by HAProxy's authors; what is an error, and which version it is counted under,
as Envoy's proxy_protocol listener filter decides it (probed on Envoy 1.40).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from pyvoy.network.address import Address

V1_SIGNATURE = b"PROXY "
V2_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
V2_HEADER_BYTES = 16
MAX_V1_BYTES = 108  # Envoy's MAX_PROXY_PROTO_LEN_V1; the specification's longest line has 107
MAX_V2_BODY_BYTES = 65535

_V2_LOCAL, _V2_PROXY = 0, 1
_V2_INET, _V2_INET6 = 1, 2
_V2_ADDRESS_BYTES = {_V2_INET: 12, _V2_INET6: 36}
_V2_STREAM, _V2_DGRAM = 1, 2


class ProxyVersion(Enum):
    """Which kind of header the bytes show; the value is Envoy's word in stat names."""

    NOT_FOUND = "not_found"
    V1 = "v1"
    V2 = "v2"


class ProxyProtocolError(Exception):
    """The bytes are no valid PROXY header; `version` is the header they pretended to be."""

    def __init__(self, version: ProxyVersion, text: str) -> None:
        super().__init__(text)
        self.version = version


@dataclass(slots=True, frozen=True)
class ProxyHeader:
    """A whole header of `length_bytes`.

    `source` and `destination` are None where the connection's own addresses hold (v1 UNKNOWN, v2 LOCAL).
    """

    version: ProxyVersion
    length_bytes: int
    source: Address | None = None
    destination: Address | None = None
    tlvs: tuple[tuple[int, bytes], ...] = ()


def may_be_proxy_header(data: bytes | bytearray, *, v1: bool = True, v2: bool = True) -> bool:
    """True while the bytes so far could still become a header of an allowed version."""
    start = bytes(data[: len(V2_SIGNATURE)])
    return (v2 and V2_SIGNATURE.startswith(start)) or (v1 and V1_SIGNATURE.startswith(start[: len(V1_SIGNATURE)]))


def detect(data: bytes | bytearray) -> ProxyVersion | None:
    """The version the bytes show, None while they are too few.

    Raises ProxyProtocolError (NOT_FOUND) when they can be no header.  As in Envoy, fewer than 16 bytes with a line end
    count as version 1 whatever they say.
    """
    if len(data) >= V2_HEADER_BYTES:
        if data.startswith(V2_SIGNATURE):
            return ProxyVersion.V2
        if not data.startswith(V1_SIGNATURE):
            raise ProxyProtocolError(ProxyVersion.NOT_FOUND, "neither signature")
    line_end = data.find(b"\r\n")
    if line_end > 0:
        return ProxyVersion.V1
    if line_end < 0 and len(data) > MAX_V1_BYTES:
        raise ProxyProtocolError(ProxyVersion.NOT_FOUND, "no line end in the longest version 1 header")
    return None


def parse(data: bytes | bytearray) -> ProxyHeader | None:
    """The header at the start of `data`, None while it is not whole; raises ProxyProtocolError."""
    version = detect(data)
    if version is ProxyVersion.V1:
        return _parse_v1(bytes(data[: data.find(b"\r\n") + 2]))
    if version is ProxyVersion.V2:
        return _parse_v2(data)
    return None


def _parse_v1(line: bytes) -> ProxyHeader:
    if len(line) > MAX_V1_BYTES:
        raise ProxyProtocolError(ProxyVersion.V1, "version 1 header too long")
    words = line.decode("latin-1").rstrip(" \t\n\v\f\r").split(" ")
    if len(words) < 2 or words[0] != "PROXY":
        raise ProxyProtocolError(ProxyVersion.V1, "malformed version 1 header")
    if words[1] == "UNKNOWN":
        return ProxyHeader(ProxyVersion.V1, len(line))
    family = {"TCP4": socket.AF_INET, "TCP6": socket.AF_INET6}.get(words[1])
    if family is None or len(words) != 6:
        raise ProxyProtocolError(ProxyVersion.V1, "malformed version 1 header")
    source = _v1_address(family, words[2], words[4])
    destination = _v1_address(family, words[3], words[5])
    return ProxyHeader(ProxyVersion.V1, len(line), source, destination)


def _v1_address(family: socket.AddressFamily, ip: str, port: str) -> Address:
    digits = port.removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and int(digits[:20]) <= 65535):
        raise ProxyProtocolError(ProxyVersion.V1, "malformed port")
    try:
        packed = socket.inet_pton(family, ip)
    except (OSError, ValueError) as problem:
        raise ProxyProtocolError(ProxyVersion.V1, "malformed IP address") from problem
    return _unicast(ProxyVersion.V1, family, packed, int(digits))


def _unicast(version: ProxyVersion, family: socket.AddressFamily, packed: bytes, port: int) -> Address:
    """The address, if a TCP peer can have it (not the wildcard, multicast or broadcast)."""
    if family == socket.AF_INET:
        refused = 224 <= packed[0] <= 239 or packed in (b"\x00" * 4, b"\xff" * 4)
    else:
        refused = packed[0] == 0xFF or packed == b"\x00" * 16
    if refused:
        raise ProxyProtocolError(version, "not a unicast address")
    return Address(socket.inet_ntop(family, packed), port)


def _parse_v2(data: bytes | bytearray) -> ProxyHeader | None:
    version_command, family_transport = data[12], data[13]
    body_bytes = data[14] << 8 | data[15]
    if version_command >> 4 != 2:
        raise ProxyProtocolError(ProxyVersion.V2, "unsupported version")
    whole_bytes = V2_HEADER_BYTES + body_bytes
    if version_command & 15 == _V2_LOCAL:
        return ProxyHeader(ProxyVersion.V2, whole_bytes) if len(data) >= whole_bytes else None
    address_bytes = _V2_ADDRESS_BYTES.get(family_transport >> 4)
    if address_bytes is None or body_bytes < address_bytes:
        raise ProxyProtocolError(ProxyVersion.V2, "unsupported family or too short for its addresses")
    if len(data) < V2_HEADER_BYTES + address_bytes:
        return None
    if version_command & 15 != _V2_PROXY or family_transport & 15 not in (_V2_STREAM, _V2_DGRAM):
        raise ProxyProtocolError(ProxyVersion.V2, "unsupported command or transport")
    if len(data) < whole_bytes:
        return None
    tlvs = _parse_tlvs(bytes(data[V2_HEADER_BYTES + address_bytes : whole_bytes]))
    source, destination = _v2_addresses(family_transport >> 4, bytes(data[V2_HEADER_BYTES:]))
    return ProxyHeader(ProxyVersion.V2, whole_bytes, source, destination, tlvs)


def _v2_addresses(kind: int, body: bytes) -> tuple[Address, Address]:
    family, size = (socket.AF_INET, 4) if kind == _V2_INET else (socket.AF_INET6, 16)
    source_port, destination_port = struct.unpack_from("!HH", body, 2 * size)
    return (
        _unicast(ProxyVersion.V2, family, body[:size], source_port),
        _unicast(ProxyVersion.V2, family, body[size : 2 * size], destination_port),
    )


def _parse_tlvs(data: bytes) -> tuple[tuple[int, bytes], ...]:
    tlvs: list[tuple[int, bytes]] = []
    at = 0
    while at < len(data):
        end = at + 3 + (data[at + 1] << 8 | data[at + 2]) if at + 3 <= len(data) else len(data) + 1
        if end > len(data):
            raise ProxyProtocolError(ProxyVersion.V2, "a TLV overruns the header")
        tlvs.append((data[at], data[at + 3 : end]))
        at = end
    return tuple(tlvs)


def write_v1(source: Address | None, destination: Address | None) -> bytes:
    """A version 1 header; UNKNOWN where an address is missing, a pipe, or of the other family."""
    family = _common_family(source, destination)
    if source is None or destination is None or family is None:
        return b"PROXY UNKNOWN\r\n"
    word = "TCP4" if family == socket.AF_INET else "TCP6"
    return f"PROXY {word} {source.ip} {destination.ip} {source.port} {destination.port}\r\n".encode("ascii")


def write_v2(source: Address | None, destination: Address | None, tlvs: Iterable[tuple[int, bytes]] = ()) -> bytes:
    """A version 2 header with TLVs; LOCAL without TLVs where no pair of addresses of one family is known.

    Raises ValueError when the TLVs do not fit into 65,535 bytes together with the addresses.
    """
    family = _common_family(source, destination)
    if source is None or destination is None or family is None:
        return V2_SIGNATURE + bytes((2 << 4 | _V2_LOCAL, 0, 0, 0))
    kind = _V2_INET if family == socket.AF_INET else _V2_INET6
    parts = [socket.inet_pton(family, source.ip), socket.inet_pton(family, destination.ip)]
    parts.append(struct.pack("!HH", source.port, destination.port))
    for type_, value in tlvs:
        parts += (bytes((type_,)), len(value).to_bytes(4, "big")[2:], value)
    body = b"".join(parts)
    if len(body) > MAX_V2_BODY_BYTES:
        raise ValueError("the TLVs do not fit into a PROXY protocol header")
    return V2_SIGNATURE + struct.pack("!BBH", 2 << 4 | _V2_PROXY, kind << 4 | _V2_STREAM, len(body)) + body


def _common_family(source: Address | None, destination: Address | None) -> socket.AddressFamily | None:
    if source is None or destination is None or source.is_pipe or destination.is_pipe:
        return None
    return source.family if source.family == destination.family else None
