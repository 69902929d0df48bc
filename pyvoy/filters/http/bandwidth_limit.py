"""Bandwidth limit: bodies wait for tokens of a bucket of bytes that all streams of the filter share, in all workers.

The bucket holds what may pass in a second and fills continuously; a body that has to wait looks again every fill
interval.  Source: Envoy, HTTP filter "Bandwidth limit" and StreamRateLimiter (statistics observed on Envoy 1.40).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import http_filter, supports
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, STOP, HttpFilter, Stream, Verdict

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.network.timers import Timer
    from pyvoy.server.arena import TokenBucket
    from pyvoy.server.services import Services
    from pyvoy.stats.counters import Counter, Gauge
    from pyvoy.stats.histograms import Histogram
    from pyvoy.stats.store import Scope

TYPE = "envoy.extensions.filters.http.bandwidth_limit.v3.BandwidthLimit"

supports(TYPE, "stat_prefix enable_mode limit_kbps fill_interval runtime_enabled")

_REQUEST, _RESPONSE = 1, 2
_KIB = 1024


class DirectionStats:
    """`<stat_prefix>.http_bandwidth_limit.<direction>_...`"""

    allowed_size: Gauge
    incoming_size: Gauge
    pending: Gauge
    allowed_total_size: Counter
    enabled: Counter
    enforced: Counter
    incoming_total_size: Counter

    def __init__(self, scope: Scope, direction: str) -> None:
        make: dict[str, Callable[[str], Any]] = {"Gauge": scope.gauge, "Counter": scope.counter}
        for name, kind in DirectionStats.__annotations__.items():
            setattr(self, name, make[kind](f"{direction}_{name}"))
        self.transfer_duration: Histogram = scope.histogram(f"{direction}_transfer_duration", "ms")


@dataclass(slots=True, frozen=True, eq=False)
class BandwidthLimitPlan:
    """A BandwidthLimit message; `mode` is a set of directions.  `bucket` None limits nothing."""

    mode: int
    bucket: TokenBucket | None
    interval_s: float
    request: DirectionStats
    response: DirectionStats


class Limiter:
    """Paces one body.  `write(data, end)` hands on a piece, `resume()` lets trailers go, `pause(bool)` stops the sender
    while more than `buffer_bytes` wait."""

    def __init__(
        self,
        services: Services,
        bucket: TokenBucket,
        interval_s: float,
        buffer_bytes: int,
        stats: DirectionStats,
        *,
        write: Callable[[bytes, bool], None],
        resume: Callable[[], None],
        pause: Callable[[bool], None],
    ) -> None:
        self._services = services
        self._bucket = bucket
        self._interval_s = interval_s
        self._buffer_bytes = buffer_bytes
        self._stats = stats
        self._write = write
        self._resume = resume
        self._pause = pause
        self._buffer = bytearray()
        self._began_s: float | None = None
        self._timer: Timer | None = None
        self._ended = self._trailers = self._paused = False
        stats.enabled.inc()

    def data(self, data: bytes, end: bool) -> None:
        """A piece of the body; it leaves when there are tokens for it."""
        stats = self._stats
        if self._began_s is None:
            self._began_s = self._services.clock()
            stats.pending.inc()
        stats.incoming_size.set(len(self._buffer) + len(data))
        stats.incoming_total_size.inc(len(data))
        self._buffer += data
        self._ended = end
        if self._timer is None:
            self._timer = self._services.timers.call_later(0.0, self._due)
        if not self._paused and len(self._buffer) > self._buffer_bytes:
            self._paused = True
            self._pause(True)

    def trailers(self) -> bool:
        """Trailers have come; True when they must wait for data before them."""
        self._ended = True
        self._trailers = bool(self._buffer) or self._timer is not None
        if not self._trailers:
            self._over()
        return self._trailers

    def _due(self) -> None:
        self._timer = None
        buffer, stats = self._buffer, self._stats
        count = min(self._bucket.remaining(), len(buffer))
        if count and not self._bucket.consume(count):
            count = 0  # another worker was quicker
        data = bytes(memoryview(buffer)[:count])
        del buffer[:count]
        stats.incoming_size.set(len(buffer))
        stats.allowed_size.set(count)
        stats.allowed_total_size.inc(count)
        if buffer:
            stats.enforced.inc()
            self._timer = self._services.timers.call_later(self._interval_s, self._due)
        if self._paused and len(buffer) <= self._buffer_bytes // 2:
            self._paused = False
            self._pause(False)
        last = self._ended and not buffer
        if last:
            self._over()
        if data or (last and not self._trailers):
            self._write(data, last and not self._trailers)
        if last and self._trailers:
            self._trailers = False
            self._resume()

    def _over(self) -> None:
        """The body has gone."""
        if self._began_s is not None:
            self._stats.transfer_duration.record(int((self._services.clock() - self._began_s) * 1000))
            self._stats.pending.dec()
            self._began_s = None

    def stop(self) -> None:
        """The stream is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._began_s is not None:
            self._stats.pending.dec()
            self._began_s = None


@http_filter(
    name="envoy.filters.http.bandwidth_limit",
    type_url=TYPE,
    route_type_url=TYPE,
    posture="robust_to_untrusted_downstream",
)
class BandwidthLimit(HttpFilter):
    """One per stream: the limiters of its bodies."""

    __slots__ = ("_plan", "_request", "_response")

    @staticmethod
    def build(message: Any, context: Context) -> BandwidthLimitPlan:
        """The plan of a BandwidthLimit message."""
        from pyvoy.config.compile.token_bucket import feature_enabled

        scope = context.root_scope.scope(f"{message.stat_prefix}.http_bandwidth_limit")
        kilobytes = context.wrapped(message, "limit_kbps", 0)
        bucket = None
        if kilobytes:
            rate = kilobytes * _KIB
            bucket = context.arena.token_bucket(f"http_bandwidth_limit {context.path}", rate, rate, 1.0)
        enabled = not message.HasField("runtime_enabled") or feature_enabled(message, "runtime_enabled", context)
        return BandwidthLimitPlan(
            message.enable_mode if enabled else 0,
            bucket,
            context.duration_s(message, "fill_interval", 0.05) or 0.05,
            DirectionStats(scope, "request"),
            DirectionStats(scope, "response"),
        )

    @staticmethod
    def build_route(message: Any, context: Context) -> BandwidthLimitPlan:
        """The same message on a route, where a limit must be set."""
        if not message.HasField("limit_kbps"):
            context.error("limit_kbps", "limit must be set for per route filter config")
        return BandwidthLimit.build(message, context)

    def __init__(self, plan: BandwidthLimitPlan) -> None:
        self._plan = plan
        self._request: Limiter | None = None
        self._response: Limiter | None = None

    def request_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
        """Limit the request where that is configured."""
        plan = self._plan = stream.route_plan(self) or self._plan
        if plan.mode & _REQUEST and plan.bucket is not None:
            self._request = Limiter(
                stream.services,
                plan.bucket,
                plan.interval_s,
                stream.request_buffer_limit_bytes,
                plan.request,
                write=lambda data, end: stream.inject_request_data(self, data, end),
                resume=lambda: stream.continue_request(self),
                pause=stream.pause_request,
            )
        return CONTINUE

    def request_data(self, stream: Stream, data: bytes, end: bool) -> Verdict:
        """Pace the body."""
        if self._request is None:
            return CONTINUE
        self._request.data(data, end)
        return STOP

    def request_trailers(self, stream: Stream, trailers: HeaderMap) -> Verdict:
        """Trailers wait for the data before them."""
        return STOP if self._request is not None and self._request.trailers() else CONTINUE

    def response_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
        """Limit the response where that is configured."""
        plan = self._plan
        if plan.mode & _RESPONSE and plan.bucket is not None:
            self._response = Limiter(
                stream.services,
                plan.bucket,
                plan.interval_s,
                stream.response_buffer_limit_bytes,
                plan.response,
                write=lambda data, end: stream.inject_response_data(self, data, end),
                resume=lambda: stream.continue_response(self),
                pause=stream.pause_response,
            )
        return CONTINUE

    def response_data(self, stream: Stream, data: bytes, end: bool) -> Verdict:
        """Pace the body."""
        if self._response is None:
            return CONTINUE
        self._response.data(data, end)
        return STOP

    def response_trailers(self, stream: Stream, trailers: HeaderMap) -> Verdict:
        """Trailers wait for the data before them."""
        return STOP if self._response is not None and self._response.trailers() else CONTINUE

    def on_destroy(self, stream: Stream) -> None:
        """Take everything back."""
        for limiter in (self._request, self._response):
            if limiter is not None:
                limiter.stop()


_: type[HttpFilter] = BandwidthLimit
