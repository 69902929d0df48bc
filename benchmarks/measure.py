"""What a proxy used: CPU time and memory of all its processes, read from /proc; and the facts of the machine.

CPU time per request hardly depends on what else the machine does, where throughput and latency do.
"""

import os
import platform
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.support.process import descendants

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> tuple[float, float]:
    """User and kernel seconds that `pid` and all its living descendants have used so far."""
    user = kernel = 0
    for each in [pid, *descendants(pid)]:
        with suppress(OSError):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            user += int(fields[11])
            kernel += int(fields[12])
    return user * TICK_S, kernel * TICK_S


def pss_bytes(pid: int) -> int:
    """Proportional set size of `pid` and its descendants: shared pages are counted once in all."""
    total = 0
    for each in [pid, *descendants(pid)]:
        with suppress(OSError):
            for line in Path(f"/proc/{each}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def machine() -> dict[str, str | int]:
    """The facts that make figures comparable."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "cpu": model,
        "cores": os.cpu_count() or 0,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "memory_mib": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20,
    }


def version(command: list[str]) -> str:
    """What a version flag prints: the first line with a figure, without the path of the program."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines()]
    return next((line.rpartition("version: ")[2] for line in lines if any(c.isdigit() for c in line)), "unknown")
