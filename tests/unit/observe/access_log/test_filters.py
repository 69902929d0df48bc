"""Which streams the access log filters take."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from pyvoy.http.headers import HeaderMap
from pyvoy.observe.access_log import filters
from pyvoy.observe.access_log.filters import Comparison
from pyvoy.observe.details import Flag
from tests.unit.observe.access_log.source import Source


def source(**info: Any) -> Source:
    made = Source()
    for name, value in info.items():
        setattr(made.info, name, value)
    return made


@pytest.mark.parametrize(
    ("comparison", "value", "expected"),
    [
        (Comparison.EQ, 200, True),
        (Comparison.EQ, 404, False),
        (Comparison.GE, 200, True),
        (Comparison.GE, 400, False),
        (Comparison.LE, 199, False),
        (Comparison.NE, 200, False),
    ],
)
def test_status_code(comparison: Comparison, value: int, expected: bool) -> None:
    assert filters.status_code(comparison, value)(source()) is expected


def test_duration_of_a_finished_and_of_a_running_stream() -> None:
    assert filters.duration(Comparison.EQ, 5)(source())
    assert filters.duration(Comparison.GE, 10_000)(source(end_s=None))


def test_health_checks_and_traces() -> None:
    checked = source(trace_reason="sampled")
    assert filters.not_health_check(checked)
    assert filters.traceable(checked)
    checked.health_check = True  # type: ignore[attr-defined]
    assert not filters.not_health_check(checked)
    assert not filters.traceable(checked)
    assert not filters.traceable(source())


def test_the_request_id_decides_on_samples() -> None:
    some = filters.runtime_fraction(50, 100, Random(1), independent=False)
    low = source(request_id=b"00000031-71e0-4eae-a88a-cd36569953c3")
    high = source(request_id=b"00000032-71e0-4eae-a88a-cd36569953c3")
    assert [some(low) for _ in range(20)] == [True] * 20
    assert [some(high) for _ in range(20)] == [False] * 20


@pytest.mark.parametrize(("request_id", "independent"), [(b"", False), (b"z" * 36, False), (b"0" * 36, True)])
def test_chance_decides_on_samples_otherwise(request_id: bytes, independent: bool) -> None:
    half = filters.runtime_fraction(50, 100, Random(1), independent=independent)
    taken = sum(half(source(request_id=request_id)) for _ in range(1000))
    assert 400 < taken < 600


def test_and_or() -> None:
    yes, no = (lambda _source: True), (lambda _source: False)
    assert filters.all_of([yes, yes])(source())
    assert not filters.all_of([yes, no])(source())
    assert filters.any_of([no, yes])(source())
    assert not filters.any_of([no, no])(source())


def test_header_of_a_stream_without_headers() -> None:
    present = filters.header(lambda headers: b"x-a" in headers)
    assert present(source())
    tcp = source()
    tcp.request_headers = None
    assert not present(tcp)


def test_response_flags() -> None:
    flagged = source(response_flags=Flag.NO_ROUTE_FOUND)
    assert filters.response_flags(0)(flagged)
    assert not filters.response_flags(0)(source())
    assert filters.response_flags(Flag.NO_ROUTE_FOUND | Flag.RATE_LIMITED)(flagged)
    assert not filters.response_flags(Flag.RATE_LIMITED)(flagged)


@pytest.mark.parametrize(
    ("trailers", "code", "status"),
    [([(b"grpc-status", b"5")], 200, 5), ([], 404, 12), ([], 200, 2), ([(b"grpc-status", b"x")], 200, 2)],
)
def test_grpc_status(trailers: list[tuple[bytes, bytes]], code: int, status: int) -> None:
    stream = source(response_code=code)
    stream.response_trailers = HeaderMap(trailers)
    assert filters.grpc_status(frozenset((status,)), exclude=False)(stream)
    assert not filters.grpc_status(frozenset((status,)), exclude=True)(stream)


def test_metadata() -> None:
    matches = filters.metadata(lambda whole: whole["ns"]["a"]["b"] == 1, "ns", ["a", "b"], match_if_missing=True)
    stream = source()
    assert matches(stream)
    stream.info.dynamic_metadata["ns"] = {"a": {"b": 2}}
    assert not matches(stream)
    stream.info.dynamic_metadata["ns"] = {"a": {"b": 1}}
    assert matches(stream)
    assert not filters.metadata(lambda whole: True, "other", ["a"], match_if_missing=False)(stream)


def test_log_type() -> None:
    assert filters.log_type(frozenset(("DownstreamEnd",)), exclude=False)(source())
    assert not filters.log_type(frozenset(("DownstreamEnd",)), exclude=True)(source())
