"""Addresses of listeners: what can be bound, and Envoy's words for what cannot."""

from __future__ import annotations

import pytest

from pyvoy.config.compile import addresses
from tests.unit.config.building import built, reported

TYPE = "envoy.config.core.v3.Address"


def listen(text):
    message, context = built(TYPE, text)
    return addresses.listen_address(message, context), reported(context)


@pytest.mark.parametrize(
    ("text", "shown", "mode"),
    [
        ("socket_address: {address: 127.0.0.1, port_value: 80}", "127.0.0.1:80", 0),
        ("socket_address: {address: '0:0::1', port_value: 80}", "[::1]:80", 0),
        ("socket_address: {address: '::', port_value: 0, ipv4_compat: true}", "[::]:0", 0),
        ("socket_address: {address: 'fe80::1%lo', port_value: 0}", "[fe80::1%lo]:0", 0),
        ("pipe: {path: /run/x.sock, mode: 438}", "/run/x.sock", 0o666),
        ("pipe: {path: '@x'}", "@x", 0),
    ],
)
def test_what_can_be_bound(text, shown, mode):
    bound, problems = listen(text)
    assert problems == []
    assert bound.address.text == shown
    assert bound.mode == mode


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{}", "error: address is necessary"),
        ("socket_address: {address: foo, port_value: 0}", "socket_address.address: malformed IP address: foo"),
        ("socket_address: {address: '[::1]', port_value: 0}", "malformed IP address: [::1]"),
        ("socket_address: {address: 127.1, port_value: 0}", "malformed IP address: 127.1"),
        ("socket_address: {address: 010.0.0.1, port_value: 0}", "malformed IP address: 010.0.0.1"),
        ("socket_address: {address: 1.1.1.1, port_value: 0, ipv4_compat: true}", "can set ipv4_compat: 1.1.1.1"),
        ("socket_address: {address: 1.1.1.1, port_value: 0, protocol: UDP}", "UDP is not supported by pyvoy"),
        (f"pipe: {{path: /{'x' * 107}}}", "exceeds maximum UNIX domain socket path size of 108."),
        ('pipe: {path: "a\\0b"}', "contains embedded null characters"),
        ("pipe: {path: '@x', mode: 438}", "pipe.mode: Cannot set mode for Abstract AF_UNIX sockets"),
    ],
)
def test_what_cannot(text, what):
    (problem,) = listen(text)[1]
    assert what in problem
