"""When names are asked for again, what is published, and what is counted; the figures are those of Envoy 1.40."""

import asyncio
from random import Random

import pytest

from pyvoy.stats.store import memory_store
from pyvoy.upstream.cluster_plan import ClusterPlan, Discovery, DnsPlan
from pyvoy.upstream.dns import DnsService, resolved_from_json
from pyvoy.upstream.dns_resolver import Answer, ResolutionError
from tests.unit.upstream.hosts import assignment, named, static, values


class FakeLoop:
    """Remembers the calls that were asked for later."""

    def __init__(self):
        self.later = []

    def call_later(self, delay_s, callback):
        handle = Handle(delay_s, callback)
        self.later.append(handle)
        return handle

    def delays(self):
        return [handle.delay_s for handle in self.later if not handle.cancelled]

    def run(self):
        """All calls that wait now."""
        waiting, self.later = self.later, []
        for handle in waiting:
            if not handle.cancelled:
                handle.callback()


class Handle:
    def __init__(self, delay_s, callback):
        self.delay_s = delay_s
        self.callback = callback
        self.cancelled = False

    def cancel(self):
        self.cancelled = True


class FakeResolver:
    """Answers from a table; a name without entry fails."""

    def __init__(self):
        self.answers = {}
        self.asked = []
        self.closed = False

    async def resolve(self, name, family):
        self.asked.append(name)
        answer = self.answers.get(name)
        if answer is None:
            raise ResolutionError("server failure")
        return answer

    def close(self):
        self.closed = True


class Done:
    """A task that has ended."""

    def cancel(self):
        pass


def run_now(coroutine, name):
    with pytest.raises(StopIteration):
        coroutine.send(None)
    return Done()


class Bench:
    """A service with fakes all round."""

    def __init__(self, **answers):
        self.store = memory_store()
        self.loop = FakeLoop()
        self.resolver = FakeResolver()
        self.resolver.answers = {name: Answer(ips) for name, ips in answers.items()}
        self.published = []
        self.service = DnsService(
            self.store.root,
            self.loop,
            lambda cluster, resolved: self.published.append((cluster, dict(resolved))),
            run_now,
            Random(1),
            resolver_factory=lambda plan, loop: self.resolver,
        )

    def counts(self, cluster="c"):
        prefix = f"cluster.{cluster}.update_"
        return {name[len(prefix) :]: value for name, value in values(self.store).items() if name.startswith(prefix)}


def plan(*names, discovery=Discovery.STRICT_DNS, cluster="c", fingerprint="1", **dns):
    endpoints = assignment(*map(named, names))
    return ClusterPlan(cluster, discovery, assignment=endpoints, dns=DnsPlan(**dns), fingerprint=fingerprint)


def test_every_name_is_asked_for_and_published_once():
    bench = Bench(one=("10.0.0.1",), two=("10.0.0.2", "10.0.0.3"))
    bench.service.apply([plan("one", "two", "one"), static()])
    assert bench.resolver.asked == ["one", "two"]
    assert bench.published == [("c", {"one": ("10.0.0.1",)}), ("c", {"two": ("10.0.0.2", "10.0.0.3")})]
    assert bench.service.resolved() == {"c": {"one": ("10.0.0.1",), "two": ("10.0.0.2", "10.0.0.3")}}
    assert bench.counts() == {"attempt": 2, "success": 2, "failure": 0, "no_rebuild": 0}
    assert bench.loop.delays() == [5.0, 5.0]


def test_the_same_addresses_are_not_published_again():
    bench = Bench(one=("10.0.0.1", "10.0.0.2"))
    bench.service.apply([plan("one")])
    bench.resolver.answers["one"] = Answer(("10.0.0.2", "10.0.0.1"))
    bench.loop.run()
    assert len(bench.published) == 1
    assert bench.counts() == {"attempt": 2, "success": 2, "failure": 0, "no_rebuild": 1}
    assert values(bench.store)["cluster.c.default.total_match_count"] == 4


def test_new_addresses_are_published():
    bench = Bench(one=("10.0.0.1",))
    bench.service.apply([plan("one")])
    bench.resolver.answers["one"] = Answer(("10.0.0.9",))
    bench.loop.run()
    assert bench.published[1:] == [("c", {"one": ("10.0.0.9",)})]


def test_a_failure_keeps_the_last_good_addresses():
    bench = Bench(one=("10.0.0.1",))
    bench.service.apply([plan("one", refresh_s=7.0)])
    bench.resolver.answers.clear()
    bench.loop.run()
    assert len(bench.published) == 1
    assert bench.service.resolved() == {"c": {"one": ("10.0.0.1",)}}
    assert bench.counts() == {"attempt": 2, "success": 1, "failure": 1, "no_rebuild": 0}
    assert bench.loop.delays() == [7.0]


@pytest.mark.parametrize(
    ("discovery", "published", "counts"),
    [
        (Discovery.STRICT_DNS, [("c", {"one": ()})], {"attempt": 2, "success": 2, "failure": 0, "no_rebuild": 0}),
        (Discovery.LOGICAL_DNS, [], {"attempt": 2, "success": 1, "failure": 1, "no_rebuild": 0}),
    ],
)
def test_an_answer_without_addresses(discovery, published, counts):
    bench = Bench(one=("10.0.0.1",))
    bench.service.apply([plan("one", discovery=discovery)])
    bench.resolver.answers["one"] = Answer()
    bench.loop.run()
    assert bench.published[1:] == published
    assert bench.counts() == counts


def test_a_first_answer_without_addresses_builds_nothing():
    bench = Bench(one=())
    bench.service.apply([plan("one")])
    assert bench.published == []
    assert bench.counts() == {"attempt": 1, "success": 1, "failure": 0, "no_rebuild": 1}


def test_logical_dns_looks_at_the_first_address_only():
    bench = Bench(one=("10.0.0.1", "10.0.0.2"))
    bench.service.apply([plan("one", discovery=Discovery.LOGICAL_DNS)])
    bench.resolver.answers["one"] = Answer(("10.0.0.1", "10.0.0.3"))
    bench.loop.run()
    assert len(bench.published) == 1
    assert values(bench.store)["cluster.c.default.total_match_count"] == 2
    bench.resolver.answers["one"] = Answer(("10.0.0.3",))
    bench.loop.run()
    assert bench.published[1:] == [("c", {"one": ("10.0.0.3",)})]


@pytest.mark.parametrize(
    ("options", "answer", "delay_s"),
    [
        ({}, Answer(("10.0.0.1",), 300), 5.0),
        ({"respect_ttl": True}, Answer(("10.0.0.1",), 300), 300.0),
        ({"respect_ttl": True}, Answer(("10.0.0.1",), 0), 5.0),
        ({"respect_ttl": True}, Answer((), 300), 5.0),
        ({"refresh_s": 0.5}, Answer(("10.0.0.1",)), 0.5),
    ],
)
def test_when_to_ask_again(options, answer, delay_s):
    bench = Bench()
    bench.resolver.answers["one"] = answer
    bench.service.apply([plan("one", **options)])
    assert bench.loop.delays() == [delay_s]


def test_jitter_only_adds():
    bench = Bench(one=("10.0.0.1",))
    bench.service.apply([plan("one", jitter_s=2.0)])
    for _ in range(20):
        (delay_s,) = bench.loop.delays()
        assert 5.0 <= delay_s < 7.0
        bench.loop.run()


def test_failures_back_off_and_a_success_forgets_them():
    bench = Bench()
    bench.service.apply([plan("one", failure_base_s=1.0, failure_max_s=4.0)])
    limits = [1.0, 2.0, 4.0, 4.0]
    for limit_s in limits:
        (delay_s,) = bench.loop.delays()
        assert 0 < delay_s <= limit_s
        bench.loop.run()
    bench.resolver.answers["one"] = Answer(("10.0.0.1",))
    bench.loop.run()
    assert bench.loop.delays() == [5.0]
    bench.resolver.answers.clear()
    bench.loop.run()
    assert bench.loop.delays()[0] <= 1.0


def test_a_reload_leaves_unchanged_clusters_alone():
    bench = Bench(one=("10.0.0.1",))
    bench.service.apply([plan("one")])
    bench.service.apply([plan("one")])
    assert bench.resolver.asked == ["one"]


def test_a_changed_cluster_keeps_what_it_knows_and_asks_anew():
    bench = Bench(one=("10.0.0.1",))
    bench.service.apply([plan("one")])
    bench.resolver.answers.clear()
    bench.service.apply([plan("one", "two", fingerprint="2")])
    assert bench.resolver.asked == ["one", "one", "two"]
    assert bench.service.resolved() == {"c": {"one": ("10.0.0.1",)}}
    assert len(bench.loop.delays()) == 2


def test_clusters_that_go_are_asked_for_no_more():
    bench = Bench(one=("10.0.0.1",))
    bench.service.apply([plan("one")])
    bench.service.close()
    assert bench.loop.delays() == []
    assert bench.resolver.closed
    assert bench.service.resolved() == {}


def test_start_up_waits_for_the_first_answers():
    async def scenario():
        bench = Bench(one=("10.0.0.1",))
        bench.service.apply([plan("one"), plan("failing", cluster="d")])
        assert await bench.service.first_results(1.0)

    asyncio.run(scenario())


def test_start_up_does_not_wait_for_ever():
    async def scenario():
        bench = Bench()

        def forget(coroutine, name):
            coroutine.close()
            return Done()

        service = DnsService(
            bench.store.root, bench.loop, print, forget, Random(1), resolver_factory=lambda plan, loop: bench.resolver
        )
        service.apply([plan("one")])
        assert not await service.first_results(0.001)

    asyncio.run(scenario())


def test_addresses_from_a_control_channel():
    assert resolved_from_json({"one": ["10.0.0.1", "::5"]}) == {"one": ("10.0.0.1", "::5")}
