"""A scripted target in this process, and loads on it: by the embedded generator's own class in the same loop, or by
whatever `run_load` chooses, from a thread of its own."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pyvoy.bench.load import LoadError, LoadPlan, LoadResult, run_load
from pyvoy.bench.load.embedded import add_up
from pyvoy.bench.load.process import Process
from tests.support.steps import Close, Step
from tests.support.upstream import OK, Script, Upstream

GOOD = ((OK,),)


def load(
    answers: tuple[tuple[Step, ...], ...] = GOOD, *, script: Script | None = None, path: str = "/", **options: object
) -> tuple[LoadResult, Upstream]:
    """Put a load on a target that answers in that order; with `engine` or more than one thread by `run_load`."""
    return asyncio.run(_load(script or Script(answers), path, options))


async def _load(script: Script, path: str, options: dict[str, object]) -> tuple[LoadResult, Upstream]:
    upstream = Upstream(script)
    await upstream.start()
    scheme = "https" if script.tls or options.pop("secure", False) else "http"
    try:
        plan = LoadPlan(f"{scheme}://127.0.0.1:{upstream.port}{path}", **options)  # type: ignore[arg-type]
        if plan.engine != "auto":
            return await asyncio.to_thread(run_load, plan), upstream
        return await _here(plan), upstream
    finally:
        await upstream.stop()


async def _here(plan: LoadPlan) -> LoadResult:
    process = Process(plan, 0, 1, asyncio.get_running_loop())
    problem = await process.connect()
    if problem:
        await process.client.end()
        raise LoadError(problem)
    begin_s = time.monotonic()
    books = await process.run(begin_s)
    return add_up(plan, begin_s + plan.warm_up_s, [json.loads(json.dumps(books))])


@contextmanager
def serving(*, closing: bool = False) -> Iterator[str]:
    """The URL of a target that answers, or that closes each connection, in a thread of its own."""
    upstream = Upstream(Script(raw=((Close(),),)) if closing else Script(GOOD))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(upstream.start(), loop).result(10)
        yield f"http://127.0.0.1:{upstream.port}/"
    finally:
        asyncio.run_coroutine_threadsafe(upstream.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
