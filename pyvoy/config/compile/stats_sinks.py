"""StatsSink messages -> where statistics are sent: statsd in three dialects; the other sinks are known and get nothing.

Source: Envoy's stat sink extensions (texts as observed on Envoy 1.40).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyvoy.config.compile.addresses import ip_address, pipe_address
from pyvoy.config.context import Context
from pyvoy.config.registry import extension, supports
from pyvoy.network.address import Address
from pyvoy.stats.statsd import Dialect

SINK = "stats_sink"
_METRICS = "envoy.config.metrics.v3."
_EXTENSIONS = "envoy.extensions.stat_sinks."
_DEFAULT_PREFIX = "envoy"

supports("envoy.config.bootstrap.v3.Bootstrap", "stats_sinks stats_flush_interval")
supports(_METRICS + "StatsSink", "name typed_config")
supports(_METRICS + "StatsdSink", "address tcp_cluster_name prefix")
supports(_METRICS + "DogStatsdSink", "address prefix max_bytes_per_datagram")
supports(_EXTENSIONS + "graphite_statsd.v3.GraphiteStatsdSink", "address prefix max_bytes_per_datagram")
supports(
    _METRICS + "MetricsServiceConfig",
    tuning="grpc_service transport_api_version report_counters_as_deltas emit_tags_as_labels histogram_emit_mode "
    "batch_size",
)
supports(_METRICS + "HystrixSink", tuning="num_buckets")
supports(
    _EXTENSIONS + "open_telemetry.v3.SinkConfig",
    tuning="grpc_service report_counters_as_deltas report_histograms_as_deltas emit_tags_as_attributes "
    "use_tag_extracted_name prefix",
)


@dataclass(slots=True, frozen=True)
class SinkPlan:
    """Where to (an address for datagrams, or the name of a cluster for TCP) and how; datagrams have lines of up to
    `max_bytes` (0: never)."""

    dialect: Dialect
    prefix: str
    address: Address | None = None
    cluster: str = ""
    max_bytes: int = 0


@extension(SINK, name="envoy.stat_sinks.statsd", type_url=_METRICS + "StatsdSink")
class Statsd:
    """statsd, by datagrams or over TCP."""

    @staticmethod
    def build(message: Any, context: Context) -> SinkPlan:
        """The plan of a StatsdSink message."""
        prefix = message.prefix or _DEFAULT_PREFIX
        if message.WhichOneof("statsd_specifier") == "tcp_cluster_name":
            context.unknown_cluster("tcp_cluster_name", message.tcp_cluster_name)
            return SinkPlan(Dialect.PLAIN, prefix, cluster=message.tcp_cluster_name)
        return SinkPlan(Dialect.PLAIN, prefix, _address(message, context))


class _Tagged:
    dialect: Dialect

    @classmethod
    def build(cls, message: Any, context: Context) -> SinkPlan:
        """The plan of a message with an address alone."""
        prefix = message.prefix or _DEFAULT_PREFIX
        limit = context.wrapped(message, "max_bytes_per_datagram", 0)
        return SinkPlan(cls.dialect, prefix, _address(message, context), max_bytes=limit)


@extension(SINK, name="envoy.stat_sinks.dog_statsd", type_url=_METRICS + "DogStatsdSink")
class DogStatsd(_Tagged):
    """statsd with the tags of DataDog."""

    dialect = Dialect.DOG


@extension(
    SINK, name="envoy.stat_sinks.graphite_statsd", type_url=_EXTENSIONS + "graphite_statsd.v3.GraphiteStatsdSink"
)
class GraphiteStatsd(_Tagged):
    """statsd with the tags of Graphite."""

    dialect = Dialect.GRAPHITE


class _Untold:
    @staticmethod
    def build(_message: Any, context: Context) -> None:
        """Nothing is sent."""
        context.warning("", "no statistics are sent to this sink")


@extension(SINK, name="envoy.stat_sinks.metrics_service", type_url=_METRICS + "MetricsServiceConfig")
class MetricsService(_Untold):
    """Envoy's own gRPC service."""


@extension(SINK, name="envoy.stat_sinks.hystrix", type_url=_METRICS + "HystrixSink")
class Hystrix(_Untold):
    """The dashboard of Hystrix."""


@extension(SINK, name="envoy.stat_sinks.open_telemetry", type_url=_EXTENSIONS + "open_telemetry.v3.SinkConfig")
class OpenTelemetryMetrics(_Untold):
    """OpenTelemetry's metrics."""


def stats_sinks(bootstrap: Any, context: Context) -> list[SinkPlan]:
    """The sinks of a bootstrap; `context` stands at it."""
    found = []
    secured = {cluster.name for cluster in bootstrap.static_resources.clusters if cluster.HasField("transport_socket")}
    for index, sink in enumerate(bootstrap.stats_sinks):
        place = context.at("stats_sinks", index)
        plan = place.extension(SINK, sink, "")
        if plan is None:
            continue
        if plan.cluster in secured:
            place.error("typed_config.tcp_cluster_name", "statistics are not sent through a transport socket")
        found.append(plan)
    return found


def _address(message: Any, context: Context) -> Address:
    """The address that datagrams go to."""
    place = context.at("address")
    kind = message.address.WhichOneof("address")
    if kind == "pipe":
        return pipe_address(message.address.pipe, place.at("pipe"))
    if kind != "socket_address":
        place.error("", "address is necessary")
    return ip_address(message.address.socket_address, place.at("socket_address"))
