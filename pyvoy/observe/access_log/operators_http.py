"""Operators about the HTTP message: headers, path, query, status, flags, gRPC status, sizes of headers, local reply.

Source: Envoy's http_specific_formatter and stream_info_formatter; values checked on the running 1.40.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_to_bytes

from pyvoy.http.headers import HeaderMap
from pyvoy.observe.access_log.operator import (
    Builder,
    Command,
    FormatError,
    Kind,
    Operator,
    bare,
    required,
    truncated,
)
from pyvoy.observe.details import flags_long_text, flags_text

GRPC_NAMES = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
]
GRPC_SNAKE_NAMES = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
]

HTTP_TO_GRPC = {400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14}
"""Status of a gRPC call by the HTTP status of its answer; 2 (unknown) for others."""

Headers = Callable[[Any], HeaderMap | None]


def is_grpc(headers: HeaderMap) -> bool:
    """Whether the content type is application/grpc, or application/grpc+something."""
    content_type = headers.map.get(b"content-type", b"")
    return content_type == b"application/grpc" or content_type.startswith(b"application/grpc+")


def _header(headers: Headers) -> Builder:
    """X, or Y when X is missing: the first value of the header."""

    def build(command: Command) -> Operator:
        main, _, alternative = required(command).partition("?")
        if "?" in alternative:
            raise FormatError(f"More than 1 alternative header specified in token: {command.arguments}")
        first, second = _name(main), _name(alternative)

        def get(source: Any) -> bytes | None:
            found = headers(source)
            if found is None:
                return None
            value = found.map.get(first)
            return value if value is not None or not second else found.map.get(second)

        return truncated(Operator(get, Kind.BYTES), command.length)

    return build


def _without_query(command: Command) -> Operator:
    """REQ_WITHOUT_QUERY of the formatter req_without_query: a request header up to its question mark."""
    whole = _header(_request)(Command(command.name, command.arguments, None))

    def get(source: Any) -> bytes | None:
        value: bytes | None = whole.get(source)
        return None if value is None else value.partition(b"?")[0]

    return truncated(Operator(get, Kind.BYTES), command.length)


def _name(text: str) -> bytes:
    if any(ord(char) <= 32 or ord(char) == 127 for char in text):
        raise FormatError("Invalid header configuration. Format string contains invalid characters.")
    name = text.lower().encode()
    return b":authority" if name == b"host" else name


def _request(source: Any) -> HeaderMap | None:
    return source.request_headers  # type: ignore[no-any-return]


def _response(source: Any) -> HeaderMap | None:
    return source.response_headers  # type: ignore[no-any-return]


def _trailers(source: Any) -> HeaderMap | None:
    return source.response_trailers  # type: ignore[no-any-return]


def _header_bytes(headers: Headers) -> Operator:
    def get(source: Any) -> int:
        found = headers(source)
        return 0 if found is None else found.byte_size()

    return Operator(get, Kind.NUMBER)


_PATHS: dict[str, tuple[bytes, ...]] = {
    "ORIG": (b"x-envoy-original-path",),
    "PATH": (b":path",),
    "ORIG_OR_PATH": (b"x-envoy-original-path", b":path"),
}


def _path(command: Command) -> Operator:
    options = (command.arguments or "").split(":")
    query = options[0]
    which = options[1] if len(options) > 1 else ""
    if query not in ("", "WQ", "NQ"):
        raise FormatError(f"Invalid PATH option: '{query}', only 'WQ'/'NQ' are allowed")
    if which and which not in _PATHS:
        raise FormatError(f"Invalid PATH option: '{which}', only 'ORIG'/'PATH'/'ORIG_OR_PATH' are allowed")
    names = _PATHS[which or "ORIG_OR_PATH"]
    cut_query = query == "NQ"

    def get(source: Any) -> bytes | None:
        headers = source.request_headers
        if headers is None:
            return None
        for name in names:
            path: bytes | None = headers.map.get(name)
            if path is not None:
                return path.partition(b"?")[0] if cut_query else path
        return None

    return truncated(Operator(get, Kind.BYTES), command.length)


def _query(source: Any) -> bytes:
    headers = source.request_headers
    if headers is None:
        return b""
    path: bytes = headers.map.get(b"x-envoy-original-path") or headers.map.get(b":path", b"")
    return path.partition(b"?")[2].partition(b"#")[0]


def _query_param(command: Command) -> Operator:
    wanted = required(command).encode()

    def get(source: Any) -> bytes | None:
        for pair in _query(source).split(b"&"):
            name, _, value = pair.partition(b"=")
            if name == wanted or (b"%" in name and unquote_to_bytes(name) == wanted):
                return unquote_to_bytes(value)
        return None

    return truncated(Operator(get, Kind.BYTES, breaks_lines=True), command.length)


def _query_params(command: Command) -> Operator:
    if command.arguments not in (None, "", "ORIG", "DECODED"):
        raise FormatError(f"Invalid QUERY_PARAMS option: '{command.arguments}', only 'ORIG'/'DECODED' are allowed")
    decoded = command.arguments == "DECODED"

    def get(source: Any) -> bytes | None:
        if source.request_headers is None:
            return None
        query = _query(source)
        return unquote_to_bytes(query) if decoded else query

    return truncated(Operator(get, Kind.BYTES, breaks_lines=decoded), command.length)


def _details(command: Command) -> Operator:
    allow_blanks = command.arguments == "ALLOW_WHITESPACES"

    def get(source: Any) -> str | None:
        text: str | None = source.info.response_code_details
        if text is None:
            return None
        return text if allow_blanks else "_".join(text.split())

    return truncated(Operator(get, Kind.TEXT, breaks_lines=allow_blanks), command.length)


def grpc_status(source: Any) -> int | None:
    """The status of a gRPC call: from trailers, headers or the HTTP status; None for other requests."""
    request = source.request_headers
    if request is None or not is_grpc(request):
        return None
    for headers in (source.response_trailers, source.response_headers):
        if headers is not None:
            value = headers.map.get(b"grpc-status")
            if value is not None:
                return int(value) if value.isdigit() else -1
    code = source.info.response_code
    return HTTP_TO_GRPC.get(code, 2) if code else None


def _grpc_status(command: Command) -> Operator:
    how = command.arguments or "CAMEL_STRING"
    if how == "NUMBER":
        return Operator(grpc_status, Kind.NUMBER)
    if how not in ("CAMEL_STRING", "SNAKE_STRING"):
        raise FormatError(f"GrpcStatusFormatter only supports CAMEL_STRING, SNAKE_STRING or NUMBER. Got: {how}")
    names = GRPC_NAMES if how == "CAMEL_STRING" else GRPC_SNAKE_NAMES

    def get(source: Any) -> str | None:
        status = grpc_status(source)
        if status is None:
            return None
        return names[status] if 0 <= status < len(names) else str(status)

    return Operator(get, Kind.TEXT)


def _alone(operator: Operator) -> Builder:
    def build(command: Command) -> Operator:
        bare(command)
        return operator

    return build


OPERATORS: dict[str, Builder] = {
    "REQ": _header(_request),
    "REQUEST_HEADER": _header(_request),
    "REQ_WITHOUT_QUERY": _without_query,
    "RESP": _header(_response),
    "RESPONSE_HEADER": _header(_response),
    "TRAILER": _header(_trailers),
    "RESPONSE_TRAILER": _header(_trailers),
    "PATH": _path,
    "QUERY_PARAM": _query_param,
    "QUERY_PARAMS": _query_params,
    "RESPONSE_CODE_DETAILS": _details,
    "GRPC_STATUS": _grpc_status,
    "GRPC_STATUS_NUMBER": _alone(Operator(grpc_status, Kind.NUMBER)),
    "PROTOCOL": _alone(Operator(lambda source: source.info.protocol or None, Kind.TEXT)),
    "UPSTREAM_PROTOCOL": _alone(Operator(lambda source: source.info.upstream_protocol or None, Kind.TEXT)),
    "RESPONSE_CODE": _alone(Operator(lambda source: source.info.response_code, Kind.NUMBER)),
    "RESPONSE_FLAGS": _alone(Operator(lambda source: flags_text(source.info.response_flags), Kind.TEXT)),
    "RESPONSE_FLAGS_LONG": _alone(Operator(lambda source: flags_long_text(source.info.response_flags), Kind.TEXT)),
    "REQUEST_HEADERS_BYTES": _alone(_header_bytes(_request)),
    "RESPONSE_HEADERS_BYTES": _alone(_header_bytes(_response)),
    "RESPONSE_TRAILERS_BYTES": _alone(_header_bytes(_trailers)),
    "LOCAL_REPLY_BODY": _alone(
        Operator(lambda source: getattr(source, "local_reply_body", b""), Kind.BYTES, breaks_lines=True)
    ),
    "STREAM_ID": _alone(Operator(lambda source: source.info.request_id or None, Kind.BYTES)),
    "TRACE_ID": _alone(Operator(lambda source: source.info.trace_id or None, Kind.TEXT)),
    "SPAN_ID": _alone(Operator(lambda source: source.info.span_id or None, Kind.TEXT)),
    "ROUTE_NAME": _alone(Operator(lambda source: source.info.route_name or None, Kind.TEXT, breaks_lines=True)),
    "VIRTUAL_CLUSTER_NAME": _alone(Operator(lambda source: source.info.virtual_cluster_name or None, Kind.TEXT)),
    "ACCESS_LOG_TYPE": _alone(Operator(lambda source: getattr(source, "log_type", "NotSet"), Kind.TEXT)),
    "CUSTOM_FLAGS": _alone(Operator(lambda source: source.info.custom_flags, Kind.TEXT, breaks_lines=True)),
}
