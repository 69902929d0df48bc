"""Who puts a load on: the fastest engine that is there and can do what the plan says, or the one that it names."""

from __future__ import annotations

import socket
from typing import Protocol

from pyvoy.bench.load import embedded, h2load, wrk
from pyvoy.bench.load.plan import LoadError, LoadPlan, PlanError
from pyvoy.bench.load.result import LoadResult


class Engine(Protocol):
    """A module that can put a load on."""

    NAME: str

    def refuses(self, plan: LoadPlan) -> str:
        """Why it cannot do a plan; nothing if it can."""

    def run(self, plan: LoadPlan) -> LoadResult:
        """Put the load on.  Raises LoadError."""


ENGINES: tuple[Engine, ...] = (wrk, h2load, embedded)
"""The fastest first; the last one can do everything."""


def run_load(plan: LoadPlan) -> LoadResult:
    """Put a load on and wait until it is over.

    Raises LoadError when the target cannot be reached or nothing came of it, PlanError when the engine that the plan
    names cannot do it.  Requests that go wrong are counted, not raised."""
    engine = choose(plan)
    reach(plan)
    return engine.run(plan)


def choose(plan: LoadPlan) -> Engine:
    """The engine for a plan.  Raises PlanError."""
    if plan.engine == "auto":
        return next(engine for engine in ENGINES if not engine.refuses(plan))
    engine = next(engine for engine in ENGINES if plan.engine == engine.NAME)
    why = engine.refuses(plan)
    if why:
        raise PlanError(f"--engine {plan.engine}: {why}")
    return engine


def reach(plan: LoadPlan) -> None:
    """Connect once.  Raises LoadError that says why it cannot be done."""
    target = plan.target
    try:
        socket.create_connection((target.host, target.port), timeout=plan.timeout_s).close()
    except OSError as error:
        raise LoadError(f"cannot connect to {target.host}:{target.port}: {error.strerror or error}") from None
