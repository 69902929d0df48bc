"""Dynamic forward proxy filter: waiting for a name, replies when it has no address, rewrites by route."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pyvoy.config.problems import ConfigErrors
from pyvoy.filters.http.dynamic_forward_proxy import DynamicForwardProxy
from pyvoy.network.address import Address
from pyvoy.testing.contract import check_http_filter
from pyvoy.testing.fakes import FakeServices
from pyvoy.testing.playbook import Play, act, forwarded, headers, held, play, reply, reset
from pyvoy.upstream.dns_cache import CacheFull, Entry
from pyvoy.upstream.forward_proxy import ForwardProxyHosts

CONFIG = "dns_cache_config: {name: c}"


class Cache:
    """A cache that a test answers for."""

    def __init__(self, places: int = 9) -> None:
        self.generation = 0
        self.places = places
        self.full = False
        self.entries: dict[str, Entry] = {}

    def enter(self) -> bool:
        self.places -= 1
        return self.places >= 0

    def leave(self) -> None:
        self.places += 1

    def load(self, name, port, on_loaded):
        if self.full:
            raise CacheFull
        entry = self.entries.setdefault(f"{name}:{port}", Entry(name, port, 0.0))
        if not entry.loaded:
            entry.waiting.append(on_loaded)
        return entry

    def forget_waiting(self, entry, on_loaded):
        entry.waiting.remove(on_loaded)

    def answer(self, key: str, ip: str = "", failure: str = "") -> None:
        entry = self.entries[key]
        entry.loaded = True
        entry.address = Address(ip, entry.port) if ip else None
        entry.failure = failure
        for on_loaded in entry.waiting:
            on_loaded(entry)
        entry.waiting = []


def stage(cache: Cache, route: str = "") -> Play:
    fakes = FakeServices()
    hosts = ForwardProxyHosts(cache, 80, None, None)  # type: ignore[arg-type]  # the router is not here
    plan = SimpleNamespace(observability_name="upstream")
    fakes.clusters._clusters["upstream"] = SimpleNamespace(name="upstream", plan=plan, chooser=hosts)
    return play(DynamicForwardProxy, CONFIG, route=route, fakes=fakes)


def test_the_request_waits_for_the_name_and_the_next_does_not() -> None:
    cache = Cache()
    p = stage(cache) >> headers(authority="a.test") << held()
    p >> act(lambda _: cache.answer("a.test:80", "10.0.0.1")) << forwarded()
    p >> headers(authority="a.test:80") << forwarded()
    assert cache.places == 9
    p.stage.close()


def test_no_address_is_a_reply() -> None:
    cache = Cache()
    p = stage(cache) >> headers(authority="a.test") << held()
    expected = reply(503, b"DNS resolution failure", detail="dns_resolution_failure{why}", flags="DF")
    p >> act(lambda _: cache.answer("a.test:80", failure="why")) << expected
    p >> headers(authority="a.test") << expected
    p.end()


def test_a_full_cache_is_a_reply() -> None:
    cache = Cache()
    cache.full = True
    p = stage(cache) >> headers() << reply(503, b"DNS cache overflow", detail="dns_cache_overflow", flags="-")
    assert cache.places == 9
    p.end()


def test_too_many_waiting_is_a_reply() -> None:
    text = b"Dynamic forward proxy pending request overflow"
    p = stage(Cache(places=0)) >> headers()
    p << reply(503, text, detail="dynamic_forward_proxy_pending_request_overflow", flags="-")
    p.end()


def test_a_client_that_goes_waits_no_more() -> None:
    cache = Cache()
    p = stage(cache) >> headers(authority="a.test") << held()
    p >> reset()
    assert cache.places == 9
    assert cache.entries["a.test:80"].waiting == []


@pytest.mark.parametrize(
    ("route", "host"),
    [
        ("host_rewrite_literal: b.test", "b.test"),
        ("host_rewrite_header: X-To", "c.test"),
        ("host_rewrite_header: x-absent", "a.test"),
    ],
)
def test_a_route_may_name_another_host(route: str, host: str) -> None:
    cache = Cache()
    p = stage(cache, route) >> headers(authority="a.test", x_to="c.test") << held()
    p >> act(lambda _: cache.answer(f"{host}:80", "10.0.0.1")) << forwarded(None, (":authority", host))
    p.stage.close()


def test_other_clusters_are_none_of_its_business() -> None:
    p = play(DynamicForwardProxy, CONFIG) >> headers() << forwarded()
    p.stage.close()


def test_it_needs_a_cache() -> None:
    with pytest.raises(ConfigErrors, match="needs dns_cache_config"):
        play(DynamicForwardProxy, "")


def test_contract() -> None:
    check_http_filter(DynamicForwardProxy, CONFIG)
