"""Times of one request: route, headers, gRPC (Envoy's FilterUtility::finalTimeout)."""

from __future__ import annotations

import pytest

from pyvoy.http.headers import HeaderMap
from pyvoy.http.routing import timeouts
from pyvoy.http.routing.retry import RetryPlan
from pyvoy.http.routing.table import Route, VirtualHost

GRPC = (b"content-type", b"application/grpc")


def route(**fields) -> Route:
    return Route("r", VirtualHost("v"), **fields)


@pytest.mark.parametrize(
    ("fields", "headers", "expected"),
    [
        ({}, (), (15.0, None)),
        ({"timeout_s": None}, (), (None, None)),
        ({}, ((b"x-envoy-upstream-rq-timeout-ms", b"250"),), (0.25, None)),
        ({}, ((b"x-envoy-upstream-rq-timeout-ms", b"0"),), (None, None)),
        ({}, ((b"x-envoy-upstream-rq-timeout-ms", b"x"),), (15.0, None)),
        ({}, ((b"x-envoy-upstream-rq-per-try-timeout-ms", b"100"),), (15.0, 0.1)),
        ({"retry": RetryPlan(per_try_timeout_s=2.0)}, (), (15.0, 2.0)),
        ({"retry": RetryPlan(per_try_timeout_s=20.0)}, (), (15.0, None)),
        ({"retry": RetryPlan(per_try_timeout_s=20.0), "timeout_s": None}, (), (None, 20.0)),
        ({"max_grpc_timeout_s": 0.0}, (GRPC, (b"grpc-timeout", b"7S")), (7.0, None)),
        ({"max_grpc_timeout_s": 5.0}, (GRPC, (b"grpc-timeout", b"7S")), (5.0, None)),
        ({"max_grpc_timeout_s": 5.0}, (GRPC,), (5.0, None)),
        ({"max_grpc_timeout_s": 0.0}, (GRPC,), (None, None)),
        ({"max_grpc_timeout_s": 0.0, "grpc_timeout_offset_s": 1.0}, (GRPC, (b"grpc-timeout", b"7S")), (6.0, None)),
        ({"max_grpc_timeout_s": 0.0, "grpc_timeout_offset_s": 9.0}, (GRPC, (b"grpc-timeout", b"7S")), (7.0, None)),
        ({"max_grpc_timeout_s": 5.0}, ((b"grpc-timeout", b"7S"),), (15.0, None)),
    ],
)
def test_request_timeouts(fields, headers, expected):
    found = HeaderMap(headers)
    assert timeouts.request_timeouts(route(**fields), found) == expected
    assert not [name for name, _ in found if name.startswith(b"x-envoy")]


def test_the_expected_timeout_of_another_envoy_is_respected_on_wish():
    headers = HeaderMap([(b"x-envoy-expected-rq-timeout-ms", b"100"), (b"x-envoy-upstream-rq-timeout-ms", b"200")])
    assert timeouts.request_timeouts(route(), headers.copy(), respect_expected=True) == (0.1, None)
    assert timeouts.request_timeouts(route(), headers.copy()) == (0.2, None)


@pytest.mark.parametrize(
    ("total", "per_try", "elapsed", "expected"),
    [
        (15.0, None, 0.0, b"15000"),
        (15.0, 2.0, 0.0, b"2000"),
        (None, None, 0.0, None),
        (None, 2.0, 9.0, b"2000"),
        (15.0, 2.0, 14.5, b"500"),
        (15.0, None, 15.0, b"1"),
    ],
)
def test_expected_timeout(total, per_try, elapsed, expected):
    assert timeouts.expected_timeout(total, per_try, elapsed) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(b"1H", 3600.0), (b"2M", 120.0), (b"3S", 3.0), (b"4m", 0.004), (b"1u", 0.001), (b"1500000n", 0.002),
     (b"99999999S", 99999999.0), (b"", None), (b"S", None), (b"3", None), (b"3x", None), (b"123456789S", None)],
)  # fmt: skip
def test_grpc_timeout(value, expected):
    assert timeouts.grpc_timeout_s(HeaderMap([(b"grpc-timeout", value)])) == expected


@pytest.mark.parametrize(
    ("fields", "header", "default", "expected"),
    [
        ({}, None, None, None),
        ({}, None, 9.0, 9.0),
        ({"max_stream_duration_s": 3.0}, None, 9.0, 3.0),
        ({"max_stream_duration_s": 0.0}, None, 9.0, None),
        ({"max_stream_duration_s": 3.0}, b"5S", 9.0, 3.0),
        ({"grpc_timeout_header_max_s": 0.0}, b"5S", 9.0, 5.0),
        ({"grpc_timeout_header_max_s": 4.0}, b"5S", 9.0, 4.0),
        ({"grpc_timeout_header_max_s": 4.0, "grpc_timeout_header_offset_s": 1.0}, b"5S", 9.0, 3.0),
        ({"grpc_timeout_header_max_s": 4.0, "max_stream_duration_s": 2.0}, None, 9.0, 2.0),
    ],
)
def test_stream_duration(fields, header, default, expected):
    headers = HeaderMap([] if header is None else [(b"grpc-timeout", header)])
    assert timeouts.stream_duration_s(route(**fields), headers, default) == expected


@pytest.mark.parametrize(
    ("fields", "header", "times", "expected"),
    [
        ({}, b"5S", (15.0, None), None),
        ({"has_max_stream_duration": True, "max_stream_duration_s": 3.0}, None, (None, None), 3.0),
        ({"has_max_stream_duration": True, "grpc_timeout_header_max_s": 9.0}, b"5S", (None, 1.0), 5.0),
        ({"has_max_stream_duration": True, "grpc_timeout_header_max_s": 9.0}, None, (None, None), None),
        ({"max_grpc_timeout_s": 9.0}, b"5S", (5.0, None), 5.0),
        ({"max_grpc_timeout_s": 9.0}, b"5S", (5.0, 2.0), 2.0),
        ({"max_grpc_timeout_s": 0.0}, None, (None, None), None),
    ],
)
def test_what_the_upstream_of_a_call_is_told(fields, header, times, expected):
    said = [] if header is None else [(b"grpc-timeout", header)]
    assert timeouts.told_deadline_s(route(**fields), HeaderMap([GRPC, *said]), *times) == expected
    assert timeouts.told_deadline_s(route(**fields), HeaderMap(said), *times) is None
