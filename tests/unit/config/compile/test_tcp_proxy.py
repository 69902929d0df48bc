"""TcpProxy messages."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import Any

import xxhash

from pyvoy.config.compile.tcp_proxy import tcp_proxy_plan
from pyvoy.filters.network.tcp_proxy.filter import TYPE
from pyvoy.filters.network.tcp_proxy.plan import Backoff, TcpProxyPlan
from pyvoy.stats.store import memory_store
from tests.support.connections import connection_info
from tests.unit.config.building import built, reported


def plan(text: str) -> tuple[TcpProxyPlan, list[str]]:
    message, context = built(TYPE, f"{{stat_prefix: t, {text}}}", clusters={"a", "b"}, root_scope=memory_store().root)
    found = tcp_proxy_plan(message, context)
    return found, [line.partition(": ")[2] for line in reported(context)]


def good(text: str) -> TcpProxyPlan:
    found, problems = plan(text)
    assert problems == []
    return found


def test_what_is_not_said_is_as_in_envoy() -> None:
    found = good("cluster: a")
    assert (found.idle_timeout_s, found.max_duration_s, found.max_connect_attempts) == (3600.0, None, 1)
    assert (found.backoff, found.hash_policy, found.max_early_data_bytes) == (None, None, None)
    assert (found.connect_on_data, found.log_on_connected, found.log_interval_s) == (False, False, None)
    assert found.pick(Random(1)).cluster == "a"


def test_times_and_attempts() -> None:
    found = good(
        "cluster: a, idle_timeout: 0s, max_downstream_connection_duration: 1.5s, max_connect_attempts: 4, "
        "max_downstream_connection_duration_jitter_percentage: {value: 50}, backoff_options: {base_interval: 0.25s}"
    )
    assert (found.idle_timeout_s, found.max_duration_s, found.jitter) == (None, 1.5, 0.5)
    assert (found.max_connect_attempts, found.backoff) == (4, Backoff(250, 2500))


def test_weighted_clusters_add_their_metadata_to_the_filters() -> None:
    found = good(
        "metadata_match: {filter_metadata: {envoy.lb: {stage: prod, zone: z}}}, weighted_clusters: {clusters: "
        "[{name: a, weight: 1, metadata_match: {filter_metadata: {envoy.lb: {stage: dev}}}}, {name: b, weight: 1}]}"
    )
    random = Random(1)
    seen = {pick.cluster: pick.metadata_match for pick in (found.pick(random) for _ in range(50))}
    assert seen == {"a": {"stage": "dev", "zone": "z"}, "b": {"stage": "prod", "zone": "z"}}


def source() -> Any:
    return SimpleNamespace(connection=connection_info(), info=SimpleNamespace(filter_state={"k": "v"}))


def test_hash_policies() -> None:
    by_ip = good("cluster: a, hash_policy: [{source_ip: {}}]").hash_policy
    by_state = good("cluster: a, hash_policy: [{filter_state: {key: k}}]").hash_policy
    assert by_ip is not None
    assert by_state is not None
    assert by_ip(source()) == xxhash.xxh64_intdigest(b"192.0.2.7")
    assert by_state(source()) == xxhash.xxh64_intdigest(b"v")


def test_logs_may_be_flushed_by_old_and_new_fields() -> None:
    old = good("cluster: a, access_log_flush_interval: 2s, flush_access_log_on_connected: true")
    new = good("cluster: a, access_log_options: {access_log_flush_interval: 2s, flush_access_log_on_connected: true}")
    for found in (old, new):
        assert (found.log_on_connected, found.log_interval_s) == (True, 2.0)


def test_waiting_for_data_needs_a_limit() -> None:
    assert good("cluster: a, upstream_connect_mode: ON_DOWNSTREAM_DATA, max_early_data_bytes: 9").connect_on_data
    tls = good("cluster: a, upstream_connect_mode: ON_DOWNSTREAM_TLS_HANDSHAKE, max_early_data_bytes: 9")
    assert (tls.connect_on_data, tls.max_early_data_bytes) == (False, 9)
    assert plan("cluster: a, upstream_connect_mode: ON_DOWNSTREAM_DATA")[1] == [
        "error: max_early_data_bytes: max_early_data_bytes must be set when upstream_connect_mode is not IMMEDIATE"
    ]


def test_what_cannot_work_is_told() -> None:
    assert plan("cluster: aa")[1] == [
        "warning: cluster: unknown cluster 'aa': connections will be closed; did you mean \"a\"?"
    ]
    assert plan("cluster: a, backoff_options: {base_interval: 2s, max_interval: 1s}")[1] == [
        "error: backoff_options.max_interval: max_backoff_interval must be greater or equal to base_backoff_interval"
    ]
