"""Socket addresses as the configuration, the logs and the stats name them.

An address is made once per connection or per host and only read afterwards; its text form is made when it is first
asked for, because most connections end unlogged.
Source of the text forms: Envoy's Address::Instance (IPv6 in brackets, pipes by their path).
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass


class Address:
    """An IP address with a port, or a Unix socket path.

    `ip` is the bare IP text ("" for a pipe), `port` the number (0 for a pipe), `path` the pipe's path ("" for IP),
    `text` the form of logs and admin ("1.2.3.4:80", "[::1]:80", "/run/x.sock").
    """

    __slots__ = ("_text", "ip", "path", "port")

    def __init__(self, ip: str, port: int, path: str = "") -> None:
        self.ip = ip
        self.port = port
        self.path = path
        self._text = path

    @property
    def text(self) -> str:
        """The form of logs and admin."""
        text = self._text
        if not text:
            ip = self.ip
            text = self._text = f"[{ip}]:{self.port}" if ":" in ip else f"{ip}:{self.port}"
        return text

    @property
    def is_pipe(self) -> bool:
        """True for a Unix socket."""
        return bool(self.path)

    @property
    def is_ipv6(self) -> bool:
        """True for an IPv6 address."""
        return ":" in self.ip

    @property
    def is_loopback(self) -> bool:
        """True for 127.0.0.0/8 and ::1."""
        return bool(self.ip) and ipaddress.ip_address(self.ip).is_loopback

    @property
    def sockaddr(self) -> tuple[str, int] | str:
        """What `socket.bind` and `socket.connect` take."""
        return self.path if self.path else (self.ip, self.port)

    @property
    def family(self) -> socket.AddressFamily:
        """AF_INET, AF_INET6 or AF_UNIX."""
        if self.path:
            return socket.AF_UNIX
        return socket.AF_INET6 if self.is_ipv6 else socket.AF_INET

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Address) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Address({self.text!r})"


def from_sockname(name: object) -> Address:
    """The address of what `getsockname`/`getpeername` returned (an unnamed Unix peer has an empty path: "@")."""
    if isinstance(name, tuple):
        ip = str(name[0])
        if ip.startswith("::ffff:") and "." in ip:
            ip = ip[7:]
        return Address(ip, int(name[1]))
    if isinstance(name, bytes):
        return Address("", 0, "@" + name[1:].decode("latin-1"))
    return Address("", 0, str(name) or "@")


@dataclass(slots=True, frozen=True)
class ListenAddress:
    """One address a listener binds; `mode` is the file mode of a pipe (0 leaves the umask's)."""

    address: Address
    mode: int = 0
