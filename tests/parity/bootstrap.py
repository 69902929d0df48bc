"""One bootstrap for many cases: a listener, and clusters of their own, for each case.

Short hands in the text of a case: `- buffer: {...}` in a list of filters stands for the filter's entry with name and
typed_config; `per_filter: {buffer: {...}}` for typed_per_filter_config; both only for the names in the tables here.
"""

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from tests.parity.case import Case
from tests.support.certificates import authority, issued
from tests.support.shop import SET

_PREFIX = "type.googleapis.com/envoy.extensions."
HTTP = {
    "header_mutation": "HeaderMutation",
    "buffer": "Buffer",
    "health_check": "HealthCheck",
    "local_ratelimit": "LocalRateLimit",
    "cors": "Cors",
    "fault": "HTTPFault",
    "rbac": "RBAC",
    "lua": "Lua",
    "wasm": "Wasm",
    "router": "Router",
    "dynamic_forward_proxy": "FilterConfig",
    "jwt_authn": "JwtAuthentication",
    "ext_authz": "ExtAuthz",
    "ext_proc": "ExternalProcessor",
    "ratelimit": "RateLimit",
    "stateful_session": "StatefulSession",
    "compressor": "Compressor",
    "decompressor": "Decompressor",
    "bandwidth_limit": "BandwidthLimit",
    "ip_tagging": "IPTagging",
    "json_to_metadata": "JsonToMetadata",
    "set_filter_state": "Config",
    "adaptive_concurrency": "AdaptiveConcurrency",
    "grpc_web": "GrpcWeb",
    "grpc_http1_bridge": "Config",
    "grpc_stats": "FilterConfig",
    "grpc_json_transcoder": "GrpcJsonTranscoder",
    "grpc_http1_reverse_bridge": "FilterConfig",
}
PER_ROUTE = {
    "header_mutation": "HeaderMutationPerRoute",
    "buffer": "BufferPerRoute",
    "local_ratelimit": "LocalRateLimit",
    "cors": "CorsPolicy",
    "fault": "HTTPFault",
    "rbac": "RBACPerRoute",
    "dynamic_forward_proxy": "PerRouteConfig",
    "jwt_authn": "PerRouteConfig",
    "ext_authz": "ExtAuthzPerRoute",
    "ext_proc": "ExtProcPerRoute",
    "stateful_session": "StatefulSessionPerRoute",
    "ratelimit": "RateLimitPerRoute",
    "bandwidth_limit": "BandwidthLimit",
    "json_to_metadata": "JsonToMetadata",
    "set_filter_state": "Config",
    "lua": "LuaPerRoute",
    "grpc_json_transcoder": "GrpcJsonTranscoder",
    "grpc_http1_reverse_bridge": "FilterConfigPerRoute",
}
NETWORK = {
    "tcp_proxy": "TcpProxy",
    "echo": "Echo",
    "direct_response": "Config",
    "connection_limit": "ConnectionLimit",
    "local_ratelimit": "LocalRateLimit",
    "sni_cluster": "SniCluster",
    "rbac": "RBAC",
    "wasm": "Wasm",
    "http_connection_manager": "HttpConnectionManager",
}
LISTENER = {
    "tls_inspector": "TlsInspector",
    "http_inspector": "HttpInspector",
    "proxy_protocol": "ProxyProtocol",
    "original_dst": "OriginalDst",
}

HTTP_LOG = (
    "st=%RESPONSE_CODE%~fl=%RESPONSE_FLAGS%~de=%RESPONSE_CODE_DETAILS%~ct=%CONNECTION_TERMINATION_DETAILS%"
    "~rx=%BYTES_RECEIVED%~tx=%BYTES_SENT%~rt=%ROUTE_NAME%~cl=%UPSTREAM_CLUSTER%~up=%UPSTREAM_HOST%"
    "~tf=%UPSTREAM_TRANSPORT_FAILURE_REASON%~at=%UPSTREAM_REQUEST_ATTEMPT_COUNT%~pr=%PROTOCOL%"
    "~rq=%REQUEST_HEADER(:METHOD)% %REQUEST_HEADER(X-ENVOY-ORIGINAL-PATH?:PATH)%~au=%REQUEST_HEADER(:AUTHORITY)%"
    "~lf=%RESPONSE_FLAGS_LONG%\n"
)
TCP_LOG = (
    "fl=%RESPONSE_FLAGS%~ct=%CONNECTION_TERMINATION_DETAILS%~rx=%BYTES_RECEIVED%~tx=%BYTES_SENT%"
    "~cl=%UPSTREAM_CLUSTER%~up=%UPSTREAM_HOST%~tf=%UPSTREAM_TRANSPORT_FAILURE_REASON%~sn=%REQUESTED_SERVER_NAME%"
    "~fc=%FILTER_CHAIN_NAME%~da=%DOWNSTREAM_REMOTE_ADDRESS%~dd=%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"
    "~la=%DOWNSTREAM_LOCAL_ADDRESS%\n"
)
_CLUSTER = re.compile(r"\$(up|b|c|dead|empty|stuck)\b")
_PORT = re.compile(r"\$(up|b|c)_port\b")


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a case lives: listener, upstreams by cluster name, a port that refuses, one that never accepts, log."""

    listener: int
    upstreams: dict[str, int]
    dead: int
    stuck: int
    log: Path = Path("/dev/null")


def upstream_names(case: Case) -> list[str]:
    """The recording upstreams that the case's text needs."""
    text = _text(case)
    return [name for name in ("up", "b", "c") if f"${name}" in text]


def cluster_names(case: Case) -> list[str]:
    """All clusters that the case's text needs, of whatever kind."""
    return sorted(set(_CLUSTER.findall(_text(case))) | set(case.clusters) | set(upstream_names(case)))


def cluster_owners(cases: list[Case]) -> list[str]:
    """The case of each cluster, in the order of the bootstrap."""
    return [case.id for case in cases for _ in cluster_names(case)]


def bootstrap(cases: list[Case], ports: dict[str, Ports], admin_port: int, folder: Path) -> dict[str, Any]:
    """The whole bootstrap, as plain values."""
    ports = {name: replace(place, log=folder / f"{name}.log") for name, place in ports.items()}
    clusters = [_cluster(case, name, ports[case.id]) for case in cases for name in cluster_names(case)]
    return {
        "node": {"id": "parity-node", "cluster": "parity-cluster"},
        "admin": {"address": _address(admin_port)},
        "bootstrap_extensions": [
            _service(entry) for case in cases for entry in _load(case.services, case, ports[case.id]) or []
        ],
        "static_resources": {
            "listeners": [_listener(case, ports[case.id]) for case in cases],
            "clusters": clusters,
            "secrets": _secrets(),
        },
    }


def _service(fields: dict[str, Any]) -> dict[str, Any]:
    """A Wasm service."""
    config = {"@type": "type.googleapis.com/envoy.extensions.wasm.v3.WasmService", **fields}
    return {"name": "envoy.bootstrap.wasm", "typed_config": config}


def _secrets() -> list[dict[str, Any]]:
    """The static secrets that cases about TLS name."""
    ours = issued("server", ("a.test",), ("spiffe://td/server",))
    pair = {"certificate_chain": {"inline_string": ours.cert}, "private_key": {"inline_string": ours.key}}
    trusted = {"trusted_ca": {"inline_string": authority().cert}}
    return [
        {"name": "tls-parity-server", "tls_certificate": pair},
        {"name": "tls-parity-ca", "validation_context": trusted},
    ]


def _text(case: Case) -> str:
    parts = (case.routes, case.vhost, case.vhosts, case.route_config, case.hcm, case.filters, case.l4, case.chains)
    if case.vhosts:
        parts = parts[2:]
    if case.l4 or case.chains:
        parts = (case.l4, case.chains)
    return "\n".join(parts)


def _load(text: str, case: Case, ports: Ports) -> Any:
    text = text.replace("$log", str(ports.log))
    if "$shop" in text:
        descriptors = ports.log.with_name("shop.pb")
        descriptors.write_bytes(SET)
        text = text.replace("$shop", str(descriptors))
    text = _PORT.sub(lambda found: str(ports.upstreams[found[1]]), text)
    text = _CLUSTER.sub(lambda found: f"{case.id}-{found[1]}", text)
    text = text.replace("$id", case.id).replace("$port", str(ports.listener))
    return _expand(yaml.safe_load(text)) if text.strip() else None


def _expand(value: Any) -> Any:
    if isinstance(value, list):
        return [_expand(item) for item in value]
    if not isinstance(value, dict):
        return value
    value = {key: _expand(item) for key, item in value.items()}
    if "per_filter" in value:
        entries = value.pop("per_filter").items()
        value["typed_per_filter_config"] = {
            f"envoy.filters.http.{name}": item if "@type" in item else typed("http", name, PER_ROUTE[name], item)
            for name, item in entries
        }
    return value


def tls_socket(side: str, fields: dict[str, Any]) -> dict[str, Any]:
    """A transport socket; `side` is Downstream or Upstream."""
    type_url = f"{_PREFIX}transport_sockets.tls.v3.{side}TlsContext"
    return {"name": "envoy.transport_sockets.tls", "typed_config": {"@type": type_url, **fields}}


def typed(kind: str, name: str, message: str, fields: dict[str, Any] | None) -> dict[str, Any]:
    """A typed_config value of `envoy.extensions.filters.<kind>.<name>.v3.<message>`."""
    return {"@type": f"{_PREFIX}filters.{kind}.{name}.v3.{message}", **(fields or {})}


def filters(kind: str, table: dict[str, str], entries: Any) -> list[dict[str, Any]]:
    """A list of filters from short hands and full entries."""
    whole = []
    for entry in entries or []:
        name = next(iter(entry))
        if len(entry) == 1 and name in table:
            config = typed(kind, name, table[name], entry[name])
            entry = {"name": f"envoy.filters.{kind}.{name}", "typed_config": config}  # noqa: PLW2901
        whole.append(entry)
    return whole


def _listener(case: Case, ports: Ports) -> dict[str, Any]:
    extra = _load(case.listener, case, ports) or {}
    if "listener_filters" in extra:
        extra["listener_filters"] = filters("listener", LISTENER, extra["listener_filters"])
    listener = {"name": case.id, "address": _address(ports.listener), "stat_prefix": case.id}
    if case.http:
        chains = [{"filters": [_hcm(case, ports)]}]
        if case.tls_context:
            chains[0]["transport_socket"] = tls_socket("Downstream", json.loads(case.tls_context))
    else:
        listener["access_log"] = [_file_log(case, ports, TCP_LOG)]
        chains = _load(case.chains, case, ports) or [{"filters": _load(case.l4, case, ports)}]
        for chain in [*chains, extra.get("default_filter_chain", {})]:
            if "filters" in chain:
                chain["filters"] = [_with_log(entry, case, ports) for entry in _network(chain["filters"])]
    return {**listener, "filter_chains": chains, **extra}


def _network(entries: Any) -> list[dict[str, Any]]:
    return filters("network", NETWORK, entries)


def _with_log(entry: dict[str, Any], case: Case, ports: Ports) -> dict[str, Any]:
    if entry.get("name") == "envoy.filters.network.http_connection_manager":
        return _hcm(case, ports, entry["typed_config"])
    return entry


def _hcm(case: Case, ports: Ports, extra: dict[str, Any] | None = None) -> dict[str, Any]:
    vhosts = _load(case.vhosts, case, ports)
    if not vhosts:
        routes = _load(case.routes, case, ports)
        vhosts = [{"name": case.id, "domains": ["*"], "routes": routes, **(_load(case.vhost, case, ports) or {})}]
    chain = filters("http", HTTP, _load(case.filters, case, ports))
    router = typed("http", "router", "Router", _load(case.router, case, ports))
    config: dict[str, Any] = {
        "stat_prefix": case.id,
        "access_log": [_file_log(case, ports, HTTP_LOG)],
        "route_config": {"name": "r", "virtual_hosts": vhosts, **(_load(case.route_config, case, ports) or {})},
        "http_filters": [*chain, {"name": "envoy.filters.http.router", "typed_config": router}],
        **(_load(case.hcm, case, ports) or {}),
        **(extra or {}),
    }
    name = "http_connection_manager"
    return {"name": f"envoy.filters.network.{name}", "typed_config": typed("network", name, NETWORK[name], config)}


def _file_log(case: Case, ports: Ports, default: str) -> dict[str, Any]:
    config: dict[str, Any] = {
        "@type": f"{_PREFIX}access_loggers.file.v3.FileAccessLog",
        "path": str(ports.log),
    }
    if case.json_log:
        config["log_format"] = {"json_format": yaml.safe_load(case.json_log)}
    else:
        config["log_format"] = {"text_format_source": {"inline_string": case.log or default}}
    return {"name": "envoy.access_loggers.file", "typed_config": config}


def _cluster(case: Case, name: str, ports: Ports) -> dict[str, Any]:
    full = f"{case.id}-{name}"
    port = ports.stuck if name == "stuck" else ports.upstreams.get(name, ports.dead)
    endpoints = [] if name == "empty" else [{"lb_endpoints": [{"endpoint": {"address": _address(port)}}]}]
    text = case.clusters.get(name, case.cluster if name == "up" else "")
    extra = _load(text, case, ports) or {}
    return {
        "name": full,
        **({} if "cluster_type" in extra else {"type": "STATIC"}),
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": full, "endpoints": endpoints},
        **extra,
    }


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
