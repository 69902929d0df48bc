"""What a filter adds to a request: (a chain of ten minus the same chain switched off) / 10, in the same rounds.

The difference of two runs is too noisy for one filter, so there are ten.  Switched off, the chain still goes the full
way of a chain with filters; what the short way of a chain without any saves beyond that is in the details.
"""

import json
import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.contenders import Contender, Ports, Running, start
from benchmarks.load import Load, run
from benchmarks.measure import cpu_s

if TYPE_CHECKING:
    from benchmarks.scenarios import Row, Setting

COUNT = 10
PYTHON = "type.googleapis.com/pyvoy.filters.http.python.v1.Python"
GALLERY = Path(__file__).resolve().parent.parent / "filters"

EMPTY_LOWER = """
from pyvoy.api import StreamFilter
class Empty(StreamFilter):
    def on_request_headers(self, stream, headers, end):
        pass
"""
EMPTY_UPPER = """
from pyvoy.api import Filter
class Empty(Filter):
    async def on_request(self, request):
        pass
"""


def python(code: str) -> dict[str, Any]:
    """A Python filter whose code stands here, as typed_config."""
    return {"@type": PYTHON, "code": {"inline_string": code}}


def python_file(name: str) -> dict[str, Any]:
    """A filter of the gallery."""
    return {"@type": PYTHON, "code": {"filename": str(GALLERY / name / "filter.py")}}


def filter_cost(
    typed_config: dict[str, Any], bar_us: float, cpus: set[int], load_cpus: set[int]
) -> Callable[[list[Contender], "Setting"], list["Row"]]:
    """CPU microseconds that one such filter adds to a request; `bar_us` is what it may."""

    def measure(contenders: list[Contender], setting: "Setting") -> list["Row"]:
        from benchmarks.scenarios import Row

        rows = []
        for contender in [each for each in contenders if each.name == "pyvoy"]:
            ten, off, none = _rounds(contender, typed_config, setting, cpus, load_cpus)
            rounds = [(mine - base) / COUNT for mine, base in zip(ten, off, strict=True)]
            short = statistics.median(base - least for base, least in zip(off, none, strict=True))
            row = Row(contender.name, statistics.median(rounds), "CPU µs a filter", rounds=rounds)
            row.detail |= {"bar": bar_us, "short way saves": short, "chain of none": statistics.median(none)}
            rows.append(row)
        return rows

    return measure


def _rounds(
    contender: Contender, typed_config: dict[str, Any], setting: "Setting", cpus: set[int], load_cpus: set[int]
) -> tuple[list[float], list[float], list[float]]:
    """Per round: CPU microseconds a request with ten filters, with ten that are switched off, with none."""
    variants = {"ten": (COUNT, False), "off": (COUNT, True), "none": (0, False)}
    found: dict[str, list[float]] = {name: [] for name in variants}
    running: dict[str, Running] = {}
    try:
        for name, (count, disabled) in variants.items():
            each = replace(contender, configure=_with_filters(contender, typed_config, count, disabled=disabled))
            running[name] = start(each, setting.upstream, 1, cpus, setting.folder / name)
            run(Load(), running[name].ports.http, min(1.0, setting.seconds), load_cpus, setting.folder)
        for _ in range(setting.rounds):
            for name, each_running in running.items():
                before = sum(cpu_s(each_running.server.pid))
                answered = run(Load(), each_running.ports.http, setting.seconds, load_cpus, setting.folder)
                found[name].append((sum(cpu_s(each_running.server.pid)) - before) * 1e6 / answered)
    finally:
        for each_running in running.values():
            each_running.server.stop()
    return found["ten"], found["off"], found["none"]


def _with_filters(
    contender: Contender, typed_config: dict[str, Any], count: int, *, disabled: bool
) -> Callable[[Ports, int, Path], Path]:
    def configure(ports: Ports, workers: int, folder: Path) -> Path:
        path = contender.configure(ports, workers, folder)
        bootstrap = json.loads(path.read_text())
        manager = bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
        added = [{"name": f"f{n}", "typed_config": typed_config, "disabled": disabled} for n in range(count)]
        manager["http_filters"] = [*added, *manager["http_filters"]]
        path.write_text(json.dumps(bootstrap, indent=1))
        return path

    return configure
