"""Putting load on a port: one place that knows the generator, so that everything else says only what is asked.

`saturate` asks as fast as answers come, `at_rate` at a fixed rate with latencies that count from when a request was
due.  An answer that is not 2xx makes a measurement meaningless: LoadError.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


class LoadError(RuntimeError):
    """The answers were not all good; the figures would mean nothing."""


@dataclass(frozen=True, slots=True)
class Ask:
    """The request of a load: path, headers, over so many connections.

    With `clients` above 0 the header x-client goes round so many values: a filter that counts by client sees a crowd.
    """

    path: str
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
    """Percentiles of a load at a fixed rate."""

    p50_ms: float
    p99_ms: float
    p999_ms: float


class LoadDriver(Protocol):
    """Puts load on a port of 127.0.0.1, from some cores."""

    def saturate(self, ask: Ask, port: int, seconds: float, cpus: frozenset[int]) -> Answered:
        """Ask as fast as answers come.  Raises LoadError."""

    def at_rate(self, ask: Ask, port: int, rate: float, seconds: float, cpus: frozenset[int]) -> Latency:
        """Ask so many times a second.  Raises LoadError."""


class Generators:
    """wrk or h2load."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def saturate(self, ask: Ask, port: int, seconds: float, cpus: frozenset[int]) -> Answered:
        """Ask as fast as answers come.  Raises LoadError."""
        cores = ["taskset", "-c", ",".join(str(cpu) for cpu in sorted(cpus))]
        url = f"http://127.0.0.1:{port}{ask.path}"
        if ask.clients or not shutil.which("h2load"):
            script = self._folder / "load.lua"
            script.write_text(_script(ask))
            whole = max(1, round(seconds))
            command = ["wrk", "-t1", f"-c{ask.connections}", f"-d{whole}s", "--timeout", "20s", "-s", str(script), url]
            return _wrk([*cores, *command], whole)
        command = ["h2load", "--h1", "-t1", f"-c{ask.connections}", "-D", f"{max(50, round(seconds * 1000))}ms"]
        for name, value in ask.headers.items():
            command += ["-H", f"{name}: {value}"]
        return _h2load([*cores, *command, url], seconds)

    def at_rate(self, ask: Ask, port: int, rate: float, seconds: float, cpus: frozenset[int]) -> Latency:
        """Ask so many times a second.  Raises LoadError."""
        return Latency(0.0, 0.0, 0.0)


def _h2load(command: list[str], seconds: float) -> Answered:
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    found = re.search(r"requests: .* (\d+) succeeded, 0 failed, 0 errored, 0 timeout", done.stdout)
    answered = re.search(r"status codes: (\d+) 2xx, 0 3xx, 0 4xx, 0 5xx", done.stdout)
    if not found or not answered or not int(answered[1]):
        raise LoadError(_told(done.stdout + done.stderr))
    return Answered(int(answered[1]), seconds)


def _wrk(command: list[str], seconds: float) -> Answered:
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    found = re.search(r"(\d+) requests in ([\d.]+)s", done.stdout)
    bad = re.search(r"Non-2xx.*|Socket errors: connect [1-9].*|Socket errors:.*timeout [1-9].*", done.stdout)
    if not found or bad or not int(found[1]):
        raise LoadError(_told(bad[0] if bad else done.stdout + done.stderr))
    return Answered(int(found[1]), float(found[2]))


def _told(text: str) -> str:
    lines = [line for line in text.splitlines() if "status codes" in line or "requests:" in line]
    return "; ".join(lines) or text.strip()[-300:]


def _script(ask: Ask) -> str:
    lines = [f'wrk.headers["{name}"] = "{value}"' for name, value in ask.headers.items()]
    if ask.clients:
        lines += [
            "local requests, at = {}, 0",
            "function init(args)",
            "  wrk.init(args)",
            f"  for n = 1, {ask.clients} do",
            '    wrk.headers["x-client"] = "client-" .. n',
            "    requests[n] = wrk.format()",
            "  end",
            "end",
            f"function request() at = at % {ask.clients} + 1 return requests[at] end",
        ]
    return "\n".join(lines) + "\n"
