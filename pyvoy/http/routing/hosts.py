"""Which virtual host answers a request: exact name, longest "*suffix", longest "prefix*", then "*".

Builds the `find` of a route table from finders per virtual host.  Names are compared in lower case.
Source of behaviour: Envoy's RouteMatcher::findVirtualHost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pyvoy.http.routing.table import Route

Finder = Callable[[Any, dict[bytes, bytes]], Route | None]
"""`(stream, values of the request header map)`: the route within one virtual host."""


@dataclass(slots=True)
class DomainTable:
    """Domains by kind, each with the finder of its virtual host."""

    exact: dict[bytes, Finder] = field(default_factory=dict)
    suffixes: dict[bytes, Finder] = field(default_factory=dict)
    prefixes: dict[bytes, Finder] = field(default_factory=dict)
    default: Finder | None = None

    @property
    def only_default(self) -> bool:
        """Nothing but "*" (or nothing at all)."""
        return not (self.exact or self.suffixes or self.prefixes)

    def add(self, domain: bytes, finder: Finder) -> bool:
        """Enter a domain (lower case); False if it is there already."""
        if domain == b"*":
            fresh = self.default is None
            self.default = self.default or finder
            return fresh
        if domain.startswith(b"*"):
            table, key = self.suffixes, domain[1:]
        elif domain.endswith(b"*"):
            table, key = self.prefixes, domain[:-1]
        else:
            table, key = self.exact, domain
        if key in table:
            return False
        table[key] = finder
        return True


def catch_all(prefix: bytes, route: Route) -> Callable[[Any], Route | None]:
    """The `find` of the commonest table: one host for all domains with one plain prefix."""

    def find(stream: Any) -> Route | None:
        path = stream.request_headers.map.get(b":path")
        return route if path is not None and path.startswith(prefix) else None

    return find


def host_finder(
    domains: DomainTable, *, ignore_port: bool = False, host_header: bytes = b":authority"
) -> Callable[[Any], Route | None]:
    """The route table's `find`.  With nothing but a "*" host no host is looked at."""
    default = domains.default
    if domains.only_default:
        return _only_default(default)
    exact = domains.exact
    by_wildcard = _wildcard_finder(domains.suffixes, domains.prefixes)

    def find(stream: Any) -> Route | None:
        values = stream.request_headers.map
        host = values.get(host_header)
        if host is None:
            return None
        host = host.lower()
        if ignore_port:
            host = host[: port_start(host)]
        finder = exact.get(host)
        if finder is None:
            finder = by_wildcard(host) if by_wildcard is not None else None
            if finder is None:
                finder = default
                if finder is None:
                    return None
        return finder(stream, values)

    return find


def port_start(host: bytes) -> int | None:
    """Where ":port" begins in an authority, None without one; what stands for the port is not looked at
    (Envoy's HeaderUtility::getPortStart)."""
    colon = host.rfind(b":")
    return None if colon < 0 or colon < host.rfind(b"]") else colon


def _only_default(default: Finder | None) -> Callable[[Any], Route | None]:
    if default is None:
        return lambda _stream: None

    def find(stream: Any) -> Route | None:
        return default(stream, stream.request_headers.map)

    return find


def _wildcard_finder(
    suffixes: dict[bytes, Finder], prefixes: dict[bytes, Finder]
) -> Callable[[bytes], Finder | None] | None:
    """Longest suffix first, then longest prefix; the wildcard itself must stand for at least one byte."""
    if not suffixes and not prefixes:
        return None
    suffix_lengths = sorted({len(key) for key in suffixes}, reverse=True)
    prefix_lengths = sorted({len(key) for key in prefixes}, reverse=True)

    def find(host: bytes) -> Finder | None:
        size = len(host)
        for length in suffix_lengths:
            if length < size and (finder := suffixes.get(host[size - length :])) is not None:
                return finder
        for length in prefix_lengths:
            if length < size and (finder := prefixes.get(host[:length])) is not None:
                return finder
        return None

    return find
