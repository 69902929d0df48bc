"""What a filter adds to a request: (a chain of ten minus a chain of none) / 10, in the same rounds.

The difference of two runs is too noisy for one filter, so there are ten.  The first filter also takes the request off
the short way of a chain without any: a chain of one tells that apart from what each further filter costs.
"""

import json
import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.contenders import Contender, Ports, Running, start
from benchmarks.load import Load, run
from pyvoy.bench.measure import cpu_s

if TYPE_CHECKING:
    from benchmarks.scenarios import Row, Setting

TEN = 10
COUNTS = (TEN, 1, 0)
LUA = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"
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


LUA_EMPTY = "function envoy_on_request(h) end function envoy_on_response(h) end"
LUA_COUNT = """
local requests, responses = 0, 0
function envoy_on_request(h) requests = requests + 1 end
function envoy_on_response(h) responses = responses + 1 end
"""
LUA_HEADERS = """
function envoy_on_response(handle)
  handle:headers():add("x-added", "1")
  handle:headers():replace("server", "mine")
end
"""
LUA_BODY = """
function envoy_on_response(handle)
  local body = handle:body()
  body:setBytes((body:getBytes(0, body:length()):gsub("x", "y", 10)))
end
"""
LUA_CALL = """
function envoy_on_request(handle)
  local headers = handle:httpCall("service",
    {[":method"] = "GET", [":path"] = "/details/1", [":authority"] = "service"}, nil, 1000)
  handle:headers():add("x-status", headers[":status"])
end
"""


def lua(code: str) -> dict[str, Any]:
    """A Lua filter whose script stands here, as typed_config."""
    return {"@type": LUA, "default_source_code": {"inline_string": code}}


def python(code: str) -> dict[str, Any]:
    """A Python filter whose code stands here, as typed_config."""
    return {"@type": PYTHON, "code": {"inline_string": code}}


def python_file(name: str) -> dict[str, Any]:
    """A filter of the gallery."""
    return {"@type": PYTHON, "code": {"filename": str(GALLERY / name / "filter.py")}}


def with_filter(typed_config: dict[str, Any], load: Load) -> Callable[[list[Contender], "Setting"], list["Row"]]:
    """CPU microseconds for each request of pyvoy and Envoy with the same filter before the router."""

    def measure(contenders: list[Contender], setting: "Setting") -> list["Row"]:
        from benchmarks.scenarios import requests

        chosen = [
            replace(each, configure=_with_filters(each, typed_config, 1))
            for each in contenders
            if each.name in ("pyvoy", "envoy")
        ]
        return requests(load)(chosen, setting)

    return measure


def filter_cost(
    typed_config: dict[str, Any], bar_us: float, cpus: set[int], load_cpus: set[int]
) -> Callable[[list[Contender], "Setting"], list["Row"]]:
    """CPU microseconds that one such filter adds to a request; `bar_us` is what it may."""

    def measure(contenders: list[Contender], setting: "Setting") -> list["Row"]:
        from benchmarks.scenarios import Row

        rows = []
        for contender in [each for each in contenders if each.name == "pyvoy"]:
            figures = _rounds(contender, typed_config, setting, cpus, load_cpus)
            ten, one, none = (figures[count] for count in COUNTS)
            rounds = [(mine - base) / TEN for mine, base in zip(ten, none, strict=True)]
            row = Row(contender.name, statistics.median(rounds), "CPU µs a filter", rounds=rounds)
            further = [(mine - base) / (TEN - 1) for mine, base in zip(ten, one, strict=True)]
            row.detail |= {"bar": bar_us, "each further": statistics.median(further)}
            row.detail["chain of none"] = statistics.median(none)
            rows.append(row)
        return rows

    return measure


def _rounds(
    contender: Contender, typed_config: dict[str, Any], setting: "Setting", cpus: set[int], load_cpus: set[int]
) -> dict[int, list[float]]:
    """CPU microseconds a request in each round, by the number of filters."""
    found: dict[int, list[float]] = {count: [] for count in COUNTS}
    running: dict[int, Running] = {}
    try:
        for count in COUNTS:
            each = replace(contender, configure=_with_filters(contender, typed_config, count))
            running[count] = start(each, setting.upstream, 1, cpus, setting.folder / str(count))
            run(Load(), running[count].ports.http, min(1.0, setting.seconds), load_cpus)
        for _ in range(setting.rounds):
            for count, each_running in running.items():
                before = sum(cpu_s(each_running.server.pid))
                answered = run(Load(), each_running.ports.http, setting.seconds, load_cpus)
                found[count].append((sum(cpu_s(each_running.server.pid)) - before) * 1e6 / answered)
    finally:
        for each_running in running.values():
            each_running.server.stop()
    return found


def _with_filters(contender: Contender, typed_config: dict[str, Any], count: int) -> Callable[[Ports, int, Path], Path]:
    def configure(ports: Ports, workers: int, folder: Path) -> Path:
        path = contender.configure(ports, workers, folder)
        bootstrap = json.loads(path.read_text())
        manager = bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
        added = [{"name": f"f{n}", "typed_config": typed_config} for n in range(count)]
        manager["http_filters"] = [*added, *manager["http_filters"]]
        path.write_text(json.dumps(bootstrap, indent=1))
        return path

    return configure
