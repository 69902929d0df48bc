"""The health checks of one host: when the next one is due, and what a result means.

It owns the host's flags of active checking in the main process; a probe does the asking.
Source of behaviour: Envoy, HealthCheckerImplBase::ActiveHealthCheckSession; flags and counters observed on 1.40.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum
from random import Random
from typing import Protocol

from pyvoy.stats.store import Scope
from pyvoy.upstream.endpoint import HealthFlag, Host
from pyvoy.upstream.health.plan import HealthCheckPlan


class Failure(Enum):
    """Why a check failed: the answer was bad, there was none, or none in time."""

    ACTIVE = 0
    NETWORK = 1
    TIMEOUT = 2


class Pending(Enum):
    """What a result did to the host's state."""

    UNCHANGED = 0
    CHANGE_PENDING = 1
    CHANGED = 2


class Probe(Protocol):
    """Asks one host; ends in `succeeded` or `failed` of its session, once for each `check`, never inside that call."""

    def check(self) -> None:
        """Ask now."""

    def give_up(self) -> None:
        """The answer comes too late: forget the running check; nothing is reported for it."""

    def close(self) -> None:
        """The host is not checked any more."""


class HealthCheckStats:
    """`cluster.<name>.health_check.*`; the gauges are set by the owner of the sessions."""

    __slots__ = (
        "attempt",
        "cluster_scope",
        "degraded",
        "failure",
        "healthy",
        "network_failure",
        "passive_failure",
        "success",
        "verify_cluster",
    )

    def __init__(self, scope: Scope) -> None:
        """`scope` is the cluster's."""
        self.cluster_scope = scope
        scope = scope.scope("health_check")
        self.attempt = scope.counter("attempt")
        self.success = scope.counter("success")
        self.failure = scope.counter("failure")
        self.network_failure = scope.counter("network_failure")
        self.passive_failure = scope.counter("passive_failure")
        self.verify_cluster = scope.counter("verify_cluster")
        self.healthy = scope.gauge("healthy")
        self.degraded = scope.gauge("degraded")


class HealthSession:
    """Checks one host until it is stopped.

    `changed(host)` is called when the host's flags are others than before, `passed(host)` when a healthy one has
    passed a check; `has_traffic()` says whether the cluster has ever had a connection.  `tried` is set with the
    first result."""

    def __init__(
        self,
        host: Host,
        plan: HealthCheckPlan,
        stats: HealthCheckStats,
        loop: asyncio.AbstractEventLoop,
        random: Random,
        *,
        make_probe: Callable[[HealthSession], Probe],
        changed: Callable[[Host], None],
        passed: Callable[[Host], None],
        has_traffic: Callable[[], bool],
    ) -> None:
        self.host = host
        self.plan = plan
        self.stats = stats
        self.tried = asyncio.Event()
        self._loop = loop
        self._random = random
        self._changed = changed
        self._passed = passed
        self._has_traffic = has_traffic
        self._probe = make_probe(self)
        self._good = 0
        self._bad = 0
        self._interval: asyncio.TimerHandle | None = None
        self._timeout: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """The first check: now, or within the initial jitter."""
        delay_s = self.plan.initial_jitter_s
        if delay_s:
            self._interval = self._loop.call_later(self._random.random() * delay_s, self._check)
        else:
            self._check()

    def stop(self) -> None:
        """No further check; a running one is forgotten."""
        for timer in (self._interval, self._timeout):
            if timer is not None:
                timer.cancel()
        self._probe.close()

    def _check(self) -> None:
        self._interval = None
        self.stats.attempt.inc()
        self._timeout = self._loop.call_later(self.plan.timeout_s, self._timed_out)
        self._probe.check()

    def _timed_out(self) -> None:
        self._timeout = None
        self._probe.give_up()
        self.failed(Failure.TIMEOUT)

    # ---- results ----

    def succeeded(self, *, degraded: bool = False) -> None:
        """The host answered as it should."""
        host, before = self.host, self.host.flags
        self._bad = 0
        state = Pending.UNCHANGED
        if before & HealthFlag.FAILED_ACTIVE_HC:
            self._good += 1
            if not self.tried.is_set() or self._good >= self.plan.healthy_threshold:
                for flag in (
                    HealthFlag.FAILED_ACTIVE_HC,
                    HealthFlag.ACTIVE_HC_TIMEOUT,
                    HealthFlag.EXCLUDED_VIA_IMMEDIATE_HC_FAIL,
                ):
                    host.set_flag(flag, False)
                state = Pending.CHANGED
            else:
                state = Pending.CHANGE_PENDING
        host.set_flag(HealthFlag.DEGRADED_ACTIVE_HC, degraded)
        self.stats.success.inc()
        self._next(before, state, healthy=True)
        if not host.flags & HealthFlag.FAILED_ACTIVE_HC:
            self._passed(host)

    def failed(self, failure: Failure, *, retriable: bool = False) -> None:
        """The host did not answer, or wrongly; `retriable` counts a wrong answer up to the threshold too."""
        host, before = self.host, self.host.flags
        self._good = 0
        state = Pending.UNCHANGED
        if not before & HealthFlag.FAILED_ACTIVE_HC:
            self._bad += 1
            at_once = failure is Failure.ACTIVE and not retriable
            state = Pending.CHANGE_PENDING
            if at_once or self._bad >= self.plan.unhealthy_threshold:
                host.set_flag(HealthFlag.FAILED_ACTIVE_HC, True)
                state = Pending.CHANGED
        if host.flags & HealthFlag.FAILED_ACTIVE_HC:
            host.set_flag(HealthFlag.ACTIVE_HC_TIMEOUT, failure is Failure.TIMEOUT)
        self.stats.failure.inc()
        if failure is not Failure.ACTIVE:
            self.stats.network_failure.inc()
        self._next(before, state, healthy=False)

    def exclude(self) -> None:
        """The host asks to be left out altogether (x-envoy-immediate-health-check-fail)."""
        if self.host.flags & HealthFlag.FAILED_ACTIVE_HC:
            before = self.host.flags
            self.host.set_flag(HealthFlag.EXCLUDED_VIA_IMMEDIATE_HC_FAIL, True)
            if self.host.flags != before:
                self._changed(self.host)

    def _next(self, before: HealthFlag, state: Pending, *, healthy: bool) -> None:
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None
        self.tried.set()
        self._interval = self._loop.call_later(self._interval_s(state, healthy=healthy), self._check)
        if self.host.flags != before:
            self._changed(self.host)

    def _interval_s(self, state: Pending, *, healthy: bool) -> float:
        """Seconds to the next check (Envoy: HealthCheckerImplBase::interval)."""
        plan = self.plan
        if not self._has_traffic():
            base_s = plan.no_traffic_healthy_interval_s if healthy else plan.no_traffic_interval_s
        elif state is Pending.CHANGE_PENDING:
            base_s = plan.healthy_edge_interval_s if healthy else plan.unhealthy_edge_interval_s
        else:
            base_s = plan.interval_s if healthy else plan.unhealthy_interval_s
        jitter_s = plan.interval_jitter_s + base_s * plan.interval_jitter_percent / 100
        return base_s + self._random.random() * jitter_s
