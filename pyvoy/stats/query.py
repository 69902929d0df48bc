"""The parameters of /stats and /stats/prometheus: parsed and checked in Envoy's order, with Envoy's texts.

Source: Envoy, StatsParams; texts measured on 1.40.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

TYPES = ("All", "Counters", "Gauges", "Histograms", "TextReadouts")
FORMATS = ("html", "active-html", "json", "prometheus", "text")
BUCKET_MODES = ("cumulative", "disjoint", "detailed", "summary", "prometheusnative")


class StatsQueryError(Exception):
    """A parameter that cannot be used; the text is the body of the 400."""


def _everything(_: str) -> bool:
    return True


@dataclass(slots=True, frozen=True)
class StatsQuery:
    """What to show of the statistics, and how."""

    used_only: bool = False
    wanted: Callable[[str], bool] = _everything
    type: str = "All"
    format: str = "text"
    histogram_buckets: str = ""
    only_hidden: bool = False

    def shows(self, kind: str) -> bool:
        """True if statistics of a kind (one of TYPES) are asked for."""
        return self.type in {"All", kind}


def parse_query(parameters: Mapping[str, str], *, prometheus: bool = False) -> StatsQuery:
    """The query of a request for /stats, or for /stats/prometheus.

    Raises StatsQueryError.
    """
    wanted = _name_filter(parameters.get("filter", ""), "invert_filter" in parameters)
    buckets = parameters.get("histogram_buckets", "")
    if buckets and buckets not in BUCKET_MODES:
        raise StatsQueryError(f"usage: /stats?histogram_buckets=({'|'.join(BUCKET_MODES)})\n")
    kind = parameters.get("type", "All")
    if kind not in TYPES:
        raise StatsQueryError("invalid &type= param")
    hidden = parameters.get("hidden", "exclude")
    if hidden not in {"include", "only", "exclude"}:
        raise StatsQueryError("usage: /stats?hidden=(include|only|exclude)\n\n")
    form = parameters.get("format", "text")
    if form not in FORMATS:
        raise StatsQueryError(f"usage: /stats?format=({'|'.join(FORMATS)})\n\n")
    if prometheus:
        form = "prometheus"
    _check_buckets(form, buckets)
    return StatsQuery("usedonly" in parameters, wanted, kind, form, buckets, hidden == "only")


def _check_buckets(form: str, buckets: str) -> None:
    if form != "prometheus":
        if buckets == "prometheusnative":
            raise StatsQueryError("Invalid histogram_buckets type for non prometheus stats type")
    elif buckets == "prometheusnative":
        raise StatsQueryError("unsupported prometheusnative histogram type when not using protobuf exposition format")
    elif buckets in {"disjoint", "detailed"}:
        raise StatsQueryError("unsupported prometheus histogram bucket mode")


def _name_filter(pattern: str, invert: bool) -> Callable[[str], bool]:
    """Which full names to show; the pattern is RE2's and may match anywhere in the name."""
    if not pattern:
        if invert:
            raise StatsQueryError("invert_filter can only be used if filter is also provided")
        return _everything
    import re2  # only for a query with a filter

    options = re2.Options()
    options.log_errors = False
    try:
        search = re2.compile(pattern, options).search
    except re2.error as error:
        reason = error.args[0]
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise StatsQueryError(f"Invalid re2 regex: {text}") from None
    return lambda name: (search(name) is None) == invert
