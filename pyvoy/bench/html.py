"""The results as one HTML page with plots: nothing is loaded from elsewhere, so it can be sent and kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pyvoy.bench import svg, text
from pyvoy.bench.chains import Chain, fitted
from pyvoy.bench.decision import NATURES, Choice, choices, placed, protected, verdicts
from pyvoy.bench.faults import FAULTS
from pyvoy.bench.intervals import Figure
from pyvoy.bench.markdown import COLUMNS, filters, machine_line, measured
from pyvoy.bench.results import MEASURES, Incident, Results, Row, ScalePoint

COLOURS = {
    "none": "c-none",
    "python": "c-python",
    "lua": "c-lua",
    "wasm": "c-wasm",
    "wasm-cpp": "c-wasm",
    "wasm-c": "c-wasm4",
    "wasm-assemblyscript": "c-wasm2",
    "wasm-rust": "c-wasm3",
    "wasm-go": "c-wasm4",
    "wasm-zig": "c-wasm5",
    "ext_proc": "c-ext",
}
IN_PROCESS_ROOM = 1.25
"""The axis of what is added ends at so many times the most that a filter inside the proxy adds."""
_CHART_MEASURES = ("instance_kib", "load_cold_ms", "load_cached_ms", "reload_ms")


def as_html(results: Results) -> str:
    """The report."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("pyvoy.bench"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.globals |= {"text": text, "measures": MEASURES}
    return environment.get_template("report.html").render(_context(results))


def _context(results: Results) -> dict[str, Any]:
    found = choices(results)
    chains = fitted(results.chain)
    return {
        "results": results,
        "machine": machine_line(results),
        "findings": findings(results, found, chains),
        "choices": found,
        "natures": NATURES,
        "protections": _protections(results, found),
        "smallest": _smallest(results),
        "added": _added(results),
        "latency": _latency(results),
        "chains": chains,
        "chain_plot": _chain_plot(chains),
        "worker_plot": _worker_plot(results.workers),
        "others": [(MEASURES[name], _per_form(found, name)) for name in _CHART_MEASURES],
        "filters": [(name, measured([row for row in results.rows if row.filter == name])) for name in filters(results)],
        "refused": [row for row in results.rows if row.refused],
        "columns": COLUMNS,
        "faults": FAULTS,
        "isolation": _isolation(results),
        "swatch": colour,
    }


def colour(form: str) -> str:
    """The class that colours a form."""
    return COLOURS.get(form, "c-wasm5")


def findings(results: Results, found: Sequence[Choice], chains: Sequence[Chain]) -> list[str]:
    """The report in sentences, each with its figures."""
    bare = [row for row in results.rows if row.mechanism == "none" and row.filter == _smallest(results)]
    costs = [
        f"{text.PROXIES[row.peer]} {text.shown(row.figures['cpu_us'], 'cpu_us')} µs" for row in bare if row.figures
    ]
    told = [f"Without a filter, a request costs {' and '.join(costs)} of CPU."] if costs else []
    for choice in found:
        figures = [row.figures["added_us"] for row in choice.rows if "added_us" in row.figures]
        if figures and all(text.within_noise(figure) for figure in figures):
            told.append(f"What {choice.name} adds to it is within the noise.")
        elif figures:
            which = ", by filter" if len(figures) > 1 else ""
            told.append(f"{choice.name} adds {_range([figure.value for figure in figures])} µs to it{which}.")
    if chains:
        worst = min(chains, key=lambda chain: chain.line.r_squared)
        told.append(
            f"Cost grows in a straight line with the number of filters (R² at least {worst.line.r_squared:.3f}): "
            f"sixteen cost sixteen times what one more costs."
            if worst.line.r_squared >= 0.98
            else f"In {worst.name} cost does not grow in a clean straight line (R² {worst.line.r_squared:.3f})."
        )
    return told


def _range(values: Sequence[float]) -> str:
    low, high = (text.number(value, 1) for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def _smallest(results: Results) -> str:
    """The filter that stands for all where one is shown: the first that was measured."""
    return filters(results)[0] if results.rows else ""


def _by_filter(results: Results, wanted: str) -> list[tuple[str, list[Row]]]:
    groups = []
    for name in filters(results):
        rows = [row for row in results.rows if row.filter == name and wanted in row.figures]
        if rows:
            groups.append((name, rows))
    return groups


def _added(results: Results) -> str:
    groups = _by_filter(results, "added_us")
    inside = [row.figures["added_us"].value for _, rows in groups for row in rows if row.mechanism != "ext_proc"]
    highest = max(inside) * IN_PROCESS_ROOM if inside else None
    return _dots([(name, [_mark(row, "added_us") for row in rows]) for name, rows in groups], "µs of CPU", highest)


def _latency(results: Results) -> str:
    groups = []
    for name, rows in _by_filter(results, "p999_ms"):
        spans = []
        for row in rows:
            values = [row.figures[measure].value for measure in ("p50_ms", "p99_ms", "p999_ms")]
            told = " · ".join(text.number(value, 2 if value < 10 else 1 if value < 100 else 0) for value in values)
            spans.append(svg.Spans(text.row_name(row), values, colour(row.form), row.peer == "envoy", told))
        groups.append((name, spans))
    return svg.percentiles(groups, "ms (logarithmic)") if groups else ""


def _chain_plot(chains: Sequence[Chain]) -> str:
    if not chains:
        return ""
    series = []
    for chain in chains:
        slope = text.shown(chain.line.slope, "added_us")
        points = [(float(point.filters), point.cpu_us) for point in chain.points]
        label = f"{chain.name}: {slope} µs"
        hollow = chain.peer == "envoy"
        series.append(svg.Series(label, points, chain.line.at, 1.0, colour(chain.form), hollow))
    return svg.lines(series, "filters in the chain", "µs of CPU a request")


def _worker_plot(points: Sequence[ScalePoint]) -> str:
    marks = []
    for point in points:
        workers = f"{point.workers} worker{'s' if point.workers > 1 else ''}"
        told = text.shown(point.saturated, "saturated")
        label = f"{text.form_name(point.form)}, {workers}"
        marks.append(svg.Mark(label, point.saturated, colour(point.form), point.workers > 1, told))
    return _dots([("", marks)], "requests a second", None) if marks else ""


def _per_form(found: Sequence[Choice], measure: str) -> str:
    """A measure over all filters, by form: the median, with the smallest and the largest as whiskers."""
    marks = []
    for choice in found:
        values = [row.figures[measure].value for row in choice.rows if measure in row.figures]
        middle = choice.median(measure)
        if middle is not None:
            low, high = min(values), max(values)
            figure = Figure(middle, low, high) if len(values) > 1 else Figure(middle, -math.inf, math.inf)
            told = text.number(middle, MEASURES[measure].digits)
            marks.append(svg.Mark(choice.name, figure, colour(choice.form), choice.peer == "envoy", told))
    return _dots([("", marks)], MEASURES[measure].unit, None) if marks else ""


def _dots(groups: Sequence[tuple[str, Sequence[svg.Mark]]], unit: str, highest: float | None) -> str:
    return svg.dots(groups, unit, highest) if any(marks for _, marks in groups) else ""


def _mark(row: Row, measure: str) -> svg.Mark:
    figure = row.figures[measure]
    return svg.Mark(text.row_name(row), figure, colour(row.form), row.peer == "envoy", text.shown(figure, measure))


def _protections(results: Results, found: Sequence[Choice]) -> list[tuple[str, str]]:
    """Each mechanism with what it keeps from others, in pyvoy where it runs there."""
    peers: dict[str, str] = {}
    for choice in found:  # pyvoy's come first
        peers.setdefault(choice.mechanism, choice.peer)
    return [(mechanism, protected(results, mechanism, peer)) for mechanism, peer in peers.items()]


def _isolation(results: Results) -> list[tuple[str, str, str, list[Incident | None]]]:
    """A line for each mechanism, proxy and setting: name, proxy, colour, its experiments by fault."""
    keys = dict.fromkeys((each.mechanism, each.peer, each.guarded) for each in results.isolation)
    lines = []
    for mechanism, peer, guarded in sorted(keys, key=lambda key: (*placed(key[0], key[1]), key[2])):
        name = f"{text.form_name(mechanism)} in {text.PROXIES[peer]}{', guarded' if guarded else ''}"
        found = verdicts(results, mechanism, peer, guarded=guarded)
        lines.append((name, peer, colour(mechanism), [found.get(fault) for fault in FAULTS]))
    return lines
