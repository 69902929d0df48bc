"""The health check filter: who answers, from what, and what it says."""

from __future__ import annotations

import pytest

from pyvoy.config.problems import ConfigErrors
from pyvoy.filters.http.health_check import HealthCheck
from pyvoy.testing.contract import check_http_filter
from pyvoy.testing.fakes import FakeServices
from pyvoy.testing.playbook import (
    Play,
    after,
    data,
    forwarded,
    headers,
    held,
    play,
    reply,
    response,
    sent,
    trailers,
)

HEADERS = "headers: [{name: ':path', string_match: {exact: /healthz}}]"
CHECKED = "x-envoy-upstream-healthchecked-cluster"


def stat(p: Play, name: str) -> int:
    return p.counter(f"http.test.health_check.{name}")


def test_a_health_check_is_answered_here_and_left_out_of_the_statistics() -> None:
    p = play(HealthCheck, f"pass_through_mode: false\n{HEADERS}")
    p >> headers("GET", "/healthz") << reply(200, b"", (CHECKED, ""), detail="health_check_ok", flags="-")
    assert (stat(p, "request_total"), stat(p, "ok"), p.counter("http.test.downstream_rq_completed")) == (1, 1, 0)
    p >> headers("GET", "/other") << forwarded() >> response(200, end=True) << sent(200, (CHECKED, None))
    assert p.counter("http.test.downstream_rq_completed") == 1
    p.end()


@pytest.mark.parametrize("last", [data(b"", end=True), trailers(x="1")])
def test_the_body_of_a_health_check_goes_nowhere(last: object) -> None:
    p = play(HealthCheck, "pass_through_mode: false")
    p >> headers("POST") << held() >> data(b"abc") << held() >> last << reply(200)  # type: ignore[operator]
    p.end()


def test_passing_through_marks_the_response() -> None:
    p = play(HealthCheck, "pass_through_mode: true") >> headers() << forwarded()
    p >> response(200, end=True) << sent(200, (CHECKED, ""))
    assert stat(p, "request_total") == 0
    p.end()


def test_a_cached_answer_is_given_until_its_time_is_over() -> None:
    p = play(HealthCheck, "pass_through_mode: true\ncache_time: 5s") >> headers() << forwarded()
    p >> response(503, ("x-envoy-degraded", "1"), end=True) << sent(503)
    p >> headers() << reply(503, b"", ("x-envoy-degraded", ""), detail="health_check_cached", flags="LH")
    assert (stat(p, "cached_response"), stat(p, "failed"), stat(p, "degraded")) == (1, 1, 1)
    p >> after(4.9) >> headers() << reply(503) >> after(0.2) >> headers() << forwarded()
    p.stage.close()


def test_a_proxy_that_fails_its_health_checks_says_so() -> None:
    fakes = FakeServices()
    fakes.services.health_failed = lambda: True
    p = play(HealthCheck, f"pass_through_mode: true\n{HEADERS}", fakes=fakes)
    p >> headers("GET", "/healthz") << reply(503, b"", detail="health_check_failed", flags="LH")
    p >> headers() << forwarded()
    p >> response(200, end=True) << sent(200, ("x-envoy-immediate-health-check-fail", "true"))
    p.end()


# (hosts, healthy, degraded), minimum -> status, details
CLUSTERS = [
    ((4, 2, 0), 50, 200, "health_check_ok_cluster_healthy"),
    ((4, 1, 1), 50, 200, "health_check_ok_cluster_healthy"),
    ((4, 1, 0), 50, 503, "health_check_failed_cluster_unhealthy"),
    ((0, 0, 0), 50, 503, "health_check_failed_cluster_empty"),
    ((0, 0, 0), 0, 200, "health_check_ok_cluster_healthy"),
]


@pytest.mark.parametrize(("members", "minimum", "status", "detail"), CLUSTERS)
def test_clusters_decide(members: tuple[int, int, int], minimum: int, status: int, detail: str) -> None:
    fakes = FakeServices()
    fakes.clusters.add("c", hosts=members[0], healthy=members[1], degraded=members[2])
    config = f"pass_through_mode: false\ncluster_min_healthy_percentages: {{c: {{value: {minimum}}}}}"
    p = play(HealthCheck, config, fakes=fakes) >> headers()
    p << reply(status, b"", detail=detail, flags="-" if status == 200 else "LH")
    p.end()


def test_a_cluster_that_is_not_there_fails() -> None:
    p = play(HealthCheck, "pass_through_mode: false\ncluster_min_healthy_percentages: {nope: {value: 0}}")
    p >> headers() << reply(503, detail="health_check_failed_no_cluster_found")
    assert stat(p, "failed_cluster_not_found") == 1
    p.end()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("pass_through_mode: false\ncache_time: 5s", "must not be set when"), ("{}", "pass_through_mode")],
)
def test_what_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ConfigErrors, match=complaint):
        play(HealthCheck, text)


def test_contract() -> None:
    check_http_filter(HealthCheck, "pass_through_mode: false")
    check_http_filter(HealthCheck, "pass_through_mode: true\ncache_time: 5s")
