"""Bandwidth limit: bodies that pass at once, those that wait for tokens, and what is counted."""

from __future__ import annotations

import pytest

from pyvoy.config.problems import ConfigErrors
from pyvoy.filters.http.bandwidth_limit import BandwidthLimit
from pyvoy.testing.contract import check_http_filter
from pyvoy.testing.playbook import (
    Play,
    after,
    data,
    forwarded,
    forwarded_data,
    forwarded_trailers,
    headers,
    held,
    play,
    response,
    response_data,
    response_trailers,
    sent,
    sent_data,
    sent_trailers,
    trailers,
)

KIB = b"k" * 1024
REST = b"r" * 512
MEASURES = ("request_allowed", "request_incoming", "response_allowed", "response_incoming")


def limited(mode: str, kbps: int = 1, more: str = "", **rest: object) -> Play:
    return play(BandwidthLimit, f"stat_prefix: b\nenable_mode: {mode}\nlimit_kbps: {kbps}\n{more}", **rest)  # type: ignore[arg-type]


def count(p: Play, name: str) -> int:
    return p.counter(f"b.http_bandwidth_limit.{name}")


def gauge(p: Play, name: str) -> int:
    return p.gauge(f"b.http_bandwidth_limit.{name}")


def test_a_body_that_fits_passes() -> None:
    p = limited("REQUEST") >> headers("POST", end=False) << forwarded(end=False)
    p >> data(KIB, end=True) >> after(0.001) << forwarded_data(KIB)
    assert (count(p, "request_enabled"), count(p, "request_enforced")) == (1, 0)
    assert (count(p, "request_incoming_total_size"), count(p, "request_allowed_total_size")) == (1024, 1024)
    assert (gauge(p, "request_pending"), gauge(p, "request_incoming_size")) == (0, 0)
    assert gauge(p, "request_allowed_size") == 1024
    p.stage.close()


def test_what_is_too_much_waits_for_tokens() -> None:
    p = limited("REQUEST", more="fill_interval: 0.6s") >> headers("POST", end=False) << forwarded(end=False)
    p >> data(KIB + REST, end=True) >> after(0.001) << forwarded_data(KIB, end=False)
    assert (gauge(p, "request_pending"), gauge(p, "request_incoming_size")) == (1, 512)
    p >> after(0.6) << forwarded_data(REST)
    assert (count(p, "request_enforced"), gauge(p, "request_pending")) == (1, 0)
    p.stage.close()


def test_trailers_wait_for_their_body() -> None:
    p = limited("REQUEST", more="fill_interval: 0.6s") >> headers("POST", end=False) << forwarded(end=False)
    p >> data(KIB + REST, end=False) >> trailers(a="b") >> after(0.001) << forwarded_data(KIB, end=False)
    p >> after(0.6) << forwarded_data(REST, end=False) << forwarded_trailers(a="b")
    p.stage.close()


def test_a_response_is_paced() -> None:
    p = limited("RESPONSE", more="fill_interval: 0.6s") >> headers() << forwarded()
    p >> response(200, end=False) << sent(200, end=False)
    p >> response_data(KIB + REST, end=False) >> response_trailers(a="b") >> after(0.001) << sent_data(KIB, end=False)
    p >> after(0.6) << sent_data(REST, end=False) << sent_trailers(a="b")
    assert (count(p, "response_enabled"), count(p, "request_enabled")) == (1, 0)
    p.end()


@pytest.mark.parametrize(
    ("mode", "more"),
    [("DISABLED", ""), ("RESPONSE", ""), ("REQUEST", "runtime_enabled: {default_value: false, runtime_key: k}")],
)
def test_what_is_off_passes_at_once(mode: str, more: str) -> None:
    p = limited(mode, more=more) >> headers("POST", end=False) << forwarded(end=False)
    p >> data(KIB * 4) << forwarded_data(KIB * 4)
    assert count(p, "request_enabled") == 0
    p.stage.close()


def test_a_route_has_its_own_limit() -> None:
    route = "stat_prefix: r\nenable_mode: REQUEST\nlimit_kbps: 1"
    p = limited("DISABLED", route=route) >> headers("POST", end=False) << forwarded(end=False)
    p >> data(b"ab") << held() >> after(0.001) << forwarded_data(b"ab")
    assert p.counter("r.http_bandwidth_limit.request_enabled") == 1
    p.stage.close()


def test_a_route_must_say_its_limit() -> None:
    with pytest.raises(ConfigErrors, match="limit must be set for per route filter config"):
        limited("REQUEST", route="stat_prefix: r\nenable_mode: REQUEST")


def test_a_stream_that_goes_takes_its_waiting_back() -> None:
    p = limited("REQUEST") >> headers("POST", end=False) << forwarded(end=False) >> data(KIB * 2) << held()
    p.stage.close()
    assert gauge(p, "request_pending") == 0


def test_the_contract() -> None:
    check_http_filter(
        BandwidthLimit,
        "stat_prefix: b\nenable_mode: REQUEST_AND_RESPONSE\nlimit_kbps: 100",
        kept_gauges=tuple(f"b.http_bandwidth_limit.{name}_size" for name in MEASURES),
    )
