"""The router's side of a request: what is prepared before an attempt, and what is answered without one."""

import pytest

from pyvoy.config.problems import ConfigErrors
from tests.support.relay import Relay, answer, get, post


def sent(relay, *lines):
    """What the upstream sees of a GET with these lines."""
    relay.sends(get(*lines))
    return relay.accept().wire.out.decode()


def test_the_upstream_is_told_how_long_it_has():
    assert "x-envoy-expected-rq-timeout-ms: 15000\r\n" in sent(Relay())
    assert "x-envoy-expected-rq-timeout-ms: 2500\r\n" in sent(Relay(route="timeout: 2.5s"))
    assert "x-envoy-expected" not in sent(Relay(route="timeout: 0s"))
    assert "x-envoy-expected" not in sent(Relay(router="suppress_envoy_headers: true"))
    policy = "{timeout: 2.5s, retry_policy: {retry_on: 5xx, per_try_timeout: 1.5s}}"
    assert "x-envoy-expected-rq-timeout-ms: 1500\r\n" in sent(Relay(route=policy))


INTERNAL = (
    "{use_remote_address: true, internal_address_config: {cidr_ranges: [{address_prefix: 127.0.0.0, prefix_len: 8}]}}"
)


@pytest.mark.parametrize(
    "line",
    [
        "x-envoy-upstream-rq-timeout-ms: 9000",
        "x-envoy-upstream-rq-per-try-timeout-ms: 8000",
        "x-envoy-upstream-rq-timeout-alt-response: 1",
        "x-envoy-upstream-alt-stat-name: other",
        "x-envoy-upstream-stream-duration-ms: 700",
        "x-envoy-retry-on: 5xx",
        "x-envoy-max-retries: 3",
    ],
)
def test_steering_headers_do_not_reach_the_upstream(line):
    assert line.partition(":")[0] not in sent(Relay(hcm=INTERNAL), line)


def test_no_route_is_404():
    relay = Relay(entry="match: {path: /other}").sends(get())
    assert relay.response.status == 404
    assert relay.fakes.counter("http.in.no_route") == 1


def test_no_host_is_503_with_the_attempt_count_when_asked_for():
    relay = Relay(hosts="0", vhost="include_attempt_count_in_response: true").sends(get())
    assert (relay.response.status, relay.response.body) == (503, b"no healthy upstream")
    assert relay.seen == "UH no_healthy_upstream"
    assert dict(relay.response.headers)[b"x-envoy-attempt-count"] == b"1"
    assert relay.count("upstream_cx_none_healthy") == 1


def test_a_missing_cluster_is_503():
    relay = Relay(route="{cluster: null, cluster_header: x-to}").sends(get("x-to: nowhere"))
    assert (relay.response.status, relay.seen) == (503, "NC cluster_not_found")


def test_a_cluster_is_found_by_its_header():
    assert "x-to: up" in sent(Relay(route="{cluster: null, cluster_header: x-to}"), "x-to: up")


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("x-envoy-upstream-rq-timeout-ms: junk", 400),
        ("x-envoy-upstream-rq-timeout-ms: 900", 0),
        ("x-envoy-retry-on: 5xx,nonsense", 400),
        ("x-envoy-retry-on: 5xx,reset", 0),
    ],
)
def test_strict_headers_must_be_well_formed(line, status):
    relay = Relay(hcm=INTERNAL, router="strict_check_headers: [x-envoy-upstream-rq-timeout-ms, x-envoy-retry-on]")
    relay.sends(get(line))
    if not status:
        assert relay.connecting == 1
        return
    name, _, value = line.partition(": ")
    assert relay.response.body == f"invalid header '{name}' with value '{value}'".encode()
    assert relay.seen == f"IH request_headers_failed_strict_check{{{name}}}"


def test_only_known_headers_can_be_checked():
    with pytest.raises(ConfigErrors, match="strict_check_headers"):
        Relay(router="strict_check_headers: [x-other]")


def test_an_alternative_name_is_counted_beside_the_cluster():
    relay = Relay(hcm=INTERNAL).sends(get("x-envoy-upstream-alt-stat-name: other"))
    relay.accept().sends(answer())
    assert relay.count("upstream_rq_200") == relay.count("other.upstream_rq_200") == 1
    assert relay.count("other.internal.upstream_rq_2xx") == 1


def test_a_virtual_cluster_and_a_route_count_every_attempt():
    vhost = """
virtual_clusters: [{name: all, headers: [{name: ':method', string_match: {exact: GET}}]}]
retry_policy: {retry_on: 5xx}"""
    relay = Relay(vhost=vhost, entry="stat_prefix: here").sends(get())
    relay.accept().sends(answer(503))
    relay.wait(0.1)
    relay.accept().sends(answer())
    for name in ("vhost.v.vcluster.all.", "vhost.v.route.here."):
        assert relay.fakes.counter(name + "upstream_rq_total") == 2
        assert relay.fakes.counter(name + "upstream_rq_200") == 1
        assert relay.fakes.counter(name + "upstream_rq_retry") == 1


def test_a_body_over_the_route_s_buffer_is_not_tried_again():
    relay = Relay(route="retry_policy: {retry_on: 5xx}", entry="request_body_buffer_limit: 4")
    relay.sends(post(6) + b"abcdef")
    relay.accept().sends(answer(503))
    relay.wait(1)
    assert relay.response.status == 503
    assert relay.count("retry_or_shadow_abandoned") == 1


def test_a_body_that_outgrows_the_buffer_in_a_back_off_is_507():
    relay = Relay(route="retry_policy: {retry_on: 5xx}", entry="request_body_buffer_limit: 4")
    relay.sends(post(8) + b"ab")
    relay.accept().sends(answer(503))
    relay.sends(b"cdef")
    assert (relay.response.status, relay.response.body) == (
        507,
        b"exceeded request buffer limit while retrying upstream",
    )


def test_attempts_are_counted_for_both_sides():
    relay = Relay(
        vhost="{include_request_attempt_count: true, include_attempt_count_in_response: true, "
        "retry_policy: {retry_on: 5xx}}"
    )
    relay.sends(get())
    first = relay.accept()
    first.sends(answer(503))
    relay.wait(0.1)
    second = relay.accept()
    second.sends(answer())
    assert b"x-envoy-attempt-count: 1" in first.wire.out
    assert b"x-envoy-attempt-count: 2" in second.wire.out
    assert dict(relay.response.headers)[b"x-envoy-attempt-count"] == b"2"


def test_the_host_s_name_takes_the_place_of_the_request_s():
    endpoint = "{hostname: named.test, address: {socket_address: {address: 127.0.0.1, port_value: 7}}}"
    cluster = f"load_assignment: {{cluster_name: up, endpoints: [{{lb_endpoints: [{{endpoint: {endpoint}}}]}}]}}"
    assert "host: named.test\r\n" in sent(Relay(cluster=cluster, route="auto_host_rewrite: true"))
