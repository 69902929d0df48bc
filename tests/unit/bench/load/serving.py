"""A scripted target in this process, loaded from a thread of its own."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pyvoy.bench.load import LoadPlan, LoadResult, run_load
from tests.support.steps import Close, Step
from tests.support.upstream import OK, Script, Upstream

GOOD = ((OK,),)


def load(
    answers: tuple[tuple[Step, ...], ...] = GOOD, *, script: Script | None = None, path: str = "/", **options: object
) -> tuple[LoadResult, Upstream]:
    """Put a load on a target that answers in that order; the embedded engine's unless the plan says otherwise."""
    return asyncio.run(_load(script or Script(answers), path, options))


async def _load(script: Script, path: str, options: dict[str, object]) -> tuple[LoadResult, Upstream]:
    upstream = Upstream(script)
    await upstream.start()
    scheme = "https" if script.tls or options.pop("secure", False) else "http"
    try:
        plan = LoadPlan(f"{scheme}://127.0.0.1:{upstream.port}{path}", **{"engine": "embedded", **options})  # type: ignore[arg-type]
        return await asyncio.to_thread(run_load, plan), upstream
    finally:
        await upstream.stop()


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
