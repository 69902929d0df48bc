"""The data plane of one worker: listeners and clusters of the configuration in force.

A new configuration is built whole before anything changes; then clusters, listeners and their plans are swapped.
A listener whose address is unchanged keeps its sockets and its connections.
Source: Envoy's listener and cluster managers; ARCHITECTURE, rule 8.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyvoy.config.compile import stats_config
from pyvoy.config.load import from_bytes
from pyvoy.config.problems import ConfigErrors, Problems
from pyvoy.http.filter_timing import FilterTiming
from pyvoy.network.listener import Listener
from pyvoy.network.timers import TimerWheel
from pyvoy.observe.access_log.file import LOG_FILES
from pyvoy.server.application import Checked, CheckFailed, ChildContext
from pyvoy.server.child_loop import ChildLoop
from pyvoy.server.control import Message
from pyvoy.server.drain import Drain
from pyvoy.server.file_watch import FileWatch
from pyvoy.server.plans import ServerPlan, build, build_in_slices
from pyvoy.server.server_stats import WatchdogStats
from pyvoy.server.services import Services
from pyvoy.upstream.cluster_manager import ClusterManager
from pyvoy.upstream.cluster_plan import ClusterPlan
from pyvoy.upstream.dns import resolved_from_json
from pyvoy.upstream.dns_cache import DnsCaches
from pyvoy.upstream.health.outcomes import Outcomes

log = logging.getLogger("pyvoy.main")

_GAUGES_S = 0.25
"""How late the gauges of circuit breakers may be with one worker."""


class ProxyDataPlane:
    """Owner of the worker's services, listeners and clusters."""

    def __init__(self, context: ChildContext, child: ChildLoop) -> None:
        options, index = context.options, context.index
        store = context.shared.open_store(context.slot)
        loaded = context.checked.loaded or from_bytes(context.checked.blob)
        store.accept = stats_config.build(loaded.message).accept or store.accept
        arena = context.shared.attach_arena(context.slot)
        chance = random.Random()
        loop = child.loop

        def defer(work: Callable[[], None]) -> None:
            loop.call_soon(work)

        LOG_FILES.configure(options.file_flush_interval_s, options.file_flush_min_size_kb * 1024)
        self._options = options
        self._root = store.root
        self._arena = arena
        self._drain = Drain(time.monotonic, chance)
        self._watchdog = WatchdogStats(store.root, "workers", f"server.worker_{index}")
        self._inflated = store.root.gauge(f"thread_local_cluster_manager.worker_{index}.clusters_inflated")
        self._listeners: dict[str, Listener] = {}
        self._sockets: dict[str, list[socket.socket]] = {}
        self._leaving: list[Listener] = []
        self._child = child
        self._retire: Callable[[], None] = lambda: None
        self._timing = FilterTiming(chance)
        self._services = Services(
            loop=loop,
            timers=TimerWheel(loop, time.monotonic),
            root_scope=store.root,
            arena=arena,
            clusters=ClusterManager(
                store.root,
                arena,
                chance,
                reports=options.concurrency == 1,
                defer=defer,
                make_outcomes=self._outcomes,
                dns_caches=DnsCaches(store.root, loop, chance, reports=index == 0),
            ),
            worker_index=index,
            random=chance,
            connection_ids=itertools.count(index, options.concurrency).__next__,
            draining=self._drain.should_close,
            health_failed=self._drain.is_health_failed,
            development=options.dev,
            trace_sink=self._send_trace if options.trace else None,
            filter_timing=self._timing,
        )
        self._watch: FileWatch | None = None
        if options.dev and index == 0:
            self._watch = FileWatch(loop, lambda: child.send("reload", {}), _imported)
        if options.concurrency == 1:
            self._keep_gauges()

    def _outcomes(self, plan: ClusterPlan) -> Outcomes:
        """Where the results of a cluster's hosts go: to main, for outlier detection."""

        def tell(cluster: str, results: list[list[Any]]) -> None:
            self._child.send("to_main", {"kind": "outcomes", "fields": {"cluster": cluster, "results": results}})

        return Outcomes(
            plan.name,
            split=plan.outlier is not None and plan.outlier.split_local_origin,
            root_scope=self._root,
            resources=self._arena,
            tell=tell,
            loop=self._child.loop,
        )

    def _send_trace(self, trace: dict[str, Any]) -> None:
        """To main, which shows it."""
        self._child.send("to_main", {"kind": "trace", "fields": trace})

    def _keep_gauges(self) -> None:
        """Main cannot see the levels of an only worker's circuit breakers, so that works their gauges out itself."""
        self._services.clusters.refresh_gauges()
        self._services.timers.call_later(_GAUGES_S, self._keep_gauges)

    # --- configuration

    async def apply(self, checked: Checked, sockets: dict[str, list[socket.socket]]) -> None:
        """Put a configuration in force.  Raises CheckFailed, having changed nothing."""
        try:
            plan = await self._build(checked)
        except ConfigErrors as error:
            raise CheckFailed([str(problem) for problem in error.problems]) from None
        if self._watch is not None:
            self._watch.watch((self._options.config_path, *plan.files))
        self._services.clusters.apply(plan.clusters)
        self._inflated.set(len(self._services.clusters))
        if plan.warming:
            self._child.send("to_main", {"kind": "started", "fields": {}})  # the clusters may need their addresses
            await asyncio.gather(*(warm() for warm in plan.warming))
        self._retire()
        self._retire = plan.retire
        for listener_plan in plan.listeners:
            running = self._listeners.get(listener_plan.name)
            given = sockets.get(listener_plan.name, [])
            if running is not None and self._sockets[listener_plan.name] == given:
                running.replace(listener_plan)
                continue
            if running is not None:
                await self._leave(listener_plan.name)
            listener = self._listeners[listener_plan.name] = Listener(listener_plan, self._services)
            self._sockets[listener_plan.name] = given
            await listener.start(given)
        names = {listener_plan.name for listener_plan in plan.listeners}
        for name in [name for name in self._listeners if name not in names]:
            await self._leave(name)
        self._child.send("to_main", {"kind": "started", "fields": {}})

    async def _build(self, checked: Checked) -> ServerPlan:
        if checked.loaded is None:  # a reload: it was tried before, and connections are open
            loaded = from_bytes(checked.blob)
            return await build_in_slices(loaded, self._root, self._services.arena, self._services)
        problems = Problems()
        plan = build(checked.loaded, self._root, self._services.arena, problems, self._services)
        if self._services.worker_index == 0:
            for warning in problems.warnings:
                log.warning("%s", warning)
        return plan

    async def _leave(self, name: str) -> None:
        """Stop accepting; connections stay until the drain time is over."""
        listener = self._listeners.pop(name)
        del self._sockets[name]
        await listener.stop_accepting()
        listener.drain()
        self._leaving.append(listener)
        self._services.timers.call_later(self._options.drain_time_s, lambda: self._gone(listener))

    def _gone(self, listener: Listener) -> None:
        listener.close_all()
        if listener in self._leaving:
            self._leaving.remove(listener)

    # --- frames

    def on_message(self, message: Message) -> None:
        """DNS results, health, draining."""
        fields = message.fields
        if message.kind == "dns":
            self._services.clusters.update_hosts(fields["cluster"], resolved_from_json(fields["resolved"]))
        elif message.kind == "checked":
            self._services.clusters.take_checked(fields["cluster"], fields["flags"])
        elif message.kind == "filter_timing":
            self._timing.override(None if fields["fraction"] is None else tuple(fields["fraction"]))
        elif message.kind == "health":
            self._drain.set_health(failed=fields["failed"])
        elif message.kind == "drain":
            self._drain.start(fields["time_s"], immediate=fields["immediate"])
        elif message.kind == "close_listeners":
            self._services.spawn(self._close_listeners(fields["names"]), "close_listeners")

    async def _close_listeners(self, names: list[str]) -> None:
        for name in names:
            if name in self._listeners:
                self._sockets[name] = []
                await self._listeners[name].stop_accepting()

    def on_stall(self, late_s: float, *, mega: bool) -> None:
        """Count a late loop."""
        self._watchdog.late(late_s)

    # --- the end

    async def stop_accepting(self) -> None:
        """Take what waits in the accept queues, then close the listening sockets."""
        for listener in self._listeners.values():
            await listener.stop_accepting()

    def drain(self) -> None:
        """Close idle connections and let the others end with their current request."""
        self._drain.start(0.0, immediate=True)
        for listener in self._listeners.values():
            listener.drain()

    def active_connections(self) -> int:
        """Connections that are still open."""
        return sum(listener.active_connections for listener in (*self._listeners.values(), *self._leaving))

    def close_all(self) -> None:
        """Cut what is left."""
        for listener in (*self._listeners.values(), *self._leaving):
            listener.close_all()

    async def close(self) -> None:
        """Nothing is carried any more: write out the access logs."""
        await asyncio.sleep(0)  # connections that were cut end, and log, in the next turn of the loop
        self._retire()
        if self._watch is not None:
            self._watch.stop()
        self._services.clusters.drain()
        self._services.tallies.write()
        LOG_FILES.close()


def _imported(name: str) -> list[str]:
    """The user's own modules that a Python file imports."""
    from pyvoy.extensions.native.imports import Imports

    return [str(Path(file).absolute()) for file in Imports.of_file(name).files.values()] if name.endswith(".py") else []
