"""What processes used: CPU time and memory of a whole family of processes, read from /proc; and the machine's facts.

CPU time per request hardly depends on what else the machine does, where throughput and latency do.
"""

import os
import platform
import subprocess
from contextlib import suppress
from pathlib import Path

from pyvoy.bench.process import descendants

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> tuple[float, float]:
    """User and kernel seconds that `pid` and all its living descendants have used so far, in steps of a clock tick."""
    user = kernel = 0
    for each in [pid, *descendants(pid)]:
        with suppress(OSError):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            user += int(fields[11])
            kernel += int(fields[12])
    return user * TICK_S, kernel * TICK_S


def family_cpu_s(*pids: int) -> float:
    """CPU seconds of these processes and their living descendants so far.

    In nanoseconds from the scheduler where the kernel counts them (CONFIG_SCHED_INFO): a round of a third of a second
    is short against the clock ticks of `stat`.  The time of threads that have ended is missing in it.
    """
    total_ns = 0
    for pid in pids:
        for each in [pid, *descendants(pid)]:
            total_ns += _scheduled_ns(each)
    return total_ns / 1e9 if total_ns else sum(sum(cpu_s(pid)) for pid in pids)


def _scheduled_ns(pid: int) -> int:
    total = 0
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError, ValueError, IndexError):
                total += int((thread / "schedstat").read_text().split()[0])
    return total


def pss_bytes(pid: int) -> int:
    """Proportional set size of `pid` and its descendants: shared pages are counted once in all."""
    return sum(own_pss_bytes(each) for each in [pid, *descendants(pid)])


def own_pss_bytes(pid: int) -> int:
    """Proportional set size of one process."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def busy_s(cpu: int) -> float:
    """Seconds that a core was busy since the machine started, stolen time included: by whomever."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name == f"cpu{cpu}":
            user, nice, system, _idle, _wait, irq, softirq, steal = (int(each) for each in fields[:8])
            return (user + nice + system + irq + softirq + steal) * TICK_S
    return 0.0


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
