"""HTTPFault messages -> FaultPlan: what is decided at load, runtime overrides included.

Source: Envoy's FaultSettings and Filters::Common::Fault (header providers, runtime keys).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import supports
from pyvoy.filters.common.metadata import plain_struct
from pyvoy.http.headers import HeaderMap

if TYPE_CHECKING:
    from pyvoy.config.context import Context

_FAULT = "envoy.extensions.filters.http.fault.v3"
_COMMON = "envoy.extensions.filters.common.fault.v3"
TYPE = f"{_FAULT}.HTTPFault"

supports(
    TYPE,
    "delay abort upstream_cluster headers downstream_nodes max_active_faults response_rate_limit "
    "delay_percent_runtime abort_percent_runtime delay_duration_runtime abort_http_status_runtime "
    "max_active_faults_runtime response_rate_limit_percent_runtime abort_grpc_status_runtime "
    "disable_downstream_cluster_stats filter_metadata",
)
supports(f"{_FAULT}.FaultAbort", "http_status grpc_status header_abort percentage")
supports(f"{_FAULT}.FaultAbort.HeaderAbort")
supports(f"{_COMMON}.FaultDelay", "fixed_delay header_delay percentage")
supports(f"{_COMMON}.FaultDelay.HeaderDelay")
supports(f"{_COMMON}.FaultRateLimit", "fixed_limit header_limit percentage")
supports(f"{_COMMON}.FaultRateLimit.FixedLimit", "limit_kbps")
supports(f"{_COMMON}.FaultRateLimit.HeaderLimit")

_MAX_64 = 2**64 - 1


@dataclass(slots=True, frozen=True, eq=False)
class Chance:
    """How often a fault happens.  `header` may lower the numerator for one request."""

    numerator: int
    denominator: int
    header: bytes | None
    random: Random

    def happens(self, headers: HeaderMap) -> bool:
        """Throw the dice for a request."""
        numerator = self.numerator
        if self.header is not None:
            asked = whole_number(headers, self.header)
            if asked is not None:
                numerator = min(numerator, asked)
        if numerator <= 0:
            return False
        return numerator >= self.denominator or int(self.random.random() * self.denominator) < numerator


@dataclass(slots=True, frozen=True, eq=False)
class Delay:
    """`fixed_s`, or what the request's header says."""

    chance: Chance
    fixed_s: float | None

    def seconds(self, headers: HeaderMap) -> float:
        """The delay of a request; 0 for none."""
        seconds = self.fixed_s
        if seconds is None:
            seconds = (whole_number(headers, b"x-envoy-fault-delay-request") or 0) / 1000
        return seconds if seconds and self.chance.happens(headers) else 0.0


@dataclass(slots=True, frozen=True, eq=False)
class Abort:
    """A fixed status of HTTP or gRPC, or what the request's headers say."""

    chance: Chance
    http_status: int | None
    grpc_status: int | None
    by_header: bool

    def status(self, headers: HeaderMap) -> tuple[int, int | None] | None:
        """HTTP and gRPC status of an aborted request; None when it goes on."""
        http, grpc = self.http_status, self.grpc_status
        if self.by_header:
            http = whole_number(headers, b"x-envoy-fault-abort-request")
            grpc = whole_number(headers, b"x-envoy-fault-abort-grpc-request")
            if http is not None and not 200 <= http < 600:
                http = None
        if (http is None and grpc is None) or not self.chance.happens(headers):
            return None
        return (http, None) if http is not None else (200, grpc)


@dataclass(slots=True, frozen=True, eq=False)
class ResponseRate:
    """Kilobytes (1024) a second, or what the request's header says."""

    chance: Chance
    fixed: int | None

    def kilobytes(self, headers: HeaderMap) -> int:
        """The rate for a request's response; 0 for no limit."""
        rate = self.fixed
        if rate is None:
            rate = whole_number(headers, b"x-envoy-fault-throughput-response") or 0
        return rate if rate and self.chance.happens(headers) else 0


@dataclass(slots=True, frozen=True, eq=False)
class FaultPlan:
    """A HTTPFault message."""

    delay: Delay | None
    abort: Abort | None
    rate: ResponseRate | None
    upstream_cluster: str
    matches: Callable[[HeaderMap], bool]
    nodes: frozenset[bytes]
    max_active: int
    cluster_stats: bool
    metadata: Mapping[str, Any]


def whole_number(headers: HeaderMap, name: bytes) -> int | None:
    """The header's value as a whole number (absl::SimpleAtoi), None when there is none."""
    value = headers.map.get(name)
    if value is None or not value.strip().isdigit() or len(value) > 19:
        return None
    return int(value)


def build_plan(message: Any, context: Context) -> FaultPlan:
    """The plan of a HTTPFault message."""
    runtime = context.runtime
    unlimited = context.wrapped(message, "max_active_faults", _MAX_64)
    return FaultPlan(
        _delay(message, context) if message.HasField("delay") else None,
        _abort(message, context) if message.HasField("abort") else None,
        _rate(message, context) if message.HasField("response_rate_limit") else None,
        message.upstream_cluster,
        context.header_matchers(message, "headers"),
        frozenset(node.encode() for node in message.downstream_nodes),
        runtime.integer(message.max_active_faults_runtime or "fault.http.max_active_faults", unlimited),
        not message.disable_downstream_cluster_stats,
        plain_struct(message.filter_metadata) if message.HasField("filter_metadata") else {},
    )


def _chance(message: Any, context: Context, key: str, header: bytes | None) -> Chance:
    from pyvoy.config.compile.fractions import fraction_of

    numerator, denominator = fraction_of(message, "percentage", context) or (0, 100)
    numerator, denominator = context.runtime.fraction(key, numerator, denominator)
    return Chance(numerator, denominator, header, context.random)


def _delay(message: Any, context: Context) -> Delay:
    delay = message.delay
    place = context.at("delay")
    by_header = delay.WhichOneof("fault_delay_secifier") == "header_delay"
    key = message.delay_percent_runtime or "fault.http.delay.fixed_delay_percent"
    chance = _chance(delay, place, key, b"x-envoy-fault-delay-request-percentage" if by_header else None)
    if by_header:
        return Delay(chance, None)
    duration_ms = int((place.duration_s(delay, "fixed_delay", 0.0) or 0.0) * 1000)
    key = message.delay_duration_runtime or "fault.http.delay.fixed_duration_ms"
    return Delay(chance, context.runtime.integer(key, duration_ms) / 1000)


def _abort(message: Any, context: Context) -> Abort:
    abort = message.abort
    kind = abort.WhichOneof("error_type")
    by_header = kind == "header_abort"
    key = message.abort_percent_runtime or "fault.http.abort.abort_percent"
    chance = _chance(abort, context.at("abort"), key, b"x-envoy-fault-abort-request-percentage" if by_header else None)
    runtime = context.runtime
    http = grpc = None
    if kind == "http_status":
        http = runtime.integer(message.abort_http_status_runtime or "fault.http.abort.http_status", abort.http_status)
    elif kind == "grpc_status":
        grpc = runtime.integer(message.abort_grpc_status_runtime or "fault.http.abort.grpc_status", abort.grpc_status)
    return Abort(chance, http, grpc, by_header)


def _rate(message: Any, context: Context) -> ResponseRate:
    limit = message.response_rate_limit
    by_header = limit.WhichOneof("limit_type") == "header_limit"
    key = message.response_rate_limit_percent_runtime or "fault.http.rate_limit.response_percent"
    header = b"x-envoy-fault-throughput-response-percentage" if by_header else None
    chance = _chance(limit, context.at("response_rate_limit"), key, header)
    return ResponseRate(chance, None if by_header else limit.fixed_limit.limit_kbps)
