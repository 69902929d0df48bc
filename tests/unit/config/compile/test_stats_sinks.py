"""Sinks in bootstraps: where they send, what is refused, what is told to do nothing."""

from __future__ import annotations

import pytest

from pyvoy.config.compile.stats_sinks import SinkPlan, stats_sinks
from pyvoy.config.load import load
from pyvoy.config.problems import ConfigErrors, Problems
from pyvoy.network.address import Address
from pyvoy.server.local_arena import LocalArena
from pyvoy.server.plans import try_build
from pyvoy.stats.statsd import Dialect
from pyvoy.stats.store import memory_store

_METRICS = "type.googleapis.com/envoy.config.metrics.v3."
UDP = "address: {socket_address: {protocol: UDP, address: 127.0.0.1, port_value: 8125}}"
_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
CLUSTERS = f"""
static_resources:
  clusters: [{{name: sd}}, {{name: tls, transport_socket: {{name: x, typed_config: {{'@type': {_TLS}}}}}}}]
"""


def bootstrap(kind: str, settings: str) -> str:
    return f"{CLUSTERS}stats_sinks: [{{name: s, typed_config: {{'@type': {kind}, {settings}}}}}]"


def plans(kind: str, settings: str) -> list[SinkPlan]:
    loaded = load(config_yaml=bootstrap(kind, settings))
    return stats_sinks(loaded.message, loaded.context(memory_store().root, LocalArena(lambda: 0.0), Problems()))


def test_where_they_send() -> None:
    address = Address("127.0.0.1", 8125)
    (plain,) = plans(_METRICS + "StatsdSink", UDP)
    assert (plain.dialect, plain.prefix, plain.address) == (Dialect.PLAIN, "envoy", address)
    (dog,) = plans(_METRICS + "DogStatsdSink", f"{UDP}, prefix: p, max_bytes_per_datagram: 500")
    assert (dog.dialect, dog.prefix, dog.max_bytes) == (Dialect.DOG, "p", 500)
    graphite = "type.googleapis.com/envoy.extensions.stat_sinks.graphite_statsd.v3.GraphiteStatsdSink"
    assert plans(graphite, UDP)[0].dialect is Dialect.GRAPHITE
    assert plans(_METRICS + "StatsdSink", "tcp_cluster_name: sd")[0].cluster == "sd"
    (pipe,) = plans(_METRICS + "StatsdSink", "address: {pipe: {path: /run/statsd.sock}}")
    assert pipe.address is not None
    assert pipe.address.path == "/run/statsd.sock"


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ("tcp_cluster_name: other", "unknown cluster 'other'"),
        ("tcp_cluster_name: tls", "not sent through a transport socket"),
        ("address: {socket_address: {address: example.com, port_value: 1}}", "malformed IP address: example.com"),
        ("address: {}", "needs one of: socket_address"),
    ],
)
def test_what_is_refused(settings: str, text: str) -> None:
    with pytest.raises(ConfigErrors, match=text):
        try_build(load(config_yaml=bootstrap(_METRICS + "StatsdSink", settings)))


def test_other_sinks_are_told_to_do_nothing() -> None:
    loaded = load(config_yaml=bootstrap(_METRICS + "HystrixSink", "num_buckets: 3"))
    assert [problem.what for problem in try_build(loaded)] == ["no statistics are sent to this sink"]
