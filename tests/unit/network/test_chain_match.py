"""Filter chain matching: the nine levels, no backtracking, duplicates.  Expectations as Envoy 1.40 behaves."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from pyvoy.network.address import Address
from pyvoy.network.chain_match import ChainMatch, ChainTable, SourceType, build_chain_table
from pyvoy.observe.stream_info import ConnectionInfo

Match = ChainMatch


def net(*texts: str) -> tuple[object, ...]:
    return tuple(ip_network(text) for text in texts)


def address(text: str) -> Address:
    if text.startswith("/"):
        return Address("", 0, text)
    ip, _, port = text.rpartition(":")
    return Address(ip.strip("[]"), int(port))


def connection(
    *,
    local: str = "10.0.0.1:443",
    remote: str = "192.0.2.7:5000",
    direct: str | None = None,
    sni: str = "",
    transport: str = "raw_buffer",
    alpn: tuple[str, ...] = (),
) -> ConnectionInfo:
    info = ConnectionInfo()
    info.local, info.remote, info.direct_remote = address(local), address(remote), address(direct or remote)
    info.requested_server_name, info.transport_protocol, info.application_protocols = sni, transport, alpn
    return info


def table(chains: dict[str, ChainMatch], default: str | None = None) -> ChainTable[str]:
    built, problems = build_chain_table([(name, match, name) for name, match in chains.items()], default)
    assert problems == []
    return built


PORTS = {"443": Match(destination_port=443, server_names=("a.com",)), "any": Match()}
RANGES = {
    "host": Match(prefix_ranges=net("10.0.0.1/32")),
    "net": Match(prefix_ranges=net("10.0.0.0/8", "2001:db8::/32")),
    "v4": Match(prefix_ranges=net("0.0.0.0/0")),
    "any": Match(),
}
NAMES = {
    "exact": Match(server_names=("www.a.com", "API.a.com")),
    "sub": Match(server_names=("*.a.com",)),
    "com": Match(server_names=("*.com",)),
    "any": Match(),
}
TRANSPORTS = {"tls": Match(transport_protocol="tls"), "raw": Match(transport_protocol="raw_buffer")}
ALPN = {
    "h2": Match(application_protocols=("h2",)),
    "h1": Match(application_protocols=("http/1.1", "http/1.0")),
    "any": Match(),
}
DIRECT = {"direct": Match(direct_source_prefix_ranges=net("192.0.2.0/24")), "any": Match()}
TYPES = {
    "local": Match(source_type=SourceType.SAME_IP_OR_LOOPBACK),
    "external": Match(source_type=SourceType.EXTERNAL),
    "any": Match(source_type=SourceType.ANY),
}
LOCAL_OR_ANY = {"local": TYPES["local"], "any": TYPES["any"]}
SOURCES = {
    "port": Match(source_prefix_ranges=net("192.0.2.0/24"), source_ports=(5000, 5001)),
    "net": Match(source_prefix_ranges=net("192.0.2.0/25")),
    "any": Match(),
}

CASES = [
    # 1 destination port: an exact port that fails deeper does not go back to "no port"
    (PORTS, {"sni": "a.com"}, "443"),
    (PORTS, {"sni": "b.com"}, None),
    (PORTS, {"sni": "b.com", "local": "10.0.0.1:80"}, "any"),
    (PORTS, {"local": "/run/x"}, "any"),
    # 2 destination networks: the longest prefix
    (RANGES, {}, "host"),
    (RANGES, {"local": "10.9.9.9:443"}, "net"),
    (RANGES, {"local": "172.16.0.1:443"}, "v4"),
    (RANGES, {"local": "[2001:db8::1]:443"}, "net"),
    (RANGES, {"local": "[2001:db9::1]:443"}, "any"),
    (RANGES, {"local": "/run/x"}, "v4"),
    ({"net": RANGES["net"]}, {"local": "/run/x"}, None),
    ({"net": RANGES["net"]}, {"local": "172.16.0.1:443"}, None),
    # 3 server names
    (NAMES, {"sni": "www.a.com"}, "exact"),
    (NAMES, {"sni": "api.a.com"}, "exact"),
    (NAMES, {"sni": "x.a.com"}, "sub"),
    (NAMES, {"sni": "x.y.a.com"}, "sub"),
    (NAMES, {"sni": "a.com"}, "com"),
    (NAMES, {"sni": "com"}, "any"),
    (NAMES, {"sni": "b.org"}, "any"),
    (NAMES, {"sni": "www.a.com."}, "any"),
    (NAMES, {"sni": ".com"}, "com"),
    (NAMES, {"sni": ""}, "any"),
    ({"sub": NAMES["sub"]}, {"sni": "a.com"}, None),
    # 4 transport protocol
    (TRANSPORTS, {"transport": "tls"}, "tls"),
    (TRANSPORTS, {}, "raw"),
    (TRANSPORTS, {"transport": ""}, "raw"),
    (TRANSPORTS, {"transport": "quic"}, None),
    ({"tls": TRANSPORTS["tls"], "any": Match()}, {}, "any"),
    # 5 application protocols: the client's order decides
    (ALPN, {"alpn": ("h2", "http/1.1")}, "h2"),
    (ALPN, {"alpn": ("http/1.1", "h2")}, "h1"),
    (ALPN, {"alpn": ("x", "http/1.0")}, "h1"),
    (ALPN, {"alpn": ("x",)}, "any"),
    (ALPN, {}, "any"),
    ({"h2": ALPN["h2"]}, {"alpn": ("x",)}, None),
    # 6 physical peer
    (DIRECT, {}, "direct"),
    (DIRECT, {"direct": "10.0.0.9:1", "remote": "192.0.2.7:5000"}, "any"),
    (DIRECT, {"direct": "192.0.2.7:1", "remote": "10.0.0.9:1"}, "direct"),
    # 7 source type
    (TYPES, {}, "external"),
    (TYPES, {"remote": "127.0.0.1:1"}, "local"),
    (TYPES, {"remote": "[::1]:1"}, "local"),
    (TYPES, {"remote": "127.0.0.2:1"}, "external"),
    (TYPES, {"remote": "10.0.0.1:1"}, "local"),
    (TYPES, {"remote": "/run/x"}, "local"),
    (LOCAL_OR_ANY, {}, "any"),
    (LOCAL_OR_ANY, {"remote": "127.0.0.1:1"}, "local"),
    ({"local": TYPES["local"]}, {}, None),
    # 8 and 9 source networks and ports: the longest network is taken even when its ports fail
    (SOURCES, {"remote": "192.0.2.200:5001"}, "port"),
    (SOURCES, {"remote": "192.0.2.200:6000"}, None),
    (SOURCES, {}, "net"),
    (SOURCES, {"remote": "203.0.113.1:5000"}, "any"),
    ({"port": Match(source_ports=(5000,)), "any": Match()}, {}, "port"),
    ({"port": Match(source_ports=(5000,)), "any": Match()}, {"remote": "192.0.2.7:1"}, "any"),
]


@pytest.mark.parametrize(("chains", "facts", "expected"), CASES)
def test_the_most_specific_chain_of_each_level_is_taken(
    chains: dict[str, ChainMatch], facts: dict[str, object], expected: str | None
) -> None:
    info = connection(**facts)  # type: ignore[arg-type]
    assert table(chains).find(info) == expected
    assert table(dict(reversed(chains.items()))).find(info) == expected
    assert table(chains, "default").find(info) == (expected or "default")


NO_WAY_BACK = [
    # the more specific key of an early level wins, and what fails behind it is not made up for by its sibling
    ({"net": Match(prefix_ranges=net("10.0.0.0/8"), server_names=("a.com",)), "any": Match()}, {"sni": "b.com"}),
    ({"name": Match(server_names=("a.com",), transport_protocol="tls"), "any": Match()}, {"sni": "a.com"}),
    ({"tls": Match(transport_protocol="tls", application_protocols=("h2",)), "any": Match()}, {"transport": "tls"}),
    (
        {"h2": Match(application_protocols=("h2",), source_ports=(1,)), "h1": Match(application_protocols=("h1",))},
        {"alpn": ("h2", "h1")},
    ),
    (
        {"direct": Match(direct_source_prefix_ranges=net("192.0.2.0/24"), source_ports=(1,)), "any": Match()},
        {},
    ),
    ({"type": Match(source_type=SourceType.EXTERNAL, source_ports=(1,)), "any": Match()}, {}),
    (
        {"sub": Match(server_names=("*.a.com",), transport_protocol="tls"), "com": Match(server_names=("*.com",))},
        {"sni": "x.a.com"},
    ),
]


@pytest.mark.parametrize(("chains", "facts"), NO_WAY_BACK)
def test_nothing_backtracks(chains: dict[str, ChainMatch], facts: dict[str, object]) -> None:
    info = connection(**facts)  # type: ignore[arg-type]
    assert table(chains).find(info) is None
    assert table(chains, "default").find(info) == "default"


def test_all_combinations_of_repeated_fields_lead_to_the_chain() -> None:
    match = Match(
        prefix_ranges=net("10.0.0.0/8", "2001:db8::/32"),
        server_names=("a.com", "*.b.com"),
        application_protocols=("h2", "h1"),
        source_ports=(1, 2),
    )
    built = table({"chain": match})
    for local in ("10.0.0.1:443", "[2001:db8::1]:443"):
        for sni in ("a.com", "x.b.com"):
            for alpn in ("h2", "h1"):
                for port in (1, 2):
                    info = connection(local=local, sni=sni, alpn=(alpn,), remote=f"192.0.2.7:{port}")
                    assert built.find(info) == "chain"


def test_the_same_criteria_twice_are_a_problem() -> None:
    match = Match(server_names=("a.com",), json='{"server_names":["a.com"]}')
    built, problems = build_chain_table([("one", match, "1"), ("two", match, "2")], None)
    text = "filter chain 'two' has the same matching rules defined as 'one'. "
    assert problems == [(1, text + 'duplicate matcher is: {"server_names":["a.com"]}')]
    assert built.find(connection(sni="a.com")) == "1"


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (Match(server_names=("a.com", "b.com")), Match(server_names=("b.com",))),
        (Match(server_names=("a.com",)), Match(server_names=("A.com",))),
        (Match(prefix_ranges=net("10.0.0.0/8")), Match(prefix_ranges=net("10.0.0.0/8", "11.0.0.0/8"))),
        (Match(source_ports=(1, 2)), Match(source_ports=(2, 3))),
    ],
)
def test_criteria_that_overlap_are_a_problem(one: ChainMatch, two: ChainMatch) -> None:
    _, problems = build_chain_table([("", one, "1"), ("", two, "2")], None)
    assert problems == [(1, "multiple filter chains with overlapping matching rules are defined")]


def test_networks_that_contain_each_other_do_not_overlap() -> None:
    chains = {"8": Match(prefix_ranges=net("10.0.0.0/8")), "16": Match(prefix_ranges=net("10.0.0.0/16"))}
    assert table(chains).find(connection()) == "16"


def test_a_single_chain_without_criteria_needs_no_lookup() -> None:
    assert table({"only": Match()}).only == "only"
    assert table({}, "default").only == "default"
    assert table({"one": Match(server_names=("a.com",))}).only is None
    assert table({"only": Match()}, "default").find(connection()) == "only"
