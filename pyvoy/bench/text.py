"""Figures and names as people read them, the same in Markdown, HTML and on the terminal."""

from __future__ import annotations

from pyvoy.bench.intervals import Figure
from pyvoy.bench.results import MEASURES, Incident, Row

PROXIES = {"pyvoy": "pyvoy", "envoy": "Envoy"}
LANGUAGES = {
    "none": "no filter",
    "python": "Python",
    "lua": "Lua",
    "wasm": "Wasm",
    "ext_proc": "gRPC server (ext_proc)",
    "rust": "Rust",
    "assemblyscript": "AssemblyScript",
    "c": "C",
    "c++": "C++",
    "cpp": "C++",
    "go": "Go",
    "tinygo": "TinyGo",
    "zig": "Zig",
}


def form_name(form: str) -> str:
    """`wasm-rust` as `Wasm (Rust)`."""
    if form.startswith("wasm-"):
        language = form.removeprefix("wasm-")
        return f"Wasm ({LANGUAGES.get(language, language)})"
    return LANGUAGES.get(form, form)


def row_name(row: Row) -> str:
    """The form and the proxy it runs in."""
    return f"{form_name(row.form)} in {PROXIES.get(row.peer, row.peer)}"


def number(value: float, digits: int) -> str:
    """A number with thousands apart."""
    text = f"{value:,.{digits}f}"
    return text.removeprefix("-") if float(text.replace(",", "")) == 0 else text


def value(figure: Figure | None, measure: str) -> str:
    """The value alone."""
    return "–" if figure is None else number(figure.value, MEASURES[measure].digits)


def spread(figure: Figure | None, measure: str) -> str:
    """Half the interval, or nothing where there is none."""
    if figure is None or not figure.known:
        return ""
    return f"±{number(figure.half, MEASURES[measure].digits)}"


def shown(figure: Figure | None, measure: str) -> str:
    """Value and spread; a figure whose interval reaches below zero and that cannot be below is within the noise."""
    return f"{value(figure, measure)} {spread(figure, measure)}".strip()


def within_noise(figure: Figure | None) -> bool:
    """Zero lies in the interval."""
    return figure is not None and figure.known and figure.low <= 0 <= figure.high


def size(size_bytes: float) -> str:
    """Bytes, KiB or MiB."""
    if size_bytes < 1024:
        return f"{size_bytes:.0f} B"
    if size_bytes < 1 << 20:
        return f"{size_bytes / 1024:.1f} KiB"
    return f"{size_bytes / (1 << 20):.1f} MiB"


def culprit(incident: Incident) -> str:
    """What the client of the request with the fault got."""
    return f"answered {incident.outcome}" if incident.outcome.isdigit() else incident.outcome


def others(incident: Incident) -> str:
    """What happened to the requests of others, in a few words."""
    parts = []
    if incident.failed:
        parts.append(f"{_share(incident.failed, incident.others)} failed")
    if incident.slow:
        parts.append(f"{_share(incident.slow, incident.others)} slow")
    if not parts:
        parts.append("none failed")
    parts.append(f"longest wait {_wait(incident.longest_ms)}")
    if not incident.recovered:
        parts.append("did not recover")
    return ", ".join(parts)


def verdict(incident: Incident) -> str:
    """`good`: nobody else noticed; `fair`: some waited or failed for a moment; `bad`: it did not end by itself, or
    others waited for seconds."""
    if not incident.recovered or incident.longest_ms > 2000:
        return "bad"
    return "fair" if incident.failed or incident.slow else "good"


def _share(part: int, whole: int) -> str:
    share = part / whole if whole else 0.0
    return f"{share:.0%}" if share >= 0.01 else "under 1%" if part else "none"


def _wait(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.1f} s" if milliseconds >= 1000 else f"{milliseconds:.0f} ms"
