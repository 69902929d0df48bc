"""Clusters as a whole: discovery, circuit breakers, fingerprints, duplicates, and what is refused."""

import pytest

from pyvoy.config.compile.clusters import build_clusters
from pyvoy.upstream.cluster_plan import ClusterPlan, Discovery, RetryBudgetPlan, ThresholdsPlan
from tests.unit.config.building import built, reported, runtime
from tests.unit.config.compile.cluster_reading import ENDPOINT, compiled, plan, unsupported

DNS_CLUSTER = "cluster_type: {name: envoy.cluster.dns, typed_config: {'@type': type.googleapis.com/%s%s}}"
DNS_TYPE = "envoy.extensions.clusters.dns.v3.DnsCluster"


def test_an_empty_cluster_has_envoys_defaults():
    found = plan()
    expected = ClusterPlan("c", fingerprint=found.fingerprint)
    assert found == expected


def test_plain_fields():
    found = plan(
        "alt_stat_name: d, connect_timeout: 0.25s, per_connection_buffer_limit_bytes: 4096, "
        "metadata: {filter_metadata: {a: {b: 1}}}, "
        "common_lb_config: {close_connections_on_host_set_change: true, override_host_status: {statuses: [HEALTHY]}}"
    )
    assert found.observability_name == "d"
    assert found.connect_timeout_s == 0.25
    assert found.per_connection_buffer_limit_bytes == 4096
    assert found.metadata == {"a": {"b": 1}}
    assert found.close_connections_on_host_set_change
    assert found.override_host_healths == {"HEALTHY"}


@pytest.mark.parametrize(
    ("text", "discovery"),
    [
        ("", Discovery.STATIC),
        ("type: STATIC", Discovery.STATIC),
        ("type: strict_dns", Discovery.STRICT_DNS),
        ("type: STRICT_DNS", Discovery.STRICT_DNS),
        (DNS_CLUSTER % (DNS_TYPE, ""), Discovery.STRICT_DNS),
    ],
)
def test_discovery(text, discovery):
    found = plan(text)
    assert found.discovery is discovery
    assert (found.dns is None) == (discovery is Discovery.STATIC)


LOGICAL_ENDPOINT = "load_assignment: {cluster_name: c, endpoints: [" + ENDPOINT.replace("127.0.0.1", "books") + "]}"


@pytest.mark.parametrize(
    "text", ["type: LOGICAL_DNS", DNS_CLUSTER % (DNS_TYPE, ", all_addresses_in_single_endpoint: true")]
)
def test_logical_dns(text):
    found = plan(f"{text}, {LOGICAL_ENDPOINT}")
    assert found.discovery is Discovery.LOGICAL_DNS
    assert found.dns is not None


def test_logical_dns_has_a_single_endpoint():
    _, problems = compiled("type: LOGICAL_DNS")
    assert problems == [
        "1:1: error: load_assignment.endpoints: LOGICAL_DNS clusters must have a single locality_lb_endpoint and a "
        "single lb_endpoint"
    ]


@pytest.mark.parametrize("kind", ["EDS"])
def test_discovery_of_other_kinds_is_refused(kind):
    found, problems = compiled(f"type: {kind}")
    assert problems == [f"1:17: error: type: clusters of type {kind} are not supported by pyvoy"]
    assert found.discovery is Discovery.STATIC


def test_circuit_breakers():
    found = plan(
        "circuit_breakers: {thresholds: [{max_connections: 1, max_pending_requests: 2, max_requests: 3, "
        "max_retries: 4, track_remaining: true}, {priority: HIGH, retry_budget: {budget_percent: {value: 25}}}, "
        "{max_connections: 99}]}"
    )
    assert found.thresholds == (
        ThresholdsPlan(1, 2, 3, 4, None, True),
        ThresholdsPlan(retry_budget=RetryBudgetPlan(25.0, 3)),
    )


def test_an_empty_retry_budget_has_defaults():
    found = plan("circuit_breakers: {thresholds: [{retry_budget: {}}]}")
    assert found.thresholds[0].retry_budget == RetryBudgetPlan(20.0, 3)


def test_the_runtime_overrides_circuit_breakers():
    values = {
        "circuit_breakers.c.default.max_connections": 7,
        "circuit_breakers.c.high.max_requests": 8,
        "circuit_breakers.c.default.retry_budget.min_retry_concurrency": 9,
    }
    text = "circuit_breakers: {thresholds: [{max_connections: 1, retry_budget: {}}]}"
    found = plan(text, runtime=runtime(**values))
    assert found.thresholds[0].max_connections == 7
    assert found.thresholds[0].retry_budget == RetryBudgetPlan(20.0, 9)
    assert found.thresholds[1].max_requests == 8


def test_the_fingerprint_tells_changes_also_of_the_runtime():
    same = plan("connect_timeout: 1s").fingerprint
    assert plan("connect_timeout: 1s").fingerprint == same
    assert plan("connect_timeout: 2s").fingerprint != same
    changed = runtime(**{"circuit_breakers.c.default.max_connections": 7})
    assert plan("connect_timeout: 1s", runtime=changed).fingerprint != same


def test_the_second_of_two_clusters_with_one_name_is_refused():
    text = "{clusters: [{name: a, connect_timeout: 1s}, {name: b}, {name: a, connect_timeout: 2s}]}"
    message, context = built("envoy.config.bootstrap.v3.Bootstrap.StaticResources", text)
    plans = build_clusters(message.clusters, context)
    assert [(found.name, found.connect_timeout_s) for found in plans] == [("a", 1.0), ("b", 5.0)]
    assert reported(context) == ["1:63: error: clusters[2].name: cluster manager: duplicate cluster 'a'"]


def test_plain_text_may_be_said():
    raw = "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"
    found = plan(f"transport_socket: {{name: envoy.transport_sockets.raw_buffer, typed_config: {{'@type': {raw}}}}}")
    assert found.transport_socket is None


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("lb_subset_config: {list_as_any: true}", "lb_subset_config.list_as_any"),
        ("circuit_breakers: {per_host_thresholds: [{max_connections: 1}]}", "circuit_breakers.per_host_thresholds"),
        ("transport_socket_matches: [{name: a, match: {}}]", "transport_socket_matches"),
        ("connection_pool_per_downstream_connection: true", "connection_pool_per_downstream_connection"),
        ("upstream_bind_config: {freebind: true}", "upstream_bind_config.freebind"),
    ],
)
def test_what_changes_traffic_and_is_not_implemented_is_an_error(text, path):
    assert f"error: {path}: is not supported by pyvoy" in unsupported(text)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("track_cluster_stats: {timeout_budgets: true}", "track_cluster_stats"),
        ("preconnect_policy: {per_upstream_preconnect_ratio: 1.5}", "preconnect_policy"),
        (
            "circuit_breakers: {thresholds: [{max_connection_pools: 3}]}",
            "circuit_breakers.thresholds[0].max_connection_pools",
        ),
    ],
)
def test_what_only_tunes_is_a_warning(text, path):
    assert unsupported(text) == [f"warning: {path}: has no effect in pyvoy"]
