"""Filter chain matching: which filter chain a new connection gets.

`ChainMatch` is one chain's criteria as configured; `build_chain_table` turns the criteria of a listener into nested
tables, one level for each of Envoy's nine fields in Envoy's order; `ChainTable.find` descends them once per
connection.  At each level the most specific key present wins and nothing backtracks: where a deeper level then fails,
the default chain is the answer.  Source: Envoy, FilterChainMatch (API comments; probed on Envoy 1.40).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from socket import AF_INET, AF_INET6, inet_pton
from typing import Generic, TypeVar

from pyvoy.network.address import Address
from pyvoy.observe.stream_info import ConnectionInfo

Chain = TypeVar("Chain")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class SourceType(IntEnum):
    """FilterChainMatch.ConnectionSourceType."""

    ANY = 0
    SAME_IP_OR_LOOPBACK = 1
    EXTERNAL = 2


@dataclass(slots=True, frozen=True)
class ChainMatch:
    """The criteria of one filter chain; an empty tuple, 0 or "" asks for nothing.

    `json` is the configured message in JSON, quoted when another chain has the same criteria.
    """

    destination_port: int = 0
    prefix_ranges: tuple[Network, ...] = ()
    server_names: tuple[str, ...] = ()
    transport_protocol: str = ""
    application_protocols: tuple[str, ...] = ()
    direct_source_prefix_ranges: tuple[Network, ...] = ()
    source_type: SourceType = SourceType.ANY
    source_prefix_ranges: tuple[Network, ...] = ()
    source_ports: tuple[int, ...] = ()
    json: str = "{}"


class PrefixTable(Generic[Chain]):
    """Longest-prefix lookup over IPv4 and IPv6 networks.

    "No ranges" is the widest of all.  A configured /0 beside it comes first here; Envoy's choice between the two
    changes from one start to the next.
    """

    __slots__ = ("_by_length", "catch_all")

    def __init__(self) -> None:
        self.catch_all: Chain | None = None
        self._by_length: dict[int, list[tuple[int, int, dict[int, Chain]]]] = {4: [], 6: []}

    def setdefault(self, network: Network | None, make: Callable[[], Chain]) -> Chain:
        """The entry of a network (None: any address), made when it is new."""
        if network is None:
            self.catch_all = self.catch_all if self.catch_all is not None else make()
            return self.catch_all
        tables = self._by_length[network.version]
        for length, _, known in tables:
            if length == network.prefixlen:
                table = known
                break
        else:
            table = {}
            tables.append((network.prefixlen, network.max_prefixlen - network.prefixlen, table))
            tables.sort(key=lambda entry: -entry[0])
        key = int(network.network_address) >> (network.max_prefixlen - network.prefixlen)
        if key not in table:
            table[key] = make()
        return table[key]

    def find(self, address: Address) -> Chain | None:
        """The entry of the longest network that holds the address."""
        ip = address.ip
        tables = self._by_length[6 if ":" in ip else 4]
        if tables:
            number = _ip_number(ip)
            for _, shift, table in tables:
                entry = table.get(number >> shift)
                if entry is not None:
                    return entry
        return self.catch_all


def _ip_number(ip: str) -> int:
    if ":" in ip:
        return int.from_bytes(inet_pton(AF_INET6, ip.partition("%")[0]), "big")
    # A pipe takes part as 255.255.255.255, as in Envoy.
    return int.from_bytes(inet_pton(AF_INET, ip), "big") if ip else 0xFFFFFFFF


class _Sources(Generic[Chain]):
    """Levels 7 to 9: source type, source networks, source ports."""

    __slots__ = ("by_type",)

    def __init__(self) -> None:
        self.by_type: dict[SourceType, PrefixTable[dict[int, Chain]]] = {}

    def find(self, info: ConnectionInfo) -> Chain | None:
        networks = self._networks(info)
        if networks is None:
            return None
        ports = networks.find(info.remote)
        if ports is None:
            return None
        chain = ports.get(info.remote.port)
        return chain if chain is not None else ports.get(0)

    def _networks(self, info: ConnectionInfo) -> PrefixTable[dict[int, Chain]] | None:
        by_type = self.by_type
        if len(by_type) > 1 or SourceType.ANY not in by_type:
            kind = SourceType.SAME_IP_OR_LOOPBACK if is_same_ip_or_loopback(info) else SourceType.EXTERNAL
            if kind in by_type:
                return by_type[kind]
        return by_type.get(SourceType.ANY)


_Protocols = dict[str, PrefixTable[_Sources[Chain]]]  # level 5, its values are level 6
_Names = dict[str, dict[str, _Protocols[Chain]]]  # level 3, its values are level 4


class ChainTable(Generic[Chain]):
    """The compiled match of one listener.  `only` is the chain every connection gets, when nothing needs a lookup."""

    __slots__ = ("_by_port", "default", "only")

    def __init__(self, default: Chain | None) -> None:
        self.default = default
        self.only: Chain | None = None
        self._by_port: dict[int, PrefixTable[_Names[Chain]]] = {}

    def find(self, info: ConnectionInfo) -> Chain | None:
        """The chain of a connection, the default chain, or None (close, `no_filter_chain_match`).

        Reads the addresses of `info`, its `requested_server_name` (lower-case), `transport_protocol` ("" counts as
        "raw_buffer") and `application_protocols`.
        """
        networks = self._by_port.get(info.local.port)
        if networks is None:
            networks = self._by_port.get(0)
        if networks is None:
            return self.default
        names = networks.find(info.local)
        chain = None if names is None else _find_by_name(names, info)
        return self.default if chain is None else chain

    def add(self, match: ChainMatch, chain: Chain) -> bool:
        """Enter a chain under all combinations of its criteria; False when another chain holds one of them."""
        networks = self._by_port.setdefault(match.destination_port, PrefixTable())
        sources = [
            sources
            for network in match.prefix_ranges or (None,)
            for name in match.server_names or ("",)
            for sources in _protocol_leaves(networks.setdefault(network, dict), name, match)
        ]
        free = True
        for leaf in sources:
            by_network = leaf.by_type.setdefault(match.source_type, PrefixTable())
            for network in match.source_prefix_ranges or (None,):
                ports = by_network.setdefault(network, dict)
                for port in match.source_ports or (0,):
                    free = ports.setdefault(port, chain) is chain and free
        return free


def _protocol_leaves(names: _Names[Chain], name: str, match: ChainMatch) -> Iterable[_Sources[Chain]]:
    """The entries of levels 4 to 6 under one server name ("*.x" is kept as ".x")."""
    key = name.lower().removeprefix("*")
    protocols = names.setdefault(key, {}).setdefault(match.transport_protocol, {})
    for protocol in match.application_protocols or ("",):
        direct = protocols.setdefault(protocol, PrefixTable())
        for network in match.direct_source_prefix_ranges or (None,):
            yield direct.setdefault(network, _Sources)


def _find_by_name(names: _Names[Chain], info: ConnectionInfo) -> Chain | None:
    name = info.requested_server_name
    by_transport = names.get(name)
    dot = name.find(".", 1)
    while by_transport is None and 0 < dot < len(name) - 1:
        by_transport = names.get(name[dot:])
        dot = name.find(".", dot + 1)
    if by_transport is None:
        by_transport = names.get("")
    if by_transport is None:
        return None
    protocols = by_transport.get(info.transport_protocol or "raw_buffer")
    if protocols is None:
        protocols = by_transport.get("")
    return None if protocols is None else _find_by_protocol(protocols, info)


def _find_by_protocol(protocols: _Protocols[Chain], info: ConnectionInfo) -> Chain | None:
    direct = next((protocols[offered] for offered in info.application_protocols if offered in protocols), None)
    if direct is None:
        direct = protocols.get("")
    if direct is None:
        return None
    sources = direct.find(info.direct_remote)
    return None if sources is None else sources.find(info)


def is_same_ip_or_loopback(info: ConnectionInfo) -> bool:
    """SAME_IP_OR_LOOPBACK: a pipe, exactly 127.0.0.1 or ::1 (not all of 127/8, as in Envoy), or both ends one IP."""
    remote = info.remote
    return remote.is_pipe or remote.ip in ("127.0.0.1", "::1") or remote.ip == info.local.ip


def build_chain_table(
    chains: Sequence[tuple[str, ChainMatch, Chain]], default: Chain | None
) -> tuple[ChainTable[Chain], list[tuple[int, str]]]:
    """Compile (name, criteria, chain) triples; the problems are (index of the chain, Envoy's text)."""
    table: ChainTable[Chain] = ChainTable(default)
    problems: list[tuple[int, str]] = []
    seen: dict[ChainMatch, str] = {}
    for index, (name, match, chain) in enumerate(chains):
        if match in seen:
            same = f"filter chain '{name}' has the same matching rules defined as '{seen[match]}'"
            problems.append((index, f"{same}. duplicate matcher is: {match.json}"))
            continue
        seen[match] = name
        if not table.add(match, chain):
            problems.append((index, "multiple filter chains with overlapping matching rules are defined"))
    if len(chains) == 1 and chains[0][1] == ChainMatch(json=chains[0][1].json):
        table.only = chains[0][2]
    if not chains:
        table.only = default
    return table, problems
