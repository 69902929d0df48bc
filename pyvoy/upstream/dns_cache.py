"""DnsCache: names that requests ask for, resolved on first need and kept fresh as long as somebody asks.

Each worker has its own, since which names are asked for is known only there.
Source of behaviour: Envoy, Extensions::Common::DynamicForwardProxy::DnsCacheImpl (statistics and details observed on
1.40: an unknown name is an answer, kept like any other).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from pyvoy.network.address import Address
from pyvoy.stats.store import Scope
from pyvoy.upstream.cluster_plan import DnsCachePlan, DnsPlan
from pyvoy.upstream.dns_resolver import Answer, ResolutionError, Resolver, make_resolver

ResolverFactory = Callable[[DnsPlan, asyncio.AbstractEventLoop], Resolver]
OnLoaded = Callable[["Entry"], None]


class CacheFull(Exception):
    """There are as many names as there may be."""


@dataclass(slots=True, eq=False)
class Entry:
    """A name and port.  `address` is None while nothing is known, or there is none: then `failure` says why."""

    name: str
    port: int
    used_s: float
    address: Address | None = None
    failure: str = ""
    loaded: bool = False
    waiting: list[OnLoaded] = field(default_factory=list)
    timer: asyncio.TimerHandle | None = None
    task: asyncio.Task[None] | None = None
    backoff_s: float | None = None


class DnsCache:
    """One cache of one worker.  `generation` changes when a name is forgotten."""

    def __init__(
        self,
        plan: DnsCachePlan,
        scope: Scope,
        loop: asyncio.AbstractEventLoop,
        random: Random,
        *,
        reports: bool,
        resolver_factory: ResolverFactory = make_resolver,
    ) -> None:
        self.plan = plan
        self.generation = 0
        self._loop = loop
        self._random = random
        self._entries: dict[str, Entry] = {}
        self._resolver = resolver_factory(plan.dns, loop)
        self._pending = 0
        self._attempt = scope.counter("dns_query_attempt")
        self._success = scope.counter("dns_query_success")
        self._failed = scope.counter("dns_query_failure")
        self._timeout = scope.counter("dns_query_timeout")
        self._changed = scope.counter("host_address_changed")
        self._added = scope.counter("host_added")
        self._removed = scope.counter("host_removed")
        self._overflow = scope.counter("host_overflow")
        self._pending_overflow = scope.counter("dns_rq_pending_overflow")
        scope.counter("cache_load")
        scope.counter("dns_address_filter_out")
        self._count = scope.gauge("num_hosts")
        breakers = scope.scope("circuit_breakers")
        self._open = breakers.gauge("rq_pending_open")
        self._remaining = breakers.gauge("rq_pending_remaining") if reports else None
        self._note_pending(0)
        for name, port in plan.preresolve:
            self.load(name, port, None)

    # ---- asking ----

    def enter(self) -> bool:
        """Take one of the places of requests that may wait; False when all are taken."""
        if self._pending >= self.plan.max_pending:
            self._pending_overflow.inc()
            return False
        self._note_pending(1)
        return True

    def leave(self) -> None:
        """Give the place back."""
        self._note_pending(-1)

    def _note_pending(self, change: int) -> None:
        self._pending += change
        if change:
            self._open.set(int(self._pending >= self.plan.max_pending))
        if self._remaining is not None:
            self._remaining.set(self.plan.max_pending - self._pending)

    def find(self, name: str, port: int) -> Entry | None:
        """What is known of a name."""
        entry = self._entries.get(f"{name}:{port}")
        if entry is not None:
            entry.used_s = self._loop.time()
        return entry

    def knows(self, name: str, port: int) -> bool:
        """Whether a name is here; asking so is no use of it."""
        return f"{name}:{port}" in self._entries

    def load(self, name: str, port: int, on_loaded: OnLoaded | None) -> Entry:
        """The entry of a name; while it is not `loaded`, `on_loaded` hears of it later.  Raises CacheFull."""
        entry = self.find(name, port)
        if entry is None:
            if len(self._entries) >= self.plan.max_hosts:
                self._overflow.inc()
                raise CacheFull
            entry = self._entries[f"{name}:{port}"] = Entry(name, port, self._loop.time())
            self._added.inc()
            self._count.inc()
            self._ask(entry)
        if not entry.loaded and on_loaded is not None:
            entry.waiting.append(on_loaded)
        return entry

    def forget_waiting(self, entry: Entry, on_loaded: OnLoaded) -> None:
        """Nobody waits for the name any more."""
        if on_loaded in entry.waiting:
            entry.waiting.remove(on_loaded)

    # ---- resolving ----

    def _ask(self, entry: Entry) -> None:
        entry.timer = None
        entry.task = self._loop.create_task(self._resolve(entry), name=f"dns cache {entry.name}")

    def _again(self, entry: Entry) -> None:
        """Time to look again, or to forget a name that nobody has asked for."""
        if self._loop.time() - entry.used_s > self.plan.host_ttl_s:
            entry.timer = None
            del self._entries[f"{entry.name}:{entry.port}"]
            self.generation += 1
            self._removed.inc()
            self._count.dec()
            return
        self._ask(entry)

    async def _resolve(self, entry: Entry) -> None:
        self._attempt.inc()
        answer: Answer | None = None
        failure = ""
        try:
            async with asyncio.timeout(self.plan.query_timeout_s):
                answer = await self._resolver.resolve(entry.name.strip("[]"), self.plan.dns.family)
        except TimeoutError:
            self._timeout.inc()
            self._failed.inc()
            failure = "resolve_timeout"
        except ResolutionError as error:
            self._failed.inc()
            failure = f"cares_failure:{error}".replace(" ", "_")
        entry.task = None
        if answer is None:
            delay_s = self._failure_delay_s(entry)
        else:
            self._success.inc()
            delay_s = self._take(entry, answer)
        entry.loaded = True
        if entry.address is None:
            entry.failure = failure or (answer.note if answer is not None else "")
        entry.timer = self._loop.call_later(delay_s, self._again, entry)
        waiting, entry.waiting = entry.waiting, []
        for on_loaded in waiting:
            on_loaded(entry)

    def _take(self, entry: Entry, answer: Answer) -> float:
        """Note an answer; seconds until the next question."""
        entry.backoff_s = None
        if answer.ips:
            address = Address(answer.ips[0], entry.port)
            if entry.address is None or entry.address.text != address.text:
                self._changed.inc()
                entry.address = address
        ttl_s = float(answer.ttl_s) if answer.ips and answer.ttl_s else self.plan.refresh_s
        return max(ttl_s, self.plan.min_refresh_s)

    def _failure_delay_s(self, entry: Entry) -> float:
        base_s, limit_s = self.plan.dns.failure_base_s, self.plan.dns.failure_max_s
        if base_s is None or limit_s is None:
            return self.plan.refresh_s
        backoff_s = entry.backoff_s or base_s
        entry.backoff_s = min(backoff_s * 2, limit_s)
        return max(0.001, self._random.random() * backoff_s)

    def close(self) -> None:
        """End all questions."""
        for entry in self._entries.values():
            if entry.timer is not None:
                entry.timer.cancel()
            if entry.task is not None:
                entry.task.cancel()
        self._resolver.close()


class DnsCaches:
    """The caches of one worker by name; a cache lives as long as the worker, unless its settings change."""

    def __init__(
        self,
        root: Scope,
        loop: asyncio.AbstractEventLoop,
        random: Random,
        *,
        reports: bool = True,
        resolver_factory: ResolverFactory = make_resolver,
    ) -> None:
        """`reports`: this worker shows how many requests may still wait (the gauge is no sum)."""
        self._root = root
        self._loop = loop
        self._random = random
        self._reports = reports
        self._resolver_factory = resolver_factory
        self._caches: dict[str, DnsCache] = {}

    def get(self, plan: DnsCachePlan) -> DnsCache:
        """The cache of a plan, made on first need."""
        cache = self._caches.get(plan.name)
        if cache is None or cache.plan != plan:
            if cache is not None:
                cache.close()
            scope = self._root.scope(f"dns_cache.{plan.name}")
            cache = self._caches[plan.name] = DnsCache(
                plan,
                scope,
                self._loop,
                self._random,
                reports=self._reports,
                resolver_factory=self._resolver_factory,
            )
        return cache
