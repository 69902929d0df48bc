"""DNS discovery: keeps the addresses of STRICT_DNS and LOGICAL_DNS clusters fresh, in the main process.

Every name of every cluster is asked for again and again; what changed is published as (cluster, {name: addresses}) and
applied by `ClusterManager.update_hosts` in each worker.  A failed query leaves the last good addresses in force.
Source of behaviour: Envoy, StrictDnsClusterImpl and LogicalDnsCluster (refresh rates, back-off, jitter, TTL; measured
on 1.40: an answer without addresses empties a STRICT_DNS cluster and counts as a failure for LOGICAL_DNS).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from pyvoy.stats.store import Scope
from pyvoy.upstream.cluster_plan import ClusterPlan, Discovery, DnsPlan, Resolved
from pyvoy.upstream.dns_resolver import Answer, ResolutionError, Resolver, make_resolver

log = logging.getLogger("pyvoy.dns")

Publish = Callable[[str, Resolved], None]
"""Called with a cluster's name and the addresses of those of its names that have changed."""

Spawn = Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]
"""Runs a coroutine as a task that is kept alive and whose failure is logged (`Services.spawn`)."""

ResolverFactory = Callable[[DnsPlan, asyncio.AbstractEventLoop], Resolver]


class DnsService:
    """Owns all queries of the proxy.  Everything runs on the loop it is made for; nothing blocks it."""

    def __init__(
        self,
        root_scope: Scope,
        loop: asyncio.AbstractEventLoop,
        publish: Publish,
        spawn: Spawn,
        random: Random,
        *,
        resolver_factory: ResolverFactory = make_resolver,
    ) -> None:
        self._root_scope = root_scope
        self._loop = loop
        self._publish = publish
        self._spawn = spawn
        self._random = random
        self._make_resolver = resolver_factory
        self._clusters: dict[str, _ClusterNames] = {}
        self._resolvers: dict[DnsPlan, Resolver] = {}

    def apply(self, plans: Iterable[ClusterPlan]) -> None:
        """Resolve for exactly these clusters; unchanged ones go on undisturbed.

        A changed cluster keeps the addresses of the names it still has until their first new answer.
        """
        old = self._clusters
        self._clusters = {}
        for plan in plans:
            if plan.dns is None:
                continue
            before = old.pop(plan.name, None)
            if before is not None and before.plan.fingerprint == plan.fingerprint:
                self._clusters[plan.name] = before
                continue
            known = before.resolved() if before is not None else {}
            if before is not None:
                before.stop()
            self._clusters[plan.name] = self._start(plan, plan.dns, known)
        for gone in old.values():
            gone.stop()
        self._drop_unused_resolvers()

    def _start(self, plan: ClusterPlan, dns: DnsPlan, known: Resolved) -> _ClusterNames:
        resolver = self._resolvers.get(dns)
        if resolver is None:
            resolver = self._resolvers[dns] = self._make_resolver(dns, self._loop)
        stats = _Stats(self._root_scope.scope(f"cluster.{plan.observability_name}"))
        work = _Work(plan, dns, resolver, stats, self._loop, self._random, self._publish, self._spawn)
        names = dict.fromkeys(endpoint.address.ip for endpoint in plan.assignment.endpoints)
        watches = [_Watch(name, work, known.get(name)) for name in names]
        for watch in watches:
            watch.start()
        return _ClusterNames(plan, watches)

    def _drop_unused_resolvers(self) -> None:
        used = {cluster.plan.dns for cluster in self._clusters.values()}
        for dns in [dns for dns in self._resolvers if dns not in used]:
            self._resolvers.pop(dns).close()

    async def first_results(self, timeout_s: float) -> bool:
        """Wait until every name has been asked for once, with or without success; False when time ran out."""
        waits = [watch.tried.wait() for cluster in self._clusters.values() for watch in cluster.watches]
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.gather(*waits)
        except TimeoutError:
            return False
        return True

    def resolved(self) -> dict[str, Resolved]:
        """All addresses known now by cluster: what a new worker starts with."""
        return {name: cluster.resolved() for name, cluster in self._clusters.items()}

    def close(self) -> None:
        """Stop all queries."""
        self.apply(())


@dataclass(slots=True, frozen=True)
class _ClusterNames:
    plan: ClusterPlan
    watches: list[_Watch]

    def resolved(self) -> dict[str, tuple[str, ...]]:
        return {watch.name: watch.ips for watch in self.watches if watch.ips is not None}

    def stop(self) -> None:
        for watch in self.watches:
            watch.stop()


class _Stats:
    __slots__ = ("attempt", "failure", "match", "no_rebuild", "success")

    def __init__(self, scope: Scope) -> None:
        self.attempt = scope.counter("update_attempt")
        self.success = scope.counter("update_success")
        self.failure = scope.counter("update_failure")
        self.no_rebuild = scope.counter("update_no_rebuild")
        # Envoy makes host objects, and matches their transport socket, at every answer.
        self.match = scope.counter("default.total_match_count")


@dataclass(slots=True, frozen=True)
class _Work:
    """What the watches of one cluster share."""

    plan: ClusterPlan
    dns: DnsPlan
    resolver: Resolver
    stats: _Stats
    loop: asyncio.AbstractEventLoop
    random: Random
    publish: Publish
    spawn: Spawn


class _Watch:
    """One name of one cluster: asks, publishes, waits, asks again.  `ips` is None before the first answer."""

    __slots__ = ("_backoff_s", "_handle", "_logical", "_task", "_work", "ips", "name", "tried")

    def __init__(self, name: str, work: _Work, ips: tuple[str, ...] | None) -> None:
        self.name = name
        self.ips = ips
        self.tried = asyncio.Event()
        self._work = work
        self._logical = work.plan.discovery is Discovery.LOGICAL_DNS
        self._backoff_s = work.dns.failure_base_s
        self._handle: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._handle = None
        self._task = self._work.spawn(self._ask(), f"dns {self.name}")

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        if self._task is not None:
            self._task.cancel()

    async def _ask(self) -> None:
        self._work.stats.attempt.inc()
        try:
            answer = await self._work.resolver.resolve(self.name, self._work.dns.family)
            if self._logical and not answer.ips:
                raise ResolutionError("the name has no addresses")
        except ResolutionError as error:
            delay_s = self._failed(error)
        else:
            delay_s = self._succeeded(answer)
        self.tried.set()
        self._handle = self._work.loop.call_later(delay_s, self.start)

    def _succeeded(self, answer: Answer) -> float:
        self._work.stats.success.inc()
        self._work.stats.match.inc(min(1, len(answer.ips)) if self._logical else len(answer.ips))
        self._backoff_s = self._work.dns.failure_base_s
        if self._same(answer.ips):
            self._work.stats.no_rebuild.inc()
        else:
            log.debug(
                "cluster %s: %s is now at %s", self._work.plan.name, self.name, ", ".join(answer.ips) or "no address"
            )
            self.ips = answer.ips
            self._work.publish(self._work.plan.name, {self.name: answer.ips})
        delay_s = self._work.dns.refresh_s
        if self._work.dns.respect_ttl and answer.ips and answer.ttl_s:
            delay_s = float(answer.ttl_s)
        return delay_s + self._work.random.random() * self._work.dns.jitter_s

    def _same(self, ips: tuple[str, ...]) -> bool:
        if self.ips is None:
            # Without addresses there is nothing to build either.
            return not ips
        return self.ips[:1] == ips[:1] if self._logical else set(self.ips) == set(ips)

    def _failed(self, error: ResolutionError) -> float:
        self._work.stats.failure.inc()
        log.debug("cluster %s: %s cannot be resolved: %s", self._work.plan.name, self.name, error)
        backoff_s, limit_s = self._backoff_s, self._work.dns.failure_max_s
        if backoff_s is None or limit_s is None:
            return self._work.dns.refresh_s
        self._backoff_s = min(backoff_s * 2, limit_s)
        return max(0.001, self._work.random.random() * backoff_s)


def resolved_from_json(value: Mapping[str, Iterable[str]]) -> Resolved:
    """Addresses as they arrive over a control channel."""
    return {name: tuple(ips) for name, ips in value.items()}
