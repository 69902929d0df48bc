"""What the server codec keeps of a request: how its answer is framed, and its events while it waits for its turn.

Pure data; the codec decides.
"""

from __future__ import annotations

from typing import Any

from pyvoy.http.codec import CodecError
from pyvoy.http.headers import HeaderMap


class Mode:
    """What the answer to one request must know of it: no body for HEAD, no chunks for HTTP/1.0, no framing after an
    upgrade."""

    __slots__ = ("close", "connect", "head", "old", "special", "upgrade")

    def __init__(self, method: bytes, old: bool, upgrade: bool, close: bool) -> None:
        self.close = close
        self.special = close or old
        """The response's `connection` header needs a thought."""
        self.head = method == b"HEAD"
        self.connect = method == b"CONNECT"
        self.old = old
        self.upgrade = upgrade


GET_MODE = Mode(b"GET", False, False, False)
CLOSE_MODE = Mode(b"GET", False, False, True)


class Waiting:
    """A pipelined request whose turn has not come: its events, recorded."""

    __slots__ = ("events", "mode")

    def __init__(self, mode: Mode) -> None:
        self.mode = mode
        self.events: list[tuple[str, tuple[Any, ...]]] = []

    def on_headers(self, headers: HeaderMap, end: bool) -> None:
        self.events.append(("on_headers", (headers, end)))

    def on_data(self, data: bytes, end: bool) -> None:
        self.events.append(("on_data", (data, end)))

    def on_trailers(self, trailers: HeaderMap) -> None:
        self.events.append(("on_trailers", (trailers,)))

    def on_reset(self, reason: str) -> None:
        self.events.append(("on_reset", (reason,)))

    def on_codec_error(self, error: CodecError) -> None:
        self.events.append(("on_codec_error", (error,)))
