"""The embedded generator, seen from the caller: one or more child processes that begin together; their books added up.

It speaks HTTP/1.1 and HTTP/2, both with TLS, and is the only engine that keeps a fixed rate.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from pyvoy.bench.load.latencies import Latencies
from pyvoy.bench.load.plan import LoadError, LoadPlan
from pyvoy.bench.load.result import Generator, LoadResult
from pyvoy.version import VERSION

NAME = "embedded"
_ROOT = Path(__file__).resolve().parents[3]
_HEAD_START_S = 0.05
"""Between the word to begin and the beginning: all processes have heard it by then."""


def refuses(plan: LoadPlan) -> str:
    """Why it cannot do a plan; it can do all."""
    return ""


def run(plan: LoadPlan) -> LoadResult:
    """Put the load on.  Raises LoadError when no connection can be made."""
    children = [_Child() for _ in range(plan.threads)]
    try:
        for index, child in enumerate(children):
            child.tell({"plan": plan.as_dict(), "index": index, "count": plan.threads})
        for child in children:
            heard = child.hear()
            if "error" in heard:
                raise LoadError(f"cannot connect to {plan.target.host}:{plan.target.port}: {heard['error']}")
        begin_s = time.monotonic() + _HEAD_START_S
        for child in children:
            child.tell({"begin_s": begin_s})
        return add_up(plan, begin_s + plan.warm_up_s, [child.hear() for child in children])
    finally:
        for child in children:
            child.end()


class _Child:
    """A generator process: lines of JSON to it and from it."""

    def __init__(self) -> None:
        paths = [str(_ROOT), os.environ.get("PYTHONPATH", "")]
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  # lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pyvoy.bench.load.process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)},
        )

    def tell(self, values: dict[str, Any]) -> None:
        """Write a line.  Raises LoadError when the process has died."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(values) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._died() from None

    def hear(self) -> dict[str, Any]:
        """Read a line.  Raises LoadError when the process has died."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._died()
        heard: dict[str, Any] = json.loads(line)
        return heard

    def _died(self) -> LoadError:
        status = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return LoadError(f"a process of the generator died: {lines[-1] if lines else f'status {status}'}")

    def end(self) -> None:
        """It has nothing more to do."""
        self._process.kill()
        self._process.wait()
        for file in (self._process.stdin, self._process.stdout, self._errors):
            if file is not None:
                with suppress(BrokenPipeError):  # what was not read by a process that died
                    file.close()


def add_up(plan: LoadPlan, count_s: float, books: list[dict[str, Any]]) -> LoadResult:
    """The result of what each process has told; `count_s` is when requests began to count."""
    statuses: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    latency, service, lag = Latencies(), Latencies(), Latencies()
    for each in books:
        for status, count in each["statuses"].items():
            statuses[f"{status[0]}xx"] += count
        errors.update(each["errors"])
        latency.add(Latencies.from_json(each["latency"]))
        service.add(Latencies.from_json(each["service"]))
        lag.add(Latencies.from_json(each["lag"]))
    last_s = max(each["last_s"] for each in books)
    busiest = max(books, key=lambda each: each["cpu_share"] + each["wait_share"])
    limits = [each["stream_limit"] for each in books if each["stream_limit"]]
    return LoadResult(
        plan=plan,
        generator=Generator(NAME, VERSION, busiest["cpu_share"], busiest["wait_share"], lag if plan.rate else None),
        elapsed_s=max(0.0, last_s - count_s) if plan.requests else plan.duration_s,
        sent=sum(each["sent"] for each in books),
        in_time=sum(each["in_time"] for each in books),
        statuses=dict(statuses),
        errors=dict(errors),
        bytes_received=sum(each["bytes_received"] for each in books),
        basis="due" if plan.rate else "sent",
        latency=latency,
        service=service if plan.rate else None,
        notes=(f"the target allows {min(limits)} streams on a connection",) if limits else (),
    )
