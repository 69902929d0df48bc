"""What a run found, as a file: rows of figures, the experiments on isolation, and the facts of the machine.

The JSON is for comparison and for the reports, which read nothing else.  A figure is an object with `value`, `low`,
`high` (null where one sample allows no interval) and `samples`.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyvoy.bench.intervals import Figure

SCHEMA = 1


class ResultsError(ValueError):
    """The file is none of ours; the text says why."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What a figure means: its name for people, its unit, and which direction is good."""

    title: str
    unit: str
    digits: int = 1
    more_is_better: bool = False


MEASURES: Mapping[str, Measure] = {
    "added_us": Measure("CPU added to a request", "µs"),
    "cpu_us": Measure("CPU of a request, proxy and filter", "µs"),
    "per_core": Measure("requests per second of one core", "1/s", 0, more_is_better=True),
    "saturated": Measure("requests per second at saturation", "1/s", 0, more_is_better=True),
    "p50_ms": Measure("latency p50", "ms", 2),
    "p99_ms": Measure("latency p99", "ms", 2),
    "p999_ms": Measure("latency p99.9", "ms", 2),
    "worker_mib": Measure("memory of a worker", "MiB"),
    "added_mib": Measure("memory added to a worker by the first instance", "MiB", 2),
    "instance_kib": Measure("memory added by each further instance", "KiB", 0),
    "start_cold_ms": Measure("start of the proxy, nothing cached", "ms", 0),
    "start_cached_ms": Measure("start of the proxy, caches filled", "ms", 0),
    "load_cold_ms": Measure("load time added to a start, nothing cached", "ms", 0),
    "load_cached_ms": Measure("load time added to a start, caches filled", "ms", 0),
    "reload_ms": Measure("reload: from the signal to the first new answer", "ms", 0),
}
"""Every measure, in the order of the reports."""


@dataclass(slots=True)
class Row:
    """One filter in one form in one proxy.  `refused` says why it was not measured there."""

    filter: str
    form: str
    mechanism: str
    peer: str
    figures: dict[str, Figure] = field(default_factory=dict)
    artifact_bytes: int = 0
    source_lines: int = 0
    refused: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What the row is found by."""
        return self.filter, self.form, self.peer


@dataclass(slots=True)
class ScalePoint:
    """CPU microseconds of a request through a chain of so many filters, or with so many workers."""

    peer: str
    mechanism: str
    form: str
    filters: int
    workers: int
    cpu_us: Figure
    saturated: Figure


@dataclass(slots=True)
class Incident:
    """One experiment: a filter that misbehaves for one request, beside ordinary requests of other clients.

    `outcome` is what the culprit's client saw; `failed` and `slow` count the others' requests of `others`;
    `longest_ms` is the longest that one of them took; `recovered` says that all was well again at the end.
    """

    peer: str
    mechanism: str
    guarded: bool
    fault: str
    outcome: str
    others: int
    failed: int
    slow: int
    longest_ms: float
    process: str
    held_mib: float
    recovered: bool


@dataclass(slots=True)
class Results:
    """Everything that a run found."""

    machine: dict[str, Any]
    settings: dict[str, Any]
    rows: list[Row] = field(default_factory=list)
    chain: list[ScalePoint] = field(default_factory=list)
    workers: list[ScalePoint] = field(default_factory=list)
    isolation: list[Incident] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def row(self, filter_name: str, form: str, peer: str) -> Row | None:
        """The row with that key."""
        return next((row for row in self.rows if row.key == (filter_name, form, peer)), None)


def dumps(results: Results) -> str:
    """The results as JSON."""
    return json.dumps({"schema": SCHEMA, **_plain(results)}, indent=1, ensure_ascii=False) + "\n"


def loads(text: str) -> Results:
    """Results from JSON.  Raises ResultsError when it is none, or of another version."""
    try:
        data = json.loads(text)
        if data.pop("schema") != SCHEMA:
            raise ResultsError("results of another version of pyvoy bench")
        return Results(
            data["machine"],
            data["settings"],
            [_row(each) for each in data["rows"]],
            [_point(each) for each in data["chain"]],
            [_point(each) for each in data["workers"]],
            [Incident(**each) for each in data["isolation"]],
            data["warnings"],
        )
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ResultsError(f"no results of pyvoy bench extensions: {error}") from error


def read(path: Path) -> Results:
    """Results from a file.  Raises ResultsError with the file's name."""
    try:
        return loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ResultsError(f"{path}: {error}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, Figure):
        low, high = (value.low, value.high) if value.known else (None, None)
        samples = [_short(each) for each in value.samples]
        return {"value": _short(value.value), "low": _short(low), "high": _short(high), "samples": samples}
    if isinstance(value, Results | Row | ScalePoint | Incident):
        return {name: _plain(getattr(value, name)) for name in value.__slots__}
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value


def _short(value: float | None) -> float | None:
    """Seven significant digits: what a file shows is what was measured, not what a float can hold."""
    return None if value is None else float(f"{value:.7g}")


def _figure(data: dict[str, Any]) -> Figure:
    low, high = data["low"], data["high"]
    return Figure(
        data["value"],
        -math.inf if low is None else low,
        math.inf if high is None else high,
        tuple(data["samples"]),
    )


def _row(data: dict[str, Any]) -> Row:
    return Row(**{**data, "figures": {name: _figure(each) for name, each in data["figures"].items()}})


def _point(data: dict[str, Any]) -> ScalePoint:
    return ScalePoint(**{**data, "cpu_us": _figure(data["cpu_us"]), "saturated": _figure(data["saturated"])})
