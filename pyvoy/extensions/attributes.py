"""Attributes: what can be asked of a stream by a path such as `request.headers.x-user`, as in Envoy's CEL and Wasm.

`compile_attribute` turns a path into a function of the stream, once at load.  Values: bytes for what came over the
wire, str for names out of the configuration and addresses, int, bool, mappings and tuples; times and durations are ints
of nanoseconds; None is "there is no such thing (yet)".
Source: Envoy's attribute documentation and CEL evaluation context (reading and names as in 1.40).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pyvoy.http.headers import HeaderMap

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.network.address import Address
    from pyvoy.observe.tls_info import TlsInfo

Value = Any
Attribute = Callable[[Any], Value]

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(slots=True, frozen=True)
class Place:
    """What attributes say about where the extension stands, whatever the stream.

    `node` is the bootstrap's node as nested dicts under the names of its fields."""

    node: Mapping[str, Any] = field(default_factory=dict)
    listener_direction: int = 0
    listener_metadata: Mapping[str, Any] = field(default_factory=dict)


def place_of(context: Context) -> Place:
    """The place of an extension that is being built."""
    node: Mapping[str, Any] = {}
    if context.node is not None:
        from google.protobuf.json_format import MessageToDict

        node = MessageToDict(context.node, preserving_proto_field_name=True)
    return Place(node, context.direction, dict(context.listener_metadata))


# ---- request and response ----


def _request_header(name: bytes, stream: Any) -> bytes | None:
    value: bytes | None = stream.request_headers.joined(name)
    return value


def _path_part(index: int, stream: Any) -> bytes | None:
    path = stream.request_headers.map.get(b":path")
    return None if path is None else path.partition(b"?")[index]


def _size(headers: HeaderMap | None) -> int:
    return 0 if headers is None else headers.byte_size()


def _nanoseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1e9)


def _request_duration(stream: Any) -> int | None:
    info = stream.info
    return None if info.end_s is None else _nanoseconds(info.end_s - info.start_s)


def _request_total(stream: Any) -> int:
    info = stream.info
    return int(info.bytes_received) + _size(stream.request_headers) + _size(stream.request_trailers)


def _response_total(stream: Any) -> int:
    info = stream.info
    return int(info.bytes_sent) + _size(stream.response_headers) + _size(stream.response_trailers)


def _grpc_status(stream: Any) -> int | None:
    for headers in (stream.response_trailers, stream.response_headers):
        value = None if headers is None else headers.map.get(b"grpc-status")
        if value is not None and value.isdigit():
            return int(value)
    if not stream.info.response_code:
        return None
    from pyvoy.extensions.grpc_call import http_status

    return int(http_status(stream.info.response_code))


def _backend_latency(stream: Any) -> int | None:
    info = stream.info
    begun_s, ended_s = info.first_upstream_tx_s, info.last_upstream_rx_s
    return None if begun_s is None or ended_s is None else _nanoseconds(ended_s - begun_s)


def _protocol(stream: Any) -> str | None:
    return stream.info.protocol or None


def _request_headers(stream: Any) -> HeaderMap | None:
    found: HeaderMap | None = stream.request_headers
    return found


_REQUEST: dict[str, Attribute] = {
    "request.path": partial(_request_header, b":path"),
    "request.url_path": partial(_path_part, 0),
    "request.query": partial(_path_part, 2),
    "request.host": partial(_request_header, b":authority"),
    "request.scheme": partial(_request_header, b":scheme"),
    "request.method": partial(_request_header, b":method"),
    "request.referer": partial(_request_header, b"referer"),
    "request.useragent": partial(_request_header, b"user-agent"),
    "request.id": partial(_request_header, b"x-request-id"),
    "request.headers": _request_headers,
    "request.headers_bytes": lambda stream: _size(stream.request_headers),
    "request.time": lambda stream: _nanoseconds(stream.info.start_wall_s),
    "request.protocol": _protocol,
    "request.duration": _request_duration,
    "request.size": lambda stream: stream.info.bytes_received,
    "request.total_size": _request_total,
    "response.code": lambda stream: stream.info.response_code or None,
    "response.code_details": lambda stream: stream.info.response_code_details,
    "response.flags": lambda stream: stream.info.response_flags,
    "response.grpc_status": _grpc_status,
    "response.headers": lambda stream: stream.response_headers,
    "response.headers_bytes": lambda stream: _size(stream.response_headers),
    "response.trailers": lambda stream: stream.response_trailers,
    "response.size": lambda stream: stream.info.bytes_sent,
    "response.total_size": _response_total,
    "response.backend_latency": _backend_latency,
}


# ---- the connections ----


def _text(address: Address | None) -> str | None:
    return None if address is None else address.text


def _port(address: Address | None) -> int | None:
    return None if address is None or address.is_pipe else address.port


def _source(stream: Any) -> Address:
    address: Address = stream.info.downstream_remote or stream.connection.remote
    return address


def _upstream(stream: Any) -> Address | None:
    host = stream.info.upstream_host
    return None if host is None else host.address


def _first(values: tuple[str, ...]) -> str | None:
    return values[0] if values else None


_TLS: dict[str, Callable[[TlsInfo], Value]] = {
    "tls_version": lambda tls: tls.version or None,
    "subject_local_certificate": lambda tls: tls.local_subject or None,
    "subject_peer_certificate": lambda tls: tls.peer_subject or None,
    "dns_san_local_certificate": lambda tls: _first(tls.local_dns_sans),
    "dns_san_peer_certificate": lambda tls: _first(tls.peer_dns_sans),
    "uri_san_local_certificate": lambda tls: _first(tls.local_uri_sans),
    "uri_san_peer_certificate": lambda tls: _first(tls.peer_uri_sans),
    "sha256_peer_certificate_digest": lambda tls: tls.peer_fingerprint_256 or None,
}


def _downstream_tls(get: Callable[[TlsInfo], Value], stream: Any) -> Value:
    tls = stream.connection.tls
    return None if tls is None else get(tls)


def _upstream_tls(get: Callable[[TlsInfo], Value], stream: Any) -> Value:
    tls = stream.info.upstream_tls
    return None if tls is None else get(tls)


def _mtls(stream: Any) -> bool:
    tls = stream.connection.tls
    return tls is not None and tls.peer_presented


def _locality(stream: Any) -> str | None:
    host = stream.info.upstream_host
    if host is None:
        return None
    parts = (host.locality.region, host.locality.zone, host.locality.sub_zone)
    return "/".join(parts) if any(parts) else ""


def _num_endpoints(stream: Any) -> int | None:
    cluster = stream.services.clusters.get(stream.info.upstream_cluster)
    return None if cluster is None else sum(1 for _ in cluster.hosts())


def _pool_ready_duration(stream: Any) -> int | None:
    """A connection that was idle is ready at once."""
    info = stream.info
    return _nanoseconds(info.upstream_pool_ready_duration_s or 0.0) if info.upstream_host is not None else None


_CONNECTIONS: dict[str, Attribute] = {
    "source.address": lambda stream: _text(_source(stream)),
    "source.port": lambda stream: _port(_source(stream)),
    "destination.address": lambda stream: _text(stream.connection.local),
    "destination.port": lambda stream: _port(stream.connection.local),
    "connection.id": lambda stream: stream.connection.connection_id,
    "connection.mtls": _mtls,
    "connection.requested_server_name": lambda stream: stream.connection.requested_server_name or None,
    "connection.transport_failure_reason": lambda stream: stream.connection.transport_failure_reason or None,
    "connection.termination_details": lambda stream: stream.connection.termination_details or None,
    "upstream.address": lambda stream: _text(_upstream(stream)),
    "upstream.port": lambda stream: _port(_upstream(stream)),
    "upstream.local_address": lambda stream: _text(stream.info.upstream_local),
    "upstream.num_endpoints": _num_endpoints,
    "upstream.transport_failure_reason": lambda stream: stream.info.upstream_transport_failure_reason or None,
    "upstream.request_attempt_count": lambda stream: stream.info.attempt_count or None,
    "upstream.cx_pool_ready_duration": _pool_ready_duration,
    "upstream.locality": _locality,
    **{f"connection.{name}": partial(_downstream_tls, get) for name, get in _TLS.items()},
    **{f"upstream.{name}": partial(_upstream_tls, get) for name, get in _TLS.items()},
}


# ---- configuration and state ----


def _cluster_name(stream: Any) -> str | None:
    """The cluster of the request, or before it is sent that of its route."""
    name: str = stream.info.upstream_cluster
    if not name and stream.route is not None:
        name = stream.route.cluster
    return name or None


def _cluster_metadata(stream: Any) -> Mapping[str, Any] | None:
    cluster = stream.services.clusters.get(_cluster_name(stream) or "")
    return None if cluster is None else cluster.plan.metadata


def _host_metadata(stream: Any) -> Mapping[str, Any] | None:
    host = stream.info.upstream_host
    return None if host is None else host.metadata


def _locality_metadata(stream: Any) -> Mapping[str, Any] | None:
    host = stream.info.upstream_host
    return None if host is None else host.locality_metadata


def _virtual_host_metadata(stream: Any) -> Mapping[str, Any] | None:
    route = stream.route
    return None if route is None else getattr(route.virtual_host, "metadata", None)


_STATE: dict[str, Attribute] = {
    "metadata": lambda stream: stream.info.dynamic_metadata,
    "filter_state": lambda stream: {**stream.connection.filter_state, **stream.info.filter_state},
    "upstream_filter_state": lambda stream: None if stream.info.upstream_host is None else _NOTHING,
    "xds.cluster_name": _cluster_name,
    "xds.cluster_metadata": _cluster_metadata,
    "xds.route_name": lambda stream: stream.info.route_name or None,
    "xds.route_metadata": lambda stream: stream.info.route_metadata,
    "xds.virtual_host_name": lambda stream: stream.info.virtual_host_name or None,
    "xds.virtual_host_metadata": _virtual_host_metadata,
    "xds.upstream_host_metadata": _host_metadata,
    "xds.upstream_host_locality_metadata": _locality_metadata,
    "xds.filter_chain_name": lambda stream: stream.connection.filter_chain_name or None,
}

ATTRIBUTES: Mapping[str, Attribute] = MappingProxyType({**_REQUEST, **_CONNECTIONS, **_STATE})
"""Attributes by dotted path; those of the place (`xds.node`, `xds.listener_...`) are in `_placed`."""

_ALIASES = {
    "node": "xds.node",
    "cluster_name": "xds.cluster_name",
    "cluster_metadata": "xds.cluster_metadata",
    "route_name": "xds.route_name",
    "route_metadata": "xds.route_metadata",
    "listener_direction": "xds.listener_direction",
    "listener_metadata": "xds.listener_metadata",
    "upstream_host_metadata": "xds.upstream_host_metadata",
}
"""Roots of older Proxy-Wasm SDKs."""


def _placed(place: Place) -> dict[str, Value]:
    return {
        "xds.node": place.node,
        "xds.listener_direction": place.listener_direction,
        "xds.listener_metadata": place.listener_metadata,
    }


NO_PLACE = Place()


def compile_attribute(path: str | Sequence[str], place: Place = NO_PLACE) -> Attribute | None:
    """The function of a stream that reads an attribute; None for a path that no stream ever has.

    `path` is dotted or in parts; parts beyond the attribute's own name go into its map: `request.headers.x-user`,
    `metadata.envoy.lb.stage` (in parts, so that keys may have dots)."""
    parts = tuple(path.split(".")) if isinstance(path, str) else tuple(path)
    if parts and parts[0] in _ALIASES:
        parts = (*_ALIASES[parts[0]].split("."), *parts[1:])
    placed = _placed(place)
    for length in (1, 2):
        name = ".".join(parts[:length])
        if len(parts) < length:
            return None
        if name in placed:
            fixed = descend(placed[name], parts[length:])
            return lambda stream: fixed
        get = ATTRIBUTES.get(name)
        if get is not None:
            return get if len(parts) == length else _below(get, parts[length:])
    return None


def _below(get: Attribute, rest: tuple[str, ...]) -> Attribute:
    return lambda stream: descend(get(stream), rest)


def descend(value: Value, parts: Sequence[str]) -> Value:
    """What lies in nested maps and lists under these parts; a header map gives the joined values.

    Keys may have dots: the longest run of parts that is a key is taken."""
    at = 0
    while at < len(parts):
        if isinstance(value, HeaderMap):
            name = ".".join(parts[at:]).lower().encode("latin-1")
            return value.joined(name)
        if isinstance(value, Mapping):
            for end in range(len(parts), at, -1):
                key = ".".join(parts[at:end])
                if key in value:
                    value, at = value[key], end
                    break
            else:
                return None
            continue
        if isinstance(value, list | tuple) and parts[at].isdigit() and int(parts[at]) < len(value):
            value, at = value[int(parts[at])], at + 1
            continue
        return None
    return value
