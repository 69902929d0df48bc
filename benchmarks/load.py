"""The load: wrk or h2load asks, on the second core."""

import socket
from dataclasses import dataclass

from pyvoy.bench.load import LoadError, LoadPlan, run_load
from pyvoy.bench.load.result import RESET


@dataclass(frozen=True, slots=True)
class Load:
    """How to ask: the path, the size of the request's body, connections, whether each asks once only, whether each
    request has a path of its own, and whether it is asked over TLS."""

    path: str = "/details/1"
    body_bytes: int = 0
    connections: int = 32
    close: bool = False
    unique_paths: bool = False
    secure: bool = False
    streams: int = 0
    """Above 0: HTTP/2 with so many requests at once on each connection."""


def run(load: Load, port: int, seconds: float, cpus: set[int]) -> int:
    """Load one port for a while with wrk or (HTTP/2) h2load; returns the requests that were answered well.

    Raises LoadError when the answers were not all good: the figures would mean nothing."""
    result = run_load(plan(load, port, seconds, cpus))
    bad = {kind: count for kind, count in result.errors.items() if kind != RESET or load.streams}
    if bad or not result.good or result.good < result.answered:
        raise LoadError(f"{load}: {bad}, {result.statuses}")
    return result.good


def plan(load: Load, port: int, seconds: float, cpus: set[int]) -> LoadPlan:
    """The plan of one contender's share of a round."""
    return LoadPlan(
        url=f"{'https' if load.secure else 'http'}://127.0.0.1:{port}{load.path}",
        connections=load.connections,
        streams=load.streams or 1,
        duration_s=seconds,
        timeout_s=20.0,
        method="POST" if load.body_bytes else "GET",
        body=b"x" * load.body_bytes,
        http2=bool(load.streams),
        close=load.close,
        unique_paths=load.unique_paths,
        engine="h2load" if load.streams else "wrk",
        latencies=False,
        cpus=tuple(sorted(cpus)),
    )


def open_idle(port: int, count: int, *, ask: bool) -> list[socket.socket]:
    """`count` connections to `port`; with `ask`, each has made one request and read its answer."""
    opened = []
    for _ in range(count):
        client = socket.create_connection(("127.0.0.1", port), timeout=10)
        opened.append(client)
        if ask:
            client.sendall(b"GET /details/1 HTTP/1.1\r\nHost: idle.test\r\n\r\n")
            if not client.recv(4096).startswith(b"HTTP/1.1 200"):
                raise LoadError("an idle connection got no good answer")
    return opened
