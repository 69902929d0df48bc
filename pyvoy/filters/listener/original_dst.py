"""Original destination: the address a redirected connection was meant for becomes its local address.

The kernel keeps it for connections that iptables REDIRECT sent here; connections that were not redirected keep theirs.
Source: Envoy, listener filter "Original Destination"; Linux, SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST.  Reads no bytes.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import listener_filter, supports
from pyvoy.network.address import Address, from_sockname
from pyvoy.network.listener_filter import Accepted, ListenerFilter, ListenerVerdict

if TYPE_CHECKING:
    from pyvoy.config.context import Context

TYPE = "envoy.extensions.filters.listener.original_dst.v3.OriginalDst"

supports(TYPE)

SO_ORIGINAL_DST = 80  # linux/netfilter_ipv4.h; IP6T_SO_ORIGINAL_DST has the same number
_SOCKADDR_IN_BYTES = 16
_SOCKADDR_IN6_BYTES = 28


@listener_filter(name="envoy.filters.listener.original_dst", type_url=TYPE, posture="robust_to_untrusted_downstream")
class OriginalDst(ListenerFilter):
    """One per connection; keeps nothing."""

    __slots__ = ()

    @staticmethod
    def build(message: Any, context: Context) -> None:
        """No plan: the message has no fields."""

    def on_accept(self, accepted: Accepted) -> ListenerVerdict:
        """Ask the kernel."""
        info = accepted.info
        if not info.local.is_pipe:
            original = original_destination(accepted.socket(), info.local.is_ipv6)
            if original is not None and original != info.local:
                info.local = original
        return ListenerVerdict.CONTINUE


def original_destination(sock: socket.socket, ipv6: bool) -> Address | None:
    """The destination before redirection, None when the kernel knows none."""
    try:
        if ipv6:
            return _address6(sock.getsockopt(socket.IPPROTO_IPV6, SO_ORIGINAL_DST, _SOCKADDR_IN6_BYTES))
        return _address4(sock.getsockopt(socket.IPPROTO_IP, SO_ORIGINAL_DST, _SOCKADDR_IN_BYTES))
    except OSError:
        return None


def _address4(sockaddr: bytes) -> Address:
    port, packed = struct.unpack_from("!H4s", sockaddr, 2)
    return Address(socket.inet_ntop(socket.AF_INET, packed), port)


def _address6(sockaddr: bytes) -> Address:
    port, packed = struct.unpack_from("!H4x16s", sockaddr, 2)
    return from_sockname((socket.inet_ntop(socket.AF_INET6, packed), port))


_: type[ListenerFilter] = OriginalDst
