"""The DNS cache of dynamic forward proxies: names on demand, limits, refreshes, and names that nobody asks for."""

import asyncio
import functools
from random import Random

import pytest

from pyvoy.stats.store import memory_store
from pyvoy.upstream.cluster_plan import DnsCachePlan, DnsPlan
from pyvoy.upstream.dns_cache import CacheFull, DnsCache, DnsCaches
from pyvoy.upstream.dns_resolver import Answer, ResolutionError
from tests.unit.upstream.hosts import values


def on_a_loop(test):
    """Run the test in a loop of its own."""

    @functools.wraps(test)
    def run(**arguments):
        asyncio.run(test(**arguments))

    return run


PLAN = DnsCachePlan("c", DnsPlan())


class Resolver:
    """Answers from a table; what is not in it has no address."""

    def __init__(self, **known):
        self.known = known
        self.asked = []
        self.closed = False

    async def resolve(self, name, family):
        self.asked.append(name)
        await asyncio.sleep(0)
        answer = self.known.get(name, Answer(note="cares_norecords:Domain_name_not_found"))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self):
        self.closed = True


class World:
    """A cache with its resolver and statistics."""

    def __init__(self, resolver, plan=PLAN):
        self.store = memory_store()
        self.resolver = resolver
        self.cache = DnsCache(
            plan,
            self.store.root,
            asyncio.get_running_loop(),
            Random(1),
            reports=True,
            resolver_factory=lambda _plan, _loop: resolver,
        )

    async def load(self, name, port=80):
        future = asyncio.get_running_loop().create_future()
        entry = self.cache.load(name, port, future.set_result)
        if not entry.loaded:
            await asyncio.wait_for(future, 5)
        return entry

    async def until(self, wanted):
        async with asyncio.timeout(5):
            while not wanted():  # noqa: ASYNC110  # what is waited for sets no event
                await asyncio.sleep(0.001)

    def moved(self):
        return {name: value for name, value in values(self.store).items() if value}


@on_a_loop
async def test_a_name_is_looked_up_once():
    world = World(Resolver(a=Answer(("10.0.0.1", "10.0.0.2"))))
    first = await world.load("a", 81)
    assert first.address.text == "10.0.0.1:81"
    assert await world.load("a", 81) is first
    assert world.resolver.asked == ["a"]
    assert world.moved() == {
        "circuit_breakers.rq_pending_remaining": 1024,
        "dns_query_attempt": 1,
        "dns_query_success": 1,
        "host_added": 1,
        "host_address_changed": 1,
        "num_hosts": 1,
    }
    world.cache.close()
    assert world.resolver.closed


@pytest.mark.parametrize(
    ("answer", "failure", "counter"),
    [
        (Answer(note="cares_norecords:Domain_name_not_found"), "cares_norecords:Domain_name_not_found", "success"),
        (ResolutionError("it broke"), "cares_failure:it_broke", "failure"),
    ],
)
@on_a_loop
async def test_a_name_without_address(answer, failure, counter):
    world = World(Resolver(a=answer))
    entry = await world.load("a")
    assert (entry.address, entry.failure) == (None, failure)
    assert world.moved()[f"dns_query_{counter}"] == 1
    world.cache.close()


@on_a_loop
async def test_brackets_are_no_part_of_an_address():
    world = World(Resolver(**{"::1": Answer(("::1",))}))
    assert (await world.load("[::1]")).address.text == "[::1]:80"
    world.cache.close()


@on_a_loop
async def test_so_many_names_and_no_more():
    world = World(Resolver(), DnsCachePlan("c", DnsPlan(), max_hosts=1))
    await world.load("a")
    with pytest.raises(CacheFull):
        world.cache.load("b", 80, None)
    assert world.moved()["host_overflow"] == 1
    world.cache.close()


@on_a_loop
async def test_so_many_requests_may_wait():
    world = World(Resolver(), DnsCachePlan("c", DnsPlan(), max_pending=1))
    assert world.cache.enter()
    assert not world.cache.enter()
    assert world.moved() == {"circuit_breakers.rq_pending_open": 1, "dns_rq_pending_overflow": 1}
    world.cache.leave()
    assert world.cache.enter()


@on_a_loop
async def test_a_name_in_use_is_refreshed_and_keeps_its_address_when_that_fails():
    plan = DnsCachePlan("c", DnsPlan(), refresh_s=0.001, min_refresh_s=0.001)
    world = World(Resolver(a=Answer(("10.0.0.1",))), plan)
    entry = await world.load("a")
    world.resolver.known["a"] = Answer(("10.0.0.2",))
    await world.until(lambda: entry.address.ip == "10.0.0.2")
    world.resolver.known["a"] = ResolutionError("broken")
    asked = len(world.resolver.asked)
    await world.until(lambda: len(world.resolver.asked) > asked + 2)
    assert entry.address.ip == "10.0.0.2"
    assert world.moved()["host_address_changed"] == 2
    world.cache.close()


@on_a_loop
async def test_a_name_that_nobody_asks_for_is_forgotten():
    plan = DnsCachePlan("c", DnsPlan(), refresh_s=0.001, min_refresh_s=0.001, host_ttl_s=0.0)
    world = World(Resolver(a=Answer(("10.0.0.1",))), plan)
    await world.load("a")
    await world.until(lambda: not world.cache.knows("a", 80))
    assert world.cache.generation == 1
    assert world.moved()["host_removed"] == 1
    assert "num_hosts" not in world.moved()


@on_a_loop
async def test_names_may_be_looked_up_beforehand():
    world = World(Resolver(a=Answer(("10.0.0.1",))), DnsCachePlan("c", DnsPlan(), preresolve=(("a", 80),)))
    await world.until(lambda: world.cache.find("a", 80).loaded)
    world.cache.close()


@on_a_loop
async def test_who_does_not_wait_any_more_hears_nothing():
    world = World(Resolver())
    heard = []
    entry = world.cache.load("a", 80, heard.append)
    world.cache.forget_waiting(entry, heard.append)
    world.cache.forget_waiting(entry, heard.append)
    await world.until(lambda: entry.loaded)
    world.cache.close()


@on_a_loop
async def test_a_cache_is_shared_by_name_and_made_anew_with_other_settings():
    caches = DnsCaches(
        memory_store().root, asyncio.get_running_loop(), Random(1), resolver_factory=lambda _plan, _loop: Resolver()
    )
    assert caches.get(PLAN) is caches.get(DnsCachePlan("c", DnsPlan()))
    assert caches.get(DnsCachePlan("c", DnsPlan(), max_hosts=2)) is not caches.get(DnsCachePlan("d", DnsPlan()))
