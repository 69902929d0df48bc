"""The results as Markdown: a table for each filter, then chains, workers and isolation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pyvoy.bench import text
from pyvoy.bench.chains import Chain, fitted
from pyvoy.bench.results import MEASURES, Incident, Results, Row, ScalePoint

COLUMNS = (
    ("added_us", "CPU added, µs"),
    ("cpu_us", "CPU, µs"),
    ("per_core", "requests/s and core"),
    ("saturated", "requests/s"),
    ("p50_ms", "p50, ms"),
    ("p99_ms", "p99, ms"),
    ("p999_ms", "p99.9, ms"),
    ("worker_mib", "worker, MiB"),
    ("instance_kib", "instance, KiB"),
    ("load_cold_ms", "load cold, ms"),
    ("load_cached_ms", "cached, ms"),
    ("reload_ms", "reload, ms"),
)
EXPLAINED = (
    "Each value is a mean over rounds with the half width of its 95 % interval. CPU added is against the same proxy",
    "without a filter in the same rounds; load times are what a start takes longer with the filter.",
)


def as_markdown(results: Results) -> str:
    """The whole report."""
    lines = ["# What filters cost", "", machine_line(results), ""]
    lines += [f"- Warning: {warning}." for warning in results.warnings]
    lines += ["", *EXPLAINED, f"Latency at {results.settings['rate']:g} requests a second.", ""]
    for name in filters(results):
        lines += [f"## {name}", "", *_filter_table([row for row in results.rows if row.filter == name]), ""]
    if results.chain:
        lines += ["## Chains", "", *_chain_table(fitted(results.chain)), ""]
    if results.workers:
        lines += ["## Workers", "", *_worker_table(results.workers), ""]
    if results.isolation:
        lines += ["## Isolation", "", *isolation_table(results.isolation), ""]
    return "\n".join(lines)


def filters(results: Results) -> list[str]:
    """The filters in the order they were measured."""
    return list(dict.fromkeys(row.filter for row in results.rows))


def machine_line(results: Results) -> str:
    """The machine in one line."""
    machine, settings = results.machine, results.settings
    versions = ", ".join(f"{name} {_short(version)}" for name, version in machine["versions"].items())
    return (
        f"Measured {settings['date']} on {machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}, "
        f"Python {machine['python']}; {versions}; {settings['rounds']} rounds of {settings['seconds']:g} s."
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table, line by line; the first column is text."""
    yield f"| {' | '.join(head)} |"
    yield f"|---|{'---:|' * (len(head) - 1)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _short(version: Any) -> str:
    """`9e55.../1.40.0/Clean/...` as `1.40.0`."""
    parts = str(version).split("/")
    return parts[1] if len(parts) > 2 else str(version)


def _filter_table(rows: Sequence[Row]) -> Iterator[str]:
    yield from table(("form", *(title for _, title in COLUMNS), "artifact", "lines"), map(_cells, measured(rows)))
    refused = [row for row in rows if row.refused]
    if refused:
        yield ""
    for row in refused:
        yield f"Not measured: {text.row_name(row)}: `{row.refused.replace('`', chr(39))}`"


def measured(rows: Sequence[Row]) -> list[Row]:
    """The rows with figures."""
    return [row for row in rows if not row.refused]


def _cells(row: Row) -> list[str]:
    cells = [text.row_name(row)]
    cells += [text.shown(row.figures.get(name), name) for name, _ in COLUMNS]
    cells.append(text.size(row.artifact_bytes) if row.artifact_bytes else "–")
    cells.append(str(row.source_lines) if row.source_lines else "–")
    return cells


def _chain_table(chains: Sequence[Chain]) -> Iterator[str]:
    lengths = sorted({point.filters for chain in chains for point in chain.points})
    head = ("CPU µs of a request", *(f"{length} filters" for length in lengths), "each filter", "R²")
    yield from table(head, (_chain_cells(chain, lengths) for chain in chains))


def _chain_cells(chain: Chain, lengths: Sequence[int]) -> list[str]:
    found = {point.filters: point for point in chain.points}
    cells = [chain.name]
    cells += [text.shown(found[length].cpu_us, "cpu_us") if length in found else "–" for length in lengths]
    return [*cells, text.shown(chain.line.slope, "added_us"), f"{chain.line.r_squared:.3f}"]


def _worker_table(points: Sequence[ScalePoint]) -> Iterator[str]:
    cells = (
        (
            f"{text.form_name(point.form)} in {text.PROXIES[point.peer]}, {point.workers} "
            f"worker{'s' if point.workers > 1 else ''}",
            text.shown(point.cpu_us, "cpu_us"),
            text.shown(point.saturated, "saturated"),
        )
        for point in points
    )
    yield from table(("", "CPU µs of a request", MEASURES["saturated"].title), cells)


def isolation_table(incidents: Sequence[Incident]) -> Iterator[str]:
    """The experiments, one a line."""
    yield "| mechanism | fault | the request itself | requests of others | processes |"
    yield "|---|---|---|---|---|"
    for each in incidents:
        yield (
            f"| {setting_name(each)} | {each.fault} | {text.culprit(each)} | {text.others(each)} | {each.process}, "
            f"{max(0.0, each.held_mib):.0f} MiB held |"
        )


def setting_name(incident: Incident) -> str:
    """The mechanism, the proxy, and whether it was guarded."""
    name = f"{text.form_name(incident.mechanism)} in {text.PROXIES[incident.peer]}"
    return f"{name}, guarded" if incident.guarded else name
