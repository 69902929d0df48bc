"""The PROXY protocol filter: addresses, TLVs, counters and verdicts."""

from __future__ import annotations

import pytest

from pyvoy.filters.listener.proxy_protocol import HEADER_STATE, TLV_STATE, ProxyProtocol, sanitized_utf8
from pyvoy.network.address import Address
from pyvoy.network.listener_filter import ListenerVerdict
from pyvoy.network.proxy_protocol import V2_SIGNATURE, ProxyHeader, write_v1, write_v2
from tests.support.building import Place
from tests.support.connections import FakeAccepted, bytewise

CONTINUE, MORE, CLOSE = ListenerVerdict.CONTINUE, ListenerVerdict.MORE, ListenerVerdict.CLOSE
PAIR = (Address("203.0.113.5", 1111), Address("198.51.100.1", 80))
V1, V2 = write_v1(*PAIR), write_v2(*PAIR)
HTTP = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
TLVS = ((2, b"abc"), (3, b"q\xff"), (2, b"def"), (9, b"z"))
RULES = """
rules:
- {tlv_type: 2, on_tlv_present: {metadata_namespace: ns, key: a}}
- {tlv_type: 3, on_tlv_present: {key: b}}
"""
OPTIONAL = "allow_requests_without_proxy_protocol: true"
NAMES = [
    "not_found_allowed",
    "not_found_disallowed",
    *(f"versions.v{n}.{name}" for n in (1, 2) for name in ("found", "disallowed", "error")),
]

CASES = [
    ("{}", V1, CONTINUE, {"versions.v1.found"}),
    ("{}", V2, CONTINUE, {"versions.v2.found"}),
    ("{}", b"PROXY UNKNOWN\r\n", CONTINUE, {"versions.v1.found"}),
    ("{}", b"PROXY TCP9 1.2.3.4 5.6.7.8 1 2\r\n", CLOSE, {"versions.v1.error"}),
    ("{}", V2_SIGNATURE + b"\x31\x11\x00\x00", CLOSE, {"versions.v2.error"}),
    ("{}", HTTP, CLOSE, {"not_found_disallowed"}),
    ("{}", V2[:20], MORE, set()),
    (OPTIONAL, HTTP, CONTINUE, {"not_found_allowed"}),
    (OPTIONAL, V2, CONTINUE, {"versions.v2.found"}),
    (OPTIONAL, b"PROX", MORE, set()),
    ("disallowed_versions: [V1]", V1, CLOSE, {"versions.v1.found", "versions.v1.disallowed"}),
    ("disallowed_versions: [V1]", V2, CONTINUE, {"versions.v2.found"}),
    ("disallowed_versions: [V2]", V2, CLOSE, {"versions.v2.found", "versions.v2.disallowed"}),
    (OPTIONAL + "\ndisallowed_versions: [V1]", V1, CONTINUE, {"not_found_allowed"}),
]


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize(("config", "data", "verdict", "counted"), CASES)
def test_outcomes(config: str, data: bytes, verdict: ListenerVerdict, counted: set[str], split: bool) -> None:
    place = Place()
    accepted = FakeAccepted()
    pieces = bytewise(data) if split else [data]
    assert accepted.run(ProxyProtocol(place.plan(ProxyProtocol, config)), *pieces) is verdict
    assert {name for name in NAMES if place.count(f"proxy_proto.{name}")} == counted
    failed = any(name.endswith(("error", "not_found_disallowed")) for name in counted)
    assert place.count("downstream_cx_proxy_proto_error") == failed


def test_the_header_is_dropped_and_its_addresses_are_believed() -> None:
    accepted = FakeAccepted()
    physical = accepted.info.remote
    accepted.run(ProxyProtocol(Place().plan(ProxyProtocol)), V2 + HTTP)
    assert bytes(accepted.buffer) == HTTP
    assert (accepted.info.remote, accepted.info.local) == PAIR
    assert accepted.info.direct_remote is physical


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", write_v2(None, None)])
def test_a_header_that_claims_nothing_leaves_the_addresses(header: bytes) -> None:
    accepted = FakeAccepted()
    before = (accepted.info.remote, accepted.info.local)
    accepted.run(ProxyProtocol(Place().plan(ProxyProtocol)), header + HTTP)
    assert (accepted.info.remote, accepted.info.local) == before
    assert bytes(accepted.buffer) == HTTP
    state = accepted.info.filter_state[HEADER_STATE]
    assert (state.source, state.destination) == before


def test_tlvs_go_into_metadata_the_first_of_a_kind_counts() -> None:
    accepted = FakeAccepted()
    accepted.run(ProxyProtocol(Place().plan(ProxyProtocol, RULES)), write_v2(*PAIR, TLVS))
    assert accepted.info.dynamic_metadata == {
        "ns": {"a": "abc"},
        "envoy.filters.listener.proxy_protocol": {"b": "q!"},
    }


def test_tlvs_go_into_filter_state_the_last_of_a_kind_counts() -> None:
    accepted = FakeAccepted()
    config = RULES + "tlv_location: FILTER_STATE"
    accepted.run(ProxyProtocol(Place().plan(ProxyProtocol, config)), write_v2(*PAIR, TLVS))
    assert accepted.info.dynamic_metadata == {}
    assert accepted.info.filter_state[TLV_STATE] == {"a": "def", "b": "q!"}


@pytest.mark.parametrize(
    ("config", "kept"),
    [
        ("{}", ()),
        ("pass_through_tlvs: {match_type: INCLUDE_ALL}", TLVS),
        ("pass_through_tlvs: {match_type: INCLUDE, tlv_type: [2, 9]}", (TLVS[0], TLVS[2], TLVS[3])),
    ],
)
def test_tlvs_that_pass_through(config: str, kept: tuple[tuple[int, bytes], ...]) -> None:
    accepted = FakeAccepted()
    accepted.run(ProxyProtocol(Place().plan(ProxyProtocol, config)), write_v2(*PAIR, TLVS))
    state = accepted.info.filter_state[HEADER_STATE]
    assert isinstance(state, ProxyHeader)
    assert (state.source, state.destination, state.tlvs) == (*PAIR, kept)


def test_counters_have_the_prefix() -> None:
    place = Place()
    FakeAccepted().run(ProxyProtocol(place.plan(ProxyProtocol, "stat_prefix: edge")), V1)
    assert place.count("proxy_proto.edge.versions.v1.found") == 1


def test_all_versions_disallowed_is_a_problem() -> None:
    place = Place()
    place.plan(ProxyProtocol, "disallowed_versions: [V1, V2]")
    text = "Proxy Protocol filter is misconfigured: all proxy protocol versions are disallowed."
    assert place.errors == [f"here.disallowed_versions: {text}"]


def test_bytes_that_are_no_text_become_exclamation_marks() -> None:
    assert sanitized_utf8(b"a\xff\xc3\xa9b\xc3") == "a!éb!"
