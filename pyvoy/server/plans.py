"""A checked bootstrap -> the plans of one process.  The one place that calls the builders of listeners and clusters."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pyvoy.config.compile.bootstrap import report_unread_runtime
from pyvoy.config.compile.clusters import build_clusters
from pyvoy.config.problems import ConfigProblem, Problems

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.config.load import LoadedBootstrap
    from pyvoy.network.listener import ListenerPlan
    from pyvoy.server.arena import Arena
    from pyvoy.server.services import Services
    from pyvoy.stats.store import Scope
    from pyvoy.upstream.cluster_plan import ClusterPlan


Plan = TypeVar("Plan")

SLICE_S = 0.005
"""How long a worker builds before it looks after its connections."""


@dataclass(slots=True, frozen=True)
class ServerPlan:
    """Everything a worker needs.  `retire` is to be called when the plan is no longer in force, `files` are those that
    it was made from besides the bootstrap, `warming` is to be awaited between clusters and listeners."""

    clusters: list[ClusterPlan]
    listeners: list[ListenerPlan]
    retire: Callable[[], None]
    files: frozenset[str] = frozenset()
    warming: tuple[Callable[[], Awaitable[None]], ...] = ()


class _Retire:
    """Ends what builders have begun: timers of extensions, files they watch."""

    def __init__(self, begun: list[Callable[[], None]]) -> None:
        self._begun = begun

    def __call__(self) -> None:
        while self._begun:
            self._begun.pop()()


def build(
    loaded: LoadedBootstrap,
    root_scope: Scope,
    arena: Arena,
    problems: Problems | None = None,
    services: Services | None = None,
) -> ServerPlan:
    """All plans; problems are collected in `problems` and raised as ConfigErrors if there is an error.

    `services` are those of the worker that will run them; None to try them."""
    collected = problems if problems is not None else Problems()
    root = loaded.context(root_scope, arena, collected, services)
    retire = _Retire(root.env.retire)
    try:
        return _build(loaded, root, collected, retire)
    except BaseException:
        retire()
        raise


def _build(loaded: LoadedBootstrap, root: Context, collected: Problems, retire: Callable[[], None]) -> ServerPlan:
    context = root.at("static_resources")
    static: Any = loaded.message.static_resources
    clusters = build_clusters(static.clusters, context)
    listeners: list[ListenerPlan] = []
    if static.listeners:
        from pyvoy.config.compile.listeners import build_listeners

        listeners = build_listeners(static.listeners, context)
    if loaded.message.bootstrap_extensions:
        from pyvoy.config.compile.bootstrap_extensions import start_bootstrap_extensions

        start_bootstrap_extensions(loaded.message, root)
    if loaded.message.stats_sinks:
        from pyvoy.config.compile.stats_sinks import stats_sinks

        stats_sinks(loaded.message, root)  # they are the main process'
    report_unread_runtime(loaded.message, root)
    collected.raise_errors()
    return ServerPlan(clusters, listeners, retire, frozenset(root.env.files), tuple(root.env.warming))


async def build_in_slices(
    loaded: LoadedBootstrap, root_scope: Scope, arena: Arena, services: Services | None = None
) -> ServerPlan:
    """All plans of a configuration that was tried before, letting traffic run in between: no slice is much longer than
    SLICE_S, unless a single listener or cluster is.  Raises ConfigErrors."""
    problems = Problems()
    root = loaded.context(root_scope, arena, problems, services)
    retire = _Retire(root.env.retire)
    try:
        return await _build_in_slices(loaded, root, problems, retire)
    except BaseException:
        retire()
        raise


async def _build_in_slices(
    loaded: LoadedBootstrap, root: Context, problems: Problems, retire: Callable[[], None]
) -> ServerPlan:
    static: Any = loaded.message.static_resources
    context = root.at("static_resources")
    from pyvoy.config.compile.listeners import build_listeners

    clusters = await _in_slices(static.clusters, lambda message: build_clusters([message], context))
    listeners = await _in_slices(static.listeners, lambda message: build_listeners([message], context))
    if loaded.message.bootstrap_extensions:
        from pyvoy.config.compile.bootstrap_extensions import start_bootstrap_extensions

        start_bootstrap_extensions(loaded.message, root)
    problems.raise_errors()
    return ServerPlan(clusters, listeners, retire, frozenset(root.env.files), tuple(root.env.warming))


async def _in_slices(messages: Iterable[Any], make: Callable[[Any], list[Plan]]) -> list[Plan]:
    plans: list[Plan] = []
    began_s = time.monotonic()
    for message in messages:
        plans.extend(make(message))
        if time.monotonic() - began_s > SLICE_S:
            await asyncio.sleep(0)
            began_s = time.monotonic()
    return plans


def try_build(loaded: LoadedBootstrap, problems: Problems | None = None) -> tuple[ConfigProblem, ...]:
    """Build all plans once and throw them away.  Returns the warnings; raises ConfigErrors."""
    from pyvoy.server.arena import local_arena
    from pyvoy.stats.store import memory_store

    collected = problems if problems is not None else Problems()
    build(loaded, memory_store().root, local_arena(), collected).retire()
    return collected.warnings
