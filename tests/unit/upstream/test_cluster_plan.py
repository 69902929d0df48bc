"""Defaults of a cluster are Envoy's."""

from pyvoy.upstream.cluster_plan import AssignmentPlan, ClusterPlan, LocalityPlan
from tests.unit.upstream.hosts import endpoint


def test_defaults():
    plan = ClusterPlan("c")
    assert (plan.connect_timeout_s, plan.per_connection_buffer_limit_bytes) == (5.0, 1048576)
    assert (plan.http.idle_timeout_s, plan.http.max_requests_per_connection, plan.http.max_headers_count) == (
        3600.0,
        0,
        100,
    )
    first = plan.thresholds[0]
    assert (first.max_connections, first.max_pending_requests, first.max_requests, first.max_retries) == (
        1024,
        1024,
        1024,
        3,
    )
    assert plan.thresholds[0] == plan.thresholds[1]


def test_the_name_in_statistics():
    assert ClusterPlan("c").observability_name == "c"
    assert ClusterPlan("c", alt_stat_name="d").observability_name == "d"


def test_endpoints_come_in_the_order_of_the_configuration():
    one, two, three = endpoint(1), endpoint(2), endpoint(3)
    plan = AssignmentPlan((LocalityPlan((one, two), priority=1), LocalityPlan((three,))))
    assert plan.endpoints == [one, two, three]
