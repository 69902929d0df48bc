"""What a request costs a proxy: the CPU time of its processes, measured from outside while requests pass.

Time that passes says little on a busy machine, CPU time hardly changes: it is read before and after some hundred
requests, for each port in turns.  Source: /proc/PID/task/TID/schedstat of Linux, nanoseconds on the CPU.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from pyvoy.cli.demo_client import HOST, read_response

ROUNDS = 7
CONNECTIONS = 16
TIMES = 10
"""How often each connection asks in a round."""


def costs_us(pid: int, ports: Mapping[str, int], path: str) -> dict[str, float]:
    """CPU microseconds a request by name of the port: the middle of some rounds; empty where it cannot be measured."""
    if cpu_ns(pid) is None:
        return {}
    for port in ports.values():
        _load(port, path, TIMES)
    found: dict[str, list[float]] = {name: [] for name in ports}
    for _ in range(ROUNDS):
        for name, port in ports.items():
            before = cpu_ns(pid)
            _load(port, path, TIMES)
            after = cpu_ns(pid)
            if before is None or after is None:
                return {}
            found[name].append((after - before) / (CONNECTIONS * TIMES) / 1000)
    return {name: median(rounds) for name, rounds in found.items()}


def cpu_ns(pid: int) -> int | None:
    """What a process and its children have had of the CPU; None where nobody tells."""
    try:
        tasks = [task for each in _family(pid) for task in Path(f"/proc/{each}/task").iterdir()]
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)
    except (OSError, ValueError, IndexError):
        return None


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in _family(int(child)))]


def _load(port: int, path: str, times: int) -> None:
    """So many requests on each of some connections, which all have one under way."""
    request = f"GET {path} HTTP/1.1\r\nhost: details\r\n\r\n".encode()
    with ExitStack() as open_now:
        sockets = [open_now.enter_context(socket.create_connection((HOST, port), 5)) for _ in range(CONNECTIONS)]
        streams = [open_now.enter_context(sock.makefile("rb")) for sock in sockets]
        for _ in range(times):
            for sock in sockets:
                sock.sendall(request)
            for stream in streams:
                read_response(stream)
