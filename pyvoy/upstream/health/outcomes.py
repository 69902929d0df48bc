"""What a worker tells the main process of its hosts' results, for outlier detection.

A failure is told at once, a success only where failures may have been counted before it (in any worker): that is enough
to count failures in a row.  Totals for success rates are counters of each host, which main reads.
Source of behaviour: Envoy, DetectorHostMonitorImpl (putResult, putHttpResponseCode).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pyvoy.network.address import Address
from pyvoy.stats.store import Scope
from pyvoy.upstream.endpoint import Host, host_scope
from pyvoy.upstream.limits import ResourceSource, SharedGauge

GOOD, SERVER_ERROR, GATEWAY_ERROR, LOCAL_GOOD, LOCAL_ERROR = range(5)
"""Results: below 500; 500 or above; 502 to 504 of these; with split errors, also what happened on the way there."""
_GATEWAY = frozenset((502, 503, 504))

Tell = Callable[[str, list[list[Any]]], None]
"""Takes a cluster's name and [address, result] pairs to the main process."""

RATE_COUNTERS = ("od_success", "od_total", "od_local_success", "od_local_total")
"""Hidden counters of a host, which success rates come from: good, all, reached, tried to reach."""


class _Results:
    """One host as this worker sees it; `failures` counts over all workers."""

    __slots__ = ("failures", "local_failures", "local_seen", "rates", "seen")

    def __init__(self, failures: SharedGauge, local_failures: SharedGauge, rates: tuple[Any, ...]) -> None:
        self.failures = failures
        self.local_failures = local_failures
        self.rates = rates
        self.seen = failures.total()
        self.local_seen = local_failures.total()


class Outcomes:
    """The results of one cluster's hosts in one worker.  Told in one frame for each turn of the loop."""

    def __init__(
        self,
        cluster_name: str,
        *,
        split: bool,
        root_scope: Scope,
        resources: ResourceSource,
        tell: Tell,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """`split`: failures to reach a host are counted apart (split_external_local_origin_errors)."""
        self._name = cluster_name
        self._split = split
        self._root_scope = root_scope
        self._resources = resources
        self._tell = tell
        self._loop = loop
        self._hosts: dict[str, _Results] = {}
        self._untold: list[list[Any]] = []

    # ---- what the router and tcp_proxy say ----

    def response(self, host: Host, status: int) -> None:
        """The host answered (Envoy: putHttpResponseCode)."""
        results = self._of(host.address)
        results.rates[1].inc()
        if status >= 500:
            results.failures.inc()
            self._note(host, GATEWAY_ERROR if status in _GATEWAY else SERVER_ERROR)
            return
        results.rates[0].inc()
        if (failures := results.failures.total()) != results.seen:
            results.seen = failures
            self._note(host, GOOD)

    def failed(self, host: Host, status: int) -> None:
        """The host was not reached, broke off, or took too long; `status` is what the client is told."""
        if not self._split:
            self.response(host, status)
            return
        results = self._of(host.address)
        results.rates[3].inc()
        results.local_failures.inc()
        self._note(host, LOCAL_ERROR)

    def connected(self, host: Host, *, final: bool = False) -> None:
        """There is a connection; `final`: nothing more will be known of it (TCP)."""
        if not self._split:
            if final:
                self.response(host, 200)
            return
        results = self._of(host.address)
        results.rates[2].inc()
        results.rates[3].inc()
        if (failures := results.local_failures.total()) != results.local_seen:
            results.local_seen = failures
            self._note(host, LOCAL_GOOD)

    # ---- telling ----

    def _of(self, address: Address) -> _Results:
        text = address.text
        found = self._hosts.get(text)
        if found is None:
            scope = host_scope(self._root_scope, self._name, address)
            found = self._hosts[text] = _Results(
                self._resources.resource(f"outlier.{self._name}.{text}"),
                self._resources.resource(f"outlier.{self._name}.{text}.local"),
                tuple(scope.counter(name) for name in RATE_COUNTERS),
            )
        return found

    def _note(self, host: Host, result: int) -> None:
        if not self._untold:
            self._loop.call_soon(self._flush)
        self._untold.append([host.address.text, result])

    def _flush(self) -> None:
        told, self._untold = self._untold, []
        self._tell(self._name, told)
