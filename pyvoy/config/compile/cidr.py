"""CidrRange lists -> sets of networks that answer whether an address is inside.

Source: Envoy's Network::Address::CidrRange and IpList: host bits are cut off, an address of the other family is never
inside, a missing prefix length means zero bits.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any

from pyvoy.config.context import Context
from pyvoy.config.registry import supports

supports("envoy.config.core.v3.CidrRange", "address_prefix prefix_len")


class CidrSet:
    """Networks of both families.  Immutable; one set per configured list."""

    __slots__ = ("_v4", "_v6")

    def __init__(self, networks: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> None:
        v4: list[tuple[int, int]] = []
        v6: list[tuple[int, int]] = []
        for network in networks:
            shift = network.max_prefixlen - network.prefixlen
            (v6 if network.version == 6 else v4).append((shift, int(network.network_address) >> shift))
        self._v4 = tuple(v4)
        self._v6 = tuple(v6)

    def contains(self, ip: str) -> bool:
        """Whether the address (text form; "" for a pipe) lies in one of the networks."""
        try:
            if ":" in ip:
                number = int.from_bytes(socket.inet_pton(socket.AF_INET6, ip.partition("%")[0]), "big")
                return any(number >> shift == prefix for shift, prefix in self._v6)
            number = int.from_bytes(socket.inet_pton(socket.AF_INET, ip), "big")
        except OSError:
            return False
        return any(number >> shift == prefix for shift, prefix in self._v4)

    def __bool__(self) -> bool:
        return bool(self._v4 or self._v6)


def cidr_set(ranges: Iterable[Any], context: Context, field: str) -> CidrSet:
    """The set of a list of CidrRange; reports ranges that are none."""
    networks = []
    for index, message in enumerate(ranges):
        network = cidr_network(message, context.at(field, index))
        if network is not None:
            networks.append(network)
    return CidrSet(networks)


def cidr_network(message: Any, context: Context) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """One CidrRange as a network; None after a problem."""
    try:
        address = ipaddress.ip_address(message.address_prefix)
    except ValueError:
        context.error("address_prefix", f"malformed IP address: {message.address_prefix}")
        return None
    bits = message.prefix_len.value if message.HasField("prefix_len") else 0
    bits = min(bits, address.max_prefixlen)
    return ipaddress.ip_network(f"{address}/{bits}", strict=False)
