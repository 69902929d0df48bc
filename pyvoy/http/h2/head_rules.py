"""What a decoded head must be, and the header map it becomes: RFC 9113 8.2 and 8.3, RFC 8441 4.  Pure.

Faults are `Malformed` with Envoy's details; what to do about them (end the stream or the connection) is the codec's.
An extended CONNECT becomes the HTTP/1 upgrade that it stands for, and back, so that nothing behind the codecs knows two
forms.  Source: Envoy's http2 codec and Http::Utility (transformUpgradeRequestFromH2toH1 and its kin).
"""

from __future__ import annotations

import re

from pyvoy.http.h1.limits import Underscores
from pyvoy.http.h2.hpack import Field
from pyvoy.http.h2.limits import Http2Plan
from pyvoy.http.headers import HeaderMap, Pair, header_map

INVALID_FIELD = "http2.invalid.header.field"
MESSAGING = "http2.violation.of.messaging.rule"
UNDERSCORE = "http2.unexpected_underscore"
REMOTE_RESET = "http2.remote_reset"
NGHTTP2_ERROR = "http2.unknown.nghttp2.error"
TOO_MANY = "http2.too_many_headers"
TOO_LARGE = "http2.header_list_size_too_large"

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+").fullmatch
_BAD_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]").search
_METHOD = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_SCHEME = re.compile(rb"[A-Za-z][A-Za-z0-9+.\-]*").fullmatch
_BAD_PATH = re.compile(rb"[\x00-\x20\x7f]").search
_BAD_AUTHORITY = re.compile(rb"[^!$%&'()*+,\-.0-9:;=A-Z\[\]_a-z~]").search
_REQUEST_PSEUDO = frozenset((b":method", b":scheme", b":path", b":authority", b":protocol"))
_CONNECTION_FIELDS = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"))
_HOP_BY_HOP = _CONNECTION_FIELDS | {b"host", b"te", b"http2-settings"}
_ORDER = (b":authority", b":path", b":method", b":scheme")
"""The order of pseudo headers that every reader of a header map expects."""


class Malformed(Exception):
    """A message that breaks the rules of RFC 9113 8; `args[0]` is the detail."""

    @property
    def details(self) -> str:
        """Envoy's detail string."""
        return str(self.args[0])


class Oversized(Malformed):
    """Too many or too large fields: ends the stream alone."""


class Refused(Malformed):
    """A name with an underscore, which the configuration rejects: ends the stream alone."""


def _check_size(fields: list[Field], plan: Http2Plan) -> None:
    if len(fields) > plan.count_limit:
        raise Oversized(TOO_MANY)
    if sum([len(name) + len(value) for name, value, _ in fields]) > plan.head_limit_bytes:
        raise Oversized(TOO_LARGE)


def request_headers(fields: list[Field], plan: Http2Plan) -> HeaderMap:
    """The header map of a request head.  Raises Malformed."""
    pseudo, pairs = _split(fields, plan, _REQUEST_PSEUDO)
    method = pseudo.get(b":method", b"")
    if not _METHOD(method):
        raise Malformed(INVALID_FIELD if method else MESSAGING)
    protocol = pseudo.pop(b":protocol", None)
    _check_target(pseudo, method, protocol, plan)
    host = None
    for index, (name, value) in enumerate(pairs):
        if name == b"host":
            host = value
            del pairs[index]
            break
    if b":authority" not in pseudo and host is not None:
        pseudo[b":authority"] = host
    _check_authority(pseudo.get(b":authority"))
    if protocol is not None:
        pseudo[b":method"] = b"GET"
        pairs = [(b"upgrade", protocol), (b"connection", b"upgrade"), *pairs]
    ordered = {name: pseudo[name] for name in _ORDER if name in pseudo}
    return _join(ordered, pairs)


def _check_target(pseudo: dict[bytes, bytes], method: bytes, protocol: bytes | None, plan: Http2Plan) -> None:
    """RFC 9113 8.3.1 and 8.5; RFC 8441 4."""
    if protocol is not None and (method != b"CONNECT" or not plan.allow_connect):
        raise Malformed(INVALID_FIELD)
    if method == b"CONNECT" and protocol is None:
        if b":scheme" in pseudo or b":path" in pseudo or b":authority" not in pseudo:
            raise Malformed(MESSAGING)
        return
    path = pseudo.get(b":path", b"")
    scheme = pseudo.get(b":scheme", b"")
    if not path or not scheme:
        raise Malformed(INVALID_FIELD if b":path" in pseudo and b":scheme" in pseudo else MESSAGING)
    if not _SCHEME(scheme) or _BAD_PATH(path):
        raise Malformed(INVALID_FIELD)
    if path[:1] != b"/" and not (path == b"*" and method == b"OPTIONS"):
        raise Malformed(MESSAGING)


def _check_authority(authority: bytes | None) -> None:
    if authority is None or not authority or _BAD_AUTHORITY(authority):
        raise Malformed(INVALID_FIELD if authority else MESSAGING)


def response_headers(fields: list[Field], plan: Http2Plan) -> HeaderMap:
    """The header map of a response head.  Raises Malformed."""
    pseudo, pairs = _split(fields, plan, frozenset((b":status",)))
    status = pseudo.get(b":status", b"")
    if len(status) != 3 or not status.isdigit() or status == b"101" or status[:1] == b"0":
        raise Malformed(MESSAGING)
    return _join(pseudo, pairs)


def trailer_map(fields: list[Field], plan: Http2Plan) -> HeaderMap:
    """The map of trailers.  Raises Malformed."""
    _, pairs = _split(fields, plan, frozenset())
    return _join({}, pairs)


def _split(fields: list[Field], plan: Http2Plan, allowed: frozenset[bytes]) -> tuple[dict[bytes, bytes], list[Pair]]:
    """Pseudo headers and fields, each field checked."""
    _check_size(fields, plan)
    pseudo: dict[bytes, bytes] = {}
    pairs: list[Pair] = []
    underscores = plan.underscores
    for name, value, _ in fields:
        if name[:1] == b":":
            if pairs or name in pseudo or name not in allowed or _BAD_VALUE(value):
                raise Malformed(INVALID_FIELD)
            pseudo[name] = value
            continue
        if not _NAME(name) or _BAD_VALUE(value):
            raise Malformed(INVALID_FIELD)
        if name in _CONNECTION_FIELDS or (name == b"te" and value.lower() != b"trailers"):
            raise Malformed(INVALID_FIELD)
        if underscores is not Underscores.ALLOW and b"_" in name:
            if underscores is Underscores.REJECT:
                raise Refused(UNDERSCORE)
            continue
        pairs.append((name, value.strip(b" \t")))
    return pseudo, pairs


def _join(pseudo: dict[bytes, bytes], pairs: list[Pair]) -> HeaderMap:
    """One map; cookie crumbs become one field (RFC 9113 8.2.3)."""
    values = pseudo
    values.update(pairs)
    headers = header_map(values)
    if len(values) == len(pairs) + sum(1 for name in values if name[:1] == b":"):
        return headers
    headers = HeaderMap([pair for pair in pseudo.items() if pair[0][:1] == b":"])
    crumbs = [value for name, value in pairs if name == b"cookie"]
    for name, value in pairs:
        if name != b"cookie":
            headers.add(name, value)
    if crumbs:
        headers.add(b"cookie", b"; ".join(crumbs))
    return headers


def content_length(headers: HeaderMap) -> int:
    """The announced length, -1 for none.  Raises Malformed."""
    value = headers.joined(b"content-length")
    if value is None:
        return -1
    if not value.isdigit() or len(value) > 18:
        raise Malformed(INVALID_FIELD)
    return int(value)


# ---- writing ----


def request_fields(headers: HeaderMap) -> list[Field]:
    """A request head as HTTP/2 writes it; an upgrade becomes an extended CONNECT."""
    values = headers.map
    if b"upgrade" in values and values[b":method"] != b"CONNECT":
        return _extended_connect(headers)
    fields = [(name, value, False) for name, value in headers.items() if name not in _HOP_BY_HOP]
    if values.get(b"te", b"").lower() == b"trailers":
        fields.append((b"te", b"trailers", False))
    if values[b":method"] == b"CONNECT":
        fields = [field for field in fields if field[0] not in (b":scheme", b":path")]
    return _pseudo_first(fields)


def _extended_connect(headers: HeaderMap) -> list[Field]:
    fields: list[Field] = [(b":method", b"CONNECT", False), (b":protocol", headers.map[b"upgrade"], False)]
    dropped = _HOP_BY_HOP | {b":method", b"content-length"}
    fields += [(name, value, False) for name, value in headers.items() if name not in dropped]
    return _pseudo_first(fields)


def response_fields(headers: HeaderMap) -> list[Field]:
    """A response head or trailers as HTTP/2 writes them; a granted upgrade becomes 200."""
    values = headers.map
    if _CONNECTION_FIELDS.isdisjoint(values):
        if headers.pairs is None:
            return _pseudo_first([(name, value, False) for name, value in values.items()])
        return _pseudo_first([(name, value, False) for name, value in headers.pairs])
    granted = values.get(b":status") == b"101"
    fields = [(name, value, False) for name, value in headers.items() if name not in _CONNECTION_FIELDS]
    if granted:
        fields = [
            (name, b"200" if name == b":status" else value, False)
            for name, value, _ in fields
            if name != b"content-length"
        ]
    return _pseudo_first(fields)


def _pseudo_first(fields: list[Field]) -> list[Field]:
    """Filters may have put fields before pseudo headers."""
    if any(field[0][:1] == b":" for field in fields[1:]):
        fields.sort(key=lambda field: field[0][:1] != b":")
    return fields
