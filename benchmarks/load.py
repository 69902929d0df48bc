"""The load: wrk or h2load asks, on the second core."""

import re
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path


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


class LoadError(RuntimeError):
    """The answers were not all good; the figures would mean nothing."""


def run(load: Load, port: int, seconds: float, cpus: set[int], folder: Path) -> int:
    """Load one port for a while; returns the requests that were answered well."""
    cores = ",".join(str(cpu) for cpu in sorted(cpus))
    if load.streams:
        return _run_http2(load, port, seconds, cores)
    command = ["taskset", "-c", cores, "wrk", "-t1", f"-c{load.connections}", f"-d{seconds:g}s", "--timeout", "20s"]
    script = folder / "load.lua"
    script.write_text(_script(load))
    command += ["-s", str(script), f"{'https' if load.secure else 'http'}://127.0.0.1:{port}{load.path}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    found = re.search(r"(\d+) requests in", done.stdout)
    bad = re.search(r"Non-2xx.*|Socket errors: connect [1-9].*|Socket errors:.*timeout [1-9].*", done.stdout)
    if not found or bad or not int(found[1]):
        raise LoadError(done.stdout + done.stderr)
    return int(found[1])


def _run_http2(load: Load, port: int, seconds: float, cores: str) -> int:
    command = ["taskset", "-c", cores, "h2load", "-t1", f"-c{load.connections}", f"-m{load.streams}", f"-D{seconds:g}"]
    command.append(f"http://127.0.0.1:{port}{load.path}")
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    found = re.search(r"requests: .* (\d+) succeeded, 0 failed, 0 errored, 0 timeout", done.stdout)
    answered = re.search(r"status codes: (\d+) 2xx, 0 3xx, 0 4xx, 0 5xx", done.stdout)
    if not found or not answered or not int(found[1]):
        raise LoadError(done.stdout + done.stderr)
    return int(answered[1])


def _script(load: Load) -> str:
    lines = []
    if load.body_bytes:
        lines += ['wrk.method = "POST"', f'wrk.body = string.rep("x", {load.body_bytes})']
    if load.close:
        lines.append('wrk.headers["Connection"] = "close"')
    if load.unique_paths:
        lines.append("function request() return wrk.format(nil, wrk.path .. math.random(1, 1000000000)) end")
    return "\n".join(lines) + "\n"


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
