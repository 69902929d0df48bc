"""The names of a cluster's statistics are those of Envoy 1.40 at rest; response codes appear when they occur."""

import pytest

from pyvoy.stats.store import memory_store
from pyvoy.upstream.cluster_stats import ClusterStats
from tests.unit.upstream.hosts import cluster, endpoint, static, values

# `/stats` of an Envoy 1.40 with one STATIC cluster and no traffic, without the prefix "cluster.<name>.".
AT_REST = """
assignment_stale assignment_timeout_received assignment_use_cached bind_errors
circuit_breakers.default.cx_open circuit_breakers.default.cx_pool_open circuit_breakers.default.rq_open
circuit_breakers.default.rq_pending_open circuit_breakers.default.rq_retry_open circuit_breakers.high.cx_open
circuit_breakers.high.cx_pool_open circuit_breakers.high.rq_open circuit_breakers.high.rq_pending_open
circuit_breakers.high.rq_retry_open default.total_match_count lb_healthy_panic lb_local_cluster_not_ok
lb_recalculate_zone_structures lb_subsets_active lb_subsets_created lb_subsets_fallback
lb_subsets_fallback_panic lb_subsets_removed lb_subsets_selected lb_zone_cluster_too_small
lb_zone_no_capacity_left lb_zone_routing_all_directly lb_zone_routing_cross_zone lb_zone_routing_sampled
max_host_weight membership_change membership_degraded membership_excluded membership_healthy membership_total
original_dst_host_invalid retry_or_shadow_abandoned update_attempt update_empty update_failure
update_no_rebuild update_success upstream_cx_active upstream_cx_close_notify
upstream_cx_connect_attempts_exceeded upstream_cx_connect_fail upstream_cx_connect_ms
upstream_cx_connect_timeout upstream_cx_connect_with_0_rtt upstream_cx_destroy upstream_cx_destroy_local
upstream_cx_destroy_local_with_active_rq upstream_cx_destroy_remote upstream_cx_destroy_remote_with_active_rq
upstream_cx_destroy_with_active_rq upstream_cx_http1_total upstream_cx_http2_total upstream_cx_http3_total
upstream_cx_idle_timeout upstream_cx_length_ms upstream_cx_max_duration_reached upstream_cx_max_requests
upstream_cx_none_healthy upstream_cx_overflow upstream_cx_pool_overflow upstream_cx_preconnect_skipped
upstream_cx_protocol_error upstream_cx_rx_bytes_buffered upstream_cx_rx_bytes_total upstream_cx_total
upstream_cx_tx_bytes_buffered upstream_cx_tx_bytes_total upstream_flow_control_backed_up_total
upstream_flow_control_drained_total upstream_flow_control_paused_reading_total
upstream_flow_control_resumed_reading_total upstream_http3_broken upstream_internal_redirect_failed_total
upstream_internal_redirect_succeeded_total upstream_queue_overloaded upstream_rq_0rtt upstream_rq_active
upstream_rq_active_overflow upstream_rq_cancelled upstream_rq_completed upstream_rq_maintenance_mode
upstream_rq_max_duration_reached upstream_rq_pending_active upstream_rq_pending_failure_eject
upstream_rq_pending_overflow upstream_rq_pending_total upstream_rq_per_cx upstream_rq_per_try_idle_timeout
upstream_rq_per_try_timeout upstream_rq_retry upstream_rq_retry_backoff_exponential
upstream_rq_retry_backoff_ratelimited upstream_rq_retry_limit_exceeded upstream_rq_retry_overflow
upstream_rq_retry_success upstream_rq_rx_reset upstream_rq_rx_reset_no_error upstream_rq_timeout
upstream_rq_total upstream_rq_tx_reset version warming_state
"""


def stats():
    store = memory_store()
    return store, ClusterStats(store.root.scope("cluster.c"))


def test_all_names_exist_from_the_start_and_no_others():
    store = memory_store()
    cluster(static(endpoint(1)), store)
    names = [*values(store), *store._histograms]
    assert sorted(name[len("cluster.c.") :] for name in names if not name.startswith("\x00")) == sorted(AT_REST.split())


def test_colons_in_a_name_become_underscores():
    store = memory_store()
    cluster(static(endpoint(1), name="a:80"), store)
    assert "cluster.a_80.upstream_rq_total" in values(store)


def test_the_alternative_name_is_the_one_in_statistics():
    store = memory_store()
    cluster(static(endpoint(1), alt_stat_name="books.v1"), store)
    assert "cluster.books.v1.upstream_rq_total" in values(store)


@pytest.mark.parametrize(
    ("code", "internal", "canary", "names"),
    [
        (200, False, False, "completed 2xx 200"),
        (503, True, False, "completed 5xx 503"),
        (101, False, False, "completed 1xx 101"),
        (404, False, True, "completed 4xx 404"),
        (999, False, False, "completed unknown"),
        (20, False, False, "completed unknown"),
    ],
)
def test_a_response_is_counted_with_its_class_and_its_twins(code, internal, canary, names):
    store, found = stats()
    before = set(values(store))
    found.charge_response(code, internal, canary)
    found.charge_response(code, internal, canary)
    counted = {name: value for name, value in values(store).items() if value}
    prefixes = ["", "internal." if internal else "external.", *(["canary."] if canary else [])]
    assert counted == {f"cluster.c.{prefix}upstream_rq_{name}": 2 for prefix in prefixes for name in names.split()}
    assert "cluster.c.upstream_rq_200" not in before


def test_a_response_that_is_retried_is_counted_apart():
    store, found = stats()
    found.charge_retried_response(503)
    counted = {name for name, value in values(store).items() if value}
    assert counted == {f"cluster.c.retry.upstream_rq_{name}" for name in ("completed", "5xx", "503")}


def test_the_time_of_a_request_is_recorded_with_its_twins():
    store, found = stats()
    found.charge_time(12, internal=True, canary=False)
    found.charge_time(12, internal=True, canary=True)
    assert {name for name in store._histograms if name.endswith("upstream_rq_time")} == {
        "cluster.c.upstream_rq_time",
        "cluster.c.internal.upstream_rq_time",
        "cluster.c.canary.upstream_rq_time",
    }
