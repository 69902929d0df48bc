"""TCP proxy: the network filter that connects a client to a host of a cluster and relays bytes both ways.

Here is the session's life: which cluster, attempts to connect, half-close, resets, time-outs, backpressure, the access
log.  Configuration is `pyvoy.config.compile.tcp_proxy`, the upstream side `pyvoy.upstream.pool.tcp`.
Source: Envoy's TcpProxy::Filter, TcpUpstream and Drainer (flags, counters and ends observed on Envoy 1.40).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from pyvoy.config.registry import network_filter, supports
from pyvoy.filters.network.tcp_proxy.plan import CLUSTER_STATE, Destination, SessionContext, TcpProxyPlan
from pyvoy.filters.network.tcp_proxy.relay import Relay
from pyvoy.filters.network.tcp_proxy.tunnel import TunnelRelay, open_tunnel
from pyvoy.network.network_filter import CloseType, Connection, NetworkFilter, NetworkVerdict
from pyvoy.observe.details import Flag
from pyvoy.upstream.pool.tcp import SessionUpstream, open_tcp

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.network.connection import DownstreamConnection
    from pyvoy.network.timers import Timer
    from pyvoy.observe.stream_info import StreamInfo
    from pyvoy.upstream.cluster import Cluster
    from pyvoy.upstream.endpoint import Host

TYPE = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"

supports(
    TYPE,
    """stat_prefix cluster weighted_clusters metadata_match idle_timeout access_log max_connect_attempts backoff_options
    hash_policy max_downstream_connection_duration max_downstream_connection_duration_jitter_percentage
    access_log_flush_interval flush_access_log_on_connected access_log_options upstream_connect_mode
    max_early_data_bytes tunneling_config""",
    tuning="downstream_idle_timeout upstream_idle_timeout",
)
supports(TYPE + ".WeightedCluster", "clusters")
supports(TYPE + ".WeightedCluster.ClusterWeight", "name weight metadata_match")
supports(
    TYPE + ".TunnelingConfig",
    "hostname use_post headers_to_add propagate_response_headers post_path propagate_response_trailers "
    "request_id_extension request_id_header request_id_metadata_key",
)
supports(TYPE + ".TcpAccessLogOptions", "access_log_flush_interval flush_access_log_on_connected")
supports("envoy.config.core.v3.BackoffStrategy", "base_interval max_interval")
supports("envoy.type.v3.HashPolicy", "source_ip filter_state")
supports("envoy.type.v3.HashPolicy.SourceIp")
supports("envoy.type.v3.HashPolicy.FilterState", "key")


@network_filter(name="envoy.filters.network.tcp_proxy", type_url=TYPE, posture="robust_to_untrusted_downstream")
class TcpProxy(NetworkFilter):
    """One session.  It owns its upstream connection and its timers."""

    __slots__ = (
        "_attempts",
        "_backoff_timer",
        "_buffered_bytes",
        "_connected",
        "_connection",
        "_direct",
        "_draining",
        "_duration_timer",
        "_early",
        "_early_bytes",
        "_early_end",
        "_ended",
        "_host",
        "_idle_timer",
        "_log_timer",
        "_paused",
        "_relay",
        "_started_s",
        "_upstream",
        "plan",
    )
    terminal = True
    handles_half_close = True

    @staticmethod
    def build(message: Any, context: Context) -> TcpProxyPlan:
        """The plan of a TcpProxy message."""
        from pyvoy.config.compile.tcp_proxy import tcp_proxy_plan

        return tcp_proxy_plan(message, context)

    def __init__(self, plan: TcpProxyPlan) -> None:
        self.plan = plan
        self._attempts = 0
        self._early: list[bytes] = []
        self._early_bytes = 0
        self._early_end = False
        self._paused = False
        self._direct = False
        self._connected = False
        self._draining = False
        self._ended = False
        self._buffered_bytes = 0
        self._relay: Relay | None = None
        self._upstream: SessionUpstream | None = None
        self._idle_timer: Timer | None = None
        self._duration_timer: Timer | None = None
        self._backoff_timer: Timer | None = None
        self._log_timer: Timer | None = None
        plan.stats.downstream_cx_total.inc()

    # ---- the client's side ----

    def on_new_connection(self, connection: Connection) -> NetworkVerdict:
        """Arm the limits, stop reading until there is an upstream, and look for one."""
        plan = self.plan
        self._connection = cast("DownstreamConnection", connection)
        services = connection.services
        timers = services.timers
        self._started_s = services.clock()
        if plan.max_duration_s:
            duration_s = plan.max_duration_s * (1 + plan.jitter * services.random.random())
            self._duration_timer = timers.call_later(duration_s, self._too_long)
        if plan.idle_timeout_s:
            self._idle_timer = timers.call_later(plan.idle_timeout_s, self._check_idle)
        if plan.log_interval_s:
            self._log_timer = timers.call_later(plan.log_interval_s, self._log_periodically)
        if plan.max_early_data_bytes is None:
            self._pause(True)
        if not plan.connect_on_data:
            self._connect()
        return NetworkVerdict.CONTINUE

    def receiver(self, connection: Connection) -> Callable[[bytes], None]:
        """Bytes need no other filter: they may come straight here, and to the relay once it runs."""
        self._direct = True
        return self._relay.from_client if self._connected and self._relay is not None else self._receive_early

    def on_data(self, connection: Connection, data: bytes, end: bool) -> NetworkVerdict:
        """Bytes that passed other filters, and the client's half-close."""
        relay = self._relay
        if not self._connected or relay is None:
            self._take_early(data, end)
            return NetworkVerdict.CONTINUE
        if data:
            relay.from_client(data)
        if end and self._upstream is not None:
            relay.active_s = connection.services.clock()
            self._upstream.end()
            if connection.end_is_stopped:  # both sides have ended, though the client was not told so
                connection.close()
        return NetworkVerdict.CONTINUE

    def _receive_early(self, data: bytes) -> None:
        """Bytes from the transport; after the upstream is there only a transport socket still comes this way."""
        if self._connected and self._relay is not None:
            self._relay.from_client(data)
        else:
            self._connection.info.bytes_received += len(data)
            self._take_early(data, False)

    def _take_early(self, data: bytes, end: bool) -> None:
        plan = self.plan
        stats = plan.stats
        stats.early_data_received_count_total.inc()
        self._early_end = self._early_end or end
        if not data:
            return
        stats.downstream_cx_rx_bytes_total.inc(len(data))
        self._early.append(data)
        self._early_bytes += len(data)
        if self._early_bytes > (plan.max_early_data_bytes or 0):
            self._pause(True)
        if plan.connect_on_data and not self._attempts:
            self._connect()

    def _pause(self, pause: bool) -> None:
        """Reading is off while there is no upstream to write to."""
        if pause is not self._paused:
            self._paused = pause
            self._connection.read_disable(pause)

    def on_high_watermark(self, connection: Connection) -> None:
        """The client reads too slowly: read no more from the upstream."""
        if self._upstream is not None and self._connected:
            self._upstream.pause_reading(True)

    def on_low_watermark(self, connection: Connection) -> None:
        """The client has caught up."""
        if self._upstream is not None and self._connected:
            self._upstream.pause_reading(False)

    def on_close(self, connection: Connection) -> None:
        """The client is gone: end the upstream the way the client ended."""
        self._ended = True
        for timer in (self._duration_timer, self._backoff_timer, self._log_timer):
            if timer is not None:
                timer.cancel()
        self._duration_timer = self._backoff_timer = self._log_timer = None
        self._end_upstream()
        if not self._draining and self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        self._note_bytes()

    def _end_upstream(self) -> None:
        upstream = self._upstream
        if upstream is None:
            return
        if not self._connected:
            upstream.cancel()
        elif self._connection.reset_by_peer:
            upstream.drop(reset=True)
        elif self._connection.closed_locally:
            upstream.drop()
        elif upstream.close_flushed():
            self._draining = True
            self.plan.stats.upstream_flush_total.inc()
            self.plan.stats.upstream_flush_active.inc()

    # ---- finding an upstream ----

    def _connect(self) -> None:
        """Try hosts until one is being connected, or the session fails."""
        while not self._ended and self._connection.is_open:
            if self._try_host():
                return

    def _try_host(self) -> bool:
        """One attempt; False when it failed at once and another may be made."""
        connection, plan = self._connection, self.plan
        info = connection.source.info
        destination = self._destination()
        cluster: Cluster | None = connection.services.clusters.get(destination.cluster)
        if cluster is None:
            plan.stats.downstream_cx_no_route.inc()
            self._fail(Flag.NO_CLUSTER_FOUND)
            return True
        info.upstream_cluster = cluster.name
        info.upstream_cluster_observability_name = cluster.plan.observability_name
        if not cluster.resources().connections.can_create():
            cluster.stats.upstream_cx_overflow.inc()
            self._fail(Flag.UPSTREAM_OVERFLOW)
            return True
        if self._attempts >= plan.max_connect_attempts:
            cluster.stats.upstream_cx_connect_attempts_exceeded.inc()
            self._fail(Flag.UPSTREAM_CONNECT_ATTEMPTS_EXCEEDED)
            return True
        host = cluster.choose_host(self._balancing(destination), connection.info)
        if host is None:
            self._fail(Flag.NO_HEALTHY_UPSTREAM)
            return True
        return self._open(cluster.owner(host), host, info)

    def _destination(self) -> Destination:
        name = self._connection.info.filter_state.get(CLUSTER_STATE)
        return self.plan.pick(self._connection.services.random) if name is None else Destination(str(name))

    def _balancing(self, destination: Destination) -> SessionContext | None:
        plan = self.plan
        key = None if plan.hash_policy is None else plan.hash_policy(self._connection.source)
        metadata = destination.metadata_match or plan.metadata_match
        return None if key is None and metadata is None else SessionContext(key, metadata)

    def _open(self, cluster: Cluster, host: Host, info: StreamInfo) -> bool:
        connection = self._connection
        services = connection.services
        self._attempts += 1
        info.attempt_count = self._attempts
        info.upstream_hosts_attempted += (host,)
        info.upstream_connect_begin_s = services.clock()
        self._host = host
        runner = connection.runner
        filtered = runner is not None and runner.has_write_filters
        meter = self.plan.meter
        meter.serve(services)
        to_client = connection.write if filtered else connection.writer
        tunnel = self.plan.tunnel
        make = Relay if tunnel is None else TunnelRelay
        relay = make(self.plan.stats, cluster.stats, to_client, meter)
        upstream: SessionUpstream | None
        if tunnel is None:
            upstream = open_tcp(services, cluster, host, self, relay.from_upstream)
        else:
            source = connection.source
            upstream = open_tunnel(services, cluster, host, self, relay.from_upstream, tunnel, source)
        if upstream is None:
            return False
        self._upstream = upstream
        self._relay = relay
        return True

    def _fail(self, flag: int) -> None:
        """There is no upstream for this client."""
        self._connection.source.info.response_flags |= flag
        self._connection.close(CloseType.NO_FLUSH)

    # ---- the upstream's side ----

    def on_upstream_connected(self, upstream: SessionUpstream) -> None:
        """Both sides are there: send what came early, and relay."""
        connection, relay = self._connection, self._relay
        if relay is None:
            return
        results = upstream.cluster.results
        if results is not None:
            results.connected(upstream.host, final=True)
        info = connection.source.info
        info.upstream_host = upstream.host
        info.upstream_local = upstream.local
        info.upstream_tls = upstream.tls
        info.upstream_connection_id = upstream.connection_id
        info.upstream_connection_ids_attempted += (upstream.connection_id,)
        info.upstream_connect_end_s = relay.active_s = connection.services.clock()
        relay.to_upstream = upstream.writer
        self._connected = True
        early, self._early = self._early, []
        for data in early:
            relay.early(data)
        if self.plan.log_on_connected:
            self._log("TcpUpstreamConnected")
        if self._early_end:
            upstream.end()
        if self._direct:
            connection.receive_directly(relay.from_client)
        self._pause(False)

    def on_upstream_failed(self, detail: str) -> None:
        """Refused or too slow: try again, now or later, as long as there are attempts."""
        info = self._connection.source.info
        info.upstream_host = self._host
        info.response_flags |= Flag.UPSTREAM_CONNECTION_FAILURE
        info.upstream_transport_failure_reason = detail
        failed = self._upstream
        if failed is not None and failed.cluster.results is not None:
            failed.cluster.results.failed(failed.host, 503)
        self._upstream = self._relay = None
        backoff = self.plan.backoff
        if backoff is None or self._attempts >= self.plan.max_connect_attempts:
            self._connect()
        else:
            services = self._connection.services
            delay_s = backoff.delay_s(self._attempts, services.random)
            self._backoff_timer = services.timers.call_later(delay_s, self._backed_off)

    def _backed_off(self) -> None:
        self._backoff_timer = None
        self._connect()

    def on_upstream_end(self) -> None:
        """The upstream half-closed."""
        if not self._ended:
            self._connection.write_end()

    def on_upstream_closed(self, *, reset: bool) -> None:
        """The upstream is gone: so goes the client, with a reset if that is how it went."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        if self._draining:
            self._draining = False
            self.plan.stats.upstream_flush_active.dec()
        elif not self._ended:
            if reset:
                self._connection.source.info.response_flags |= Flag.UPSTREAM_REMOTE_RESET
            self._connection.close(CloseType.ABORT if reset else CloseType.FLUSH)

    def on_upstream_watermark(self, high: bool) -> None:
        """The upstream reads too slowly, or has caught up: so does the client's reading."""
        if self._ended or not self._connection.is_open:
            return
        stats = self.plan.stats
        if high:
            stats.downstream_flow_control_paused_reading_total.inc()
        else:
            stats.downstream_flow_control_resumed_reading_total.inc()
        self._connection.read_disable(high)

    # ---- limits ----

    def _check_idle(self) -> None:
        """Look how long nothing has moved; bytes that leave a buffer move too."""
        self._idle_timer = None
        services = self._connection.services
        now_s = services.clock()
        relay = self._relay
        if relay is not None:
            relay.count(now_s)
        buffered_bytes = self._buffered()
        if buffered_bytes != self._buffered_bytes:
            self._buffered_bytes = buffered_bytes
            active_s = now_s
        else:
            active_s = self._started_s if relay is None else max(relay.active_s, self._started_s)
        due_s = active_s + (self.plan.idle_timeout_s or 0.0)
        if due_s > now_s:
            self._idle_timer = services.timers.call_at(due_s, self._check_idle)
        else:
            self.plan.stats.idle_timeout.inc()
            self._give_up()

    def _buffered(self) -> int:
        size = 0 if self._ended else self._connection.transport.get_write_buffer_size()
        if self._upstream is not None and self._connected and not self._upstream.closed:
            size += self._upstream.unwritten_bytes
        return size

    def _too_long(self) -> None:
        self._duration_timer = None
        self.plan.stats.max_downstream_connection_duration.inc()
        self._connection.source.info.response_flags |= Flag.DURATION_TIMEOUT
        self._give_up()

    def _give_up(self) -> None:
        """End both sides at once."""
        if self._draining and self._upstream is not None:
            self._draining = False
            self.plan.stats.upstream_flush_active.dec()
            self._upstream.drop()
        else:
            self._connection.close(CloseType.NO_FLUSH)

    # ---- the access log ----

    def on_log(self, connection: Connection) -> None:
        """The session's last line."""
        if not hasattr(self, "_connection"):
            self._connection = cast("DownstreamConnection", connection)
        if self._connection.source.info.end_s is None:
            self._connection.source.end()
        self._log("TcpConnectionEnd")

    def _log_periodically(self) -> None:
        self._log("TcpPeriodic")
        interval_s = self.plan.log_interval_s or 0.0
        self._log_timer = self._connection.services.timers.call_later(interval_s, self._log_periodically)

    def _log(self, kind: str) -> None:
        if not self.plan.access_logs:
            return
        self._note_bytes()
        source = self._connection.source
        source.update()
        source.log_type = kind
        for logger in self.plan.access_logs:
            logger.log(source)
        source.log_type = "NotSet"

    def _note_bytes(self) -> None:
        """What the relay counted, for the logs."""
        relay = self._relay
        connection = self._connection.info
        info = self._connection.source.info
        if relay is None or not self._connected:
            info.downstream_wire_bytes_received = connection.bytes_received
            return
        relay.count(self._connection.services.clock())
        connection.bytes_received, connection.bytes_sent = relay.received, relay.sent
        info.downstream_wire_bytes_received = info.upstream_wire_bytes_sent = relay.received
        info.downstream_wire_bytes_sent = info.upstream_wire_bytes_received = relay.sent


_: type[NetworkFilter] = TcpProxy
