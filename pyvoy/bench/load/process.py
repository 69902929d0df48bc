"""One generator process: `python -m pyvoy.bench.load.process`, the child of `embedded`.

Reads a line with the plan and its share of it, connects, says that it is ready, reads a line with the time to begin,
and writes what came of it.  All lines are JSON.  Ends when its parent does.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from pyvoy.bench.load.client import Client
from pyvoy.bench.load.driver import Driver, Slot, Window
from pyvoy.bench.load.h1 import Http1Slot, RequestBytes
from pyvoy.bench.load.h2 import Http2Link, RequestHeaders
from pyvoy.bench.load.pacing import Pace
from pyvoy.bench.load.plan import LoadPlan

SWEEP_S = 0.1
_AT_ONCE = 64
"""Connections that are made at the same time before the load begins."""
_NUMBERS = 10**9
"""Each process has so many numbers for unique paths."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Use:
    """What this process has had of the CPUs until a moment, in seconds."""

    at_s: float
    cpu_s: float
    wait_s: float
    """It could have run and no CPU was free (/proc/self/schedstat; 0 where that is not kept)."""

    @staticmethod
    def now() -> Use:
        """Until now."""
        try:
            wait_ns = int(Path("/proc/self/schedstat").read_text(encoding="ascii").split()[1])
        except OSError:
            wait_ns = 0
        return Use(time.monotonic(), time.process_time(), wait_ns / 1e9)

    def since(self, before: Use) -> tuple[float, float]:
        """The shares of the time since then in which it ran, and in which it waited for a CPU."""
        took_s = max(1e-6, self.at_s - before.at_s)
        return (self.cpu_s - before.cpu_s) / took_s, (self.wait_s - before.wait_s) / took_s


class Process:
    """One process' part in a load: `index` of `count`."""

    def __init__(self, plan: LoadPlan, index: int, count: int, loop: asyncio.AbstractEventLoop) -> None:
        self.plan = plan
        self.index = index
        self.count = count
        self.loop = loop
        self.client = Client(plan, loop)
        self.links: list[Http1Slot] | list[Http2Link] = []
        self.slots: list[Slot] = []
        connections = share(plan.connections, index, count)
        if plan.http2:
            heads = RequestHeaders(plan, index * _NUMBERS)
            links = [Http2Link(self.client, heads, plan.streams) for _ in range(connections)]
            self.links, self.slots = links, [slot for link in links for slot in link.slots]
        else:
            requests = RequestBytes(plan, index * _NUMBERS)
            slots = [Http1Slot(self.client, requests) for _ in range(connections)]
            self.links, self.slots = slots, list(slots)

    async def connect(self) -> str:
        """Make the connections; returns why there is none."""
        if self.plan.close:
            return ""
        for at in range(0, len(self.links), _AT_ONCE):
            await asyncio.gather(*(self.client.dial(link) for link in self.links[at : at + _AT_ONCE]))
        return "" if any(link.connection for link in self.links) else self.client.last_error

    async def run(self, begin_s: float) -> Json:
        """Load from `begin_s` on until all is done."""
        done = asyncio.Event()
        window = window_of(self.plan, begin_s, self.index, self.count)
        driver = Driver(window, self.plan.timeout_s, time.monotonic, done.set)
        self.client.driver = driver
        for slot in self.slots:
            driver.free(slot)
        used = [Use.now()]
        self.loop.call_later(max(0.0, window.count_s - time.monotonic()), lambda: used.append(Use.now()))
        pace = Pace(self.loop, window.begin_s, window.interval_s or SWEEP_S, driver.tick)
        sweeper = Pace(self.loop, begin_s, SWEEP_S, self._sweep)
        try:
            await done.wait()
        finally:
            pace.stop()
            sweeper.stop()
        books = driver.books
        cpu_share, wait_share = Use.now().since(used[-1])
        for link in self.links:
            link.drop()
        await self.client.end()
        return {
            "sent": books.sent,
            "in_time": books.in_time,
            "statuses": books.statuses,
            "errors": books.errors,
            "latency": books.latency.as_json(),
            "service": books.service.as_json(),
            "lag": books.lag.as_json(),
            "last_s": books.last_s,
            "bytes_received": self.client.bytes_received,
            "cpu_share": cpu_share,
            "wait_share": wait_share,
            "stream_limit": self.client.stream_limit,
        }

    def _sweep(self) -> None:
        now_s = time.monotonic()
        for link in self.links:
            link.sweep(now_s)
        self.client.driver.sweep()


def share(whole: int, index: int, count: int) -> int:
    """The part of `whole` that falls to one of `count`; the parts add up."""
    return whole // count + (index < whole % count)


def window_of(plan: LoadPlan, begin_s: float, index: int, count: int) -> Window:
    """When one process sends: at a fixed rate the processes take turns."""
    interval_s = count / plan.rate if plan.rate else 0.0
    count_s = begin_s + plan.warm_up_s
    limit = share(plan.requests, index, count)
    end_s = float("inf") if plan.requests else count_s + plan.duration_s
    return Window(begin_s + interval_s * index / count, count_s, end_s, limit, interval_s)


async def serve() -> None:
    """Talk to the parent on the standard streams."""
    loop = asyncio.get_running_loop()
    asked = json.loads(sys.stdin.readline())
    plan = LoadPlan.from_dict(asked["plan"])
    if plan.cpus:
        os.sched_setaffinity(0, plan.cpus)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    process = Process(plan, asked["index"], asked["count"], loop)
    problem = await process.connect()
    say({"error": problem} if problem else {"ready": True})
    line = sys.stdin.readline()
    if not line or problem:
        await process.client.end()
        return
    loop.add_reader(sys.stdin.fileno(), lambda: os._exit(1))  # the parent is gone: it writes no more
    gc.collect()
    gc.freeze()
    say(await process.run(json.loads(line)["begin_s"]))


def say(values: Json) -> None:
    """A line for the parent."""
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(serve())
