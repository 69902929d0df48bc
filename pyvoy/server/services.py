"""What a worker offers to its rooms: the loop, the clocks, chance, timers, clusters, stats, shared state, tasks.

Passed in, never imported: a test hands in fakes.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pyvoy.network.timers import TimerWheel
from pyvoy.stats.tally import TallyBoard

if TYPE_CHECKING:
    from pyvoy.http.filter_timing import FilterTiming
    from pyvoy.server.arena import Arena
    from pyvoy.stats.store import Scope
    from pyvoy.upstream.cluster_manager import ClusterManager

log = logging.getLogger("pyvoy.main")


@dataclass(slots=True)
class Services:
    """The services of one worker.

    `clock` gives monotonic seconds, `wall` epoch seconds.  `connection_ids` yields ids that no other worker gives.
    `draining` is asked by the connection manager before it keeps a connection alive; `health_failed` tells whether the
    admin's /healthcheck/fail is in force.  `development`: what goes wrong in extensions may be told to clients.
    `trace_sink` takes the traces of requests, where tracing is on; `filter_timing` samples how long filters take (None
    where nothing is served).  `shared` is what a mechanism keeps for the life of
    the worker, by its name.
    """

    loop: asyncio.AbstractEventLoop
    timers: TimerWheel
    root_scope: Scope
    arena: Arena
    clusters: ClusterManager
    worker_index: int = 0
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    random: random.Random = field(default_factory=random.Random)
    connection_ids: Callable[[], int] = lambda: 0
    draining: Callable[[], bool] = lambda: False
    health_failed: Callable[[], bool] = lambda: False
    development: bool = False
    trace_sink: Callable[[dict[str, Any]], None] | None = None
    filter_timing: FilterTiming | None = None
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    shared: dict[str, Any] = field(default_factory=dict)
    tallies: TallyBoard = field(init=False)

    def __post_init__(self) -> None:
        self.tallies = TallyBoard(self.loop)

    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run a coroutine as a task that is kept alive and whose failure is logged."""
        task = self.loop.create_task(coroutine, name=name)
        self.tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("task %s failed", task.get_name(), exc_info=task.exception())
