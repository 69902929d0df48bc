"""The host's own address."""

from __future__ import annotations

import ipaddress

from pyvoy.network.local_address import local_ip


def test_it_is_an_ipv4_address() -> None:
    assert isinstance(ipaddress.ip_address(local_ip()), ipaddress.IPv4Address)
