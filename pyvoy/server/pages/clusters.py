"""/clusters: limits and hosts of every upstream cluster, with the hosts' counters summed over the workers.

Source: Envoy 1.40, ClustersHandler (text lines `cluster::host::key::value` and admin.v3.Clusters).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyvoy.server.admin_http import Request, Response
from pyvoy.server.pages.page import Page, Proxy, json_response, name_filter
from pyvoy.stats.merge import Snapshot
from pyvoy.upstream.cluster import Cluster
from pyvoy.upstream.cluster_plan import RoutingPriority
from pyvoy.upstream.endpoint import HOST_COUNTERS, HOST_GAUGES, Host

_LIMITS = ("max_connections", "max_pending_requests", "max_requests", "max_retries")


def clusters(proxy: Proxy, request: Request) -> Response:
    """Text, or JSON with `format=json`."""
    try:
        wanted = name_filter(request, "filter")
    except ValueError as error:
        return Response(f"{error}\n", 400)
    snapshot = proxy.snapshot()
    chosen = sorted((one for one in proxy.clusters if wanted(one.name)), key=lambda one: one.name)
    if request.query.get("format") == "json":
        return json_response({"cluster_statuses": [_json(one, snapshot) for one in chosen]})
    return Response("".join(f"{line}\n" for one in chosen for line in _text(one, snapshot)))


def _limit(cluster: Cluster, priority: RoutingPriority, name: str) -> int:
    return int(getattr(cluster.plan.thresholds[priority], name))


def host_values(cluster: Cluster, host: Host, snapshot: Snapshot) -> dict[str, int]:
    """A host's counters and gauges over all workers."""
    prefix = f"\x00host.{cluster.name}.{host.address.text}."
    values = {name: snapshot.counters.get(prefix + name, 0) for name in HOST_COUNTERS}
    return values | {name: snapshot.gauges.get(prefix + name, 0) for name in HOST_GAUGES}


def _text(cluster: Cluster, snapshot: Snapshot) -> Iterator[str]:
    name = cluster.name
    yield f"{name}::observability_name::{cluster.plan.observability_name}"
    for priority in RoutingPriority:
        for limit in _LIMITS:
            yield f"{name}::{priority.name.lower()}_priority::{limit}::{_limit(cluster, priority, limit)}"
    yield f"{name}::added_via_api::false"
    for host in cluster.hosts():
        values = host_values(cluster, host, snapshot)
        start = f"{name}::{host.address.text}"
        for stat in sorted(values):
            yield f"{start}::{stat}::{values[stat]}"
        facts = {
            "hostname": host.hostname,
            "health_flags": host.flags_text,
            "weight": host.weight,
            "region": host.locality.region,
            "zone": host.locality.zone,
            "sub_zone": host.locality.sub_zone,
            "canary": str(host.canary).lower(),
            "priority": host.priority,
            "success_rate": -1,
            "local_origin_success_rate": -1,
        }
        for fact, value in facts.items():
            yield f"{start}::{fact}::{value}"


def _json(cluster: Cluster, snapshot: Snapshot) -> dict[str, Any]:
    status: dict[str, Any] = {"name": cluster.name}
    hosts = [_host_json(cluster, host, snapshot) for host in cluster.hosts()]
    if hosts:
        status["host_statuses"] = hosts
    thresholds = []
    for priority in RoutingPriority:
        threshold: dict[str, Any] = {} if priority is RoutingPriority.DEFAULT else {"priority": priority.name}
        threshold |= {limit: _limit(cluster, priority, limit) for limit in _LIMITS}
        thresholds.append(threshold)
    status["circuit_breakers"] = {"thresholds": thresholds}
    status["observability_name"] = cluster.plan.observability_name
    return status


def _host_json(cluster: Cluster, host: Host, snapshot: Snapshot) -> dict[str, Any]:
    values = host_values(cluster, host, snapshot)
    stats = []
    for names, kind in ((HOST_COUNTERS, ""), (HOST_GAUGES, "GAUGE")):
        for name in sorted(names):
            entry: dict[str, Any] = {"type": kind} if kind else {}
            if values[name]:
                entry["value"] = str(values[name])
            stats.append({**entry, "name": name})
    health: dict[str, Any] = {flag: True for flag in host.flags_text.strip("/").split("/") if flag != "healthy"}
    health["eds_health_status"] = "HEALTHY" if host.flags_text == "healthy" else "UNHEALTHY"
    place = {key: getattr(host.locality, key) for key in ("region", "zone", "sub_zone")}
    status: dict[str, Any] = {
        "address": address_json(host.address),
        "stats": stats,
        "health_status": health,
        "weight": host.weight,
    }
    if host.hostname:
        status["hostname"] = host.hostname
    if host.priority:
        status["priority"] = host.priority
    status["locality"] = {key: value for key, value in place.items() if value}
    return status


def address_json(address: Any) -> dict[str, Any]:
    """An Address as the JSON form of envoy.config.core.v3.Address."""
    if address.path:
        return {"pipe": {"path": address.path}}
    return {"socket_address": {"address": address.ip, "port_value": address.port}}


PAGES = (
    Page(
        "/clusters",
        clusters,
        "upstream cluster status",
        parameters=(("filter", "Regular expression (Google re2) for filtering clusters by name"),),
    ),
)
