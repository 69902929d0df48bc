"""Which streams an access log (or a local reply mapper) takes: predicates over a source, made when configured.

Source: Envoy's access_log_impl (StatusCodeFilter, DurationFilter, ...) and its comparison of signed numbers.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from random import Random
from typing import Any

from pyvoy.http.headers import HeaderMap
from pyvoy.observe.access_log.operators_http import HTTP_TO_GRPC

Filter = Callable[[Any], bool]
HeaderTest = Callable[[HeaderMap], bool]

_GRPC_UNKNOWN = 2
_UUID_LENGTH = 36
_NO_HEADERS = HeaderMap()


class Comparison(Enum):
    """ComparisonFilter.Op, with the numbers of the protobuf enum."""

    EQ = 0
    GE = 1
    LE = 2
    NE = 3


_COMPARE: dict[Comparison, Callable[[int, int], bool]] = {
    Comparison.EQ: operator.eq,
    Comparison.GE: operator.ge,
    Comparison.LE: operator.le,
    Comparison.NE: operator.ne,
}


def status_code(comparison: Comparison, value: int) -> Filter:
    """The response code, 0 when there was no response."""
    compare = _COMPARE[comparison]
    return lambda source: compare(source.info.response_code, value)


def duration(comparison: Comparison, value_ms: int) -> Filter:
    """Milliseconds from the start to the end (or to now)."""
    compare = _COMPARE[comparison]

    def matches(source: Any) -> bool:
        info = source.info
        end = info.end_s if info.end_s is not None else source.services.clock()
        return compare(int((end - info.start_s) * 1000), value_ms)

    return matches


def not_health_check(source: Any) -> bool:
    """The request was not one that the health check filter answers."""
    return not getattr(source, "health_check", False)


def traceable(source: Any) -> bool:
    """The request is traced."""
    return bool(source.info.trace_reason) and not_health_check(source)


def runtime_fraction(numerator: int, denominator: int, random: Random, *, independent: bool) -> Filter:
    """A share of the requests; by default the same ones in every proxy, because their request id decides."""

    def matches(source: Any) -> bool:
        request_id = source.info.request_id
        if not independent and len(request_id) == _UUID_LENGTH:
            try:
                return int(request_id[:8], 16) % denominator < numerator
            except ValueError:
                pass  # a client's own id, of the length of a UUID
        return int(random.random() * denominator) < numerator

    return matches


def all_of(filters: Sequence[Filter]) -> Filter:
    """Every filter takes it."""
    parts = tuple(filters)

    def matches(source: Any) -> bool:
        for part in parts:  # noqa: SIM110 - a loop costs half of a generator
            if not part(source):
                return False
        return True

    return matches


def any_of(filters: Sequence[Filter]) -> Filter:
    """One of the filters takes it."""
    parts = tuple(filters)

    def matches(source: Any) -> bool:
        for part in parts:  # noqa: SIM110 - a loop costs half of a generator
            if part(source):
                return True
        return False

    return matches


def header(test: HeaderTest) -> Filter:
    """The request headers match."""
    return lambda source: test(source.request_headers or _NO_HEADERS)


def response_flags(mask: int) -> Filter:
    """One of these flags is set; any flag at all with an empty mask."""
    if not mask:
        return lambda source: source.info.response_flags != 0
    return lambda source: source.info.response_flags & mask != 0


def grpc_status(statuses: frozenset[int], *, exclude: bool) -> Filter:
    """The gRPC status of the response (for other responses the one their HTTP status stands for)."""

    def matches(source: Any) -> bool:
        return (_grpc_status_of(source) in statuses) != exclude

    return matches


def _grpc_status_of(source: Any) -> int:
    for headers in (source.response_trailers, source.response_headers):
        if headers is not None:
            value = headers.map.get(b"grpc-status")
            if value is not None:
                return int(value) if value.isdigit() else _GRPC_UNKNOWN
    return HTTP_TO_GRPC.get(source.info.response_code, _GRPC_UNKNOWN)


def metadata(
    test: Callable[[Mapping[str, Any]], bool], namespace: str, keys: Sequence[str], *, match_if_missing: bool
) -> Filter:
    """The stream's dynamic metadata match; `match_if_missing` answers for streams without the value."""

    def matches(source: Any) -> bool:
        whole = source.info.dynamic_metadata
        value: Any = whole.get(namespace)
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        return match_if_missing if value is None else test(whole)

    return matches


def log_type(types: frozenset[str], *, exclude: bool) -> Filter:
    """The point in the stream's life at which the line is written."""
    return lambda source: (getattr(source, "log_type", "NotSet") in types) != exclude
