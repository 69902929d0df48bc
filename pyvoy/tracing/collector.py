"""The HTTP server that spans are posted to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyvoy.extensions.http_call import CallOptions, CallRefused, CallResult
from pyvoy.http.headers import HeaderMap, Pair

if TYPE_CHECKING:
    from pyvoy.extensions.host import Host


@dataclass(slots=True, frozen=True, eq=False)
class Collector:
    """Where to post; `timeout_s` 0 is none."""

    host: Host
    cluster: str
    authority: bytes
    path: bytes
    timeout_s: float
    headers: tuple[Pair, ...] = ()

    def post(self, content_type: bytes, body: bytes, on_status: Callable[[int | None], None]) -> None:
        """Post a body; `on_status` hears the status, or None where there is no such cluster."""
        headers = HeaderMap(
            (
                (b":method", b"POST"),
                (b":path", self.path),
                (b":authority", self.authority),
                (b"content-type", content_type),
                *self.headers,
            )
        )

        def done(result: CallResult) -> None:
            on_status(int(result.headers.map[b":status"]))

        options = CallOptions(timeout_s=self.timeout_s, content_length=False)
        try:
            self.host.http_call(self.cluster, headers, body, done, options=options)
        except CallRefused:
            on_status(None)
