"""The front page and /help: what the proxy is doing, at a glance, and the way to every other page.

One self-contained document without scripts; everything that came from a configuration is escaped.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from html import escape
from pathlib import Path
from string import Template

from pyvoy.server.admin_http import HTML, Request, Response
from pyvoy.server.pages.clusters import host_values
from pyvoy.server.pages.page import Page, Proxy, help_text
from pyvoy.server.pages.process import resident_bytes
from pyvoy.stats.merge import Snapshot
from pyvoy.version import ENVOY_VERSION, VERSION

_TEMPLATE = Path(__file__).with_name("index.html")
_DANGEROUS = ("/quitquitquit", "/drain_listeners", "/healthcheck/fail")
_HIDDEN = ("/", "/contention", "/cpuprofiler", "/heapprofiler", "/runtime_modify", "/init_dump", "/help")
_ROWS = 40
"""Listeners and clusters that are shown; the other pages have them all."""


def index(proxy: Proxy, request: Request) -> Response:
    """The front page."""
    snapshot = proxy.snapshot()
    pages = [page for page in sorted(proxy.pages.values(), key=lambda page: page.path) if page.path not in _HIDDEN]
    source = proxy.options.config_path or "--config-yaml"
    page = Template(_TEMPLATE.read_text()).substitute(
        version=escape(f"pyvoy {VERSION}, in the manner of Envoy {ENVOY_VERSION}"),
        node=escape(proxy.bootstrap.node.id or "-"),
        source=escape(f"{source}, version {proxy.version}"),
        state=proxy.state,
        error=_error(proxy),
        numbers=_numbers(proxy, snapshot),
        listeners=_listeners(proxy, snapshot),
        clusters=_clusters(proxy, snapshot),
        processes=_processes(proxy),
        look="".join(_row(f'<a class="mono" href="{page.path}">{page.path}</a>', _help(page)) for page in pages
                     if not page.mutates),
        act="".join(_row(_button(page), _help(page)) for page in pages if page.mutates),
    )  # fmt: skip
    return Response(page, content_type=HTML)


def _row(*cells: str) -> str:
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _help(page: Page) -> str:
    return f'<span class="help">{escape(page.help.partition(". ")[0])}</span>'


def _button(page: Page) -> str:
    style = ' class="bad"' if page.path in _DANGEROUS else ""
    return f'<form method="post" action="{page.path}"><button{style}>{page.path}</button></form>'


def _error(proxy: Proxy) -> str:
    if not proxy.last_reload_error:
        return ""
    lines = escape("\n".join(proxy.last_reload_error))
    return f'<section class="card error"><h2>The last reload was refused</h2><pre>{lines}</pre></section>'


def _numbers(proxy: Proxy, snapshot: Snapshot) -> str:
    counters, gauges = snapshot.counters, snapshot.gauges
    prefixes = [name.removesuffix("downstream_rq_completed") for name in counters
                if name.startswith("http.") and name.endswith(".downstream_rq_completed")
                and name != "http.admin.downstream_rq_completed"]  # fmt: skip
    requests = sum(counters[f"{prefix}downstream_rq_completed"] for prefix in prefixes)
    failures = sum(counters.get(f"{prefix}downstream_rq_5xx", 0) for prefix in prefixes)
    cells = {
        "up": _duration(time.time() - proxy.started_wall_s),
        "requests": f"{requests:,}",
        "of them 5xx": f"{failures:,}",
        "open connections": f"{gauges.get('server.total_connections', 0):,}",
        "memory": _size(sum(resident_bytes(pid) for pid in _pids(proxy))),
    }
    return "".join(f'<div class="card number"><b>{value}</b><span>{name}</span></div>' for name, value in cells.items())


def _pids(proxy: Proxy) -> list[int | str]:
    return ["self", *(pid for pid in (proxy.supervisor_pid, *(worker.pid for worker in proxy.workers)) if pid)]


def _duration(seconds: float) -> str:
    whole = int(seconds)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if whole >= 2 * length:
            return f"{whole // length} {unit}"
    return f"{whole} s"


def _size(size_bytes: float) -> str:
    return f"{size_bytes / 2**20:,.0f} MiB"


def _table(head: Iterable[str], rows: list[str], total: int) -> str:
    if not rows:
        return '<span class="help">none</span>'
    cells = "".join(f"<th{'' if index == 0 else ' class=n'}>{name}</th>" for index, name in enumerate(head))
    more = _row(f'<span class="help">and {total - len(rows)} more</span>') if total > len(rows) else ""
    return f"<table><tr>{cells}</tr>{''.join(rows)}{more}</table>"


def _listeners(proxy: Proxy, snapshot: Snapshot) -> str:
    rows = []
    for name, addresses in list(proxy.addresses.items())[:_ROWS]:
        places = "<br>".join(f"<code>{escape(address)}</code>" for address in addresses)
        rows.append(f"<tr><td>{escape(name)}</td><td class=n>{places}</td></tr>")
    return _table(("name", "address"), rows, len(proxy.addresses))


def _clusters(proxy: Proxy, snapshot: Snapshot) -> str:
    rows = []
    clusters = sorted(proxy.clusters, key=lambda one: one.name)
    for cluster in clusters[:_ROWS]:
        hosts = list(cluster.hosts())
        healthy = sum(1 for host in hosts if host.flags_text == "healthy")
        values = [host_values(cluster, host, snapshot) for host in hosts]
        good = "var(--good)" if hosts and healthy == len(hosts) else "var(--warn)" if healthy else "var(--bad)"
        dot = f'<span class="dot" style="color:{good}"></span>'
        cells = (
            f"{healthy}/{len(hosts)}",
            sum(row["rq_total"] for row in values),
            sum(row["rq_error"] for row in values),
        )
        numbers = "".join(f"<td class=n>{cell}</td>" for cell in cells)
        rows.append(f"<tr><td>{dot}{escape(cluster.name)}</td>{numbers}</tr>")
    return _table(("name", "healthy", "requests", "errors"), rows, len(clusters))


def _processes(proxy: Proxy) -> str:
    rows = [_process("supervisor", proxy.supervisor_pid, ""), _process("main, this page", "self", "")]
    for worker in sorted(proxy.workers, key=lambda one: one.index):
        note = "" if worker.ready else "starting"
        if worker.restarts:
            note = f"restarted {worker.restarts}&times;"
        rows.append(_process(f"worker {worker.index}", worker.pid, note))
    return _table(("role", "", "pid", "memory"), rows, len(rows))


def _process(name: str, pid: int | str, note: str) -> str:
    shown = os.getpid() if pid == "self" else pid
    memory = _size(resident_bytes(pid))
    return f'<tr><td>{name}</td><td class="n help">{note}</td><td class=n>{shown}</td><td class=n>{memory}</td></tr>'


def show_help(proxy: Proxy, request: Request) -> Response:
    """All pages as text."""
    return Response(help_text(proxy.pages.values()))


PAGES = (
    Page("/", index, "Admin home page"),
    Page("/help", show_help, "print out list of admin commands"),
)
