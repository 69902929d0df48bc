"""What a request's target and upgrade mean: pseudo headers from the request line, upgrades that count and that do not.

Pure functions on a header map; faults are `CodecError`s.  Sources: RFC 9112 3.2, 9110 7.8; Envoy's http1 codec.
"""

from __future__ import annotations

from pyvoy.http.codec import CodecError
from pyvoy.http.h1.grammar import split_absolute, tokens
from pyvoy.http.h1.limits import Http1Plan
from pyvoy.http.headers import HeaderMap


def place_pseudo_headers(headers: HeaderMap, method: bytes, target: bytes, plan: Http1Plan) -> None:
    """Put `:authority`, `:path`, `:method` and `:scheme` before the fields, as every reader expects them; Host goes."""
    values = headers.map
    host = values.get(b"host")
    pseudo: dict[bytes, bytes] = {}
    if target[:1] == b"/":
        if host is not None:
            pseudo[b":authority"] = host
        pseudo[b":path"] = target
    else:
        _odd_target(method, target, host, pseudo, plan)
    pseudo[b":method"] = method
    pseudo[b":scheme"] = pseudo.pop(b":scheme", b"")
    if host is not None:
        headers.remove(b"host")
    pseudo.update(values)
    headers.map = pseudo
    if headers.pairs is not None:
        names = [(name, value) for name, value in pseudo.items() if name[0] == 58]
        headers.pairs = names + headers.pairs


def _odd_target(method: bytes, target: bytes, host: bytes | None, pseudo: dict[bytes, bytes], plan: Http1Plan) -> None:
    """Absolute-form, authority-form (CONNECT) and asterisk-form (RFC 9112 3.2)."""
    if method == b"CONNECT":
        pseudo[b":authority"] = target
        return
    if target == b"*" and method == b"OPTIONS":
        if host is not None:
            pseudo[b":authority"] = host
        pseudo[b":path"] = target
        return
    parts = split_absolute(target) if plan.allow_absolute_url else None
    if parts is None:
        raise CodecError("http1.invalid_url")
    pseudo[b":scheme"], pseudo[b":authority"], pseudo[b":path"] = parts


def upgrade_counts(headers: HeaderMap, method: bytes, plan: Http1Plan) -> bool:
    """Whether a CONNECT, or a request with an Upgrade header, leaves HTTP behind; an ignored upgrade (h2c) is
    taken out."""
    values = headers.map
    if method == b"CONNECT":
        if values.get(b"content-length", b"0") != b"0":
            raise CodecError("http1.content_length_not_allowed")
        return True
    wanted = values[b"upgrade"].lower()
    if b"upgrade" not in tokens(values.get(b"connection", b"")):
        return False
    if wanted != b"h2c" and wanted not in plan.ignored_upgrades:
        return True
    headers.remove(b"upgrade")
    headers.remove(b"http2-settings")
    kept = [t for t in tokens(values[b"connection"]) if t not in (b"upgrade", b"http2-settings")]
    headers.remove(b"connection")
    if kept:
        headers.set(b"connection", b",".join(kept))
    return False
