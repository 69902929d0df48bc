"""Hosts of dynamic forward proxies: by authority, as long as the cache knows them."""

import pytest

from pyvoy.http.headers import HeaderMap
from pyvoy.network.address import Address
from pyvoy.upstream.dns_cache import Entry
from pyvoy.upstream.forward_proxy import ForwardProxyHosts, split_authority
from tests.unit.upstream.hosts import FakePool, host


class Cache:
    """What a cache knows."""

    def __init__(self, **known):
        self.generation = 0
        self.entries = {name: Entry(name, 80, 0.0, Address(ip, 80) if ip else None) for name, ip in known.items()}

    def find(self, name, port):
        return self.entries.get(name) if port == 80 else None

    def knows(self, name, port):
        return name in self.entries


class Hosts:
    """The hosts of a cluster; `installed` are those it was given last."""

    def __init__(self, cache):
        self.installed = []
        self.cache = cache
        self.hosts = ForwardProxyHosts(cache, 80, self._make, self._install)

    def _make(self, address, hostname):
        made = host(1, hostname=hostname)
        made.address = address
        made.pools[0] = FakePool()
        return made

    def _install(self, hosts):
        self.installed = [one.hostname for one in hosts]

    def choose(self, authority):
        return self.hosts.choose(None, HeaderMap([(b":authority", authority)]), None)


@pytest.mark.parametrize(
    ("authority", "expected"),
    [
        (b"a.test", ("a.test", 80)),
        (b"A.test:81", ("a.test", 81)),
        (b"[::1]", ("[::1]", 80)),
        (b"[::1]:81", ("[::1]", 81)),
        (b"a.test:x", ("a.test:x", 80)),
        (b"a.test:99999", ("a.test:99999", 80)),
        (b"", ("", 80)),
    ],
)
def test_authorities(authority, expected):
    assert split_authority(authority, 80) == expected


def test_a_known_name_is_a_host():
    hosts = Hosts(Cache(a="10.0.0.1"))
    chosen = hosts.choose(b"a:80")
    assert chosen.address.text == "10.0.0.1:80"
    assert hosts.choose(b"a") is chosen
    assert hosts.installed == ["a"]


@pytest.mark.parametrize("authority", [b"b", b"nothing", b"a:81"])
def test_other_names_are_none(authority):
    assert Hosts(Cache(a="10.0.0.1", nothing="")).choose(authority) is None


def test_no_request_no_host():
    assert Hosts(Cache()).hosts.choose(None, None, None) is None


def test_a_host_that_moves_gets_new_connections():
    hosts = Hosts(Cache(a="10.0.0.1"))
    chosen = hosts.choose(b"a")
    pool = chosen.pools[0]
    hosts.cache.entries["a"].address = Address("10.0.0.2", 80)
    assert hosts.choose(b"a") is chosen
    assert chosen.address.ip == "10.0.0.2"
    assert pool.drained == 1


def test_a_name_that_the_cache_forgets_is_no_host():
    hosts = Hosts(Cache(a="10.0.0.1", b="10.0.0.2"))
    gone = hosts.choose(b"a")
    hosts.choose(b"b")
    del hosts.cache.entries["a"]
    hosts.cache.generation += 1
    hosts.choose(b"b")
    assert hosts.installed == ["b"]
    assert gone.pools[0].drained == 1
