"""A stream as far as the route table looks at one."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import Any

from pyvoy.http.headers import HeaderMap, Pair
from pyvoy.network.address import Address
from pyvoy.observe.stream_info import ConnectionInfo, StreamInfo


def stream(
    path: bytes = b"/", host: bytes = b"x.com", *, method: bytes = b"GET", headers: tuple[Pair, ...] = (), seed: int = 1
) -> Any:
    """A request as it stands when its route is looked up; an empty path leaves `:path` out."""
    found = SimpleNamespace(info=StreamInfo(), connection=ConnectionInfo(), services=SimpleNamespace())
    found.services.random = Random(seed)
    found.connection.remote = Address("10.0.0.1", 1234)
    found.connection.local = Address("10.0.0.2", 80)
    pairs = [(b":authority", host), (b":path", path), (b":method", method), (b":scheme", b"http")]
    found.request_headers = HeaderMap([pair for pair in pairs if pair[1]])
    for name, value in (*headers, (b"x-forwarded-proto", b"http")):
        if name != b"x-forwarded-proto" or name not in found.request_headers:
            found.request_headers.add(name, value)
    found.response_headers = None
    return found
