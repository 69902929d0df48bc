"""The answer to a request that is refused before a route is looked up.

Made by the request rules; the connection manager turns it into a local reply.  Kept apart so that the pure rule modules
can share it.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyvoy.http.headers import Pair
from pyvoy.observe.details import Flag


@dataclass(slots=True, frozen=True)
class Rejection:
    """`close` ends the connection after the answer.  `codec` marks faults that Envoy's codec finds, before there is a
    request: its access log shows no request headers.  `counter` is the counter below `http.<stat_prefix>.` to raise
    ("" for none)."""

    status: int
    details: str
    body: bytes = b""
    headers: tuple[Pair, ...] = ()
    flags: int = 0
    close: bool = True
    codec: bool = False
    counter: str = ""


def bad_request(details: str) -> Rejection:
    """What Envoy's codec answers to a malformed request."""
    return Rejection(400, details, b"Bad Request", flags=Flag.DOWNSTREAM_PROTOCOL_ERROR, codec=True)
