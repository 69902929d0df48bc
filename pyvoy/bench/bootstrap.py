"""Bootstraps for measurements, the same for Envoy and pyvoy: full statistics, no access log.

One HTTP listener with the filters that are measured before the router, a cluster with the upstream, and the cluster
`auth` (the same upstream) that filters may ask.  The path `/bench-version` answers a number: whoever reads the new one
knows that a reload has come through.
"""

from collections.abc import Mapping, Sequence
from typing import Any

TYPES = "type.googleapis.com/envoy.extensions."
VERSION_PATH = "/bench-version"
_LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_LIMITS = {"max_connections": 100000, "max_pending_requests": 100000, "max_requests": 100000}

Entry = dict[str, Any]


def address(port: int) -> Entry:
    """A port of 127.0.0.1."""
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def manager(filters: Sequence[Mapping[str, Any]], routes: Sequence[Mapping[str, Any]] = ()) -> Entry:
    """A connection manager with these filters before the router, these routes before the one to the upstream."""
    router = {"name": "envoy.filters.http.router", "typed_config": {"@type": TYPES + "filters.http.router.v3.Router"}}
    everything = {"match": {"prefix": "/"}, "route": {"cluster": "service"}}
    host = {"name": "service", "domains": ["*"], "routes": [*routes, everything]}
    return {
        "@type": TYPES + "filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "ingress",
        "route_config": {"name": "local", "virtual_hosts": [host]},
        "http_filters": [*filters, router],
    }


def listener(name: str, port: int, kind: str, config: Mapping[str, Any]) -> Entry:
    """A listener with one network filter."""
    chain = {"filters": [{"name": kind, "typed_config": config}]}
    return {"name": name, "address": address(port), "filter_chains": [chain]}


def http_listener(port: int, filters: Sequence[Mapping[str, Any]], version: int) -> Entry:
    """The listener of a measurement; `version` is what the path of that name answers."""
    answer = {"status": 200, "body": {"inline_string": str(version)}}
    route = {"match": {"path": VERSION_PATH}, "direct_response": answer}
    return listener("http", port, "envoy.filters.network.http_connection_manager", manager(filters, [route]))


def cluster(name: str, endpoint: Mapping[str, Any]) -> Entry:
    """A cluster of one host, without limits that a load could reach."""
    host = {"endpoint": {"address": endpoint}}
    return {
        "name": name,
        "type": "STATIC",
        "circuit_breakers": {"thresholds": [_LIMITS]},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [host]}]},
    }


def http2_cluster(name: str, endpoint: Mapping[str, Any]) -> Entry:
    """The same, but HTTP/2 is spoken to the host."""
    options = {"@type": f"type.googleapis.com/{_HTTP_OPTIONS}", "explicit_http_config": {"http2_protocol_options": {}}}
    return {**cluster(name, endpoint), "typed_extension_protocol_options": {_HTTP_OPTIONS: options}}


def grpc_cluster(name: str, socket_path: str) -> Entry:
    """A cluster that speaks HTTP/2 over a Unix socket."""
    return http2_cluster(name, {"pipe": {"path": socket_path}})


def bootstrap(admin: int, listeners: Sequence[Entry], clusters: Sequence[Entry]) -> Entry:
    """A bootstrap with everything in it."""
    return {
        "admin": {"address": address(admin)},
        "static_resources": {"listeners": list(listeners), "clusters": list(clusters)},
    }


def watching(admin: int, listeners_file: str, clusters: Sequence[Entry]) -> Entry:
    """A bootstrap whose listeners come from a file that is read again when another is moved into its place."""
    return {
        "node": {"id": "bench", "cluster": "bench"},
        "admin": {"address": address(admin)},
        "static_resources": {"clusters": list(clusters)},
        "dynamic_resources": {
            "lds_config": {"path_config_source": {"path": listeners_file}, "resource_api_version": "V3"}
        },
    }


def listeners_file(listeners: Sequence[Entry], version: int) -> Entry:
    """The content of such a file."""
    return {"version_info": str(version), "resources": [{"@type": _LISTENER, **each} for each in listeners]}
