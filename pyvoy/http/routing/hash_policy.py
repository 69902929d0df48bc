"""Hash policies: the number by which ring hash and maglev keep a client at its host.

Each method gives a 64-bit hash or None; they are mixed by rotation until a terminal one has spoken.
Source of behaviour: Envoy's HashPolicyImpl, Utility::parseCookieValue and makeSetCookieValue; xxHash64 with seed 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import xxhash

from pyvoy.http.headers import HeaderMap
from pyvoy.http.routing.query import first_value
from pyvoy.http.routing.rewrite import TextRewrite

Method = Callable[[Any, "list[bytes] | None"], "int | None"]
"""`(stream, cookies)`; Set-Cookie values to send are appended to `cookies`, None generates none."""

_MASK = (1 << 64) - 1


def hash_policy(methods: Sequence[tuple[Method, bool]]) -> Callable[..., int | None]:
    """All methods as one `(stream, cookies=None)`; the flag marks a terminal method."""
    wanted = tuple(methods)

    def evaluate(stream: Any, cookies: list[bytes] | None = None) -> int | None:
        result: int | None = None
        for method, terminal in wanted:
            value = method(stream, cookies)
            if value is not None:
                result = value if result is None else (((result << 1) & _MASK) | (result >> 63)) ^ value
            if terminal and result is not None:
                break
        return result

    return evaluate


def header_method(name: bytes, rewrite: TextRewrite | None = None) -> Method:
    """The values of a header; several are sorted, so that their order does not matter."""

    def method(stream: Any, _cookies: list[bytes] | None) -> int | None:
        values = stream.request_headers.get_all(name)
        if not values:
            return None
        if rewrite is not None:
            values = [rewrite(value) for value in values]
        if len(values) == 1:
            return hash64(values[0])
        mixed = 0
        for value in sorted(values):
            mixed = hash64(value, mixed)
        return mixed

    return method


def cookie_tail(ttl_s: int | None, path: bytes, attributes: Sequence[tuple[bytes, bytes]]) -> bytes:
    """What stands behind a cookie's value in set-cookie."""
    tail = b"; Max-Age=%d" % ttl_s if ttl_s else b""
    if path:
        tail += b"; Path=" + path
    for attribute, value in attributes:
        tail += b"; " + (attribute + b"=" + value if value else attribute)
    return tail + b"; HttpOnly"


def cookie_method(
    name: bytes, ttl_s: int | None, path: bytes = b"", attributes: Sequence[tuple[bytes, bytes]] = ()
) -> Method:
    """A cookie's value.  With a ttl a missing cookie is made up from the connection's addresses and sent."""
    tail = cookie_tail(ttl_s, path, attributes)

    def method(stream: Any, cookies: list[bytes] | None) -> int | None:
        value = cookie_value(stream.request_headers, name)
        if value:
            return hash64(value)
        if ttl_s is None or cookies is None:
            return None
        connection = stream.connection
        made = b"%016x" % hash64((connection.remote.text + connection.local.text).encode())
        cookies.append(name + b'="' + made + b'"' + tail)
        return hash64(made)

    return method


def source_ip_method(stream: Any, _cookies: list[bytes] | None) -> int | None:
    """The client's address without port; None for one that is no IP address."""
    ip: str = stream.connection.remote.ip
    return hash64(ip.encode()) if ip else None


def query_method(name: bytes) -> Method:
    """The first value of a query parameter."""

    def method(stream: Any, _cookies: list[bytes] | None) -> int | None:
        value = first_value(stream.request_headers.map.get(b":path", b""), name)
        return None if value is None else hash64(value)

    return method


def filter_state_method(key: str) -> Method:
    """An object of the filter state that says its hash: a string's, or what its `hash64()` gives."""

    def method(stream: Any, _cookies: list[bytes] | None) -> int | None:
        value = stream.info.filter_state.get(key)
        if isinstance(value, str):
            return hash64(value.encode())
        if isinstance(value, bytes):
            return hash64(value)
        own = getattr(value, "hash64", None)
        return None if own is None else int(own())

    return method


def hash64(value: bytes, seed: int = 0) -> int:
    """xxHash64, as Envoy's HashUtil."""
    return int(xxhash.xxh64_intdigest(value, seed))


def cookie_value(headers: HeaderMap, name: bytes) -> bytes:
    """The first value of a cookie, without quotes around it; empty when absent."""
    for header in headers.get_all(b"cookie"):
        for item in header.split(b";"):
            key, equals, value = item.partition(b"=")
            if equals and key.lstrip(b" ") == name:
                if len(value) >= 2 and value.startswith(b'"') and value.endswith(b'"'):
                    value = value[1:-1]
                return value
    return b""
