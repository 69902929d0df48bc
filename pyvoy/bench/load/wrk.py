"""wrk as the engine: the closed loop over HTTP/1.1, for a time.

A script of ours has it print what it counted; wrk itself corrects its latencies for what its connections would have
asked had they kept their pace.  Source: wrk 4.1, SCRIPTING.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from pyvoy.bench.load import tool
from pyvoy.bench.load.latencies import Latencies
from pyvoy.bench.load.plan import LoadError, LoadPlan
from pyvoy.bench.load.result import CONNECT, RESET, TIMEOUT, Generator, LoadResult

NAME = "wrk"
_MARK = "pyvoy-result"
_DONE = f"""
function done(summary, latency, requests)
  local errors = summary.errors
  local figures = {{summary.requests, summary.duration, summary.bytes, errors.status, errors.connect,
    errors.read + errors.write, errors.timeout, latency.max}}
  io.write("{_MARK} ", table.concat(figures, " "), "\\n")
  for index = 1, #latency do
    local took, count = latency(index)
    io.write("{_MARK} ", took, " ", count, "\\n")
  end
end
"""


def refuses(plan: LoadPlan) -> str:
    """Why it cannot do a plan; nothing if it can."""
    if plan.rate:
        return "wrk has no fixed rate"
    if plan.http2:
        return "wrk speaks no HTTP/2"
    if plan.clients:
        return "wrk is one client"
    if plan.requests:
        return "wrk loads for a time, not for a number of requests"
    if any(seconds != int(seconds) for seconds in (plan.duration_s, plan.warm_up_s, plan.timeout_s)):
        return "wrk knows whole seconds only"
    names = [name.lower() for name, _ in plan.headers]
    if len(set(names)) < len(names):
        return "wrk sends each header once"
    return tool.missing(NAME)


def run(plan: LoadPlan) -> LoadResult:
    """Put the load on.  Raises LoadError."""
    with tempfile.TemporaryDirectory(prefix="load-") as name:
        folder = Path(name)
        if plan.warm_up_s:
            tool.run(_command(plan, plan.warm_up_s, folder), plan, plan.warm_up_s)
        ran = tool.run(_command(plan, plan.duration_s, folder), plan, plan.duration_s)
    generator = Generator(NAME, tool.version([NAME, "-v"]), ran.cpu_share)
    return parse(ran.output, plan, generator)


def _command(plan: LoadPlan, seconds: float, folder: Path) -> list[str]:
    path = folder / "load.lua"
    path.write_text(script(plan, folder), encoding="ascii")
    counts = [f"-t{plan.threads}", f"-c{plan.connections}", f"-d{seconds:.0f}s", "--timeout", f"{plan.timeout_s:.0f}s"]
    return [NAME, *counts, "-s", str(path), plan.url]


def script(plan: LoadPlan, folder: Path) -> str:
    """What to ask and what to print, in Lua; the body goes by a file."""
    lines = [f"wrk.method = {_quoted(plan.method)}"]
    lines += [f"wrk.headers[{_quoted(name)}] = {_quoted(value)}" for name, value in plan.headers]
    if plan.body:
        body = folder / "body"
        body.write_bytes(plan.body)
        lines.append(f'local body = io.open({_quoted(str(body))}, "rb") wrk.body = body:read("*a") body:close()')
    if plan.close:
        lines.append('wrk.headers["Connection"] = "close"')
    if plan.unique_paths:
        lines.append("function request() return wrk.format(nil, wrk.path .. math.random(1, 1000000000)) end")
    return "\n".join(lines) + _DONE


def _quoted(text: str) -> str:
    """A string of Lua, each byte by its number."""
    return '"' + "".join(f"\\{byte:03d}" for byte in text.encode()) + '"'


def parse(output: str, plan: LoadPlan, generator: Generator) -> LoadResult:
    """The result that our script has printed.  Raises LoadError."""
    lines = [line.split()[1:] for line in output.splitlines() if line.startswith(_MARK)]
    if not lines:
        raise LoadError(f"wrk told no result: {output.strip()}")
    requests, took_us, received, status, connect, reset, timeout, max_us = (int(float(word)) for word in lines[0])
    latencies = Latencies()
    for took, count in lines[1:]:
        latencies.record_us(int(float(took)), int(float(count)))
    latencies.max_us = max_us
    errors = {CONNECT: connect, RESET: reset, TIMEOUT: timeout}
    statuses = {"2xx-3xx": requests - status, "4xx-5xx": status}
    return LoadResult(
        plan=plan,
        generator=generator,
        elapsed_s=took_us / 1e6,
        sent=requests + connect + reset + timeout,
        in_time=requests,
        statuses={name: count for name, count in statuses.items() if count},
        errors={name: count for name, count in errors.items() if count},
        bytes_received=received,
        basis="wrk",
        latency=latencies,
    )
