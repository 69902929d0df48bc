"""The statistics of one cluster under Envoy's names, as attributes for the code that counts.

The annotations below are the list: the attribute is the stat's name, its type decides what is made.  All exist from the
start, as they do in Envoy; response codes appear when they occur.
Source of behaviour: Envoy 1.40, `/stats` of a cluster at rest, and CodeStatsImpl::chargeResponseStat.
"""

from __future__ import annotations

from pyvoy.stats.counters import Counter, Gauge
from pyvoy.stats.histograms import Histogram
from pyvoy.stats.store import Scope

# Names with a dot and those that nothing here counts yet, so that they show as 0.
_REST_COUNTERS = (
    "default.total_match_count",
    "assignment_stale",
    "assignment_timeout_received",
    "assignment_use_cached",
    "lb_local_cluster_not_ok",
    "lb_recalculate_zone_structures",
    "lb_subsets_created",
    "lb_subsets_fallback",
    "lb_subsets_fallback_panic",
    "lb_subsets_removed",
    "lb_subsets_selected",
    "lb_zone_cluster_too_small",
    "lb_zone_no_capacity_left",
    "lb_zone_routing_all_directly",
    "lb_zone_routing_cross_zone",
    "lb_zone_routing_sampled",
    "original_dst_host_invalid",
    "upstream_cx_connect_with_0_rtt",
    "upstream_cx_http3_total",
    "upstream_cx_preconnect_skipped",
    "upstream_http3_broken",
    "upstream_queue_overloaded",
    "upstream_rq_0rtt",
    "upstream_rq_rx_reset_no_error",
)
_REST_GAUGES = ("lb_subsets_active", "version", "warming_state")


class ClusterStats:
    """Counters, gauges and histograms of `cluster.<name>.`; `scope` makes further ones."""

    bind_errors: Counter
    lb_healthy_panic: Counter
    max_host_weight: Gauge
    membership_change: Counter
    membership_degraded: Gauge
    membership_excluded: Gauge
    membership_healthy: Gauge
    membership_total: Gauge
    retry_or_shadow_abandoned: Counter
    update_attempt: Counter
    update_empty: Counter
    update_failure: Counter
    update_no_rebuild: Counter
    update_success: Counter
    upstream_cx_active: Gauge
    upstream_cx_close_notify: Counter
    upstream_cx_connect_attempts_exceeded: Counter
    upstream_cx_connect_fail: Counter
    upstream_cx_connect_ms: Histogram
    upstream_cx_connect_timeout: Counter
    upstream_cx_destroy: Counter
    upstream_cx_destroy_local: Counter
    upstream_cx_destroy_local_with_active_rq: Counter
    upstream_cx_destroy_remote: Counter
    upstream_cx_destroy_remote_with_active_rq: Counter
    upstream_cx_destroy_with_active_rq: Counter
    upstream_cx_http1_total: Counter
    upstream_cx_http2_total: Counter
    upstream_cx_idle_timeout: Counter
    upstream_cx_length_ms: Histogram
    upstream_cx_max_duration_reached: Counter
    upstream_cx_max_requests: Counter
    upstream_cx_none_healthy: Counter
    upstream_cx_overflow: Counter
    upstream_cx_pool_overflow: Counter
    upstream_cx_protocol_error: Counter
    upstream_cx_rx_bytes_buffered: Gauge
    upstream_cx_rx_bytes_total: Counter
    upstream_cx_total: Counter
    upstream_cx_tx_bytes_buffered: Gauge
    upstream_cx_tx_bytes_total: Counter
    upstream_flow_control_backed_up_total: Counter
    upstream_flow_control_drained_total: Counter
    upstream_flow_control_paused_reading_total: Counter
    upstream_flow_control_resumed_reading_total: Counter
    upstream_internal_redirect_failed_total: Counter
    upstream_internal_redirect_succeeded_total: Counter
    upstream_rq_active: Gauge
    upstream_rq_active_overflow: Counter
    upstream_rq_cancelled: Counter
    upstream_rq_completed: Counter
    upstream_rq_maintenance_mode: Counter
    upstream_rq_max_duration_reached: Counter
    upstream_rq_pending_active: Gauge
    upstream_rq_pending_failure_eject: Counter
    upstream_rq_pending_overflow: Counter
    upstream_rq_pending_total: Counter
    upstream_rq_per_cx: Histogram
    upstream_rq_per_try_idle_timeout: Counter
    upstream_rq_per_try_timeout: Counter
    upstream_rq_retry: Counter
    upstream_rq_retry_backoff_exponential: Counter
    upstream_rq_retry_backoff_ratelimited: Counter
    upstream_rq_retry_limit_exceeded: Counter
    upstream_rq_retry_overflow: Counter
    upstream_rq_retry_success: Counter
    upstream_rq_rx_reset: Counter
    upstream_rq_timeout: Counter
    upstream_rq_total: Counter
    upstream_rq_tx_reset: Counter

    def __init__(self, scope: Scope) -> None:
        """`scope` is `cluster.<name>.`."""
        self.scope = scope
        make = {"Counter": scope.counter, "Gauge": scope.gauge}
        for name, kind in ClusterStats.__annotations__.items():
            unit = "unspecified" if name == "upstream_rq_per_cx" else "ms"
            setattr(self, name, scope.histogram(name, unit) if kind == "Histogram" else make[kind](name))
        for name in _REST_COUNTERS:
            scope.counter(name)
        for name in _REST_GAUGES:
            scope.gauge(name)
        self._responses: dict[tuple[int, bool, bool], tuple[int, ...]] = {}
        self._cells = self.upstream_rq_total.cells
        self._retries: dict[int, tuple[Counter, ...]] = {}
        self._times: dict[tuple[bool, bool], tuple[Histogram, ...]] = {}

    def charge_response(self, code: int, internal: bool, canary: bool) -> None:
        """Count a response that goes downstream: `upstream_rq_completed`, `_2xx`, `_200` and their twins below
        `internal.` or `external.` and, for a canary host, `canary.`."""
        cells = self._cells
        for index in self._response_cells(code, internal, canary):
            cells[index] += 1

    def _response_cells(self, code: int, internal: bool, canary: bool) -> tuple[int, ...]:
        key = (code, internal, canary)
        indexes = self._responses.get(key)
        if indexes is None:
            prefixes = ["", *_twins(internal, canary)]
            indexes = tuple(counter.index for counter in self._code_counters(prefixes, code))
            self._responses[key] = indexes
        return indexes

    def outcome_cells(self, code: int) -> tuple[tuple[int, ...], tuple[Histogram, ...]]:
        """The counters' cells and the histograms that an ordinary response of this code moves."""
        return self._response_cells(code, False, False), self._time_histograms(False, False)

    def charge_alternative(self, name: str, code: int, internal: bool, canary: bool) -> None:
        """Count a response below a name that the request gave (x-envoy-upstream-alt-stat-name)."""
        prefixes = [f"{name}.{twin}" for twin in ("", *_twins(internal, canary))]
        for counter in self._code_counters(prefixes, code):
            counter.inc()

    def charge_alternative_time(self, name: str, duration_ms: int, internal: bool, canary: bool) -> None:
        """Record `upstream_rq_time` below such a name."""
        for twin in ("", *_twins(internal, canary)):
            self.scope.histogram(f"{name}.{twin}upstream_rq_time").record(duration_ms)

    def charge_retried_response(self, code: int) -> None:
        """Count a response that is thrown away for another attempt: `retry.upstream_rq_<code>`."""
        counters = self._retries.get(code)
        if counters is None:
            counters = self._retries[code] = self._code_counters(["retry."], code)
        for counter in counters:
            counter.inc()

    def charge_time(self, duration_ms: int, internal: bool, canary: bool) -> None:
        """Record `upstream_rq_time` and its twins."""
        for histogram in self._time_histograms(internal, canary):
            histogram.record(duration_ms)

    def _time_histograms(self, internal: bool, canary: bool) -> tuple[Histogram, ...]:
        key = (internal, canary)
        histograms = self._times.get(key)
        if histograms is None:
            prefixes = ["", *_twins(internal, canary)]
            histograms = tuple(self.scope.histogram(prefix + "upstream_rq_time") for prefix in prefixes)
            self._times[key] = histograms
        return histograms

    def _code_counters(self, prefixes: list[str], code: int) -> tuple[Counter, ...]:
        names = ["upstream_rq_completed"]
        names += [f"upstream_rq_{code // 100}xx", f"upstream_rq_{code}"] if 100 <= code < 600 else []
        names += [] if 100 <= code < 600 else ["upstream_rq_unknown"]
        return tuple(self.scope.counter(prefix + name) for prefix in prefixes for name in names)


def _twins(internal: bool, canary: bool) -> list[str]:
    return ["internal." if internal else "external.", *(["canary."] if canary else [])]
