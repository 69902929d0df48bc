"""h2load as the engine: the closed loop over HTTP/2 or HTTP/1.1, for a time or for a number of requests.

Its latencies are those of its log of every request.  Source: h2load(1) of nghttp2.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from pyvoy.bench.load import tool
from pyvoy.bench.load.latencies import Latencies
from pyvoy.bench.load.plan import LoadError, LoadPlan
from pyvoy.bench.load.result import RESET, TIMEOUT, Generator, LoadResult

NAME = "h2load"
_REQUESTS = re.compile(r"requests: .* (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout")
_STATUSES = re.compile(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx")
_TRAFFIC = re.compile(r"traffic: \S+ \((\d+)\) total")
_FINISHED = re.compile(r"finished in ([\d.]+)(us|ms|s|m|h),")
_UNITS_S = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def refuses(plan: LoadPlan) -> str:
    """Why it cannot do a plan; nothing if it can."""
    if plan.rate:
        return "h2load has no fixed rate that counts latency from when a request was due"
    if plan.close:
        return "h2load keeps its connections"
    if plan.clients:
        return "h2load is one client"
    if plan.unique_paths:
        return "h2load asks for one path"
    if plan.requests and plan.requests < plan.connections:
        return "h2load wants as many requests as connections"
    if plan.body and plan.method == "GET":
        return "h2load sends no body with GET"
    return tool.missing(NAME)


def run(plan: LoadPlan) -> LoadResult:
    """Put the load on.  Raises LoadError."""
    with tempfile.TemporaryDirectory(prefix="load-") as name:
        folder = Path(name)
        if plan.requests and plan.warm_up_s:
            tool.run([*_command(plan, folder), f"-D{_time(plan.warm_up_s)}", plan.url], plan, plan.warm_up_s)
        log = folder / "log"
        length = _length(plan)
        logged = [f"--log-file={log}"] if plan.latencies else []
        expected_s = plan.requests * plan.timeout_s if plan.requests else plan.warm_up_s + plan.duration_s
        ran = tool.run([*_command(plan, folder), *length, *logged, plan.url], plan, expected_s)
        latencies = None
        if plan.latencies:
            with log.open(encoding="ascii") as lines:
                latencies = read_log(lines)
    generator = Generator(NAME, tool.version([NAME, "--version"]), ran.cpu_share)
    return parse(ran.output, plan, generator, latencies)


def _length(plan: LoadPlan) -> list[str]:
    if plan.requests:
        return [f"-n{plan.requests}"]
    warm_up = [f"--warm-up-time={_time(plan.warm_up_s)}"] if plan.warm_up_s else []
    return [f"-D{_time(plan.duration_s)}", *warm_up]


def _time(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"


def _command(plan: LoadPlan, folder: Path) -> list[str]:
    command = [NAME, f"-t{plan.threads}", f"-c{plan.connections}", f"-m{plan.streams}", f"-N{_time(plan.timeout_s)}"]
    if not plan.http2:
        command.append("--h1")
    if plan.body:
        body = folder / "body"
        body.write_bytes(plan.body)
        command += ["-d", str(body)]
    if plan.method != ("POST" if plan.body else "GET"):
        command += ["-H", f":method: {plan.method}"]
    for name, value in plan.headers:
        command += ["-H", f"{name}: {value}"]
    return command


def read_log(lines: Iterable[str]) -> Latencies:
    """The latencies of all that were answered: start, status (-1 for none) and microseconds by line."""
    took = Counter(words[2] for words in map(str.split, lines) if len(words) == 3 and words[1] != "-1")
    latencies = Latencies()
    for took_us, count in took.items():
        latencies.record_us(int(took_us), count)
    return latencies


def parse(output: str, plan: LoadPlan, generator: Generator, latencies: Latencies | None) -> LoadResult:
    """The result that h2load has printed.  Raises LoadError."""
    requests, classes = _REQUESTS.search(output), _STATUSES.search(output)
    traffic, finished = _TRAFFIC.search(output), _FINISHED.search(output)
    if not (requests and classes and traffic and finished):
        raise LoadError(f"h2load told no result: {output.strip()}")
    errored, timeout = int(requests[3]), int(requests[4])
    statuses = {f"{number}xx": int(classes[number - 1]) for number in range(2, 6)}
    errors = {TIMEOUT: timeout, RESET: errored - timeout}
    answered = sum(statuses.values())
    took_s = float(finished[1]) * _UNITS_S[finished[2]]
    return LoadResult(
        plan=plan,
        generator=generator,
        elapsed_s=took_s if plan.requests else plan.duration_s,
        sent=answered + errored,
        in_time=answered,
        statuses={name: count for name, count in statuses.items() if count},
        errors={name: count for name, count in errors.items() if count},
        bytes_received=int(traffic[1]),
        basis="sent",
        latency=latencies,
    )
