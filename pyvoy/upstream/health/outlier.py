"""Outlier detection of one cluster, in the main process: counts what the workers tell, ejects hosts, takes them back.

It sets and clears FAILED_OUTLIER_CHECK on the main process' own hosts.
Source of behaviour: Envoy, Outlier::DetectorImpl; limits and counters observed on 1.40.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from random import Random

from pyvoy.stats.store import Scope
from pyvoy.upstream.cluster import Cluster
from pyvoy.upstream.endpoint import HealthFlag, Host
from pyvoy.upstream.health.outcomes import GATEWAY_ERROR, GOOD, LOCAL_ERROR, LOCAL_GOOD, SERVER_ERROR
from pyvoy.upstream.health.outlier_plan import OutlierPlan

CONSECUTIVE_5XX = "consecutive_5xx"
GATEWAY_FAILURE = "consecutive_gateway_failure"
LOCAL_ORIGIN_FAILURE = "consecutive_local_origin_failure"
_KINDS = (
    CONSECUTIVE_5XX,
    GATEWAY_FAILURE,
    LOCAL_ORIGIN_FAILURE,
    "success_rate",
    "local_origin_success_rate",
    "failure_percentage",
    "local_origin_failure_percentage",
)

Rates = Callable[[Host], tuple[int, int, int, int]]
"""What has come of a host so far, over all workers: good, all, reached, tried to reach."""


class OutlierStats:
    """`cluster.<name>.outlier_detection.*`; "total", "consecutive_5xx" and "success_rate" without more are Envoy's
    deprecated ones."""

    def __init__(self, scope: Scope) -> None:
        """`scope` is the cluster's."""
        scope = scope.scope("outlier_detection")
        self.active = scope.gauge("ejections_active")
        self.overflow = scope.counter("ejections_overflow")
        self.total = scope.counter("ejections_total")
        self.enforced_total = scope.counter("ejections_enforced_total")
        self.detected = {kind: scope.counter(f"ejections_detected_{kind}") for kind in _KINDS}
        self.enforced = {kind: scope.counter(f"ejections_enforced_{kind}") for kind in _KINDS}
        self.deprecated = {kind: scope.counter(f"ejections_{kind}") for kind in (CONSECUTIVE_5XX, "success_rate")}
        scope.counter("ejections_detected_degradation")


class _Monitor:
    """What is known of one host."""

    __slots__ = ("before", "ejected_s", "in_a_row", "jitter_s", "times")

    def __init__(self, before: tuple[int, int, int, int]) -> None:
        self.in_a_row = dict.fromkeys((CONSECUTIVE_5XX, GATEWAY_FAILURE, LOCAL_ORIGIN_FAILURE), 0)
        self.ejected_s = 0.0
        self.jitter_s = 0.0
        self.times = 0
        """How often the base time the host stays out (Envoy: eject_time_backoff)."""
        self.before = before


class OutlierDetector:
    """One cluster.  `changed()` is called when a host was ejected or taken back."""

    def __init__(
        self,
        cluster: Cluster,
        plan: OutlierPlan,
        stats: OutlierStats,
        loop: asyncio.AbstractEventLoop,
        random: Random,
        *,
        changed: Callable[[], None],
        rates: Rates,
    ) -> None:
        self.cluster = cluster
        self._plan = plan
        self._stats = stats
        self._loop = loop
        self._random = random
        self._changed = changed
        self._rates = rates
        self._monitors: dict[Host, _Monitor] = {}
        self._limits = {
            CONSECUTIVE_5XX: plan.consecutive_5xx,
            GATEWAY_FAILURE: plan.consecutive_gateway_failure,
            LOCAL_ORIGIN_FAILURE: plan.consecutive_local_origin_failure,
        }
        self._enforcing = {
            CONSECUTIVE_5XX: plan.enforcing_consecutive_5xx,
            GATEWAY_FAILURE: plan.enforcing_consecutive_gateway_failure,
            LOCAL_ORIGIN_FAILURE: plan.enforcing_consecutive_local_origin_failure,
            "success_rate": plan.enforcing_success_rate,
            "local_origin_success_rate": plan.enforcing_local_origin_success_rate,
            "failure_percentage": plan.enforcing_failure_percentage,
            "local_origin_failure_percentage": plan.enforcing_failure_percentage_local_origin,
        }
        self.follow()
        self._timer = loop.call_later(plan.interval_s, self._interval)

    def stop(self) -> None:
        """The cluster is gone, and with it the gauge's hosts."""
        self._timer.cancel()
        self._stats.active.set(0)

    def follow(self) -> None:
        """Watch the hosts that the cluster has now."""
        hosts = set(self.cluster.hosts())
        for host in [host for host in self._monitors if host not in hosts]:
            del self._monitors[host]
        for host in hosts - self._monitors.keys():
            self._monitors[host] = _Monitor(self._rates(host))
        self._count()

    # ---- failures in a row ----

    def take(self, address: str, result: int) -> None:
        """One result of a host, from any worker; strangers are ignored."""
        for host, monitor in self._monitors.items():
            if host.address.text == address:
                self._result(host, monitor, result)

    def _result(self, host: Host, monitor: _Monitor, result: int) -> None:
        in_a_row = monitor.in_a_row
        if result == GOOD:
            in_a_row[CONSECUTIVE_5XX] = in_a_row[GATEWAY_FAILURE] = 0
        elif result == LOCAL_GOOD:
            in_a_row[LOCAL_ORIGIN_FAILURE] = 0
        elif result == LOCAL_ERROR:
            self._failed(host, monitor, LOCAL_ORIGIN_FAILURE)
        elif result in (SERVER_ERROR, GATEWAY_ERROR):
            if result == GATEWAY_ERROR:
                self._failed(host, monitor, GATEWAY_FAILURE)
            else:
                in_a_row[GATEWAY_FAILURE] = 0
            self._failed(host, monitor, CONSECUTIVE_5XX)

    def _failed(self, host: Host, monitor: _Monitor, kind: str) -> None:
        monitor.in_a_row[kind] += 1
        if monitor.in_a_row[kind] != self._limits[kind] or host.flags & HealthFlag.FAILED_OUTLIER_CHECK:
            return
        monitor.in_a_row[kind] = 0
        self._suspect(host, monitor, kind)

    # ---- ejecting ----

    def _suspect(self, host: Host, monitor: _Monitor, kind: str) -> None:
        """A host is an outlier: out with it, if it may be (Envoy: ejectHost)."""
        stats, plan = self._stats, self._plan
        stats.detected[kind].inc()
        if kind in stats.deprecated:
            stats.deprecated[kind].inc()
        out = self._ejected()
        fits = 100.0 * (out + 1) / len(self._monitors) <= plan.max_ejection_percent
        if not (fits or (plan.always_eject_one_host and not out)):
            stats.overflow.inc()
            return
        if kind in stats.deprecated:
            stats.total.inc()
        if self._random.random() * 100 >= self._enforcing[kind]:
            return
        stats.enforced_total.inc()
        stats.enforced[kind].inc()
        host.set_flag(HealthFlag.FAILED_OUTLIER_CHECK, True)
        monitor.ejected_s = self._loop.time()
        monitor.jitter_s = self._random.random() * plan.max_ejection_time_jitter_s
        if monitor.times * plan.base_ejection_time_s < plan.max_ejection_time_s + plan.base_ejection_time_s:
            monitor.times += 1
        self._count()
        self._changed()

    def _ejected(self) -> int:
        return sum(bool(host.flags & HealthFlag.FAILED_OUTLIER_CHECK) for host in self._monitors)

    def _count(self) -> None:
        out = self._ejected()
        if self._stats.active.value != out:
            self._stats.active.set(out)

    def _take_back(self, host: Host, monitor: _Monitor) -> None:
        host.set_flag(HealthFlag.FAILED_OUTLIER_CHECK, False)
        for kind in monitor.in_a_row:
            monitor.in_a_row[kind] = 0
        self._count()
        self._changed()

    def passed_check(self, host: Host) -> None:
        """An ejected host has passed its active health check."""
        monitor = self._monitors.get(host)
        if monitor is not None and self._plan.healthy_check_unejects and host.flags & HealthFlag.FAILED_OUTLIER_CHECK:
            self._take_back(host, monitor)

    # ---- every interval ----

    def _interval(self) -> None:
        for host, monitor in self._monitors.items():
            self._look_at_ejected(host, monitor)
        self._judge_rates()
        self._timer = self._loop.call_later(self._plan.interval_s, self._interval)

    def _look_at_ejected(self, host: Host, monitor: _Monitor) -> None:
        """Its time is over, or a good interval has passed (Envoy: checkHostForUneject)."""
        plan = self._plan
        if not host.flags & HealthFlag.FAILED_OUTLIER_CHECK:
            monitor.times = max(0, monitor.times - 1)
            return
        out_s = min(plan.base_ejection_time_s * monitor.times, plan.max_ejection_time_s) + monitor.jitter_s
        if out_s <= self._loop.time() - monitor.ejected_s:
            self._take_back(host, monitor)

    def _judge_rates(self) -> None:
        plan = self._plan
        few = len(self._monitors) < min(plan.success_rate_minimum_hosts, plan.failure_percentage_minimum_hosts)
        external: dict[Host, tuple[int, int]] = {}
        local: dict[Host, tuple[int, int]] = {}
        for host, monitor in self._monitors.items():
            now, before = self._rates(host), monitor.before
            monitor.before = now
            if not few and not host.flags & HealthFlag.FAILED_OUTLIER_CHECK:
                external[host] = now[0] - before[0], now[1] - before[1]
                local[host] = now[2] - before[2], now[3] - before[3]
        self._judge(external, "success_rate", "failure_percentage")
        if plan.split_local_origin:
            self._judge(local, "local_origin_success_rate", "local_origin_failure_percentage")

    def _judge(self, counts: Mapping[Host, tuple[int, int]], rate_kind: str, failure_kind: str) -> None:
        """Hosts that stand out among the others, and hosts that fail too often (processSuccessRateEjections)."""
        plan, size = self._plan, len(self._monitors)
        rates = {host: 100.0 * good / total for host, (good, total) in counts.items() if total}
        busy = {host: rate for host, rate in rates.items() if counts[host][1] >= plan.success_rate_request_volume}
        if busy and size >= plan.success_rate_minimum_hosts:
            mean = sum(busy.values()) / len(busy)
            deviation = math.sqrt(sum((rate - mean) ** 2 for rate in busy.values()) / len(busy))
            limit = mean - deviation * plan.success_rate_stdev_factor / 1000
            self._suspect_all([host for host, rate in busy.items() if rate < limit], rate_kind)
        if size >= plan.failure_percentage_minimum_hosts:
            volume, threshold = plan.failure_percentage_request_volume, plan.failure_percentage_threshold
            bad = [host for host, rate in rates.items() if counts[host][1] >= volume and 100.0 - rate >= threshold]
            self._suspect_all(bad, failure_kind)

    def _suspect_all(self, hosts: list[Host], kind: str) -> None:
        for host in hosts:
            if not host.flags & HealthFlag.FAILED_OUTLIER_CHECK:
                self._suspect(host, self._monitors[host], kind)
