"""What matcher trees look at: extensions that read one value of a source, as bytes; None is no value.

A source has `connection`, `info` and (streams) `request_headers`, as operators of access logs have.
Source: Envoy's data inputs (envoy.matching.inputs.*); an address or name that is not known is no value.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from pyvoy.config.compile.matchers import header_name
from pyvoy.config.context import Context
from pyvoy.config.registry import extension, supports
from pyvoy.http.routing.query import first_value

Input = Callable[[Any], "bytes | None"]

MATCH_INPUT = "common input"
HEADER_INPUT = "request header input"
HTTP_INPUT = "http input"
NETWORK_INPUT = "network input"
LISTENER_INPUT = "listener input"
_NETWORK = "envoy.extensions.matching.common_inputs.network.v3."
_SSL = "envoy.extensions.matching.common_inputs.ssl.v3."
_TYPE = "envoy.type.matcher.v3."
_ENVIRONMENT = "envoy.extensions.matching.common_inputs.environment_variable.v3.Config"

supports(_TYPE + "HttpRequestHeaderMatchInput", "header_name")
supports(_TYPE + "HttpRequestQueryParamMatchInput", "query_param")
supports(_NETWORK + "FilterStateInput", "key")
supports(_NETWORK + "DynamicMetadataInput", "filter path")
supports(_NETWORK + "DynamicMetadataInput.PathSegment", "key")
supports(_ENVIRONMENT, "name")


@extension(HEADER_INPUT, name="request_header", type_url=_TYPE + "HttpRequestHeaderMatchInput")
class RequestHeader:
    """A request header; several of a name are joined by commas."""

    @staticmethod
    def build(message: Any, _context: Context) -> Input:
        name = header_name(message.header_name)

        def read(source: Any) -> bytes | None:
            headers = source.request_headers
            if headers is None or name not in headers.map:
                return None
            return headers.map[name] if headers.pairs is None else b",".join(headers.get_all(name))

        return read


@extension(HTTP_INPUT, name="query_params", type_url=_TYPE + "HttpRequestQueryParamMatchInput")
class QueryParameter:
    """The first value of a parameter of the path's query."""

    @staticmethod
    def build(message: Any, _context: Context) -> Input:
        name = message.query_param.encode()

        def read(source: Any) -> bytes | None:
            headers = source.request_headers
            path = b"" if headers is None else headers.map.get(b":path", b"")
            return first_value(path, name)

        return read


@extension(MATCH_INPUT, name="envoy.matching.common_inputs.environment_variable", type_url=_ENVIRONMENT)
class EnvironmentVariable:
    """A variable of the environment, read at load."""

    @staticmethod
    def build(message: Any, _context: Context) -> Input:
        value = os.environ.get(message.name)
        known = None if value is None else value.encode()
        return lambda _source: known


def _address(name: str, part: str) -> Input:
    """`part` of an address of the connection; a pipe has none."""

    def read(source: Any) -> bytes | None:
        address = getattr(source.connection, name)
        return None if address.is_pipe or not address.ip else str(getattr(address, part)).encode()

    return read


def _source_type(source: Any) -> bytes | None:
    connection = source.connection
    ip = connection.remote.ip
    return b"local" if ip in ("127.0.0.1", "::1") or ip == connection.local.ip else None


def _text(name: str) -> Input:
    return lambda source: getattr(source.connection, name).encode() or None


def _application_protocols(source: Any) -> bytes | None:
    return ",".join(f"'{name}'" for name in source.connection.application_protocols).encode() or None


def _fixed(name: str, read: Input, package: str = _NETWORK, category: str = NETWORK_INPUT) -> None:
    """Register an input whose message says nothing."""

    class Fixed:
        """An input without settings."""

        @staticmethod
        def build(_message: Any, _context: Context) -> Input:
            return read

    extension(category, name=f"envoy.matching.inputs.{name}", type_url=package + name)(Fixed)


def _tls(read: Callable[[Any], str]) -> Input:
    def value(source: Any) -> bytes | None:
        tls = source.connection.tls
        return None if tls is None else read(tls).encode() or None

    return value


_fixed("DestinationIPInput", _address("local", "ip"))
_fixed("DestinationPortInput", _address("local", "port"))
_fixed("SourceIPInput", _address("remote", "ip"))
_fixed("SourcePortInput", _address("remote", "port"))
_fixed("DirectSourceIPInput", _address("direct_remote", "ip"))
_fixed("SourceTypeInput", _source_type, category=LISTENER_INPUT)
_fixed("ServerNameInput", _text("requested_server_name"))
_fixed("TransportProtocolInput", _text("transport_protocol"), category=LISTENER_INPUT)
_fixed("ApplicationProtocolInput", _application_protocols, category=LISTENER_INPUT)
_fixed("UriSanInput", _tls(lambda tls: ",".join(tls.peer_uri_sans)), _SSL)
_fixed("DnsSanInput", _tls(lambda tls: ",".join(tls.peer_dns_sans)), _SSL)
_fixed("SubjectInput", _tls(lambda tls: str(tls.peer_subject)), _SSL)


@extension(NETWORK_INPUT, name="envoy.matching.inputs.filter_state", type_url=_NETWORK + "FilterStateInput")
class FilterState:
    """An object that a filter has left, as text."""

    @staticmethod
    def build(message: Any, _context: Context) -> Input:
        key = message.key

        def read(source: Any) -> bytes | None:
            value = source.info.filter_state.get(key)
            if value is None:
                value = source.connection.filter_state.get(key)
            return None if value is None else value if isinstance(value, bytes) else str(value).encode()

        return read


@extension(NETWORK_INPUT, name="envoy.matching.inputs.dynamic_metadata", type_url=_NETWORK + "DynamicMetadataInput")
class DynamicMetadata:
    """A text in the dynamic metadata."""

    @staticmethod
    def build(message: Any, _context: Context) -> Input:
        namespace = message.filter
        path = tuple(segment.key for segment in message.path)

        def read(source: Any) -> bytes | None:
            value = source.info.dynamic_metadata.get(namespace)
            for key in path:
                value = value.get(key) if isinstance(value, dict) else None
            return value.encode() if isinstance(value, str) else None

        return read
