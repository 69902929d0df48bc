"""The main process: admin, DNS, health checks and the view over all processes, once per proxy.  It carries no traffic.

Source: Envoy's main thread (ARCHITECTURE, "Three roles of process").
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Coroutine
from typing import Any

from pyvoy.config.compile import stats_config
from pyvoy.config.compile.clusters import build_clusters
from pyvoy.config.context import Context
from pyvoy.config.load import from_bytes
from pyvoy.network.address import Address, from_sockname
from pyvoy.server.admin import Admin, AdminStats
from pyvoy.server.admin_http import AdminServer
from pyvoy.server.application import Checked, ChildContext
from pyvoy.server.child_loop import ChildLoop
from pyvoy.server.control import Message
from pyvoy.server.host_health import HostHealth
from pyvoy.server.pages import all_pages
from pyvoy.server.pages.page import Proxy, Worker
from pyvoy.server.resource_files import ResourceFiles
from pyvoy.server.server_stats import ServerStats, WatchdogStats
from pyvoy.server.stats_sinks import StatsSinks
from pyvoy.stats.merge import Snapshot
from pyvoy.stats.tags import TagExtractor
from pyvoy.stats.text import matched_buckets
from pyvoy.upstream.cluster_manager import ClusterManager
from pyvoy.upstream.cluster_plan import Resolved
from pyvoy.upstream.dns import DnsService

log = logging.getLogger("pyvoy.main")

FLUSH_INTERVAL_S = 5.0
"""How often histograms are merged, unless the bootstrap says otherwise (stats_flush_interval)."""


FIRST_NAMES_S = 5.0
"""How long a start waits for the first answer of DNS to every name; Envoy waits until the resolver gives up."""
FIRST_CHECKS_S = 10.0
"""How long a start waits for the first health checks of all hosts; Envoy waits without a limit."""


class Main:
    """The process."""

    def __init__(self, context: ChildContext) -> None:
        self._context = context
        self._store = context.shared.open_store(context.slot)
        loaded = context.checked.loaded or from_bytes(context.checked.blob)
        stats = stats_config.build(loaded.message)
        self._store.accept = stats.accept or self._store.accept
        root = self._store.root
        self._arena = context.shared.attach_arena(context.slot)
        self._watchdog = WatchdogStats(root, "main_thread", "server.main_thread")
        self._child = ChildLoop(context, self._watchdog.late)
        self._view = context.shared.view()
        self._stats = ServerStats(root)
        self._files = ResourceFiles(root, self._child.loop, lambda: self._child.send("reload", {}))
        chance = random.Random()
        workers = context.options.concurrency
        clusters = ClusterManager(root, self._arena, chance, reports=workers > 1)
        self._sinks = StatsSinks(root, self._child.loop, self._address_of)
        self._tasks: set[asyncio.Task[None]] = set()
        self._dns = DnsService(root, self._child.loop, self._publish, self._spawn, chance)
        self._health = HostHealth(
            root, self._child.loop, clusters, self._to_workers, self._spawn, chance, self._view.snapshot
        )
        self._proxy = Proxy(
            options=context.options,
            bootstrap=loaded.message,
            clusters=clusters,
            runtime=loaded.environment(root, self._arena).runtime,
            tags=TagExtractor(stats.default_tags, stats.custom_tags, (*context.options.stats_tags, *stats.fixed_tags)),
            buckets=matched_buckets(stats.buckets),
            snapshot=self._snapshot,
            reset_counters=self._view.reset_counters,
            send=self._child.send,
            to_workers=self._to_workers,
            close_listeners=self._close_listeners,
            started_wall_s=context.started_wall_s,
        )
        self._proxy.pages = {page.path: page for page in all_pages()}
        admin = Admin(self._proxy.pages.values(), self._proxy, AdminStats(root))
        self._server = AdminServer(admin.handle, admin.count_connection)
        self._child.handlers |= {
            "state": self._on_state,
            "config": self._on_config,
            "reload_failed": self._on_reload_failed,
            "started": self._on_worker_started,
            "outcomes": lambda message: self._health.take(message.fields["cluster"], message.fields["results"]),
            "applied": lambda message: None,
            "trace": lambda message: self._proxy.traces.append(message.fields),
            "exit": lambda message: self._exit(),
        }

    def run(self) -> int:
        """Serve until told to exit.  Returns the exit status."""
        return self._child.run(lambda: self._spawn_none(self._start()))

    async def _start(self) -> None:
        self._adopt(self._context.checked, self._context.version, self._context.addresses)
        sock = self._context.admin_socket
        if sock is not None:
            self._proxy.admin_address = from_sockname(sock.getsockname()).text
            await self._server.start(self._child.loop, sock)
        self._flush()
        await self._dns.first_results(FIRST_NAMES_S)
        await self._health.checks.first_results(FIRST_CHECKS_S)
        self._child.ready()

    def _exit(self) -> None:
        self._server.close()
        self._sinks.close()
        self._child.loop.call_later(0.05, self._child.exit, 0)  # the answer to /quitquitquit is on its way

    # --- configuration

    def _adopt(self, checked: Checked, version: int, addresses: dict[str, list[str]]) -> None:
        loaded = checked.loaded or from_bytes(checked.blob)
        proxy = self._proxy
        context = loaded.context(self._store.root, self._arena)
        plans = build_clusters(loaded.message.static_resources.clusters, context.at("static_resources"))
        proxy.bootstrap = loaded.message
        proxy.runtime = context.runtime
        proxy.clusters.apply(plans)
        self._store.root.gauge("thread_local_cluster_manager.main_thread.clusters_inflated").set(len(proxy.clusters))
        proxy.version = version
        proxy.addresses = addresses
        proxy.updated_wall_s = time.time()
        proxy.last_reload_error = []
        self._dns.apply(plans)
        self._health.apply()
        self._stats.loaded(proxy)
        self._files.adopted(checked.subscriptions)
        self._adopt_sinks(loaded.message, context)

    def _adopt_sinks(self, bootstrap: Any, context: Context) -> None:
        if not bootstrap.stats_sinks:
            self._sinks.adopt([])
            return
        from pyvoy.config.compile.stats_sinks import stats_sinks

        self._sinks.adopt(stats_sinks(bootstrap, context))

    def _address_of(self, cluster: str) -> Address | None:
        """Where a TCP sink connects to."""
        found = self._proxy.clusters.get(cluster)
        return None if found is None else next((host.address for host in found.hosts()), None)

    def _on_config(self, message: Message) -> None:
        files = [(scope, path) for scope, path in message.fields["subscriptions"]]
        checked = Checked(message.blob, [], subscriptions=files)
        self._adopt(checked, message.fields["version"], message.fields["addresses"])

    def _on_reload_failed(self, message: Message) -> None:
        self._files.failed()
        self._proxy.last_reload_error = list(message.fields["lines"])

    # --- DNS

    def _publish(self, cluster: str, resolved: Resolved) -> None:
        if self._proxy.clusters.update_hosts(cluster, resolved):
            self._health.hosts_changed(cluster)
        self._to_workers("dns", {"cluster": cluster, "resolved": {name: list(ips) for name, ips in resolved.items()}})

    def _on_worker_started(self, message: Message) -> None:
        """A worker has taken a configuration and must hear what is known; all of them may."""
        if self._proxy.health_failed:
            self._to_workers("health", {"failed": True})
        if self._proxy.filter_timing is not None:
            self._to_workers("filter_timing", {"fraction": self._proxy.filter_timing})
        self._health.resend()
        for cluster, resolved in self._dns.resolved().items():
            self._to_workers("dns", {"cluster": cluster, "resolved": {n: list(ips) for n, ips in resolved.items()}})

    # --- state and statistics

    def _on_state(self, message: Message) -> None:
        fields, proxy = message.fields, self._proxy
        if fields["live"] and not proxy.live:
            self._view.flush()  # from now on the workers' histograms are listed
        proxy.live, proxy.draining = fields["live"], fields["draining"]
        proxy.supervisor_pid = fields["supervisor"]
        proxy.workers = [Worker(*row) for row in fields["workers"]]

    def _snapshot(self) -> Snapshot:
        self._proxy.clusters.refresh_gauges()
        found = self._view.snapshot()
        total = sum(
            value
            for name, value in found.gauges.items()
            if name.startswith("listener.") and name.endswith(".downstream_cx_active") and ".worker_" in name
        )
        self._stats.refresh(self._proxy, total)
        return self._view.snapshot()

    def _flush(self) -> None:
        self._stats.refresh(self._proxy, 0)
        self._view.flush()
        self._sinks.flush(self._snapshot, self._proxy.tags)
        interval = self._proxy.bootstrap.stats_flush_interval
        seconds = interval.seconds + interval.nanos / 1e9
        self._child.loop.call_later(seconds or FLUSH_INTERVAL_S, self._flush)

    # --- plumbing

    def _close_listeners(self, names: list[str], delay_s: float) -> None:
        self._child.loop.call_later(delay_s, self._child.send, "close_listeners", {"names": names})

    def _to_workers(self, kind: str, fields: dict[str, Any]) -> None:
        self._child.send("to_workers", {"kind": kind, "fields": fields})

    def _spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = self._child.loop.create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _spawn_none(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._spawn(coroutine, "start").add_done_callback(self._started)

    def _started(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or task.exception() is not None:
            self._child.exit(1)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("task %s failed", task.get_name(), exc_info=task.exception())
