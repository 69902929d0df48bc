"""Pieces of HTTP/1 syntax that the parser library leaves to its user (RFC 9112, 9110).

Pure functions and tables; the parser itself is httptools (llhttp).
"""

from __future__ import annotations

import re

STATUS_LINES: dict[bytes, bytes] = {
    b"%d" % code: b"HTTP/1.1 %d %s\r\n" % (code, reason)
    for code, reason in {
        100: b"Continue", 101: b"Switching Protocols", 102: b"Processing", 103: b"Early Hints", 200: b"OK",
        201: b"Created", 202: b"Accepted", 203: b"Non-Authoritative Information", 204: b"No Content",
        205: b"Reset Content", 206: b"Partial Content", 207: b"Multi-Status", 208: b"Already Reported",
        226: b"IM Used", 300: b"Multiple Choices", 301: b"Moved Permanently", 302: b"Found", 303: b"See Other",
        304: b"Not Modified", 305: b"Use Proxy", 307: b"Temporary Redirect", 308: b"Permanent Redirect",
        400: b"Bad Request", 401: b"Unauthorized", 402: b"Payment Required", 403: b"Forbidden", 404: b"Not Found",
        405: b"Method Not Allowed", 406: b"Not Acceptable", 407: b"Proxy Authentication Required",
        408: b"Request Timeout", 409: b"Conflict", 410: b"Gone", 411: b"Length Required",
        412: b"Precondition Failed", 413: b"Payload Too Large", 414: b"URI Too Long", 415: b"Unsupported Media Type",
        416: b"Range Not Satisfiable", 417: b"Expectation Failed", 421: b"Misdirected Request",
        422: b"Unprocessable Entity", 423: b"Locked", 424: b"Failed Dependency",
        425: b"Too Early", 426: b"Upgrade Required",
        428: b"Precondition Required", 429: b"Too Many Requests", 431: b"Request Header Fields Too Large",
        500: b"Internal Server Error", 501: b"Not Implemented", 502: b"Bad Gateway", 503: b"Service Unavailable",
        504: b"Gateway Timeout", 505: b"HTTP Version Not Supported", 506: b"Variant Also Negotiates",
        507: b"Insufficient Storage", 508: b"Loop Detected", 510: b"Not Extended",
        511: b"Network Authentication Required", 599: b"Last Unassigned Server Error Code",
    }.items()
}  # fmt: skip
"""Status lines by code; the reason texts are Envoy's CodeUtility."""

_ABSOLUTE = re.compile(rb"(https?)://([^/?#]*)([^#]*)", re.IGNORECASE)
_AUTHORITY = re.compile(rb"(?:\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._~!$&'()*+;=%-]*)(?::([0-9]{1,5}))?")


def status_line(status: bytes) -> bytes:
    """The status line of a code; an unknown code gets Envoy's reason "Unknown"."""
    return STATUS_LINES.get(status) or b"HTTP/1.1 " + status + b" Unknown\r\n"


def split_absolute(target: bytes) -> tuple[bytes, bytes, bytes] | None:
    """(scheme, authority, path) of an absolute-form target (RFC 9112 3.2.2), None when it is malformed.

    User information before an `@` is dropped, as Envoy does.
    """
    match = _ABSOLUTE.fullmatch(target)
    if match is None:
        return None
    authority = match[2].rpartition(b"@")[2]
    if not authority or not valid_authority(authority):
        return None
    path = match[3]
    if not path.startswith(b"/"):
        path = b"/" + path
    return match[1].lower(), authority, path


def valid_authority(authority: bytes) -> bool:
    """True for `host [":" port]` with a port of at most 65535 (RFC 9110 4.2)."""
    match = _AUTHORITY.fullmatch(authority)
    return match is not None and (match[1] is None or int(match[1]) <= 65535)


def tokens(value: bytes) -> list[bytes]:
    """The lower-case members of a comma-separated header value."""
    return [token.strip().lower() for token in value.split(b",")]


def proper_case(name: bytes) -> bytes:
    """`content-type` -> `Content-Type`: the first letter and each after a non-letter, as Envoy's formatter."""
    return re.sub(rb"(^|[^a-z0-9])([a-z])", lambda m: m[1] + m[2].upper(), name)
