"""Route tables from short texts, for tests."""

from __future__ import annotations

from typing import Any

from pyvoy.config.compile.routes import build_route_table
from pyvoy.http.routing.table import Route, RouteTable
from pyvoy.stats.store import Store, memory_store
from tests.unit.config.building import built, reported
from tests.unit.http.routing.streams import stream


def table(text: str, *, store: Store | None = None, **environment: Any) -> tuple[RouteTable, list[str]]:
    """The table of a RouteConfiguration text and the problems reported; clusters a, b and c exist."""
    root = (store or memory_store()).root
    environment.setdefault("clusters", {"a", "b", "c"})
    message, context = built("envoy.config.route.v3.RouteConfiguration", text, root_scope=root, **environment)
    found = build_route_table(message, context)
    return found, [line.partition(": ")[2] for line in reported(context)]


def routes(text: str, options: str = "", **environment: Any) -> RouteTable:
    """A table with one virtual host for all domains and these routes (flow-style YAML, one a line)."""
    lines = "".join(f"\n  - {line.strip()}" for line in text.strip().splitlines())
    found, problems = table(
        f"name: r\nvirtual_hosts:\n- name: v\n  domains: ['*']\n  routes:{lines}\n{options}", **environment
    )
    assert problems == []
    return found


def problems(text: str, options: str = "", **environment: Any) -> list[str]:
    """What is reported for routes in one virtual host."""
    lines = "".join(f"\n  - {line.strip()}" for line in text.strip().splitlines())
    return table(f"name: r\nvirtual_hosts:\n- name: v\n  domains: ['*']\n  routes:{lines}\n{options}", **environment)[1]


def sent(found: RouteTable, request: Any) -> tuple[str | None, bytes, bytes]:
    """Where a request goes and with which path and host."""
    route = found.find(request)
    assert isinstance(route, Route)
    if route.finalize_request is not None:
        route.finalize_request(request, request.request_headers)
    values = request.request_headers.map
    return route.cluster, values.get(b":path", b""), values[b":authority"]


__all__ = ["problems", "routes", "sent", "stream", "table"]
