"""A module's code from a cluster: fetched by digest, kept on disk, tried again after a while.

While it is fetched the listener that needs it waits (it warms).  Source: Envoy's RemoteAsyncDataProvider and the Wasm
code cache (counters, one retry by default, back-off 1 s to 10 s).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pyvoy.extensions.host import Host
from pyvoy.extensions.http_call import CallOptions, CallRefused
from pyvoy.extensions.wasm.engine.compiler import cache_folder, keep, own_folder
from pyvoy.http.headers import HeaderMap

if TYPE_CHECKING:
    from random import Random

    from pyvoy.stats.store import Scope

log = logging.getLogger("pyvoy.wasm")

_URI = re.compile(r"(?:[a-z]+://)?(?P<host>[^/?#]*)(?P<path>[^#]*)")
_MAX_BYTES = 128 << 20


@dataclass(slots=True, frozen=True)
class RemoteCode:
    """Where the code is; times in seconds."""

    uri: str
    cluster: str
    sha256: str
    timeout_s: float
    retries: int = 1
    base_s: float = 1.0
    max_s: float = 10.0


class CodeStore:
    """Fetched code by digest, on disk so that the next start needs no network."""

    def __init__(self, scope: Scope) -> None:
        self._folder = own_folder(cache_folder(os.environ) / "code")
        self._hits = scope.counter("wasm.remote_load_cache_hits")
        self._misses = scope.counter("wasm.remote_load_cache_misses")
        self._successes = scope.counter("wasm.remote_load_fetch_successes")
        self._failures = scope.counter("wasm.remote_load_fetch_failures")

    def known(self, sha256: str) -> bytes | None:
        """The code if it was fetched before."""
        path = self._path(sha256)
        try:
            data = path.read_bytes() if path is not None else b""
        except OSError:
            data = b""
        if data and hashlib.sha256(data).hexdigest() == sha256:
            self._hits.inc()
            return data
        self._misses.inc()
        return None

    def _path(self, sha256: str) -> Path | None:
        return None if self._folder is None else self._folder / f"{sha256}.wasm"

    async def fetch(self, code: RemoteCode, host: Host, random: Random) -> bytes | None:
        """Fetch the code, with its retries; None (after a line in the log) when it is not to be had."""
        reason = ""
        for attempt in range(code.retries + 1):
            if attempt:
                longest = min(code.base_s * (2**attempt - 1), code.max_s)
                await asyncio.sleep(longest * random.random())
            data, reason = await self._once(code, host)
            if data is not None:
                self._successes.inc()
                path = self._path(code.sha256)
                if path is not None:
                    keep(path, data)
                return data
            self._failures.inc()
        log.error("wasm code %s cannot be fetched from cluster %s: %s", code.uri, code.cluster, reason)
        return None

    async def _once(self, code: RemoteCode, host: Host) -> tuple[bytes | None, str]:
        found = _URI.fullmatch(code.uri)
        place, path = (found["host"], found["path"]) if found else ("", "")
        headers = HeaderMap(
            ((b":method", b"GET"), (b":path", path.encode() or b"/"), (b":authority", place.encode() or b"-"))
        )
        options = CallOptions(timeout_s=code.timeout_s, send_xff=False, max_response_bytes=_MAX_BYTES)
        try:
            result = await host.fetch(code.cluster, headers, options=options)
        except CallRefused as error:
            return None, str(error)
        if result.failure is not None:
            return None, result.failure.value
        if result.status != 200:
            return None, f"status {result.status}"
        digest = hashlib.sha256(result.body).hexdigest()
        if digest != code.sha256:
            return None, f"its SHA-256 is {digest}, not {code.sha256}"
        return result.body, ""
