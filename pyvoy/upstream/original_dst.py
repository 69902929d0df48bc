"""ORIGINAL_DST clusters: the host is where the client wanted to go, or what a request header says.

Hosts are made as connections ask for them and forgotten when nobody has asked for a cleanup interval.  Each worker
knows the hosts of its own connections.
Source of behaviour: Envoy, OriginalDstCluster and its load balancer (observed on 1.40).
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyvoy.http.headers import HeaderMap
from pyvoy.network.address import Address

if TYPE_CHECKING:
    from pyvoy.observe.stream_info import ConnectionInfo
    from pyvoy.stats.counters import Counter
    from pyvoy.upstream.balancing.context import LoadBalancerContext
    from pyvoy.upstream.cluster import Cluster
    from pyvoy.upstream.endpoint import Host

DEFAULT_HEADER = b"x-envoy-original-dst-host"


@dataclass(slots=True, frozen=True)
class OriginalDstPlan:
    """`header` is None when only the connection counts; a port of 0 leaves the destination's own."""

    header: bytes | None = None
    port: int = 0
    cleanup_interval_s: float = 5.0


class OriginalDstHosts:
    """The hosts of one cluster in one worker.

    `make(address)` makes a host, `install(hosts)` gives the cluster all that there are now."""

    def __init__(
        self,
        plan: OriginalDstPlan,
        make: Callable[[Address], Host],
        install: Callable[[list[Host]], None],
        invalid: Counter,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plan = plan
        self._make = make
        self._install = install
        self._invalid = invalid
        self._clock = clock
        self._hosts: dict[str, Host] = {}
        self._used: set[str] = set()
        self._cleaned_s = clock()

    def choose(
        self,
        connection: ConnectionInfo | None,
        headers: HeaderMap | None,
        _context: LoadBalancerContext | None = None,
    ) -> Host | None:
        """The host for a connection or request; None where no destination is known."""
        self._clean()
        address = self._wanted(headers) or (None if connection is None else self._destination(connection))
        if address is None:
            return None
        if self._plan.port:
            address = Address(address.ip, self._plan.port)
        self._used.add(address.text)
        host = self._hosts.get(address.text)
        if host is None:
            host = self._hosts[address.text] = self._make(address)
            self._install(list(self._hosts.values()))
        return host

    def owner(self, _host: Host) -> Cluster | None:
        """The hosts are this cluster's own."""
        return None

    def _wanted(self, headers: HeaderMap | None) -> Address | None:
        """The address in the request's header."""
        if headers is None or self._plan.header is None:
            return None
        value = headers.map.get(self._plan.header)
        if value is None:
            return None
        address = parse_address(value.decode("latin-1"))
        if address is None:
            self._invalid.inc()
        return address

    @staticmethod
    def _destination(connection: ConnectionInfo) -> Address | None:
        """Where the client connected to, if a listener filter has found that out."""
        local = connection.local
        return local if local is not connection.direct_local and not local.is_pipe else None

    def _clean(self) -> None:
        """Forget what nobody has asked for since the last time."""
        now_s = self._clock()
        if now_s - self._cleaned_s < self._plan.cleanup_interval_s:
            return
        self._cleaned_s = now_s
        gone = [text for text, host in self._hosts.items() if text not in self._used and not host.active]
        self._used.clear()
        if gone:
            left = [self._hosts.pop(text) for text in gone]
            self._install(list(self._hosts.values()))
            for host in left:
                host.drain_pools()


def parse_address(text: str) -> Address | None:
    """`ip:port` with a literal address, `[ip]:port` for IPv6; None for anything else."""
    ip, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        return None
    if ip.startswith("[") and ip.endswith("]"):
        ip = ip[1:-1]
    elif ":" in ip:
        return None
    try:
        return Address(str(ipaddress.ip_address(ip)), int(port))
    except ValueError:
        return None
