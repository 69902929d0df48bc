"""/trace: the last requests that were traced through their filters, as a list and one by one as a waterfall.

One self-contained document without scripts; everything that came from a request is escaped.  `format=json` gives what
`pyvoy trace` reads.
"""

from __future__ import annotations

import time
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from pyvoy.observe.filter_trace import changes
from pyvoy.server.admin_http import HTML, Request, Response
from pyvoy.server.pages.page import Page, Proxy, json_response

_TEMPLATE = Path(__file__).with_name("trace.html")
_LEFT, _WIDTH, _ROW, _TOP = 190, 1000, 26, 30
_CLASSES = {"+": "plus", "-": "minus", "~": "tilde"}

Json = dict[str, Any]


def trace(proxy: Proxy, request: Request) -> Response:
    """The list of traces, or one of them by its id."""
    if not proxy.options.trace:
        return Response("tracing is off: start with pyvoy run --trace (or --dev)\n", 404)
    identity = request.query.get("id", "")
    found = [one for one in proxy.traces if not identity or one["id"] == identity]
    if request.query.get("format") == "json":
        return json_response(found)
    if not identity:
        return _page(_list(found))
    if not found:
        return Response(f"there is no trace {identity}\n", 404)
    return _page(_one(found[-1]))


def _page(content: str) -> Response:
    return Response(Template(_TEMPLATE.read_text()).substitute(content=content), content_type=HTML)


def _list(traces: list[Json]) -> str:
    rows = "".join(
        f'<tr><td><a href="/trace?id={escape(one["id"])}">{escape(one["id"])}</a></td><td>{_clock(one)}</td>'
        f"<td><code>{escape(_target(one))}</code></td><td>{one['status']}</td><td>{escape(one['details'])}</td>"
        f'<td class="n">{one["duration_us"]:,}</td></tr>'
        for one in reversed(traces)
    )
    head = "".join(f"<th>{name}</th>" for name in ("id", "time", "request", "status", "details"))
    table = f'<table><tr>{head}<th class="n">µs</th></tr>{rows}</table>'
    empty = "<p>Send a request with the header <code>x-pyvoy-trace</code>, or use <code>pyvoy trace URL</code>.</p>"
    return (
        '<h1>Traces</h1><div class="sub"><a href="/">admin</a> &middot; the last 50 requests that asked for one</div>'
        f'<div class="card">{table if traces else empty}</div>'
    )


def _clock(one: Json) -> str:
    return time.strftime("%H:%M:%S", time.localtime(one["start_s"]))


def _target(one: Json) -> str:
    first = one["request"][0]
    if first is None:
        return ""
    fields = dict(first["headers"])
    return f"{fields.get(':method', '')} {fields.get(':path', '')}"


def _one(one: Json) -> str:
    where = " &middot; ".join(
        escape(text)
        for text in (
            f"{one['status']} {one['details']}",
            f"flags {one['flags']}",
            f"route {one['route'] or '-'}",
            f"cluster {one['cluster'] or '-'}",
            f"host {one['host'] or '-'}",
        )
    )
    key = (
        '<div class="sub key"><i style="background:var(--blue)"></i>request'
        '<i style="background:var(--green)"></i>response<i style="background:var(--wait)"></i>holds</div>'
    )
    return (
        f"<h1><code>{escape(_target(one))}</code></h1>"
        f'<div class="sub"><a href="/trace">all traces</a> &middot; {where} &middot; {one["duration_us"]:,} µs</div>'
        f'<div class="card"><h2>Waterfall</h2>{waterfall(one)}{key}</div>'
        f'<div class="card"><h2>Filters</h2>{_filters(one)}</div>'
        f'<div class="card"><h2>Callbacks</h2>{_steps(one)}</div>{_lines(one)}'
    )


def waterfall(one: Json) -> str:
    """An SVG: one row for each filter, time from left to right, its callbacks as bars and what it held behind them."""
    whole_us = max(1, one["duration_us"])
    scale = (_WIDTH - _LEFT - 20) / whole_us
    height = _TOP + _ROW * len(one["filters"]) + 8
    parts = [f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="waterfall of the filters">']
    for tenth in range(0, 11, 2):
        x = _LEFT + whole_us * tenth / 10 * scale
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="{_TOP - 6}" x2="{x:.1f}" y2="{height}"/>')
        anchor = "end" if tenth == 10 else "middle"
        label = f"{whole_us * tenth // 10:,} µs"
        parts.append(f'<text class="soft" x="{x:.1f}" y="14" text-anchor="{anchor}">{label}</text>')
    for index, entry in enumerate(one["filters"]):
        y = _TOP + _ROW * index
        parts.append(f'<text x="0" y="{y + 15}">{escape(_short(entry["name"]))}</text>')
        parts += [_bar(one, step, y, scale, whole_us) for step in one["steps"] if step["filter"] == index]
    return "".join((*parts, "</svg>"))


def _short(name: str) -> str:
    name = name.removeprefix("envoy.filters.http.")
    return name if len(name) <= 26 else name[:25] + "…"


def _bar(one: Json, step: Json, y: float, scale: float, whole_us: int) -> str:
    side = "request" if step["event"].startswith("request") else "response"
    x = _LEFT + step["at_us"] * scale
    title = escape(f"{step['event']}: {step['cost_us']} µs, {step['did']}")
    held = ""
    if step["did"].startswith("holds"):
        held = _rect("wait", x, y + 6, (_released(one, step, side, whole_us) - step["at_us"]) * scale, 9)
    return f"<g><title>{title}</title>{held}{_rect(side, x, y + 3, step['cost_us'] * scale, 15)}</g>"


def _rect(cls: str, x: float, y: float, width: float, height: int) -> str:
    """A bar that can always be seen."""
    return f'<rect class="{cls}" x="{x:.1f}" y="{y}" width="{max(3.0, width):.1f}" height="{height}" rx="3"/>'


def _released(one: Json, step: Json, side: str, whole_us: int) -> int:
    """When what a filter has held came to the place behind it, or was answered."""
    places = one[side]
    place = places[step["filter"] + 1] if side == "request" else places[step["filter"]]
    if place is None and side == "request":
        place = one["response"][-1] or one["response"][step["filter"] + 1]
    if place is not None and place["at_us"] >= step["at_us"]:
        return int(place["at_us"])
    return whole_us


def _filters(one: Json) -> str:
    rows = []
    for index, entry in enumerate(one["filters"]):
        request = changes(one["request"][index], one["request"][index + 1])
        response = changes(one["response"][index + 1], one["response"][index])
        rows.append(
            f'<tr><td>{escape(entry["name"])}</td><td class="n">{entry["cost_us"]}</td>'
            f"<td>{_changes(request)}</td><td>{_changes(response)}</td></tr>"
        )
    head = '<tr><th>filter</th><th class="n">cost µs</th><th>changed of the request</th><th>of the response</th></tr>'
    return f"<table>{head}{''.join(rows)}</table>"


def _changes(lines: list[str]) -> str:
    return "".join(f'<pre class="{_CLASSES[line[0]]}">{escape(line)}</pre>' for line in lines)


def _calls(step: Json) -> str:
    return "".join(f"<pre>{escape(call)}</pre>" for call in step["calls"])


def _steps(one: Json) -> str:
    rows = "".join(
        f'<tr><td class="n">{step["at_us"]:,}</td><td>{escape(one["filters"][step["filter"]]["name"])}</td>'
        f"<td><code>{step['event']}</code></td><td>{escape(step['did'])}{_calls(step)}</td>"
        f'<td class="n">{step["cost_us"]}</td></tr>'
        for step in one["steps"]
    )
    head = '<tr><th class="n">at µs</th><th>filter</th><th>event</th><th>did</th><th class="n">cost µs</th></tr>'
    return f"<table>{head}{rows}</table>"


def _lines(one: Json) -> str:
    """What the filters have logged, if anything."""
    rows = "".join(
        f'<tr><td class="n">{line["at_us"]:,}</td><td>{escape(one["filters"][line["filter"]]["name"])}</td>'
        f"<td>{line['level']}</td><td><code>{escape(line['place'])}</code></td><td>{escape(line['text'])}</td></tr>"
        for line in one["lines"]
    )
    head = '<tr><th class="n">at µs</th><th>filter</th><th>level</th><th>line</th><th>text</th></tr>'
    return f'<div class="card"><h2>Log</h2><table>{head}{rows}</table></div>' if rows else ""


PAGES = (
    Page(
        "/trace",
        trace,
        "requests traced through their filters",
        parameters=(("id", "one trace by its id"), ("format", "html (default) or json")),
    ),
)
