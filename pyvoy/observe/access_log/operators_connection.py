"""Operators about the two connections: addresses, hosts, clusters, ids, names and TLS.

Source: Envoy's stream_info_formatter; values checked on the running 1.40.
"""

from __future__ import annotations

import ipaddress
import socket
import uuid
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from pyvoy.network.address import Address
from pyvoy.observe.access_log.operator import Builder, Command, FormatError, Kind, Operator, bare, no_length
from pyvoy.observe.access_log.time_format import DEFAULT_PATTERN, compile_time_format

AddressOf = Callable[[Any], Address | None]


def _downstream_remote(source: Any) -> Address:
    address: Address = source.info.downstream_remote or source.connection.remote
    return address


def _upstream_remote(source: Any) -> Address | None:
    host = source.info.upstream_host
    return None if host is None else host.address


def _alone(operator: Operator) -> Builder:
    def build(command: Command) -> Operator:
        bare(command)
        return operator

    return build


def _text(get: Callable[[Any], str | None]) -> Builder:
    return _alone(Operator(get, Kind.TEXT))


def _address(address_of: AddressOf) -> Builder:
    def get(source: Any) -> str | None:
        address = address_of(source)
        return None if address is None else address.text

    return _text(get)


def _bare_ip(address: Address) -> str:
    return address.ip or address.path


def _without_port(address_of: AddressOf) -> Builder:
    def build(command: Command) -> Operator:
        no_length(command)
        if command.arguments:
            return Operator(_masked(address_of, command.arguments), Kind.TEXT)

        def get(source: Any) -> str | None:
            address = address_of(source)
            return None if address is None else _bare_ip(address)

        return Operator(get, Kind.TEXT)

    return build


def _masked(address_of: AddressOf, argument: str) -> Callable[[Any], str | None]:
    """The network of `argument` bits that holds the address; None where the length does not fit the address."""
    if not argument.isdigit() or int(argument) > 128:
        raise FormatError(f"Invalid MASK_PREFIX_LEN: '{argument}'")
    bits = int(argument)

    def get(source: Any) -> str | None:
        address = address_of(source)
        if address is None or not address.ip or bits > (128 if address.is_ipv6 else 32):
            return None
        return str(ipaddress.ip_network(f"{address.ip}/{bits}", strict=False))

    return get


def _port(address_of: AddressOf) -> Builder:
    def get(source: Any) -> int | None:
        address = address_of(source)
        return None if address is None or not address.ip else address.port

    return _alone(Operator(get, Kind.NUMBER))


def _host_name(host: Any) -> str:
    name: str = host.hostname or host.address.text
    return name


def _host_name_without_port(host: Any) -> str:
    whole: str = host.hostname
    if not whole:
        return _bare_ip(host.address)
    name, colon, port = whole.rpartition(":")
    return name if colon and port.isdigit() else whole


def _upstream_host(render: Callable[[Any], str]) -> Builder:
    def get(source: Any) -> str | None:
        host = source.info.upstream_host
        return None if host is None else render(host)

    return _text(get)


def _attempted(render: Callable[[Any], str]) -> Builder:
    def get(source: Any) -> str | None:
        info = source.info
        hosts = info.upstream_hosts_attempted or (() if info.upstream_host is None else (info.upstream_host,))
        return ",".join([render(host) for host in hosts]) or None

    return _text(get)


def _connection_ids(source: Any) -> str | None:
    info = source.info
    ids = info.upstream_connection_ids_attempted
    if not ids and info.upstream_connection_id:
        ids = (info.upstream_connection_id,)
    return ",".join([str(number) for number in ids]) or None


def _cluster(source: Any) -> str | None:
    info = source.info
    name: str = info.upstream_cluster_observability_name or info.upstream_cluster
    return name or None


def _requested_server_name(command: Command) -> Operator:
    no_length(command)
    option, _, which = (command.arguments or "SNI_ONLY").partition(":")
    if option not in ("SNI_ONLY", "SNI_FIRST", "HOST_FIRST"):
        raise FormatError(
            f"Invalid REQUESTED_SERVER_NAME option: '{option}', only 'SNI_ONLY'/'SNI_FIRST'/'HOST_FIRST' are allowed"
        )
    header = b"x-envoy-original-host" if which == "ORIG" else b":authority"

    def host(source: Any) -> str | None:
        headers = source.request_headers
        value: bytes | None = None if headers is None else headers.map.get(header)
        return value.decode("latin-1") if value else None

    def sni(source: Any) -> str | None:
        name: str = source.connection.requested_server_name
        return name or None

    if option == "SNI_ONLY":
        return Operator(sni, Kind.TEXT)
    if option == "SNI_FIRST":
        return Operator(lambda source: sni(source) or host(source), Kind.TEXT)
    return Operator(lambda source: host(source) or sni(source), Kind.TEXT)


def _connection_text(name: str) -> Builder:
    read = attrgetter(name)
    return _text(lambda source: read(source.connection) or None)


def _transport_failure(source: Any) -> str | None:
    """That an inspector found no TLS is a fact of a plain connection, and none of the requests that come by it."""
    if source.info.protocol and source.connection.tls is None:
        return None
    return source.connection.transport_failure_reason or None


def _info_text(name: str) -> Builder:
    read = attrgetter(name)
    return _alone(Operator(lambda source: read(source.info) or None, Kind.TEXT, breaks_lines=True))


def _downstream_tls(source: Any) -> Any:
    return source.connection.tls


def _upstream_tls(source: Any) -> Any:
    return source.info.upstream_tls


def _tls(tls_of: Callable[[Any], Any], name: str) -> Builder:
    """A text, or a comma-separated list, of the TLS connection; None on plain text."""
    read = attrgetter(name)

    def get(source: Any) -> str | None:
        tls = tls_of(source)
        if tls is None:
            return None
        value = read(tls)
        return (value if isinstance(value, str) else ",".join(value)) or None

    return _text(get)


def _certificate_time(tls_of: Callable[[Any], Any], name: str) -> Builder:
    read = attrgetter(name)

    def build(command: Command) -> Operator:
        no_length(command)
        render = compile_time_format(command.arguments or DEFAULT_PATTERN)

        def get(source: Any) -> str | None:
            tls = tls_of(source)
            moment = None if tls is None else read(tls)
            return None if moment is None else render(moment)

        return Operator(get, Kind.TEXT)

    return build


def _addresses(prefix: str, address_of: AddressOf) -> dict[str, Builder]:
    return {
        f"{prefix}_ADDRESS": _address(address_of),
        f"{prefix}_ADDRESS_WITHOUT_PORT": _without_port(address_of),
        f"{prefix}_PORT": _port(address_of),
    }


_TLS_NAMES = {
    "TLS_VERSION": "version",
    "TLS_CIPHER": "cipher",
    "TLS_GROUP": "group",
    "TLS_SESSION_ID": "session_id",
    "PEER_SUBJECT": "peer_subject",
    "PEER_ISSUER": "peer_issuer",
    "PEER_CERT": "peer_certificate",
    "PEER_URI_SAN": "peer_uri_sans",
    "PEER_DNS_SAN": "peer_dns_sans",
    "PEER_IP_SAN": "peer_ip_sans",
    "LOCAL_URI_SAN": "local_uri_sans",
    "LOCAL_DNS_SAN": "local_dns_sans",
    "LOCAL_IP_SAN": "local_ip_sans",
}
_DOWNSTREAM_TLS_NAMES = {
    "PEER_SERIAL": "peer_serial",
    "PEER_FINGERPRINT_1": "peer_fingerprint_1",
    "PEER_FINGERPRINT_256": "peer_fingerprint_256",
    "PEER_CHAIN_FINGERPRINTS_1": "peer_chain_fingerprints_1",
    "PEER_CHAIN_FINGERPRINTS_256": "peer_chain_fingerprints_256",
    "PEER_CHAIN_SERIALS": "peer_chain_serials",
    "PEER_EMAIL_SAN": "peer_email_sans",
    "LOCAL_SUBJECT": "local_subject",
    "LOCAL_EMAIL_SAN": "local_email_sans",
}

OPERATORS: dict[str, Builder] = {
    **_addresses("DOWNSTREAM_REMOTE", _downstream_remote),
    **_addresses("DOWNSTREAM_DIRECT_REMOTE", lambda source: source.connection.direct_remote),
    **_addresses("DOWNSTREAM_LOCAL", lambda source: source.connection.local),
    **_addresses("DOWNSTREAM_DIRECT_LOCAL", lambda source: source.connection.direct_local),
    **_addresses("UPSTREAM_LOCAL", lambda source: source.info.upstream_local),
    **_addresses("UPSTREAM_REMOTE", _upstream_remote),
    "UPSTREAM_HOST": _upstream_host(lambda host: host.address.text),
    "UPSTREAM_HOST_NAME": _upstream_host(_host_name),
    "UPSTREAM_HOST_NAME_WITHOUT_PORT": _upstream_host(_host_name_without_port),
    "UPSTREAM_HOSTS_ATTEMPTED": _attempted(lambda host: host.address.text),
    "UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT": _attempted(lambda host: _bare_ip(host.address)),
    "UPSTREAM_HOST_NAMES_ATTEMPTED": _attempted(_host_name),
    "UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT": _attempted(_host_name_without_port),
    "UPSTREAM_CONNECTION_IDS_ATTEMPTED": _text(_connection_ids),
    "UPSTREAM_CLUSTER": _text(_cluster),
    "UPSTREAM_CLUSTER_RAW": _text(lambda source: source.info.upstream_cluster or None),
    "UPSTREAM_REQUEST_ATTEMPT_COUNT": _alone(Operator(lambda source: source.info.attempt_count, Kind.NUMBER)),
    "CONNECTION_ID": _alone(Operator(lambda source: source.connection.connection_id, Kind.NUMBER)),
    "UPSTREAM_CONNECTION_ID": _alone(Operator(lambda source: source.info.upstream_connection_id or None, Kind.NUMBER)),
    "UNIQUE_ID": _text(lambda source: str(uuid.uuid4())),
    "FILTER_CHAIN_NAME": _connection_text("filter_chain_name"),
    "LISTENER_NAME": _connection_text("listener_name"),
    "REQUESTED_SERVER_NAME": _requested_server_name,
    "TLS_JA3_FINGERPRINT": _connection_text("ja3"),
    "TLS_JA4_FINGERPRINT": _connection_text("ja4"),
    "DOWNSTREAM_TRANSPORT_FAILURE_REASON": _text(_transport_failure),
    "UPSTREAM_TRANSPORT_FAILURE_REASON": _info_text("upstream_transport_failure_reason"),
    "CONNECTION_TERMINATION_DETAILS": _text(
        lambda source: source.info.connection_termination_details or source.connection.termination_details or None
    ),
    **{f"DOWNSTREAM_{name}": _tls(_downstream_tls, field) for name, field in _TLS_NAMES.items()},
    **{f"DOWNSTREAM_{name}": _tls(_downstream_tls, field) for name, field in _DOWNSTREAM_TLS_NAMES.items()},
    **{f"UPSTREAM_{name}": _tls(_upstream_tls, field) for name, field in _TLS_NAMES.items()},
    "DOWNSTREAM_PEER_CERT_V_START": _certificate_time(_downstream_tls, "peer_valid_from_s"),
    "DOWNSTREAM_PEER_CERT_V_END": _certificate_time(_downstream_tls, "peer_valid_to_s"),
    "UPSTREAM_PEER_CERT_V_START": _certificate_time(_upstream_tls, "peer_valid_from_s"),
    "UPSTREAM_PEER_CERT_V_END": _certificate_time(_upstream_tls, "peer_valid_to_s"),
}


def hostname(command: Command) -> Operator:
    """%HOSTNAME%: this machine's name, read when the format is compiled."""
    bare(command)
    name = socket.gethostname()
    return Operator(lambda source: name, Kind.TEXT)


OPERATORS["HOSTNAME"] = hostname
