"""Running wrk and h2load: whether they are there, on which cores, how much of a CPU they used."""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
import time
from dataclasses import dataclass

from pyvoy.bench.load.plan import LoadError, LoadPlan

GRACE_S = 60.0
"""How much longer than planned a tool may take before it is ended."""

_VERSION = re.compile(r"\d+\.\d+[\w.+-]*")


@dataclass(frozen=True, slots=True)
class Ran:
    """A tool has run: what it printed, and its share of the CPUs that its threads could have used."""

    output: str
    cpu_share: float


def missing(name: str) -> str:
    """Why a tool cannot run; nothing if it can."""
    return "" if shutil.which(name) else f"{name} is not installed"


def version(command: list[str]) -> str:
    """The version that a tool prints about itself."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    found = _VERSION.search(done.stdout + done.stderr)
    return found[0] if found else "unknown"


def run(command: list[str], plan: LoadPlan, expected_s: float) -> Ran:
    """Run to the end.  Raises LoadError when the tool fails or does not end."""
    if plan.cpus:
        command = ["taskset", "-c", ",".join(map(str, plan.cpus)), *command]
    began_s, used_s = time.monotonic(), _children_s()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=expected_s + GRACE_S, check=False)
    except subprocess.TimeoutExpired:
        raise LoadError(f"{command[0]} did not end within {expected_s + GRACE_S:.0f} s") from None
    if done.returncode:
        raise LoadError(f"{command[0]} failed: {(done.stderr or done.stdout).strip()}")
    wall_s = max(1e-6, time.monotonic() - began_s)
    return Ran(done.stdout, (_children_s() - used_s) / wall_s / plan.threads)


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
