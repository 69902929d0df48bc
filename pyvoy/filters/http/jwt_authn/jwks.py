"""Where a provider's keys come from: the configuration, or a server that is asked when they are needed or beforehand.

Source: Envoy's JwksCache, JwksFetcher and JwksAsyncFetcher.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pyvoy.extensions.http_call import CallOptions, CallRefused
from pyvoy.filters.http.jwt_authn.faults import JwtFault
from pyvoy.filters.http.jwt_authn.keys import NO_KEYS, KeySet
from pyvoy.http.headers import HeaderMap

if TYPE_CHECKING:
    from pyvoy.extensions.host import Host
    from pyvoy.stats.counters import Counter

FETCH_FAILED = "Jwks remote fetch is failed"
_OK = 200
_AGENT = b"Go-browser"
"""What Envoy calls itself here."""


class Jwks:
    """Keys that are in the configuration; `fault` says why there are none."""

    def __init__(self, text: bytes) -> None:
        self._keys: KeySet | None = None
        self.fault = ""
        try:
            self._keys = KeySet(text)
        except JwtFault as fault:
            self.fault = str(fault)

    def keys(self) -> KeySet | None:
        """The keys at hand; None when they have to be fetched."""
        return self._keys

    async def fetch(self) -> KeySet:
        """Get the keys.  Raises JwtFault."""
        raise JwtFault(NO_KEYS)


@dataclass(slots=True, frozen=True)
class RemotePlan:
    """A RemoteJwks; `prefetch` asks at load and again before the keys are too old, `retry_s` after a failure."""

    uri: str
    cluster: str
    timeout_s: float
    cache_s: float
    prefetch: bool
    retry_s: float


class RemoteJwks(Jwks):
    """Keys that a server has; in this worker."""

    def __init__(
        self, plan: RemotePlan, host: Host, success: Counter, failure: Counter, renewed: Callable[[], None]
    ) -> None:
        """`renewed` is called when there are new keys."""
        self._keys = None
        self.fault = ""
        self._plan = plan
        self._host = host
        self._success = success
        self._failure = failure
        self._renewed = renewed
        self._until_s = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        parts = urlsplit(plan.uri)
        self._authority = parts.netloc.encode()
        self._path = (parts.path or "/").encode() + (b"?" + parts.query.encode() if parts.query else b"")
        if plan.prefetch and host.services is not None:
            host.call_later(0.0, self._refresh)

    def keys(self) -> KeySet | None:
        """The keys, while they are fresh."""
        services = self._host.services
        if self._plan.prefetch:
            return self._keys
        return self._keys if services is not None and services.clock() < self._until_s else None

    async def fetch(self) -> KeySet:
        """Ask the server.  Raises JwtFault."""
        head = [(b":method", b"GET"), (b":path", self._path), (b":authority", self._authority)]
        headers = HeaderMap([*head, (b"user-agent", _AGENT)])
        try:
            result = await self._host.fetch(
                self._plan.cluster, headers, options=CallOptions(timeout_s=self._plan.timeout_s, send_xff=True)
            )
        except CallRefused:
            self._failure.inc()
            raise JwtFault(FETCH_FAILED) from None
        if result.failure is not None or result.status != _OK:
            self._failure.inc()
            raise JwtFault(FETCH_FAILED)
        try:
            keys = KeySet(result.body)
        except JwtFault:
            self._failure.inc()
            raise JwtFault(FETCH_FAILED) from None
        self._success.inc()
        self._keys = keys
        services = self._host.services
        self._until_s = 0.0 if services is None else services.clock() + self._plan.cache_s
        self._renewed()
        return keys

    def _refresh(self) -> None:
        services = self._host.services
        if services is not None:
            services.spawn(self._refreshed(), "jwks")

    async def _refreshed(self) -> None:
        try:
            await self.fetch()
        except JwtFault:
            self._host.call_later(self._plan.retry_s, self._refresh)
        else:
            self._host.call_later(max(self._plan.cache_s - 5.0, 1.0), self._refresh)
