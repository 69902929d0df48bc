"""Address messages -> addresses that can be bound or connected to.

Names are not resolved here: an address is an IP or a Unix socket path (`@name` is an abstract one).
Source: Envoy's Network::Address::resolveProtoAddress, its texts as observed on Envoy 1.40.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from pyvoy.config.problems import Reporter
from pyvoy.network.address import Address, ListenAddress

MAX_PIPE_BYTES = 107
UNUSABLE = Address("127.0.0.1", 0)
"""Stands for an address that could not be read; the problem is reported, so it is never bound."""


def ip_address(message: Any, context: Reporter) -> Address:
    """The address of a SocketAddress that must be an IP."""
    try:
        ip = ipaddress.ip_address(message.address)
    except ValueError:
        context.error("address", f"malformed IP address: {message.address}")
        return UNUSABLE
    if message.ipv4_compat and not (ip.version == 6 and (ip == ipaddress.IPv6Address("::") or ip.ipv4_mapped)):
        what = "Only IPv6 address '::' or valid IPv4-mapped IPv6 address can set ipv4_compat"
        context.error("ipv4_compat", f"{what}: {message.address}")
    return Address(str(ip), message.port_value)


def pipe_address(message: Any, context: Reporter) -> Address:
    """The address of a Pipe."""
    path = message.path
    if "\x00" in path:
        context.error("path", "UNIX domain socket pathname contains embedded null characters")
        return UNUSABLE
    if len(path.encode()) > MAX_PIPE_BYTES:
        context.error("path", f'Path "{path}" exceeds maximum UNIX domain socket path size of {MAX_PIPE_BYTES + 1}.')
        return UNUSABLE
    return Address("", 0, path)


def listen_address(message: Any, context: Reporter) -> ListenAddress:
    """What a listener binds.  `message` is its Address."""
    kind = message.WhichOneof("address")
    if kind == "pipe":
        pipe = message.pipe
        if pipe.mode and pipe.path.startswith("@"):
            context.error("pipe.mode", "Cannot set mode for Abstract AF_UNIX sockets")
        return ListenAddress(pipe_address(pipe, context.at("pipe")), pipe.mode)
    if kind != "socket_address":
        context.error("", "address is necessary")
        return ListenAddress(UNUSABLE)
    if message.socket_address.protocol == message.socket_address.UDP:
        context.error("socket_address.protocol", "UDP is not supported by pyvoy")
    return ListenAddress(ip_address(message.socket_address, context.at("socket_address")))
