"""Who the client is: x-forwarded-for, trusted hops and the original IP detection extensions.  Pure.

A detector answers (address or None, trusted, refusal).  `trusted` tells whether the address may make the request an
internal one.  Source: Envoy's Utility::getLastAddressFromXFF, the extensions xff and custom_header, the running 1.40.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pyvoy.http.headers import HeaderMap
from pyvoy.http.rejection import Rejection
from pyvoy.network.address import Address
from pyvoy.observe import details

XFF = b"x-forwarded-for"


class AddressSet(Protocol):
    """A set of address ranges."""

    def contains(self, ip_text: str) -> bool:
        """Whether the address lies in one of the ranges."""


@dataclass(slots=True, frozen=True)
class Detection:
    """What a detector found; `append` asks for the peer to be appended to x-forwarded-for."""

    address: Address | None = None
    trusted: bool = False
    refusal: Rejection | None = None
    append: bool = False


Detector = Callable[[HeaderMap, Address], Detection]
Located = tuple[Address | None, bool, Rejection | None]
Locate = Callable[[HeaderMap, Address], Located]
_NOBODY: Located = (None, False, None)
NOTHING = Detection()


def parse_ip(text: bytes) -> Address | None:
    """The address of a bare IPv4 or IPv6 text (no port, no brackets), None for anything else."""
    try:
        decoded = text.decode("ascii")
        if ":" not in decoded:
            socket.inet_pton(socket.AF_INET, decoded)
            return Address(decoded, 0)
        packed = socket.inet_pton(socket.AF_INET6, decoded)
    except (OSError, ValueError):
        return None
    return Address(socket.inet_ntop(socket.AF_INET6, packed), 0)


def last_address(xff: bytes, skip: int) -> tuple[Address | None, bool]:
    """The address `skip` places left of the rightmost one, and whether it is the only one in the header."""
    if b"," not in xff:
        return (parse_ip(xff.strip()), True) if skip == 0 else (None, False)
    parts = xff.rsplit(b",", skip + 1)
    if len(parts) == skip + 2:
        return parse_ip(parts[1].strip()), False
    if len(parts) == skip + 1:
        return parse_ip(parts[0].strip()), False
    return None, False


def xff_detector(trusted_hops: int, append: bool = False) -> Detector:
    """The xff extension with a number of trusted hops."""

    def detect(headers: HeaderMap, peer: Address) -> Detection:
        xff = headers.map.get(XFF)
        if xff is None:
            return NOTHING
        address, alone = last_address(xff, trusted_hops)
        return Detection(address, alone, None, append)

    return detect


def xff_ranges_detector(trusted: AddressSet, append: bool = False) -> Detector:
    """The xff extension with trusted ranges: from the right, the first address not in them (or the leftmost)."""

    def detect(headers: HeaderMap, peer: Address) -> Detection:
        xff = headers.map.get(XFF)
        if xff is None or not peer.ip or not trusted.contains(peer.ip):
            return NOTHING
        found: Address | None = None
        for part in reversed(xff.split(b",")):
            found = parse_ip(part.strip())
            if found is None:
                return NOTHING
            if not trusted.contains(found.ip):
                break
        return Detection(found, b"," not in xff, None, append)

    return detect


def custom_header_detector(name: bytes, trusted: bool, reject_status: int | None) -> Detector:
    """The custom_header extension; `reject_status` answers requests without a valid address (None lets them pass)."""
    refusal = None
    if reject_status is not None:
        refusal = Rejection(
            reject_status,
            details.ORIGINAL_IP_DETECTION_FAILED,
            close=False,
            counter="downstream_rq_rejected_via_ip_detection",
        )
    missing = Detection(None, False, refusal)

    def detect(headers: HeaderMap, peer: Address) -> Detection:
        value = headers.map.get(name)
        address = parse_ip(value) if value is not None else None
        return missing if address is None else Detection(address, trusted)

    return detect


def locator(
    *, use_remote_address: bool, hops: int, append: bool, substitute: bytes, detectors: tuple[Detector, ...]
) -> Locate:
    """The function that finds the client (None: it is the peer) and completes x-forwarded-for.

    With `use_remote_address` the client is the peer, unless trusted hops name it, and the peer is appended.  Without, a
    trusted proxy is in front: x-forwarded-for names the client, or the configured extensions do."""
    if use_remote_address:
        return _at_the_edge(hops, append, substitute)
    if detectors:
        return _by_extension(detectors, append, substitute)

    def locate(headers: HeaderMap, peer: Address) -> Located:
        xff = headers.map.get(XFF)
        if xff is None:
            return _NOBODY
        address, alone = last_address(xff, hops)
        return address, alone, None

    return locate


def _at_the_edge(hops: int, append: bool, substitute: bytes) -> Locate:
    def locate(headers: HeaderMap, peer: Address) -> Located:
        xff = headers.map.get(XFF)
        address = None
        if hops and xff is not None:
            address, _ = last_address(xff, hops - 1)
        if append:
            _append_peer(headers, xff, peer, substitute)
        return address or peer, xff is None, None

    return locate


def _by_extension(detectors: tuple[Detector, ...], append: bool, substitute: bytes) -> Locate:
    def locate(headers: HeaderMap, peer: Address) -> Located:
        for detect in detectors:
            found = detect(headers, peer)
            if found.refusal is not None:
                return None, False, found.refusal
            if found.address is not None:
                if append and found.append:
                    _append_peer(headers, headers.map.get(XFF), peer, substitute)
                return found.address, found.trusted, None
        return _NOBODY

    return locate


def _append_peer(headers: HeaderMap, xff: bytes | None, peer: Address, substitute: bytes) -> None:
    """Append the peer; one on a Unix socket has no address, a loopback peer is shown as this host."""
    ip = peer.ip
    if ip:
        text = substitute if ip.startswith("127.") or ip == "::1" else ip.encode()
        headers.set(XFF, xff + b"," + text if xff else text)
