"""What happens to request headers between the codec and the route look-up, in Envoy's order.  Pure.

`compile_request_rules` turns the connection manager's configuration into one function with only the steps it needs.
Not here: overload, Expect, limits (codec and connection manager), path rules, client address and hop-by-hop
(modules of those names), trace sampling.  Source: Envoy's ConnectionManagerUtility::mutateRequestHeaders and
ConnectionManagerImpl::decodeHeaders; order and values checked on the running 1.40.

Stricter than Envoy, which forwards them: a Host that is no `host[:port]` (user info, bad port, several hosts) is 400.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from pyvoy.http.client_address import XFF, AddressSet, Detector, locator
from pyvoy.http.client_cert import NO_CLIENT_CERT, XFCC, ClientCertPlan, ForwardMode, forwarder
from pyvoy.http.headers import HeaderMap
from pyvoy.http.hop_by_hop import (
    CONNECTION_REJECTED,
    PLAIN_CONNECTION,
    REQUEST_NAMES,
    clean_request,
    is_upgrade,
    remove_nominated,
)
from pyvoy.http.path_rules import FAILED, EscapedSlashes, compile_path_rules
from pyvoy.http.rejection import Rejection, bad_request
from pyvoy.http.request_id import TraceReason, uuid4, with_reason
from pyvoy.network.address import Address
from pyvoy.observe import details
from pyvoy.observe.details import Flag
from pyvoy.observe.stream_info import ConnectionInfo, StreamInfo

__all__ = ["Rejection", "RequestRules", "RequestRulesPlan", "compile_request_rules", "is_upgrade"]

RandomHex = Callable[[], bytes]
EarlyMutation = Callable[[Any, HeaderMap], None]
Forward = Callable[[HeaderMap, ConnectionInfo, StreamInfo, RandomHex], Rejection | None]

XFP = b"x-forwarded-proto"
REQUEST_ID = b"x-request-id"

_SCHEMES = {b"http": b"http", b"https": b"https"}


class RequestRules(Protocol):
    """A compiled plan.  `random_hex` gives 32 hexadecimal digits; `source` (the stream) is read by early mutations.

    Writes `info.request_id` and, when the client is not the peer, `info.downstream_remote`."""

    def __call__(
        self,
        headers: HeaderMap,
        connection: ConnectionInfo,
        info: StreamInfo,
        random_hex: RandomHex,
        source: Any = None,
    ) -> Rejection | None: ...


@dataclass(slots=True, frozen=True)
class RequestRulesPlan:
    """The connection manager's options that concern request headers; the defaults are Envoy's.

    `peer_substitute` is the own address that stands in x-forwarded-for for a loopback peer.  `user_agent` and
    `node_id` are the node's cluster and id when `add_user_agent` is set.
    """

    use_remote_address: bool = False
    xff_num_trusted_hops: int = 0
    skip_xff_append: bool = False
    peer_substitute: bytes = b"127.0.0.1"
    detectors: tuple[Detector, ...] = ()
    internal_ranges: AddressSet | None = None
    internal_unix_sockets: bool = False
    normalize_path: bool = False
    merge_slashes: bool = False
    escaped_slashes: EscapedSlashes = EscapedSlashes.KEEP
    strip_matching_host_port: bool = False
    strip_any_host_port: bool = False
    strip_trailing_host_dot: bool = False
    generate_request_id: bool = True
    preserve_external_request_id: bool = False
    pack_trace_reason: bool = True
    via: bytes = b""
    user_agent: bytes | None = None
    node_id: bytes = b""
    append_x_forwarded_port: bool = False
    scheme_to_overwrite: bytes = b""
    early_mutations: tuple[EarlyMutation, ...] = ()
    client_cert: ClientCertPlan = NO_CLIENT_CERT
    internal_only_headers: tuple[bytes, ...] = ()


MISSING_HOST = Rejection(400, details.MISSING_HOST)
MISSING_PATH = Rejection(404, details.MISSING_PATH, close=False)
ABSOLUTE_PATH = Rejection(404, details.ABSOLUTE_PATH, close=False, counter="downstream_rq_non_relative_path")
INVALID_AUTHORITY = bad_request(details.HTTP_INVALID_AUTHORITY)
HTTPS_ON_PLAIN_TEXT = Rejection(
    403, details.HTTP1_HTTPS_ON_PLAIN_TEXT, b"Forbidden", flags=Flag.DOWNSTREAM_PROTOCOL_ERROR, codec=True
)

EXTERNAL_STRIPPED = tuple(
    b"x-envoy-retriable-status-codes x-envoy-retriable-header-names x-envoy-retry-on x-envoy-retry-grpc-on "
    b"x-envoy-max-retries x-envoy-upstream-alt-stat-name x-envoy-upstream-rq-timeout-ms "
    b"x-envoy-upstream-rq-per-try-timeout-ms x-envoy-upstream-rq-timeout-alt-response x-envoy-expected-rq-timeout-ms "
    b"x-envoy-force-trace x-envoy-ip-tags x-envoy-original-url x-envoy-hedge-on-per-try-timeout "
    b"x-envoy-upstream-stream-duration-ms".split()
)
"""Removed from every request that is not internal."""

EDGE_STRIPPED = tuple(
    b"x-envoy-decorator-operation x-envoy-downstream-service-cluster x-envoy-downstream-service-node "
    b"x-envoy-original-path x-envoy-original-host".split()
)
"""Removed as well from requests that come in at the edge (use_remote_address and not internal)."""

_KNOWN_HOSTS = 1024
_HOST = re.compile(rb"(?:\[[0-9A-Za-z:.%_~!$&'()*+;=-]*\]|[0-9A-Za-z.%_~!$&'()*+;=-]*)(?::[0-9]*)?")
"""RFC 9110 4.2, `host [":" port]`; an empty host or port and any number pass, as in Envoy."""


def compile_request_rules(plan: RequestRulesPlan) -> RequestRules:
    """One function for this plan; a plain request on the default plan passes it in about three microseconds."""
    check = _target_check(plan)
    shape = _shape_rules(plan)
    forward = _forwarding(plan)

    def rules(
        headers: HeaderMap,
        connection: ConnectionInfo,
        info: StreamInfo,
        random_hex: RandomHex,
        source: Any = None,
    ) -> Rejection | None:
        values = headers.map
        nominating = values.get(b"connection")
        if nominating is not None and nominating not in PLAIN_CONNECTION and not remove_nominated(headers, nominating):
            return CONNECTION_REJECTED
        rejection = check(headers, connection)
        if rejection is not None:
            return rejection
        if shape is not None:
            rejection = shape(headers, connection, source)
            if rejection is not None:
                return rejection
        if not REQUEST_NAMES.isdisjoint(headers.map):
            clean_request(headers)
        return forward(headers, connection, info, random_hex)

    return _with_short_cut(rules) if is_plain(plan) else rules


WATCHED = frozenset((*EXTERNAL_STRIPPED, *REQUEST_NAMES, XFF, XFP, REQUEST_ID, XFCC))


def is_plain(plan: RequestRulesPlan) -> bool:
    """Whether the plan leaves a request without any watched header to the short cut."""
    return plan == RequestRulesPlan(peer_substitute=plan.peer_substitute, node_id=plan.node_id)


def _with_short_cut(rules: RequestRules) -> RequestRules:
    """The default plan and an ordinary request (no header that any rule looks at, a host that was seen before): what
    is left to do is to add scheme, x-forwarded-proto and a request id."""
    known: set[bytes] = set()

    def short_cut(
        headers: HeaderMap,
        connection: ConnectionInfo,
        info: StreamInfo,
        random_hex: RandomHex,
        source: Any = None,
    ) -> Rejection | None:
        values = headers.map
        host = values.get(b":authority")
        path = values.get(b":path")
        ordinary = host in known and path is not None and path[:1] == b"/" and b"#" not in path
        if not ordinary or headers.pairs is not None or not WATCHED.isdisjoint(values) or values.get(b":scheme"):
            rejection = rules(headers, connection, info, random_hex, source)
            if rejection is None and host is not None:
                if len(known) >= _KNOWN_HOSTS:
                    known.clear()
                known.add(host)
            return rejection
        values[XFP] = values[b":scheme"] = b"http" if connection.tls is None else b"https"
        info.request_id = values[REQUEST_ID] = uuid4(random_hex())
        return None

    return short_cut


def _target_check(plan: RequestRulesPlan) -> Callable[[HeaderMap, ConnectionInfo], Rejection | None]:
    """Host and target are there and well formed.  Hosts found good are remembered (a bounded set)."""
    known: set[bytes] = set()
    strict_scheme = plan.use_remote_address and plan.xff_num_trusted_hops == 0

    def check(headers: HeaderMap, connection: ConnectionInfo) -> Rejection | None:
        values = headers.map
        authority = values.get(b":authority")
        if authority not in known:
            if authority is None:
                return MISSING_HOST
            if _HOST.fullmatch(authority) is None:
                return INVALID_AUTHORITY
            if len(known) >= _KNOWN_HOSTS:
                known.clear()
            known.add(authority)
        if strict_scheme and connection.tls is None and values.get(b":scheme") == b"https":
            return HTTPS_ON_PLAIN_TEXT
        path = values.get(b":path")
        if path is None:
            return None if values.get(b":method") == b"CONNECT" else MISSING_PATH
        if path[:1] != b"/":
            return ABSOLUTE_PATH
        return FAILED if b"#" in path else None

    return check


def _shape_rules(
    plan: RequestRulesPlan,
) -> Callable[[HeaderMap, ConnectionInfo, Any], Rejection | None] | None:
    """The optional rules of path, host and early header mutation; None when there are none."""
    path_rule = compile_path_rules(plan.normalize_path, plan.merge_slashes, plan.escaped_slashes)
    host_rule = _host_rule(plan)
    early = plan.early_mutations
    if path_rule is None and host_rule is None and not early:
        return None

    def shape(headers: HeaderMap, connection: ConnectionInfo, source: Any) -> Rejection | None:
        if path_rule is not None:
            rejection = path_rule(headers)
            if rejection is not None:
                return rejection
        if host_rule is not None:
            host_rule(headers, connection)
        for mutation in early:
            mutation(source, headers)
        return None

    return shape


def _host_rule(plan: RequestRulesPlan) -> Callable[[HeaderMap, ConnectionInfo], None] | None:
    """Strip the trailing dot and the port from the host, as far as configured."""
    strip_dot = plan.strip_trailing_host_dot
    strip_any = plan.strip_any_host_port
    strip_matching = plan.strip_matching_host_port
    if not (strip_dot or strip_any or strip_matching):
        return None

    def host_rule(headers: HeaderMap, connection: ConnectionInfo) -> None:
        authority = headers.map[b":authority"]
        host, colon, port = authority.rpartition(b":")
        if not colon or b"]" in port:
            host, colon, port = authority, b"", b""
        if strip_dot and host[-1:] == b"." and (port or not colon):
            host = host[:-1]
        if headers.map.get(b":method") == b"CONNECT":
            return
        if port and (strip_any or (strip_matching and int(port) == connection.local.port)):
            colon = port = b""
        if host + colon + port != authority:
            headers.set(b":authority", host + colon + port)

    return host_rule


def _forwarding(plan: RequestRulesPlan) -> Forward:
    """Client address, forwarding headers, scheme, and what only internal requests may carry."""
    locate = locator(
        use_remote_address=plan.use_remote_address,
        hops=plan.xff_num_trusted_hops,
        append=not plan.skip_xff_append,
        substitute=plan.peer_substitute,
        detectors=plan.detectors,
    )
    is_internal = _internal_test(plan)
    stripped, always_stripped = _stripped(plan)
    watched = frozenset(stripped)
    force = plan.use_remote_address and plan.xff_num_trusted_hops == 0
    port_header = plan.append_x_forwarded_port
    overwrite = plan.scheme_to_overwrite
    use_remote_address = plan.use_remote_address
    marks = _marks(plan)
    identify = _request_id(plan)

    def forward(
        headers: HeaderMap, connection: ConnectionInfo, info: StreamInfo, random_hex: RandomHex
    ) -> Rejection | None:
        values = headers.map
        put = values.__setitem__ if headers.pairs is None else headers.set
        address, trusted, refusal = locate(headers, connection.remote)
        if refusal is not None:
            return refusal
        proto = values.get(XFP)
        if proto is None or force:
            proto = b"http" if connection.tls is None else b"https"
            put(XFP, proto)
        if port_header and (force or b"x-forwarded-port" not in values):
            put(b"x-forwarded-port", b"%d" % connection.local.port)
        if overwrite:
            put(XFP, overwrite)
            put(b":scheme", overwrite)
        elif not values.get(b":scheme"):
            put(b":scheme", _SCHEMES.get(proto) or _scheme(proto, connection))
        internal = trusted and address is not None and is_internal(address)
        if address is not None and address is not connection.remote:
            info.downstream_remote = address
        if not watched.isdisjoint(values):
            for name in always_stripped if internal else stripped:
                headers.remove(name)
        if marks or internal:
            _mark(headers, connection, internal, marks)
        edge = use_remote_address and not internal
        if edge and address is not None and address.ip:
            put(b"x-envoy-external-address", address.ip.encode())
        if identify is None:
            info.request_id = values.get(REQUEST_ID, b"")
        else:
            info.request_id = identify(headers, edge, random_hex)
        return None

    return forward


def _scheme(proto: bytes, connection: ConnectionInfo) -> bytes:
    """The scheme that x-forwarded-proto names; what the connection is when that is no scheme."""
    lower = proto.lower()
    if lower in _SCHEMES:
        return lower
    return b"http" if connection.tls is None else b"https"


def _internal_test(plan: RequestRulesPlan) -> Callable[[Address], bool]:
    """Whether an address is internal; by default (since Envoy 1.33) none is."""
    ranges = plan.internal_ranges
    unix_sockets = plan.internal_unix_sockets

    def is_internal(address: Address) -> bool:
        if not address.ip:
            return unix_sockets
        return ranges is not None and ranges.contains(address.ip)

    return is_internal


def _stripped(plan: RequestRulesPlan) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The names to remove from external requests, and from internal ones."""
    always = (XFCC,) if plan.client_cert.mode is ForwardMode.SANITIZE else ()
    names = EXTERNAL_STRIPPED + tuple(name.lower() for name in plan.internal_only_headers) + always
    return (names + EDGE_STRIPPED if plan.use_remote_address else names), always


Mark = Callable[[HeaderMap, ConnectionInfo], None]


def _marks(plan: RequestRulesPlan) -> tuple[Mark, ...]:
    """What the proxy writes about the client's certificate and about itself: add_user_agent and via."""
    marks: list[Mark] = []
    forward_cert = forwarder(plan.client_cert)
    if forward_cert is not None:
        marks.append(lambda headers, connection: forward_cert(headers, connection.tls))
    user_agent = plan.user_agent
    if user_agent is not None:

        def add_user_agent(headers: HeaderMap, connection: ConnectionInfo) -> None:
            headers.set(b"x-envoy-downstream-service-cluster", user_agent)
            if not headers.map.get(b"user-agent"):
                headers.set(b"user-agent", user_agent)
            if plan.node_id:
                headers.set(b"x-envoy-downstream-service-node", plan.node_id)

        marks.append(add_user_agent)
    if plan.via:
        marks.append(lambda headers, connection: headers.append_value(b"via", plan.via, b", "))
    return tuple(marks)


def _mark(headers: HeaderMap, connection: ConnectionInfo, internal: bool, marks: tuple[Mark, ...]) -> None:
    if internal:
        headers.set(b"x-envoy-internal", b"true")
    for mark in marks:
        mark(headers, connection)


def _request_id(plan: RequestRulesPlan) -> Callable[[HeaderMap, bool, RandomHex], bytes] | None:
    """Make the request id, or keep the client's: never at the edge, unless preserve_external_request_id."""
    if not plan.generate_request_id:
        return None
    replace = not plan.preserve_external_request_id
    pack = plan.pack_trace_reason

    def identify(headers: HeaderMap, edge: bool, random_hex: RandomHex) -> bytes:
        request_id = headers.map.get(REQUEST_ID)
        if not request_id or (edge and replace):
            request_id = uuid4(random_hex())
            if headers.pairs is None:
                headers.map[REQUEST_ID] = request_id
            else:
                headers.set(REQUEST_ID, request_id)
        elif edge and pack:
            request_id = with_reason(request_id, TraceReason.NOT_TRACEABLE)
            headers.set(REQUEST_ID, request_id)
        return request_id

    return identify
