"""The mechanisms side by side: one line for each form and proxy, from the results of all filters.

Figures come from the results; what cannot be measured (languages, debugging, where else it runs) is told here once,
for the report and for docs/choosing.md.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from pyvoy.bench import text
from pyvoy.bench.faults import FAULTS
from pyvoy.bench.intervals import Figure
from pyvoy.bench.results import Incident, Results, Row

NONE = "none"


@dataclass(frozen=True, slots=True)
class Nature:
    """What a mechanism is, apart from figures."""

    languages: str
    debugging: str
    portable: str


NATURES = {
    "python": Nature(
        "Python",
        "traceback with file and line, any Python debugger and profiler, edits live with --dev",
        "pyvoy only",
    ),
    "lua": Nature(
        "Lua (LuaJIT)",
        "traceback with file and line, edits live with --dev",
        "Envoy; Istio by EnvoyFilter; not where the script uses pyvoy's module",
    ),
    "wasm": Nature(
        "C++, AssemblyScript, Rust, Go, Zig and others with a Proxy-Wasm SDK",
        "names of functions in a trap, log lines, traced host calls; no debugger",
        "Envoy; Istio by WasmPlugin; every Proxy-Wasm host",
    ),
    "ext_proc": Nature(
        "any with gRPC",
        "that of the server's own language, in a process of its own",
        "Envoy; Istio by EnvoyFilter; not pyvoy",
    ),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """A form in a proxy, over all filters that were measured in it."""

    form: str
    mechanism: str
    peer: str
    rows: Sequence[Row]
    refused: int

    @property
    def name(self) -> str:
        """For people."""
        return f"{text.form_name(self.form)} in {text.PROXIES.get(self.peer, self.peer)}"

    def figure(self, filter_name: str, measure: str) -> Figure | None:
        """A figure of one filter."""
        return next((row.figures.get(measure) for row in self.rows if row.filter == filter_name), None)

    def median(self, measure: str) -> float | None:
        """The median of a measure over the filters."""
        values = [row.figures[measure].value for row in self.rows if measure in row.figures]
        return statistics.median(values) if values else None


def choices(results: Results) -> list[Choice]:
    """Every form in every proxy, pyvoy's first; forms that ran nowhere are left out."""
    found = []
    keys = dict.fromkeys((row.form, row.mechanism, row.peer) for row in results.rows if row.mechanism != NONE)
    for form, mechanism, peer in sorted(keys, key=lambda key: (*placed(key[1], key[2]), key[0])):
        rows = [row for row in results.rows if (row.form, row.peer) == (form, peer)]
        measured = [row for row in rows if not row.refused]
        if measured:
            found.append(Choice(form, mechanism, peer, measured, len(rows) - len(measured)))
    return found


def placed(mechanism: str, peer: str) -> tuple[int, int]:
    """The place in a list: pyvoy before Envoy, then by mechanism."""
    return list(text.PROXIES).index(peer), list(NATURES).index(mechanism)


def verdicts(results: Results, mechanism: str, peer: str, *, guarded: bool) -> dict[str, Incident]:
    """The experiments with a mechanism, by fault."""
    return {
        each.fault: each
        for each in results.isolation
        if (each.mechanism, each.peer, each.guarded) == (mechanism, peer, guarded)
    }


def protected(results: Results, mechanism: str, peer: str) -> str:
    """In a few words: which faults others did not notice, and which were bad for them, guarded where that exists."""
    found = verdicts(results, mechanism, peer, guarded=True) or verdicts(results, mechanism, peer, guarded=False)
    if not found:
        return "–"
    kinds: dict[str, list[str]] = {"good": [], "fair": [], "bad": []}
    for fault in FAULTS:
        if fault in found:
            kinds[text.verdict(found[fault])].append(fault)
    words = {"good": "unnoticed", "fair": "noticed for a moment", "bad": "bad for others"}
    return "; ".join(f"{', '.join(faults)}: {words[kind]}" for kind, faults in kinds.items() if faults)
