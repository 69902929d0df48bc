"""The connection manager's statistics under Envoy's names (`http.<stat_prefix>.`), and their twins per listener.

All exist from load on, so that they show as 0 as Envoy's do.  Per request the manager adds to groups of cells that were
put together here: one loop over indexes, no name, no look-up.  Source: Envoy, ALL_HTTP_CONN_MAN_STATS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyvoy.http.h2.stats import CodecStats
from pyvoy.stats.tally import Tally, TallyBoard

if TYPE_CHECKING:
    from pyvoy.stats.counters import Counter, Gauge
    from pyvoy.stats.histograms import Histogram
    from pyvoy.stats.store import Scope

_CODES = ("1xx", "2xx", "3xx", "4xx", "5xx")


class HttpStats:
    """Counters, gauges and histograms of one connection manager; the annotations are the list."""

    downstream_cx_delayed_close_timeout: Counter
    downstream_cx_destroy: Counter
    downstream_cx_destroy_active_rq: Counter
    downstream_cx_destroy_local: Counter
    downstream_cx_destroy_local_active_rq: Counter
    downstream_cx_destroy_remote: Counter
    downstream_cx_destroy_remote_active_rq: Counter
    downstream_cx_drain_close: Counter
    downstream_cx_http1_total: Counter
    downstream_cx_http2_total: Counter
    downstream_cx_http3_total: Counter
    downstream_cx_idle_timeout: Counter
    downstream_cx_max_duration_reached: Counter
    downstream_cx_max_requests_reached: Counter
    downstream_cx_overload_disable_keepalive: Counter
    downstream_cx_protocol_error: Counter
    downstream_cx_rx_bytes_total: Counter
    downstream_cx_ssl_total: Counter
    downstream_cx_total: Counter
    downstream_cx_tx_bytes_total: Counter
    downstream_cx_upgrades_total: Counter
    downstream_flow_control_paused_reading_total: Counter
    downstream_flow_control_resumed_reading_total: Counter
    downstream_rq_completed: Counter
    downstream_rq_failed_path_normalization: Counter
    downstream_rq_header_timeout: Counter
    downstream_rq_http1_total: Counter
    downstream_rq_http2_total: Counter
    downstream_rq_http3_total: Counter
    downstream_rq_idle_timeout: Counter
    downstream_rq_max_duration_reached: Counter
    downstream_rq_non_relative_path: Counter
    downstream_rq_overload_close: Counter
    downstream_rq_redirected_with_normalized_path: Counter
    downstream_rq_rejected_via_ip_detection: Counter
    downstream_rq_response_before_rq_complete: Counter
    downstream_rq_rx_reset: Counter
    downstream_rq_timeout: Counter
    downstream_rq_too_large: Counter
    downstream_rq_too_many_premature_resets: Counter
    downstream_rq_total: Counter
    downstream_rq_tx_reset: Counter
    downstream_rq_ws_on_non_ws_route: Counter
    rs_too_large: Counter
    downstream_cx_active: Gauge
    downstream_cx_http1_active: Gauge
    downstream_cx_http1_soft_drain: Gauge
    downstream_cx_http2_active: Gauge
    downstream_cx_http3_active: Gauge
    downstream_cx_rx_bytes_buffered: Gauge
    downstream_cx_ssl_active: Gauge
    downstream_cx_tx_bytes_buffered: Gauge
    downstream_cx_upgrades_active: Gauge
    downstream_rq_active: Gauge
    downstream_cx_length_ms: Histogram
    downstream_rq_time: Histogram
    no_route: Counter
    no_cluster: Counter
    rq_redirect: Counter
    rq_direct_response: Counter
    rq_total: Counter
    rq_reset_after_downstream_response_started: Counter
    rq_overload_local_reply: Counter
    passthrough_internal_redirect_bad_location: Counter
    passthrough_internal_redirect_no_route: Counter
    passthrough_internal_redirect_predicate: Counter
    passthrough_internal_redirect_too_many_redirects: Counter
    passthrough_internal_redirect_unsafe_scheme: Counter

    def __init__(self, root: Scope, prefix: str, listener_scope: Scope | None) -> None:
        """Everything below `http.<prefix>`; `listener_scope` gets `http.<prefix>.downstream_rq_...` twins."""
        scope = root.scope(f"http.{prefix}")
        self.scope = scope
        for name, kind in HttpStats.__annotations__.items():
            if kind == "Histogram":
                setattr(self, name, scope.histogram(name))
            else:
                setattr(self, name, (scope.gauge if kind == "Gauge" else scope.counter)(name))
        for name in ("random_sampling", "service_forced", "client_enabled", "not_traceable", "health_check"):
            scope.counter(f"tracing.{name}")
        self.cells = self.downstream_rq_total.cells
        completed = [self.downstream_rq_completed]
        by_class = [[scope.counter(f"downstream_rq_{code}")] for code in _CODES]
        if listener_scope is not None:
            twin = listener_scope.scope(f"http.{prefix}")
            completed.append(twin.counter("downstream_rq_completed"))
            for counters, code in zip(by_class, _CODES, strict=True):
                counters.append(twin.counter(f"downstream_rq_{code}"))
        self._done = tuple(tuple(counter.index for counter in completed + counters) for counters in [[], *by_class])
        # Cells of a request that is answered, by the first digit of its status (0: none).
        self.codec_dropped_underscores = root.counter("http1.dropped_headers_with_underscores")
        self.codec_rejected_underscores = root.counter("http1.requests_rejected_with_underscores_in_headers")
        self.http2 = CodecStats(root)
        root.counter("http1.metadata_not_supported_error")
        root.counter("http1.response_flood")

    def connection_tallies(
        self, board: TallyBoard, *, http2: bool = False, secure: bool = False
    ) -> tuple[Tally, Tally, tuple[tuple[Tally, Tally], ...]]:
        """What a connection moves when it begins, when it first speaks, and when it ends: by whether that was from
        here, then by whether it had spoken.  `secure`: connections are TLS."""
        active, total = self.downstream_cx_active, self.downstream_cx_http1_total
        speaking = self.downstream_cx_http1_active
        if http2:
            total, speaking = self.downstream_cx_http2_total, self.downstream_cx_http2_active
        active.add(0)
        speaking.add(0)
        open_levels: tuple[Gauge, ...] = (active,)
        begun = [self.downstream_cx_total.index, active.index]
        if secure:
            self.downstream_cx_ssl_active.add(0)
            open_levels += (self.downstream_cx_ssl_active,)
            begun += [self.downstream_cx_ssl_total.index, self.downstream_cx_ssl_active.index]

        def gone(by: Counter, *falling: Gauge) -> Tally:
            levels = tuple(gauge.index for gauge in falling)
            ended = (self.downstream_cx_destroy.index, by.index)
            return Tally(board, self.cells, ended, (self.downstream_cx_length_ms,), falling=levels)

        return (
            Tally(board, self.cells, tuple(begun)),
            Tally(board, self.cells, (total.index, speaking.index)),
            tuple(
                (gone(by, *open_levels), gone(by, *open_levels, speaking))
                for by in (self.downstream_cx_destroy_remote, self.downstream_cx_destroy_local)
            ),
        )

    def answered_tally(self, board: TallyBoard, status: int) -> Tally:
        """What the end of an ordinary request moves: the counters of its answer, and its being over."""
        kind = status // 100
        indexes = self._done[kind if kind < 6 else 0]
        return Tally(board, self.cells, indexes, (self.downstream_rq_time,), falling=(self.downstream_rq_active.index,))

    def make_tallies(self, board: TallyBoard, *, http2: bool = False) -> tuple[Tally, tuple[Tally, ...], Tally]:
        """What a request moves when it begins, when its response head goes out (by the first digit of the status),
        and when it is over."""
        active = self.downstream_rq_active
        active.add(0)
        by_protocol = self.downstream_rq_http2_total if http2 else self.downstream_rq_http1_total
        begun = (self.downstream_rq_total.index, by_protocol.index, active.index)
        return (
            Tally(board, self.cells, begun),
            tuple(Tally(board, self.cells, indexes) for indexes in self._done),
            Tally(board, self.cells, (), (self.downstream_rq_time,), falling=(active.index,)),
        )
