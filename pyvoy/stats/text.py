"""The body of /stats: text or JSON of a snapshot, and Prometheus' by way of `prometheus.py`.

Hidden names (leading NUL) are never listed.
Source: Envoy, StatsRequest and StatsRender; every form compared with Envoy 1.40.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pyvoy.stats.distribution import DEFAULT_BUCKETS, QUANTILES, Distribution
from pyvoy.stats.merge import HistogramStat, Snapshot
from pyvoy.stats.query import StatsQuery
from pyvoy.stats.store import HIDDEN
from pyvoy.stats.tags import TagExtractor

Buckets = Callable[[str], tuple[float, ...]]

_PERCENTILES = tuple(f"{100 * quantile:g}" for quantile in QUANTILES)


@dataclass(slots=True, frozen=True)
class Rendered:
    """A body and its content type."""

    content_type: str
    body: str


def default_buckets(_: str) -> tuple[float, ...]:
    """Bounds of every histogram unless the bootstrap says otherwise."""
    return DEFAULT_BUCKETS


def matched_buckets(settings: Sequence[tuple[Callable[[str], bool], tuple[float, ...]]]) -> Buckets:
    """The bootstrap's histogram_bucket_settings: the bounds of the first matcher that takes the name."""

    def bounds_of(name: str) -> tuple[float, ...]:
        return next((bounds for matches, bounds in settings if matches(name)), DEFAULT_BUCKETS)

    return bounds_of


def render(snapshot: Snapshot, query: StatsQuery, tags: TagExtractor, buckets: Buckets = default_buckets) -> Rendered:
    """The answer to a query; `buckets` gives the bounds for a histogram's full name."""
    if query.format == "prometheus":
        return Rendered("text/plain; charset=UTF-8", _prometheus(snapshot, query, tags, buckets))
    if query.format == "json":
        return Rendered("application/json", _json(snapshot, query, buckets))
    text = _text(snapshot, query, buckets)
    if query.format == "text":
        return Rendered("text/plain; charset=UTF-8", text)
    page = text.replace("&", "&amp;").replace("<", "&lt;")
    return Rendered("text/html; charset=UTF-8", f"<!DOCTYPE html>\n<title>Statistics</title>\n<pre>{page}</pre>\n")


def _shown(name: str, query: StatsQuery) -> bool:
    return not name.startswith(HIDDEN) and not query.only_hidden and query.wanted(name)


def _scalars(snapshot: Snapshot, query: StatsQuery) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    for kind, values, used in (
        ("Counters", snapshot.counters, snapshot.used_counters),
        ("Gauges", snapshot.gauges, snapshot.used_gauges),
    ):
        if query.shows(kind):
            names = used if query.used_only else values
            found.extend((name, values[name]) for name in names if _shown(name, query))
    return sorted(found)


def _histograms(snapshot: Snapshot, query: StatsQuery) -> Iterator[tuple[str, HistogramStat]]:
    if query.shows("Histograms"):
        for name in sorted(snapshot.histograms):
            stat = snapshot.histograms[name]
            if _shown(name, query) and (stat.total.bins or not query.used_only):
                yield name, stat


def _text(snapshot: Snapshot, query: StatsQuery, buckets: Buckets) -> str:
    lines = [f"{name}: {value}\n" for name, value in _scalars(snapshot, query)]
    for name, stat in _histograms(snapshot, query):
        if not stat.total.bins:
            lines.append(f"{name}: No recorded values\n")
        elif query.histogram_buckets == "detailed":
            totals, intervals = _detail_text(stat.total), _detail_text(stat.interval)
            lines.append(f"{name}:\n  totals={totals}\n  intervals={intervals}\n  summary={_summary_text(stat)}\n")
        elif query.histogram_buckets in {"cumulative", "disjoint"}:
            rows = _bucket_rows(stat, buckets(name), query.histogram_buckets)
            lines.append(f"{name}: {' '.join(f'B{bound:g}({now},{ever})' for bound, now, ever in rows)}\n")
        else:
            lines.append(f"{name}: {_summary_text(stat)}\n")
    return "".join(lines)


def _summary_text(stat: HistogramStat) -> str:
    return " ".join(
        f"P{percentile}({shortest(now)},{shortest(ever)})"
        for percentile, now, ever in zip(_PERCENTILES, stat.interval.quantiles(), stat.total.quantiles(), strict=True)
    )


def _detail_text(distribution: Distribution) -> str:
    return ", ".join(f"{shortest(low)},{shortest(width)}:{count}" for low, width, count in distribution.details())


def _bucket_rows(stat: HistogramStat, bounds: tuple[float, ...], mode: str) -> list[tuple[float, int, int]]:
    if mode == "disjoint":
        return list(
            zip(bounds, stat.interval.disjoint_buckets(bounds), stat.total.disjoint_buckets(bounds), strict=True)
        )
    return list(
        zip(bounds, stat.interval.cumulative_buckets(bounds), stat.total.cumulative_buckets(bounds), strict=True)
    )


def _json(snapshot: Snapshot, query: StatsQuery, buckets: Buckets) -> str:
    parts = [f'{{"name":{json.dumps(name)},"value":{value}}}' for name, value in _scalars(snapshot, query)]
    histograms = list(_histograms(snapshot, query))
    if histograms:
        parts.append(f'{{"histograms":{_json_histograms(histograms, query.histogram_buckets, buckets)}}}')
    return f'{{"stats":[{",".join(parts)}]}}'


def _json_histograms(histograms: list[tuple[str, HistogramStat]], mode: str, buckets: Buckets) -> str:
    percentiles = f"[{','.join(_PERCENTILES)}]"
    if mode == "detailed":
        details = ",".join(
            f'{{"name":{json.dumps(name)},"totals":{_json_details(stat.total)},'
            f'"intervals":{_json_details(stat.interval)},"percentiles":{_json_quantiles(stat)}}}'
            for name, stat in histograms
        )
        return f'{{"supported_percentiles":{percentiles},"details":[{details}]}}'
    if mode in {"cumulative", "disjoint"}:
        rows = (
            f'{{"name":{json.dumps(name)},"buckets":{_json_buckets(_bucket_rows(stat, buckets(name), mode))}}}'
            for name, stat in histograms
        )
        return f"[{','.join(rows)}]"
    computed = ",".join(f'{{"name":{json.dumps(name)},"values":{_json_quantiles(stat)}}}' for name, stat in histograms)
    return f'{{"supported_quantiles":{percentiles},"computed_quantiles":[{computed}]}}'


def _json_quantiles(stat: HistogramStat) -> str:
    pairs = zip(stat.total.quantiles(), stat.interval.quantiles(), strict=True)
    rows = (f'{{"cumulative":{json_number(ever)},"interval":{json_number(now)}}}' for ever, now in pairs)
    return f"[{','.join(rows)}]"


def _json_details(distribution: Distribution) -> str:
    rows = (
        f'{{"lower_bound":{json_number(low)},"width":{json_number(width)},"count":{count}}}'
        for low, width, count in distribution.details()
    )
    return f"[{','.join(rows)}]"


def _json_buckets(rows: list[tuple[float, int, int]]) -> str:
    texts = (
        f'{{"upper_bound":{json_number(bound)},"interval":{now},"cumulative":{ever}}}' for bound, now, ever in rows
    )
    return f"[{','.join(texts)}]"


def _prometheus(snapshot: Snapshot, query: StatsQuery, tags: TagExtractor, buckets: Buckets) -> str:
    from pyvoy.stats.prometheus import SnapshotCollector, exposition  # loads prometheus_client

    if query.used_only:
        snapshot = Snapshot(
            {name: snapshot.counters[name] for name in snapshot.used_counters},
            {name: snapshot.gauges[name] for name in snapshot.used_gauges},
            {name: stat for name, stat in snapshot.histograms.items() if stat.total.bins},
        )
    summary = query.histogram_buckets == "summary"
    return exposition(SnapshotCollector(snapshot, tags, buckets, lambda name: _shown(name, query), summary=summary))


def shortest(value: float) -> str:
    """A number as Envoy's text has it: the fewest digits that give it back, no ".0"."""
    return repr(value).removesuffix(".0")


def json_number(value: float) -> str:
    """A number as Envoy's JSON has it: the shorter of 300000 and 3e+05; null for NaN."""
    if math.isnan(value):
        return "null"
    plain = shortest(float(value))
    if "e" in plain:
        return plain
    digits = plain.replace(".", "").lstrip("0").rstrip("0")
    mantissa = f"{digits[:1]}.{digits[1:]}" if len(digits) > 1 else digits
    exponent = math.floor(math.log10(value)) if value else 0
    scientific = f"{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    return scientific if value and len(scientific) < len(plain) else plain
