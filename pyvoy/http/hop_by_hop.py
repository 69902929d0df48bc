"""Headers that end at this hop: Connection and what it nominates, TE, Upgrade, and their kin (RFC 9110 7.6.1).  Pure.

Source: Envoy's Utility::sanitizeConnectionHeader and ConnectionManagerUtility; checked on the running 1.40.
"""

from __future__ import annotations

import re

from pyvoy.http.headers import HeaderMap
from pyvoy.http.rejection import bad_request
from pyvoy.observe import details

REQUEST_NAMES = frozenset(
    b"connection upgrade te keep-alive proxy-connection transfer-encoding x-envoy-internal referer".split()
)
"""A request with none of these needs no hop-by-hop work."""

RESPONSE_NAMES = frozenset(b"connection upgrade proxy-connection transfer-encoding".split())

CONNECTION_REJECTED = bad_request(details.HTTP1_CONNECTION_HEADER_REJECTED)

_NOT_NOMINATED = frozenset(b"close http2-settings keep-alive upgrade".split())
_NEVER_NOMINATED = frozenset(b"x-forwarded-for x-forwarded-host x-forwarded-proto".split())
_MAX_NOMINATED = 10
_MAX_TE_BYTES = 256
PLAIN_CONNECTION = frozenset((b"keep-alive", b"close", b"Keep-Alive", b"Close"))
"""The usual values, which nominate nothing."""

_ABSOLUTE_URL = re.compile(
    rb"[A-Za-z][A-Za-z0-9+.-]*://(?:\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(?::(\d{1,5}))?(?:[/?][^#]*)?"
)
_RELATIVE_REFERENCE = re.compile(rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=@?%]*)(?:/[A-Za-z0-9\-._~!$&'()*+,;=@?%:/]*)?")


def tokens(value: bytes) -> list[bytes]:
    """The members of a comma-separated list, lower-case, without empty ones."""
    return [token for part in value.split(b",") if (token := part.strip().lower())]


def is_upgrade(headers: HeaderMap) -> bool:
    """Whether the message asks for (or grants) a change of protocol: an Upgrade header that Connection names."""
    values = headers.map
    return b"upgrade" in values and b"upgrade" in tokens(values.get(b"connection", b""))


def clean_request(headers: HeaderMap) -> None:
    """Take the hop-by-hop headers out of a request; an upgrade keeps `connection` and `upgrade`."""
    values = headers.map
    if b"upgrade" not in values or not is_upgrade(headers):
        headers.remove(b"connection")
        headers.remove(b"upgrade")
        te = values.get(b"te")
        if te is not None:
            _reduce_te(headers, te)
    headers.remove(b"x-envoy-internal")
    headers.remove(b"keep-alive")
    headers.remove(b"proxy-connection")
    headers.remove(b"transfer-encoding")
    referer = headers.joined(b"referer")
    if referer is not None and not valid_referer(referer):
        headers.remove(b"referer")


def clean_response(headers: HeaderMap, upgraded: bool) -> None:
    """Take the hop-by-hop headers out of a response; nominated ones stay, as in Envoy, and so does a keep-alive: the
    codec has taken the upstream's away, before the filters."""
    values = headers.map
    if not upgraded and headers.pairs is None:
        for name in RESPONSE_NAMES.intersection(values):
            del values[name]
        headers.generation += 1
        return
    if upgraded and is_upgrade(headers):
        informational = values.get(b":status", b"")[:1] == b"1"
        if not informational and b"transfer-encoding" not in values and b"content-length" not in values:
            headers.set(b"content-length", b"0")
    else:
        headers.remove(b"connection")
        headers.remove(b"upgrade")
    headers.remove(b"transfer-encoding")
    headers.remove(b"proxy-connection")


def valid_referer(value: bytes) -> bool:
    """Whether a referer is an absolute URL without user and fragment, or a relative reference without fragment."""
    match = _ABSOLUTE_URL.fullmatch(value)
    if match is not None:
        return match[1] is None or int(match[1]) <= 65535
    return _RELATIVE_REFERENCE.fullmatch(value) is not None


def _reduce_te(headers: HeaderMap, te: bytes) -> None:
    """Only `trailers` may pass on."""
    if b"trailers" in [part.strip() for part in te.split(b",")]:
        headers.set(b"te", b"trailers")
    else:
        headers.remove(b"te")


def remove_nominated(headers: HeaderMap, connection: bytes) -> bool:
    """Remove what Connection nominates, also from Connection itself; False when the request must be refused.

    Nominating forwarding headers could hide where a request comes from, so that is refused."""
    nominated = tokens(connection)
    if len(connection.split(b",")) >= _MAX_NOMINATED:
        return False
    removed: set[bytes] = set()
    for name in nominated:
        if name in _NOT_NOMINATED:
            continue
        if name in _NEVER_NOMINATED or name.startswith(b":"):
            return False
        if name == b"connection":
            removed.add(name)
        elif name == b"host":
            headers.remove(b":authority")
            removed.add(name)
        elif name == b"te":
            te = headers.map.get(b"te", b"")
            if len(te) >= _MAX_TE_BYTES:
                return False
            _reduce_te(headers, te)
            removed.add(name)
        elif headers.remove(name):
            removed.add(name)
    if removed:
        kept = b",".join([part for part in connection.split(b",") if part.strip().lower() not in removed])
        if kept:
            headers.set(b"connection", kept)
        else:
            headers.remove(b"connection")
    return True
