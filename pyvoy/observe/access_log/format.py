"""Format strings -> functions from a source (stream or TCP session) to bytes.

Everything is decided when the format is compiled; per line it is one %-formatting of bytes over the operators' values.
Source: Envoy's SubstitutionFormatParser; error texts from the running 1.40.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pyvoy.observe.access_log import operators_connection, operators_http, operators_state, operators_time
from pyvoy.observe.access_log.operator import Builder, Command, FormatError, Kind, Operator, to_text

Formatter = Callable[[Any], bytes]

DEFAULT_FORMAT = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% '
    "%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "
    '"%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n'
)
"""The line of an access log without a format, for HTTP and TCP alike."""

OPERATORS: dict[str, Builder] = {
    **operators_http.OPERATORS,
    **operators_time.OPERATORS,
    **operators_connection.OPERATORS,
    **operators_state.OPERATORS,
}

_COMMAND = re.compile(r"%([A-Z0-9_]+)(?:\((.*?)\))?(?::([0-9]+))?%")
_UNSUPPORTED = frozenset(
    [
        "CEL",
        "TYPED_CEL",
        "COALESCE",
        "UPSTREAM_FILTER_STATE",
        "DOWNSTREAM_CX_RTT",
        "DOWNSTREAM_DETECTED_CLOSE_TYPE",
        "UPSTREAM_DETECTED_CLOSE_TYPE",
        "DOWNSTREAM_LOCAL_CLOSE_REASON",
        "UPSTREAM_LOCAL_CLOSE_REASON",
        "DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID",
        "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID",
        "UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID",
        "UPSTREAM_SERVER_NAME",
        "ROUTE_RESOLUTION_COUNT",
        "ROUTE_RESOLUTION_TIME_US",
        "DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256",
        "DOWNSTREAM_PEER_ISSUER_SERIAL",
        "DOWNSTREAM_PEER_OTHERNAME_SAN",
        "DOWNSTREAM_LOCAL_OTHERNAME_SAN",
        "REQUEST_TRAILER",
    ]
)
"""Operators of Envoy 1.40 that are missing here."""


def parse_format(text: str) -> list[str | Operator]:
    """The pieces of a format: literal texts and operators.  Raises FormatError (a ValueError)."""
    pieces: list[str | Operator] = []
    literal = ""
    place = 0
    while (percent := text.find("%", place)) >= 0:
        literal += text[place:percent]
        if text.startswith("%%", percent):
            literal += "%"
            place = percent + 2
            continue
        match = _COMMAND.match(text, percent)
        if match is None:
            raise FormatError(f"Incorrect configuration: {text}. Couldn't find valid command at position {percent}")
        if literal:
            pieces.append(literal)
            literal = ""
        length = None if match[3] is None else int(match[3])
        pieces.append(_operator(Command(match[1], match[2], length)))
        place = match.end()
    literal += text[place:]
    if literal:
        pieces.append(literal)
    return pieces


def _operator(command: Command) -> Operator:
    builder = OPERATORS.get(command.name)
    if builder is None:
        if command.name in _UNSUPPORTED:
            raise FormatError(f"{command.name} is not supported by pyvoy")
        raise FormatError(f"Not supported field in StreamInfo: {command.name}")
    return builder(command)


def compile_format(text: str, *, missing: bytes = b"-", one_line: bool = False) -> Formatter:
    """The function of a format string.

    `missing` stands for absent values (`-` in logs, empty in header values and bodies).  With `one_line` line breaks
    within values are escaped as \\n and \\r, so that a value cannot forge a log line.  Raises FormatError."""
    pieces = parse_format(text)
    operators = [piece for piece in pieces if not isinstance(piece, str)]
    if not operators:
        constant = "".join([piece for piece in pieces if isinstance(piece, str)]).encode()
        return lambda source: constant
    getters = tuple(text_getter(operator, missing, one_line=one_line) for operator in operators)
    if len(pieces) == 1:
        return getters[0]
    template = b"".join([piece.encode().replace(b"%", b"%%") if isinstance(piece, str) else b"%b" for piece in pieces])

    def render(source: Any) -> bytes:
        return template % tuple([get(source) for get in getters])

    return render


def text_getter(operator: Operator, missing: bytes, *, one_line: bool = False) -> Formatter:
    """The operator's value as bytes."""
    if one_line and operator.breaks_lines:
        return _one_line(text_getter(operator, missing))
    return _TEXT_GETTERS[operator.kind](operator.get, missing)


def _bytes_getter(get: Callable[[Any], bytes | None], missing: bytes) -> Formatter:
    def read(source: Any) -> bytes:
        value = get(source)
        return missing if value is None else value

    return read


def _string_getter(get: Callable[[Any], str | None], missing: bytes) -> Formatter:
    def read(source: Any) -> bytes:
        value = get(source)
        return missing if value is None else value.encode("utf-8", "surrogateescape")

    return read


def _number_getter(get: Callable[[Any], int | None], missing: bytes) -> Formatter:
    def read(source: Any) -> bytes:
        value = get(source)
        return missing if value is None else b"%d" % value

    return read


def _json_getter(get: Callable[[Any], Any], missing: bytes) -> Formatter:
    def read(source: Any) -> bytes:
        value = get(source)
        return missing if value is None else to_text(value)

    return read


_TEXT_GETTERS: dict[Kind, Callable[[Any, bytes], Formatter]] = {
    Kind.BYTES: _bytes_getter,
    Kind.TEXT: _string_getter,
    Kind.NUMBER: _number_getter,
    Kind.JSON: _json_getter,
}


def _one_line(get: Formatter) -> Formatter:
    def read(source: Any) -> bytes:
        value = get(source)
        if b"\n" in value or b"\r" in value:
            return value.replace(b"\n", b"\\n").replace(b"\r", b"\\r")
        return value

    return read
