"""The results as JSON with the machine's facts, as a table for readers, and as a verdict on the bars."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.scenarios import Row, Scenario
from benchmarks.table import SCENARIOS

_SAME = ("cpu", "cores", "kernel", "python", "rounds", "seconds")
Results = list[tuple[Scenario, list[Row]]]


def known(path: Path, facts: dict[str, Any]) -> Results:
    """What a file has of earlier runs on the same machine; a scenario that runs again takes the place of its rows."""
    if not path.exists():
        return []
    found = json.loads(path.read_text())
    if any(found["machine"].get(name) != facts[name] for name in _SAME):
        return []
    return [
        (scenario, [Row(**row) for row in found["scenarios"][scenario.name]["rows"]])
        for scenario in SCENARIOS
        if scenario.name in found["scenarios"]
    ]


def joined(earlier: Results, results: Results) -> Results:
    """All results, in the order of the scenarios."""
    rows = {scenario.name: rows for scenario, rows in [*earlier, *results]}
    return [(scenario, rows[scenario.name]) for scenario in SCENARIOS if scenario.name in rows]


def as_json(results: Results, facts: dict[str, Any]) -> str:
    """Everything, for later comparison."""
    scenarios = {
        scenario.name: {"title": scenario.title, "bar": scenario.bar, "rows": [asdict(row) for row in rows]}
        for scenario, rows in results
    }
    return json.dumps({"machine": facts, "scenarios": scenarios}, indent=1, ensure_ascii=False) + "\n"


def as_markdown(results: Results, facts: dict[str, Any]) -> str:
    """A table that a person reads."""
    lines = [", ".join(f"{key}: {value}" for key, value in facts.items() if key != "versions"), ""]
    lines += [f"- {name}: {text}" for name, text in facts.get("versions", {}).items()]
    lines += ["", "| scenario | contender | value | ratio to Envoy | detail |", "|---|---|---|---|---|"]
    for scenario, rows in results:
        for row in rows:
            lines.append(_line(scenario, row))
    return "\n".join(lines) + "\n"


def _line(scenario: Scenario, row: Row) -> str:
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    if row.contender == "pyvoy" and scenario.bar is not None and row.ratio is not None:
        ratio += f" (bar {scenario.bar:g}: {'holds' if row.ratio <= scenario.bar else 'MISSED'})"
    detail = ", ".join(f"{name} {value:.1f}" for name, value in row.detail.items())
    return f"| {scenario.title} | {row.contender} | {row.value:.1f} {row.unit} | {ratio} | {detail} |"


def missed(results: Results) -> list[str]:
    """The bars that do not hold, as sentences; an unmeasured ratio counts as missed."""
    found = []
    for scenario, rows in results:
        ratio = next((row.ratio for row in rows if row.contender == "pyvoy"), None)
        if scenario.bar is not None and (ratio is None or ratio > scenario.bar):
            measured = "not measured" if ratio is None else f"{ratio:.2f}"
            found.append(f"{scenario.name}: {measured}, bar {scenario.bar:g}")
    return found


def write(results: Results, facts: dict[str, Any], folder: Path, name: str) -> Path:
    """Write `<name>.json` and `<name>.md`, with what they had of other scenarios; returns the path of the first."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    results = joined(known(path, facts), results)
    path.write_text(as_json(results, facts))
    (folder / f"{name}.md").write_text(as_markdown(results, facts))
    return path
