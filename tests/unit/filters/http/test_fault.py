"""Fault injection: delays, aborts, paced responses; by configuration and by headers."""

from __future__ import annotations

import pytest

from pyvoy.config.problems import ConfigErrors
from pyvoy.filters.http.fault.filter import Fault
from pyvoy.testing.contract import check_http_filter
from pyvoy.testing.playbook import (
    Play,
    after,
    data,
    forwarded,
    forwarded_data,
    headers,
    held,
    play,
    reply,
    reset,
    response,
    response_data,
    response_trailers,
    sent,
    sent_data,
    sent_trailers,
)

ALWAYS = "percentage: {numerator: 100}"
ABORT = f"abort: {{http_status: 418, {ALWAYS}}}"
BY_HEADER = f"abort: {{header_abort: {{}}, {ALWAYS}}}"
DELAY = f"delay: {{fixed_delay: 2s, {ALWAYS}}}"


def fault(*lines: str, route: str = "", runtime: dict[str, object] | None = None) -> Play:
    return play(Fault, "\n".join(lines), route=route or (), runtime=runtime)


def stat(p: Play, name: str) -> int:
    return p.counter(f"http.test.fault.{name}")


def test_an_abort_answers() -> None:
    p = fault(ABORT) >> headers() << reply(418, b"fault filter abort", detail="fault_filter_abort", flags="FI")
    assert (stat(p, "aborts_injected"), p.gauge("http.test.fault.active_faults")) == (1, 0)
    p.end()


# request headers -> status; None: forwarded.  As seen on Envoy 1.40.
HEADER_ABORTS = [
    ({"x-envoy-fault-abort-request": "503"}, 503),
    ({"x-envoy-fault-abort-request": "700"}, None),
    ({"x-envoy-fault-abort-request": "x"}, None),
    ({"x-envoy-fault-abort-grpc-request": "5"}, 200),
    ({"x-envoy-fault-abort-request": "503", "x-envoy-fault-abort-grpc-request": "5"}, 503),
    ({"x-envoy-fault-abort-request": "503", "x-envoy-fault-abort-request-percentage": "0"}, None),
    ({"x-envoy-fault-abort-request": "503", "x-envoy-fault-abort-request-percentage": "100"}, 503),
    ({}, None),
]


@pytest.mark.parametrize(("fields", "status"), HEADER_ABORTS)
def test_aborts_by_header(fields: dict[str, str], status: int | None) -> None:
    p = fault(BY_HEADER) >> headers("GET", "/", *fields.items())
    p << (forwarded() if status is None else reply(status, b"fault filter abort"))
    p.stage.close()


def test_a_grpc_abort_speaks_grpc() -> None:
    p = fault(f"abort: {{grpc_status: 5, {ALWAYS}}}") >> headers(content_type="application/grpc")
    p << reply(200, b"", grpc_status=5, grpc_message="fault filter abort")
    p.end()


def test_a_delay_holds_the_request_for_its_time() -> None:
    p = fault(DELAY) >> headers("POST") << held() >> data(b"x", end=True) << held() >> after(1.9) << held()
    assert p.gauge("http.test.fault.active_faults") == 1
    p >> after(0.1) << forwarded() << forwarded_data(b"x", end=True)
    assert stat(p, "delays_injected") == 1
    p >> response(200, end=True) << sent(200)
    assert p.gauge("http.test.fault.active_faults") == 0
    p.end()


def test_a_delay_by_header_and_an_abort_behind_it() -> None:
    p = fault(f"delay: {{header_delay: {{}}, {ALWAYS}}}", ABORT)
    p >> headers(x_envoy_fault_delay_request="500") << held() >> after(0.5) << reply(418, flags="DI,FI")
    p.end()


def test_a_client_that_leaves_during_the_delay() -> None:
    p = fault(DELAY, ABORT) >> headers() << held() >> reset() << held() >> after(5) << held()
    assert (stat(p, "aborts_injected"), p.gauge("http.test.fault.active_faults")) == (0, 0)
    p.end()


@pytest.mark.parametrize(
    ("condition", "fields", "applies"),
    [
        ("headers: [{name: x-f, present_match: true}]", {"x-f": "1"}, True),
        ("headers: [{name: x-f, present_match: true}]", {}, False),
        ("downstream_nodes: [n1]", {"x-envoy-downstream-service-node": "n1"}, True),
        ("downstream_nodes: [n1]", {"x-envoy-downstream-service-node": "n2"}, False),
        ("upstream_cluster: upstream", {}, True),
        ("upstream_cluster: other", {}, False),
    ],
)
def test_conditions(condition: str, fields: dict[str, str], applies: bool) -> None:
    p = fault(ABORT, condition) >> headers("GET", "/", *fields.items())
    p << (reply(418) if applies else forwarded())
    p.stage.close()


def test_no_more_faults_at_a_time_than_allowed() -> None:
    p = fault(ABORT, "max_active_faults: 0") >> headers() << forwarded()
    assert stat(p, "faults_overflow") == 1
    p.stage.close()


def test_percentages_of_zero_and_runtime_overrides() -> None:
    never = "abort: {http_status: 418, percentage: {numerator: 0}}"
    p = fault(never) >> headers() << forwarded()
    p.stage.close()
    p = fault(never, runtime={"fault.http.abort.abort_percent": 100, "fault.http.abort.http_status": 500})
    p >> headers() << reply(500)
    p.end()
    p = (
        fault(DELAY, "delay_duration_runtime: mine", runtime={"mine": 100})
        >> headers()
        << held()
        >> after(0.1)
        << forwarded()
    )
    p.stage.close()


def test_clusters_of_clients_are_counted_apart() -> None:
    p = fault(ABORT) >> headers(x_envoy_downstream_service_cluster="dc") << reply(418)
    assert stat(p, "dc.aborts_injected") == 1
    p.end()
    p = fault(ABORT, "disable_downstream_cluster_stats: true") >> headers(x_envoy_downstream_service_cluster="dc")
    assert stat(p, "dc.aborts_injected") == 0
    p.stage.close()


def test_metadata_of_a_fault() -> None:
    p = fault(ABORT, "filter_metadata: {hello: world}") >> headers() << reply(418)
    assert p.stream.info.dynamic_metadata == {"envoy.filters.http.fault": {"hello": "world"}}
    p.end()


def test_a_route_has_faults_of_its_own() -> None:
    p = fault("{}", route=ABORT) >> headers() << reply(418)
    p.end()


RATE = f"response_rate_limit: {{fixed_limit: {{limit_kbps: 1}}, {ALWAYS}}}"


def test_a_paced_response_leaves_in_sixteenths_of_a_second() -> None:
    p = fault(RATE) >> headers() << forwarded() >> response(200) << sent(200, end=False)
    p >> response_data(b"x" * 150, end=True) << held()
    p >> after(0.01) << sent_data(b"x" * 64, end=False) >> after(0.05) << held()
    p >> after(0.01) << sent_data(b"x" * 64, end=False) >> after(0.0625) << sent_data(b"x" * 22, end=True)
    assert stat(p, "response_rl_injected") == 1
    p.end()


def test_trailers_wait_for_a_paced_body() -> None:
    p = fault(RATE) >> headers() << forwarded() >> response(200) << sent(200) >> response_data(b"x" * 100) << held()
    p >> response_trailers(t="1") << held() >> after(0.01) << sent_data(b"x" * 64, end=False)
    p >> after(0.1) << sent_data(b"x" * 36, end=False) << sent_trailers(t="1")
    p.end()


def test_pacing_by_header() -> None:
    text = f"response_rate_limit: {{header_limit: {{}}, {ALWAYS}}}"
    p = fault(text) >> headers(x_envoy_fault_throughput_response="1") << forwarded() >> response(200) << sent(200)
    p >> response_data(b"x", end=True) << held() >> after(0.01) << sent_data(b"x", end=True)
    p.end()
    p = fault(text) >> headers() << forwarded() >> response(200) << sent() >> response_data(b"x") << sent_data(b"x")
    p.stage.close()


@pytest.mark.parametrize(
    "text",
    [
        f"abort: {{http_status: 100, {ALWAYS}}}",
        f"delay: {{fixed_delay: 0s, {ALWAYS}}}",
        f"response_rate_limit: {{fixed_limit: {{limit_kbps: 0}}, {ALWAYS}}}",
    ],
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(ConfigErrors):
        fault(text)


def test_contract() -> None:
    check_http_filter(Fault, f"{DELAY}\n{RATE}")
    check_http_filter(Fault, f"{DELAY}\n{ABORT}")
