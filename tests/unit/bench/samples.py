"""Results for tests of the reports: small, complete, with every kind of row."""

from pyvoy.bench import intervals
from pyvoy.bench.intervals import Figure
from pyvoy.bench.results import Incident, Results, Row, ScalePoint

MACHINE = {
    "cpu": "A <fast> CPU",
    "cores": 2,
    "usable_cores": 2,
    "kernel": "6.1",
    "python": "3.11.7",
    "memory_mib": 1024,
    "versions": {"pyvoy": "sha/1.2.3/Clean/RELEASE/CPython", "envoy": "sha/1.40.0/Clean/RELEASE/BoringSSL"},
    "libraries": {"wasmtime": "25"},
}
SETTINGS = {"date": "2026-01-02", "rounds": 3, "seconds": 0.4, "rate": 1000.0}
ONE = {"load_cold_ms": 12.0, "load_cached_ms": 3.0, "instance_kib": 80.0, "reload_ms": 30.0}


def figure(value: float, noise: float = 0.5) -> Figure:
    """A figure of three rounds."""
    return intervals.mean([value - noise, value, value + noise])


def row(filter_name: str, form: str, mechanism: str, peer: str, added: float) -> Row:
    """A row with every measure."""
    figures = {
        "cpu_us": figure(20 + added),
        "per_core": figure(40000 - 100 * added, 200),
        "saturated": figure(30000, 500),
        "p50_ms": figure(0.4, 0.01),
        "p99_ms": figure(1.2, 0.1),
        "p999_ms": figure(3.0, 0.3),
        "worker_mib": intervals.mean([21.5]),
    }
    if mechanism != "none":
        figures |= {"added_us": figure(added), "added_mib": intervals.mean([1.5])}
        figures |= {name: intervals.mean([value]) for name, value in ONE.items()}
    return Row(filter_name, form, mechanism, peer, figures, artifact_bytes=390, source_lines=7)


def results(python_adds: float = 8.0) -> Results:
    """Two filters in four forms, chains, workers and isolation."""
    found = Results(MACHINE, SETTINGS, warnings=["the machine was busy"])
    for name in ("add_header", "redact_json"):
        found.rows += [
            row(name, "none", "none", "pyvoy", 0),
            row(name, "none", "none", "envoy", 20),
            row(name, "python", "python", "pyvoy", python_adds),
            row(name, "lua", "lua", "pyvoy", 12.0),
            row(name, "wasm-cpp", "wasm", "pyvoy", 22.0),
            row(name, "wasm-cpp", "wasm", "envoy", 9.0),
            row(name, "ext_proc", "ext_proc", "envoy", 700.0),
        ]
    found.rows.append(Row("redact_json", "lua", "lua", "envoy", refused="module 'pyvoy' <not> found"))
    for count in (0, 1, 4, 8, 16):
        mechanism = "python" if count else "none"
        found.chain.append(ScalePoint("pyvoy", mechanism, mechanism, count, 1, figure(25 + 5 * count), figure(30000)))
    for workers in (1, 2):
        found.workers.append(ScalePoint("pyvoy", "python", "python", 1, workers, figure(30), figure(20000 * workers)))
    found.isolation += [
        Incident("pyvoy", "python", False, "crash", "500", 200, 0, 0, 5.0, "unharmed", 1.0, True),
        Incident("pyvoy", "python", False, "loop", "connection closed", 900, 8, 0, 5500.0, "a worker was replaced", 0.0,
                 True),
        Incident("pyvoy", "lua", True, "loop", "500", 300, 0, 2, 300.0, "unharmed", 0.0, True),
        Incident("envoy", "wasm", False, "loop", "no answer in 6.5 s", 900, 8, 0, 6500.0, "unharmed", 0.0, False),
    ]  # fmt: skip
    return found
