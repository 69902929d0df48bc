"""Putting load on a port: says in the words of the lab what `pyvoy.bench.load` does.

`saturate` asks as fast as answers come, `at_rate` at a fixed rate with latencies that count from when a request was
due.  An answer that is no good makes a measurement meaningless: LoadError.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pyvoy.bench.load import LoadError, LoadPlan, LoadResult, run_load

__all__ = ["Answered", "Ask", "Latency", "LoadError", "at_rate", "saturate"]


@dataclass(frozen=True, slots=True)
class Ask:
    """The request of a load: path, headers, over so many connections.

    With `clients` above 0 the header x-client goes round so many values: a filter that counts by client sees a crowd.
    """

    path: str = "/"
    headers: Mapping[str, str] = field(default_factory=dict)
    connections: int = 32
    clients: int = 0


@dataclass(frozen=True, slots=True)
class Answered:
    """What a load at saturation got: requests that were answered well, in so many seconds."""

    requests: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles of a load at a fixed rate, the rate that was kept, and how late the generator itself was (p99)."""

    p50_ms: float
    p99_ms: float
    p999_ms: float
    rate: float
    late_ms: float


def saturate(ask: Ask, port: int, seconds: float, cpus: frozenset[int]) -> Answered:
    """Ask as fast as answers come, from these cores.  Raises LoadError."""
    found = _good(run_load(_plan(ask, port, seconds, cpus, latencies=False)))
    return Answered(found.good, found.elapsed_s)


def at_rate(ask: Ask, port: int, rate: float, seconds: float, cpus: frozenset[int]) -> Latency:
    """Ask so many times a second, from these cores.  Raises LoadError."""
    found = _good(run_load(_plan(ask, port, seconds, cpus, rate=rate)))
    assert found.latency is not None
    p50, p99, p999 = (found.latency.percentile_us(percent) / 1000 for percent in (50.0, 99.0, 99.9))
    lag = found.generator.lag
    return Latency(p50, p99, p999, found.rate, lag.percentile_us(99.0) / 1000 if lag is not None else 0.0)


def _plan(
    ask: Ask, port: int, seconds: float, cpus: frozenset[int], *, rate: float = 0.0, latencies: bool = True
) -> LoadPlan:
    return LoadPlan(
        f"http://127.0.0.1:{port}{ask.path}",
        connections=ask.connections,
        duration_s=seconds,
        rate=rate,
        headers=tuple(ask.headers.items()),
        clients=ask.clients,
        latencies=latencies,
        cpus=tuple(sorted(cpus)),
    )


def _good(result: LoadResult) -> LoadResult:
    if result.failed or not result.good:
        told = {**result.statuses, **result.errors}
        what = ", ".join(f"{count} {name}" for name, count in told.items()) or "nothing"
        raise LoadError(f"not all answers were good: {what}")
    return result
