"""Retries: the compiled policy (RetryPlan) and the decisions about one request (RetryState).

Pure: no clock, no timer, no socket, no counter.  The router asks, waits `backoff_s` and counts what the answers say.
Retries in flight are held in the cluster's retry resource (circuit breaker or retry budget) from the decision to retry
until the next decision or `release`.
Source of behaviour: Envoy's RetryPolicyImpl and RetryStateImpl.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Any, Final, Protocol

from pyvoy.http.headers import HeaderMap
from pyvoy.http.routing.retry_priority import PreviousPriorities
from pyvoy.observe.details import Reset


class RetryOn:
    """Bits of `retry_on`."""

    FIVE_XX: Final = 1 << 0
    GATEWAY_ERROR: Final = 1 << 1
    CONNECT_FAILURE: Final = 1 << 2
    ENVOY_RATE_LIMITED: Final = 1 << 3
    RETRIABLE_4XX: Final = 1 << 4
    REFUSED_STREAM: Final = 1 << 5
    RETRIABLE_STATUS_CODES: Final = 1 << 6
    RETRIABLE_HEADERS: Final = 1 << 7
    RESET: Final = 1 << 8
    RESET_BEFORE_REQUEST: Final = 1 << 9
    HTTP3_POST_CONNECT_FAILURE: Final = 1 << 10
    GRPC_CANCELLED: Final = 1 << 11
    GRPC_DEADLINE_EXCEEDED: Final = 1 << 12
    GRPC_RESOURCE_EXHAUSTED: Final = 1 << 13
    GRPC_UNAVAILABLE: Final = 1 << 14
    GRPC_INTERNAL: Final = 1 << 15


RETRY_ON: Final[dict[bytes, int]] = {
    b"5xx": RetryOn.FIVE_XX,
    b"gateway-error": RetryOn.GATEWAY_ERROR,
    b"connect-failure": RetryOn.CONNECT_FAILURE,
    b"envoy-ratelimited": RetryOn.ENVOY_RATE_LIMITED,
    b"retriable-4xx": RetryOn.RETRIABLE_4XX,
    b"refused-stream": RetryOn.REFUSED_STREAM,
    b"retriable-status-codes": RetryOn.RETRIABLE_STATUS_CODES,
    b"retriable-headers": RetryOn.RETRIABLE_HEADERS,
    b"reset": RetryOn.RESET,
    b"reset-before-request": RetryOn.RESET_BEFORE_REQUEST,
    b"http3-post-connect-failure": RetryOn.HTTP3_POST_CONNECT_FAILURE,
}
"""Words of x-envoy-retry-on."""

RETRY_GRPC_ON: Final[dict[bytes, int]] = {
    b"cancelled": RetryOn.GRPC_CANCELLED,
    b"deadline-exceeded": RetryOn.GRPC_DEADLINE_EXCEEDED,
    b"resource-exhausted": RetryOn.GRPC_RESOURCE_EXHAUSTED,
    b"unavailable": RetryOn.GRPC_UNAVAILABLE,
    b"internal": RetryOn.GRPC_INTERNAL,
}
"""Words of x-envoy-retry-grpc-on."""

_GRPC_STATUS_BITS: Final = {
    b"1": RetryOn.GRPC_CANCELLED,
    b"4": RetryOn.GRPC_DEADLINE_EXCEEDED,
    b"8": RetryOn.GRPC_RESOURCE_EXHAUSTED,
    b"13": RetryOn.GRPC_INTERNAL,
    b"14": RetryOn.GRPC_UNAVAILABLE,
}

_CONNECT_RESETS: Final = frozenset(
    (Reset.LOCAL_CONNECTION_FAILURE, Reset.REMOTE_CONNECTION_FAILURE, Reset.CONNECTION_TIMEOUT)
)

_CONSUMED_HEADERS: Final = (
    b"x-envoy-retry-on",
    b"x-envoy-retry-grpc-on",
    b"x-envoy-max-retries",
    b"x-envoy-hedge-on-per-try-timeout",
    b"x-envoy-retriable-header-names",
    b"x-envoy-retriable-status-codes",
    b"x-envoy-upstream-rq-per-try-timeout-ms",
)
"""Request headers that steer retries; they never reach an upstream."""

HostPredicate = Callable[[Any, list[Any]], bool]
"""`(host, hosts tried before)`: True rejects the host, and the balancer is asked again."""


class Decision(Enum):
    """What the policy says of one outcome."""

    NO = 0
    BACKOFF = 1
    IMMEDIATE = 2


class RetryStatus(Enum):
    """What is done: retry, or not and why.  NO_LIMIT_EXCEEDED sets flag URX; NO_OVERFLOW sets UO."""

    NO = 0
    NO_OVERFLOW = 1
    NO_LIMIT_EXCEEDED = 2
    YES = 3


class RetryResource(Protocol):
    """The cluster's count of retries in flight (circuit breaker `max_retries` or retry budget)."""

    def can_create(self) -> bool: ...

    def inc(self) -> None: ...

    def dec(self) -> None: ...


@dataclass(slots=True, frozen=True)
class RetryPlan:
    """A compiled RetryPolicy.  Times are seconds; None means no per-try limit.

    `retriable_headers` are tests of response headers, one is enough; `retriable_request_headers` likewise of the
    request, and when there are any and none holds, the policy is off.  `reset_headers` are (name, value is a unix
    time) of `rate_limited_retry_back_off`."""

    retry_on: int = 0
    num_retries: int = 1
    per_try_timeout_s: float | None = None
    per_try_idle_timeout_s: float | None = None
    retriable_status_codes: frozenset[int] = frozenset()
    retriable_headers: tuple[Callable[[HeaderMap], bool], ...] = ()
    retriable_request_headers: tuple[Callable[[HeaderMap], bool], ...] = ()
    base_interval_s: float = 0.025
    max_interval_s: float = 0.25
    reset_headers: tuple[tuple[bytes, bool], ...] = ()
    reset_max_interval_s: float = 300.0
    host_predicates: tuple[HostPredicate, ...] = ()
    host_selection_max_attempts: int = 1
    priority_frequency: int = 0
    """After how many attempts the priorities tried so far are avoided; 0 is never."""

    @property
    def cares_for_hosts(self) -> bool:
        """Whether it matters for an attempt which hosts were tried before."""
        return bool(self.host_predicates) or self.priority_frequency > 0


NO_POLICY: Final = RetryPlan()


def parse_retry_on(value: bytes, words: dict[bytes, int] = RETRY_ON) -> tuple[int, bool]:
    """The bits of a comma-separated list, and whether every word was known."""
    bits = 0
    valid = True
    for word in map(bytes.strip, value.split(b",")):
        if word:
            bit = words.get(word, 0)
            bits |= bit
            valid = valid and bit != 0
    return bits, valid


def consume_retry_headers(headers: HeaderMap) -> None:
    """Take the headers that steer retries out of a request; also done when nothing is retried."""
    values = headers.map
    for name in _CONSUMED_HEADERS:
        if name in values:
            headers.remove(name)


def retry_state(plan: RetryPlan | None, headers: HeaderMap, resource: RetryResource) -> RetryState | None:
    """The state for one request, or None when nothing could be retried.  Consumes the steering headers."""
    values = headers.map
    steered = b"x-envoy-retry-on" in values or b"x-envoy-retry-grpc-on" in values
    if not steered and (plan is None or plan.retry_on == 0):
        consume_retry_headers(headers)
        return None
    state = RetryState(plan or NO_POLICY, headers, resource)
    consume_retry_headers(headers)
    return state


class RetryState:
    """Decisions about one request.  Owned by the router; `release` must be called when the request ends."""

    __slots__ = (
        "_early_data",
        "_next_interval_s",
        "_rate_limited_s",
        "_resource",
        "_retry_on",
        "_status_codes",
        "hosts",
        "in_flight",
        "plan",
        "priorities",
        "remaining",
        "response_tests",
        "succeeded",
    )

    def __init__(self, plan: RetryPlan, headers: HeaderMap, resource: RetryResource) -> None:
        """`headers` are the request's, before the steering headers are consumed."""
        self.plan = plan
        self.remaining = plan.num_retries
        self.in_flight = False
        """A retry was decided and holds a place in the retry resource."""
        self.succeeded = False
        """The last decision found that the retry before it brought a result (`upstream_rq_retry_success`)."""
        self.hosts: list[Any] = []
        frequency = plan.priority_frequency
        self.priorities = PreviousPriorities(frequency, self.hosts) if frequency else None
        self.response_tests = plan.retriable_headers
        self._resource = resource
        self._retry_on = plan.retry_on
        self._status_codes = plan.retriable_status_codes
        self._next_interval_s = plan.base_interval_s
        self._rate_limited_s = 0.0
        self._early_data = b"early-data" in headers.map
        self._read_headers(headers)

    @property
    def enabled(self) -> bool:
        """False when nothing can be retried: the request does not fit the policy's retriable_request_headers."""
        return self._retry_on != 0

    def should_retry_headers(self, status: int, headers: HeaderMap, wall_s: float = 0.0) -> RetryStatus:
        """Decide on a response.  `wall_s` is epoch seconds, for reset headers that hold a time."""
        decision = self.would_retry_headers(status, headers)
        if decision is Decision.BACKOFF and self.plan.reset_headers:
            self._rate_limited_s = self._reset_interval_s(headers, wall_s)
        return self.decide(decision)

    def should_retry_reset(self, reason: str, *, request_started: bool = True) -> RetryStatus:
        """Decide on an upstream reset (`details.Reset`).  `request_started`: bytes went to the upstream."""
        return self.decide(self.would_retry_reset(reason, request_started=request_started))

    def decide(self, decision: Decision) -> RetryStatus:
        """Apply the limits to what the policy says."""
        self.succeeded = self.in_flight and decision is Decision.NO
        self.release()
        if decision is Decision.NO:
            return RetryStatus.NO
        if self.remaining == 0:
            return RetryStatus.NO_LIMIT_EXCEEDED
        self.remaining -= 1
        if not self._resource.can_create():
            return RetryStatus.NO_OVERFLOW
        self._resource.inc()
        self.in_flight = True
        if decision is Decision.IMMEDIATE:
            self._rate_limited_s = -1.0
        return RetryStatus.YES

    def release(self) -> None:
        """Give back the place in the retry resource; idempotent."""
        if self.in_flight:
            self.in_flight = False
            self._resource.dec()

    def backoff_s(self, random: Random) -> tuple[float, bool]:
        """How long to wait before the retry just decided, and whether the response dictated it
        (`upstream_rq_retry_backoff_ratelimited`, else `_exponential`)."""
        dictated = self._rate_limited_s
        self._rate_limited_s = 0.0
        if dictated < 0:
            return 0.0, False
        if dictated > 0:
            return dictated + random.random() * dictated / 2, True
        interval_s = self._next_interval_s
        maximum_s = self.plan.max_interval_s
        self._next_interval_s = interval_s * 2 if interval_s < maximum_s / 2 else maximum_s
        return min(random.random() * interval_s, maximum_s), False

    def note_host(self, host: Any) -> None:
        """A try went (or is about to go) to this host."""
        self.hosts.append(host)

    def rejects_host(self, host: Any) -> bool:
        """Whether a host predicate wants another host for this retry."""
        return any(predicate(host, self.hosts) for predicate in self.plan.host_predicates)

    def would_retry_headers(self, status: int, headers: HeaderMap) -> Decision:
        """What the policy says of a response."""
        retry_on = self._retry_on
        values = headers.map
        if b"x-envoy-ratelimited" in values:
            return Decision.BACKOFF if retry_on & RetryOn.ENVOY_RATE_LIMITED else Decision.NO
        if (
            (retry_on & RetryOn.FIVE_XX and 500 <= status < 600)
            or (retry_on & RetryOn.GATEWAY_ERROR and 502 <= status <= 504)
            or (retry_on & RetryOn.RETRIABLE_4XX and status == 409)
        ):
            return Decision.BACKOFF
        if retry_on & RetryOn.RETRIABLE_STATUS_CODES and status in self._status_codes:
            if status != 425:
                return Decision.BACKOFF
            if not self._early_data:
                return Decision.IMMEDIATE
        if retry_on & RetryOn.RETRIABLE_HEADERS and any(test(headers) for test in self.response_tests):
            return Decision.BACKOFF
        grpc_status = values.get(b"grpc-status")
        if grpc_status is not None and _GRPC_STATUS_BITS.get(grpc_status, 0) & retry_on:
            return Decision.BACKOFF
        return Decision.NO

    def would_retry_reset(self, reason: str, *, request_started: bool) -> Decision:
        """What the policy says of an upstream reset."""
        retry_on = self._retry_on
        if reason == Reset.OVERFLOW:
            return Decision.NO
        if (
            (retry_on & RetryOn.CONNECT_FAILURE and reason in _CONNECT_RESETS)
            or (retry_on & RetryOn.RESET_BEFORE_REQUEST and not request_started)
            or retry_on & (RetryOn.RESET | RetryOn.FIVE_XX | RetryOn.GATEWAY_ERROR)
            or (retry_on & RetryOn.REFUSED_STREAM and reason == Reset.REMOTE_REFUSED_STREAM_RESET)
        ):
            return Decision.BACKOFF
        return Decision.NO

    def _read_headers(self, headers: HeaderMap) -> None:
        """Merge what the request asks for into the policy."""
        values = headers.map
        if (value := values.get(b"x-envoy-retry-on")) is not None:
            self._retry_on |= parse_retry_on(value)[0]
        if (value := values.get(b"x-envoy-retry-grpc-on")) is not None:
            self._retry_on |= parse_retry_on(value, RETRY_GRPC_ON)[0]
        request_tests = self.plan.retriable_request_headers
        if request_tests and not any(test(headers) for test in request_tests):
            self._retry_on = 0
        value = values.get(b"x-envoy-max-retries")
        if self._retry_on and value is not None and value.isdigit():
            self.remaining = int(value)
        if (value := values.get(b"x-envoy-retriable-status-codes")) is not None:
            codes = [int(word) for word in map(bytes.strip, value.split(b",")) if word.isdigit()]
            self._status_codes = self._status_codes.union(codes)
        if (value := values.get(b"x-envoy-retriable-header-names")) is not None:
            self.response_tests += tuple(_presence(name) for name in value.split(b",") if name)

    def _reset_interval_s(self, headers: HeaderMap, wall_s: float) -> float:
        """The wait that the response asks for, 0 when it does not say or asks for too much."""
        for name, is_time in self.plan.reset_headers:
            value = headers.get(name)
            if value is None or not value.isdigit():
                continue
            seconds = int(value) - int(wall_s) if is_time else int(value)
            if 0 < seconds <= self.plan.reset_max_interval_s:
                return float(seconds)
        return 0.0


def _presence(name: bytes) -> Callable[[HeaderMap], bool]:
    wanted = name.strip().lower()
    return lambda headers: wanted in headers.map


# --- host predicates


def previous_hosts(host: Any, tried: list[Any]) -> bool:
    """Reject hosts that were tried (envoy.retry_host_predicates.previous_hosts)."""
    return host in tried


def omit_metadata(wanted: Mapping[str, Any]) -> HostPredicate:
    """Reject hosts whose `envoy.lb` metadata has all of these values (envoy.retry_host_predicates.omit_host_metadata);
    nothing wanted rejects nobody."""

    def reject(host: Any, _tried: list[Any]) -> bool:
        have = host.metadata.get("envoy.lb", {})
        return bool(wanted) and all(key in have and have[key] == value for key, value in wanted.items())

    return reject


def canary_hosts(host: Any, _tried: list[Any]) -> bool:
    """Reject hosts marked as canary (envoy.retry_host_predicates.omit_canary_hosts)."""
    return bool(host.canary)
