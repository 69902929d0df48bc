"""Dynamic forward proxy clusters: the host is what the request's authority says, as far as the DNS cache knows it.

The filter of that name has the cache look the name up before the router comes here.
Source of behaviour: Envoy, the dynamic forward proxy cluster and its load balancer (observed on 1.40).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pyvoy.network.address import Address
from pyvoy.upstream.dns_cache import DnsCache

if TYPE_CHECKING:
    from pyvoy.http.headers import HeaderMap
    from pyvoy.observe.stream_info import ConnectionInfo
    from pyvoy.upstream.balancing.context import LoadBalancerContext
    from pyvoy.upstream.cluster import Cluster
    from pyvoy.upstream.endpoint import Host


class ForwardProxyHosts:
    """The hosts of one cluster in one worker: those that were chosen, as long as the cache has them.

    `make(address, hostname)` makes a host, `install(hosts)` gives the cluster all that there are now."""

    def __init__(
        self,
        cache: DnsCache,
        default_port: int,
        make: Callable[[Address, str], Host],
        install: Callable[[list[Host]], None],
    ) -> None:
        self.cache = cache
        self.default_port = default_port
        """The port of an authority without one."""
        self._make = make
        self._install = install
        self._hosts: dict[str, Host] = {}
        self._generation = cache.generation

    def choose(
        self, _connection: ConnectionInfo | None, headers: HeaderMap | None, _context: LoadBalancerContext | None
    ) -> Host | None:
        """The host of the request's authority; None where the cache knows no address of it."""
        if headers is None:
            return None
        if self._generation != self.cache.generation:
            self._drop_forgotten()
        name, port = split_authority(headers.map.get(b":authority", b""), self.default_port)
        entry = self.cache.find(name, port)
        if entry is None or entry.address is None:
            return None
        key = f"{name}:{port}"
        host = self._hosts.get(key)
        if host is None:
            host = self._hosts[key] = self._make(entry.address, name)
            self._install(list(self._hosts.values()))
        elif host.address.text != entry.address.text:
            host.address = entry.address
            host.renew_pools()
        return host

    def owner(self, _host: Host) -> Cluster | None:
        """The hosts are this cluster's own."""
        return None

    def _drop_forgotten(self) -> None:
        self._generation = self.cache.generation
        gone = []
        for key in list(self._hosts):
            name, _, port = key.rpartition(":")
            if not self.cache.knows(name, int(port)):
                gone.append(self._hosts.pop(key))
        if gone:
            self._install(list(self._hosts.values()))
            for host in gone:
                host.drain_pools()


def split_authority(authority: bytes, default_port: int) -> tuple[str, int]:
    """Name (an IPv6 address keeps its brackets) and port of an authority."""
    text = authority.decode("latin-1").lower()
    name, colon, port = text.rpartition(":")
    if colon and port.isascii() and port.isdigit() and int(port) <= 65535 and not (":" in name and name[-1:] != "]"):
        return name, int(port)
    return text, default_port
