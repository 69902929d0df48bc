"""Tells plaintext HTTP from anything else by the first bytes of a connection.

Answers with the application protocol that a filter chain match can ask for; parses no more than the request line.
Source: Envoy's http_inspector (probed on Envoy 1.40); "h2c" and not "h2" is its name for HTTP/2 without TLS.
"""

from __future__ import annotations

import re
from enum import Enum

HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MAX_INSPECT_BYTES = 64 * 1024  # Envoy http_inspector MAX_INSPECT_SIZE; beyond it the connection is dropped


class HttpSniff(Enum):
    """What the first bytes are; the value of a found protocol is its ALPN-style name."""

    NEED_MORE = ""
    HTTP10 = "http/1.0"
    HTTP11 = "http/1.1"
    HTTP2 = "h2c"
    NOT_HTTP = "not_http"
    TOO_LARGE = "too_large"


# Any byte up to the space separates the words of a request line, as in Envoy's parser.
_HOST_AND_PATH = rb"(?:(?!@@)[A-Za-z0-9!$%&'()*+,\-.:;=@\[\]_~])*(?:[/?][!-~]*)?"
_METHOD = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_REQUEST_LINE = re.compile(
    rb"(?:CONNECT[\t\r ][\x00-\x20]*(?=[!-~])(?:[/*][!-~]*|" + _HOST_AND_PATH + rb")"
    rb"|" + _METHOD + rb"[\t\r ][\x00-\x20]*(?:[/*][!-~]*|[A-Za-z][A-Za-z0-9+\-.]*://" + _HOST_AND_PATH + rb"))"
    rb"(?:[\x00-\x20]+(HTTP/[0-9]\.[0-9]))?[\x00-\x20]*"
)
_METHOD_SO_FAR = re.compile(_METHOD + rb"(?:[\t\r\n ]|\Z)")


def sniff(data: bytes | bytearray) -> HttpSniff:
    """Judge all bytes of a connection so far; `data` must not be empty."""
    if data.startswith(HTTP2_PREFACE):
        return HttpSniff.HTTP2
    if HTTP2_PREFACE.startswith(bytes(data[: len(HTTP2_PREFACE)])):
        return HttpSniff.NEED_MORE
    if _METHOD_SO_FAR.match(data) is None:
        return HttpSniff.NOT_HTTP
    line_end = data.find(b"\n", 0, MAX_INSPECT_BYTES)
    if line_end < 0:
        return HttpSniff.TOO_LARGE if len(data) >= MAX_INSPECT_BYTES else HttpSniff.NEED_MORE
    match = _REQUEST_LINE.fullmatch(data, 0, line_end)
    if match is None:
        return HttpSniff.NOT_HTTP
    return HttpSniff.HTTP11 if match[1] == b"HTTP/1.1" else HttpSniff.HTTP10
