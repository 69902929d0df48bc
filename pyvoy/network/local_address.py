"""This host's own address, which stands in x-forwarded-for for a loopback peer.

The first IPv4 address of an interface that is not loopback, as Envoy's Network::Utility::getLocalAddress; without one,
127.0.0.1.  Linux only (SIOCGIFADDR); read once when the configuration is loaded.
"""

from __future__ import annotations

import fcntl
import socket

_SIOCGIFADDR = 0x8915
_IFREQ_BYTES = 256
_LOOPBACK = "127.0.0.1"


def local_ip() -> str:
    """The text of the address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            request = name.encode()[:15].ljust(_IFREQ_BYTES, b"\0")
            try:
                answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, request)
            except OSError:
                continue  # the interface has no IPv4 address
            ip = socket.inet_ntoa(answer[20:24])
            if not ip.startswith("127."):
                return ip
    return _LOOPBACK
