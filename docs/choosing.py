"""The generated parts of choosing.md: every figure on that page is read from measured results."""

from __future__ import annotations

from collections.abc import Sequence

from pyvoy.bench import text
from pyvoy.bench.chains import fitted
from pyvoy.bench.decision import NATURES, Choice, choices, protected
from pyvoy.bench.markdown import filters, isolation_table, machine_line, table
from pyvoy.bench.results import Results

MISSING = "Run `make bench-extensions` to measure on your machine.\n"
_SPEED = (
    ("added_us", "CPU added, µs"),
    ("per_core", "requests/s of a core"),
    ("p99_ms", "p99, ms"),
    ("instance_kib", "instance, KiB"),
    ("load_cold_ms", "load, ms"),
)


def sections(results: Results | None) -> dict[str, str]:
    """The text of each generated part by the name of its marker."""
    if results is None:
        return dict.fromkeys(("decision", "speed", "added", "isolation", "scale", "measured"), MISSING)
    found = choices(results)
    return {
        "decision": _joined(_decision(results, found)),
        "speed": _joined(_speed(results, found)),
        "added": _joined(_added(results, found)),
        "isolation": _joined(list(isolation_table(results.isolation))),
        "scale": _joined(_scale(results)),
        "measured": _joined(_measured(results)),
    }


def _joined(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"


def _decision(results: Results, found: Sequence[Choice]) -> list[str]:
    """Speed, isolation, languages, debuggability, portability: one line for each mechanism in a proxy."""
    head = ("mechanism", "CPU added, µs (least to most)", "isolation", "languages", "debugging", "runs in")
    rows = []
    for mechanism, peer in dict.fromkeys((choice.mechanism, choice.peer) for choice in found):
        ours = [choice for choice in found if (choice.mechanism, choice.peer) == (mechanism, peer)]
        values = [row.figures["added_us"].value for choice in ours for row in choice.rows if "added_us" in row.figures]
        nature = NATURES[mechanism]
        name = f"{text.form_name(mechanism)} in {text.PROXIES[peer]}"
        cost = f"{text.number(min(values), 1)} to {text.number(max(values), 1)}" if values else "–"
        isolation = protected(results, mechanism, peer)
        rows.append((name, cost, isolation, nature.languages, nature.debugging, nature.portable))
    first, _, *rest = table(head, rows)
    return [first, "|---|---:|---|---|---|---|", *rest]


def _speed(results: Results, found: Sequence[Choice]) -> list[str]:
    """The first filter in each form."""
    name = filters(results)[0]
    rows = []
    for choice in found:
        row = next((each for each in choice.rows if each.filter == name), None)
        if row is not None:
            cells = [text.shown(row.figures.get(measure), measure) for measure, _ in _SPEED]
            rows.append((choice.name, *cells, text.size(row.artifact_bytes), str(row.source_lines or "–")))
    return list(table((f"`{name}`", *(title for _, title in _SPEED), "artifact", "lines"), rows))


def _added(results: Results, found: Sequence[Choice]) -> list[str]:
    """What each filter adds in each form."""
    names = filters(results)
    rows = []
    for choice in found:
        figures = [choice.figure(name, "added_us") for name in names]
        rows.append((choice.name, *(text.shown(figure, "added_us") for figure in figures)))
    return list(table(("CPU added, µs", *(f"`{name}`" for name in names)), rows))


def _scale(results: Results) -> list[str]:
    rows = [
        (chain.name, f"{text.shown(chain.line.slope, 'added_us')} µs", f"{chain.line.r_squared:.4f}")
        for chain in fitted(results.chain)
    ]
    return list(table(("chains of 1 to 16", "each further filter", "R² of the line"), rows))


def _measured(results: Results) -> list[str]:
    return [machine_line(results), *(f"\nWarning: {warning}." for warning in results.warnings)]
