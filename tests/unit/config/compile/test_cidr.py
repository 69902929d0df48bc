"""Address ranges: host bits are cut, families never mix, a pipe is in no range."""

from __future__ import annotations

import pytest

from pyvoy.config.compile import cidr
from tests.unit.config.building import built, reported

TYPE = "envoy.config.listener.v3.FilterChainMatch"


def ranges(text):
    message, context = built(TYPE, f"prefix_ranges: {text}")
    return cidr.cidr_set(message.prefix_ranges, context, "prefix_ranges"), context


@pytest.mark.parametrize(
    ("ip", "inside"),
    [("10.1.2.3", True), ("10.2.0.0", False), ("::1", True), ("::2", False), ("fe80::1%eth0", True), ("", False),
     ("::ffff:10.1.2.3", False), ("nonsense", False)],
)  # fmt: skip
def test_contains(ip, inside):
    text = "[{address_prefix: 10.1.255.255, prefix_len: 16}, {address_prefix: '::1', prefix_len: 128},"
    found, _ = ranges(text + "{address_prefix: 'fe80::', prefix_len: 10}]")
    assert found.contains(ip) is inside


def test_no_length_is_everything_of_the_family():
    found, _ = ranges("{address_prefix: 1.2.3.4}")
    assert found.contains("9.9.9.9")
    assert not found.contains("::1")


def test_an_empty_list_is_false():
    assert not ranges("[]")[0]


def test_what_is_no_address():
    found, context = ranges("[{address_prefix: foo}, {address_prefix: 1.1.1.1, prefix_len: 32}]")
    assert found.contains("1.1.1.1")
    assert reported(context) == ["1:34: error: prefix_ranges[0].address_prefix: malformed IP address: foo"]
