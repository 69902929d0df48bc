"""Domains: duplicates and ports.  Which host wins is shown in config/compile/test_routes.py."""

from __future__ import annotations

import pytest

from pyvoy.http.routing.hosts import DomainTable, host_finder, port_start
from tests.unit.http.routing.streams import stream


@pytest.mark.parametrize("domain", [b"*", b"x.com", b"*.x.com", b"x.*"])
def test_a_domain_is_taken_once(domain):
    table = DomainTable()
    assert table.add(domain, lambda _stream, _values: None)
    assert not table.add(domain, lambda _stream, _values: None)


@pytest.mark.parametrize(
    ("host", "start"),
    [
        (b"x", None),
        (b"x:80", 1),
        (b"x:", 1),
        (b"x:abc", 1),
        (b"[::1]", None),
        (b"[::1]:8", 5),
        (b"::1", 1),
        (b"", None),
    ],
)
def test_port_start(host, start):
    assert port_start(host) == start


def test_without_a_host_only_a_lone_default_answers():
    request = stream(host=b"")
    only, both = DomainTable(), DomainTable()
    for table in (only, both):
        table.add(b"*", lambda _stream, _values: "default")  # type: ignore[arg-type, return-value]
    both.add(b"x.com", lambda _stream, _values: None)
    assert host_finder(only)(request) == "default"
    assert host_finder(both)(request) is None
