"""/stats, /stats/prometheus and /reset_counters: totals over all processes.

Source: Envoy, StatsHandler; the texts are made by `pyvoy.stats`.
"""

from __future__ import annotations

from pyvoy.server.admin_http import Request, Response
from pyvoy.server.pages.page import Page, Proxy
from pyvoy.stats.query import StatsQueryError, parse_query
from pyvoy.stats.text import render


def stats(proxy: Proxy, request: Request) -> Response:
    """All statistics, as text, JSON, HTML or for Prometheus."""
    return _render(proxy, request, prometheus=False)


def prometheus(proxy: Proxy, request: Request) -> Response:
    """All statistics in Prometheus' exposition format."""
    return _render(proxy, request, prometheus=True)


def _render(proxy: Proxy, request: Request, *, prometheus: bool) -> Response:
    try:
        query = parse_query(request.query, prometheus=prometheus)
    except StatsQueryError as error:
        return Response(str(error), 400)
    rendered = render(proxy.snapshot(), query, proxy.tags, proxy.buckets)
    return Response(rendered.body, content_type=rendered.content_type)


def reset_counters(proxy: Proxy, request: Request) -> Response:
    """Count from zero again."""
    proxy.reset_counters()
    return Response("OK\n")


_FILTER = ("filter", "Regular expression (Google re2) for filtering stats")
_USED = ("usedonly", "Only include stats that have been written by system since restart")

PAGES = (
    Page(
        "/stats",
        stats,
        "print server stats",
        parameters=(
            _USED,
            _FILTER,
            ("format", "Format to use; One of (html, active-html, text, json)"),
            ("type", "Stat types to include; One of (All, Counters, Histograms, Gauges, TextReadouts)"),
            (
                "histogram_buckets",
                "Histogram bucket display mode; One of (cumulative, disjoint, detailed, summary)",
            ),
        ),
    ),
    Page(
        "/stats/prometheus",
        prometheus,
        "print server stats in prometheus format",
        parameters=(
            _USED,
            ("text_readouts", "Render text_readouts as new gaugues with value 0 (increases Prometheus data size)"),
            _FILTER,
            ("histogram_buckets", "Histogram bucket display mode; One of (cumulative, summary)"),
        ),
    ),
    Page("/reset_counters", reset_counters, "reset all counters to zero", mutates=True),
)
