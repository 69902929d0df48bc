"""A result as a person reads it."""

from __future__ import annotations

from pyvoy.bench.load.latencies import PERCENTILES, Latencies
from pyvoy.bench.load.result import Basis, LoadResult

_BASES: dict[Basis, str] = {
    "due": "from when it was due",
    "sent": "from when it was sent",
    "wrk": "from when it was sent, corrected by wrk",
}


def as_text(result: LoadResult, *, histogram: bool = False) -> str:
    """A few lines; with the whole distribution if asked for."""
    lines = [_what(result), *_rate(result), _answers(result)]
    if result.errors:
        lines.append("no answer: " + ", ".join(f"{kind} {count:,}" for kind, count in sorted(result.errors.items())))
    if result.latency is not None and result.latency.count:
        lines += ["", *_latencies(result, result.latency)]
        if histogram:
            lines += ["", result.latency.distribution().rstrip()]
    lines += [f"\nwarning: {warning}" for warning in result.warnings]
    return "\n".join(lines)


def _what(result: LoadResult) -> str:
    plan = result.plan
    streams = f" of {plan.streams} streams" if plan.streams > 1 else ""
    protocol = "HTTP/2" if plan.http2 else "HTTP/1.1"
    generator = result.generator
    return (
        f"{plan.method} {plan.url}: {plan.connections} connections{streams}, {protocol}, "
        f"{generator.name} {generator.version} ({generator.cpu_share:.0%} of its CPU)"
    )


def _rate(result: LoadResult) -> list[str]:
    achieved = f"{result.rate:,.1f} answers a second in {result.elapsed_s:.1f} s"
    return [f"asked {result.plan.rate:,.1f} a second, achieved {achieved}" if result.plan.rate else achieved]


def _answers(result: LoadResult) -> str:
    classes = ", ".join(f"{name} {count:,}" for name, count in sorted(result.statuses.items()))
    size = result.bytes_received / 2**20
    return f"{result.answered:,} answers{f' ({classes})' if classes else ''}, {size:,.1f} MiB received"


def _latencies(result: LoadResult, latency: Latencies) -> list[str]:
    service = result.service
    lines = [f"latency, ms   {_BASES[result.basis]}{'   from when it was sent' if service is not None else ''}"]
    width = len(_BASES[result.basis])
    others = _figures(service) if service is not None else {}
    for name, value_us in _figures(latency).items():
        row = f"  {name:<12}{value_us / 1000:>{width},.3f}"
        lines.append(row + (f"{others[name] / 1000:>24,.3f}" if others else ""))
    return lines


def _figures(latencies: Latencies) -> dict[str, float]:
    figures = {name: latencies.percentile_us(percent) for name, percent in PERCENTILES}
    return {**figures, "max": latencies.max_us, "mean": latencies.mean_us()}
