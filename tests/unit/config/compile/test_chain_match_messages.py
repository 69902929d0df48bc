"""FilterChainMatch messages become ChainMatch plans."""

from __future__ import annotations

from ipaddress import ip_network

from pyvoy.config.compile.chain_match import chain_match
from pyvoy.network.chain_match import ChainMatch, SourceType
from tests.support.building import Place, message

TYPE = "envoy.config.listener.v3.FilterChainMatch"


def build(text: str) -> tuple[ChainMatch, list[str]]:
    place = Place()
    return chain_match(message(TYPE, text), place.context("filter_chain_match")), place.errors


def test_all_fields() -> None:
    match, errors = build("""
        destination_port: 443
        prefix_ranges: [{address_prefix: 10.1.2.3, prefix_len: 8}, {address_prefix: "2001:db8::1", prefix_len: 32}]
        server_names: [WWW.a.com, "*.b.com"]
        transport_protocol: tls
        application_protocols: [h2, http/1.1]
        direct_source_prefix_ranges: [{address_prefix: 192.0.2.1, prefix_len: 40}]
        source_type: EXTERNAL
        source_prefix_ranges: [{address_prefix: 0.0.0.0}]
        source_ports: [1, 2]
    """)
    assert errors == []
    assert match.destination_port == 443
    assert match.prefix_ranges == (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))
    assert match.server_names == ("WWW.a.com", "*.b.com")
    assert (match.transport_protocol, match.application_protocols) == ("tls", ("h2", "http/1.1"))
    assert match.direct_source_prefix_ranges == (ip_network("192.0.2.1/32"),)
    assert match.source_type is SourceType.EXTERNAL
    assert match.source_prefix_ranges == (ip_network("0.0.0.0/0"),)
    assert match.source_ports == (1, 2)


def test_nothing_asked_for() -> None:
    assert build("{}") == (ChainMatch(), [])


def test_partial_wildcards_are_problems_at_their_place() -> None:
    _, errors = build('server_names: [a.com, "*", "w*.a.com", "*w.a.com", "*.a.com"]')
    text = 'partial wildcards are not supported in "server_names"'
    assert errors == [f"filter_chain_match.server_names[{index}]: {text}" for index in (1, 2, 3)]


def test_bad_ranges_are_problems_at_their_place() -> None:
    match, errors = build("prefix_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}, {address_prefix: nowhere}]")
    assert errors == ["filter_chain_match.prefix_ranges[1].address_prefix: malformed IP address: nowhere"]
    assert match.prefix_ranges == (ip_network("10.0.0.0/8"),)


def test_the_message_is_kept_as_compact_json() -> None:
    match, _ = build("{server_names: [a.com], source_ports: [1]}")
    assert match.json == '{"source_ports":[1],"server_names":["a.com"]}'
