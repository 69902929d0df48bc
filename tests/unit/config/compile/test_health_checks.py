"""HealthCheck messages: what is read, the defaults, and what is reported."""

import pytest

from pyvoy.upstream.health.plan import CheckTarget
from tests.unit.config.compile.cluster_reading import compiled, plan, unsupported

NEEDED = "timeout: 1s, interval: 5s, unhealthy_threshold: 3, healthy_threshold: 2"


def check(text):
    return plan(f"health_checks: [{{{NEEDED}, {text}}}]").health_check


def problems(text):
    return compiled(f"health_checks: [{{{NEEDED}, {text}}}]")[1]


def test_defaults():
    found = check("http_health_check: {path: /healthz}")
    probe = found.probe
    assert (probe.method, probe.path, probe.host, probe.expected) == (b"GET", b"/healthz", b"c", ((200, 201),))
    assert (found.timeout_s, found.interval_s, found.unhealthy_threshold, found.healthy_threshold) == (1.0, 5.0, 3, 2)
    assert (found.unhealthy_interval_s, found.unhealthy_edge_interval_s, found.healthy_edge_interval_s) == (5, 5, 5)
    assert (found.no_traffic_interval_s, found.no_traffic_healthy_interval_s, found.reuse_connection) == (60, 60, True)
    assert probe.service_name is None
    assert plan().health_check is None


def test_intervals_build_on_each_other():
    found = check("unhealthy_interval: 7s, no_traffic_interval: 9s, tcp_health_check: {}")
    assert (found.unhealthy_edge_interval_s, found.healthy_edge_interval_s) == (7, 5)
    assert found.no_traffic_healthy_interval_s == 9


def test_http_settings():
    probe = check(
        "http_health_check: {path: /, host: h, method: POST, expected_statuses: [{start: 200, end: 300}], "
        "retriable_statuses: [{start: 500, end: 600}], receive: [{text: '6f6b'}], response_buffer_size: 9, "
        "service_name_matcher: {prefix: x}, request_headers_to_add: [{header: {key: a, value: b}}]}"
    ).probe
    assert (probe.host, probe.method, probe.expected, probe.retriable) == (b"h", b"POST", ((200, 300),), ((500, 600),))
    assert (probe.receive, probe.buffer_bytes, probe.service_name(b"xy")) == ((b"ok",), 9, True)
    assert [rule.name for rule in probe.headers.rules] == [b"a"]


def test_tcp_settings():
    probe = check("tcp_health_check: {send: {text: '50494E47'}, receive: [{binary: UE9ORw==}]}").probe
    assert (probe.send, probe.receive) == (b"PING", (b"PONG",))


HTTP2 = """, typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
  {"@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions,
  explicit_http_config: {http2_protocol_options: {}}}}"""


def test_grpc_settings():
    text = "grpc_health_check: {service_name: s, authority: a, initial_metadata: [{header: {key: x, value: z}}]}"
    probe = plan(f"health_checks: [{{{NEEDED}, {text}}}]{HTTP2}").health_check.probe
    assert (probe.service, probe.authority, [rule.name for rule in probe.metadata.rules]) == ("s", b"a", [b"x"])
    probe = plan(f"health_checks: [{{{NEEDED}, grpc_health_check: {{}}}}]{HTTP2}").health_check.probe
    assert (probe.service, probe.authority) == ("", b"c")
    assert "must support HTTP/2 for gRPC healthchecking" in str(problems("grpc_health_check: {}"))


def test_http2_settings():
    assert check("http_health_check: {path: /, codec_client_type: HTTP2}").probe.http2
    assert "HTTP/1 or HTTP/2" in str(problems("http_health_check: {path: /, codec_client_type: HTTP3}"))


def test_endpoints_may_be_checked_elsewhere():
    where = "address: {socket_address: {address: 127.0.0.1, port_value: 80}}"
    found = plan(
        f"load_assignment: {{endpoints: [{{lb_endpoints: [{{endpoint: {{{where}, health_check_config: "
        "{port_value: 81, hostname: h, disable_active_health_check: true}}}]}]}"
    )
    assert found.assignment.endpoints[0].check == CheckTarget("", 81, "h", True)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("http_health_check: {path: /, codec_client_type: HTTP3}", "health checks speak HTTP/1 or HTTP/2"),
        ("tcp_health_check: {send: {text: xyz}}", "invalid hex string 'xyz'"),
        ("http_health_check: {path: /, expected_statuses: [{start: 300, end: 200}]}", "Invalid http status range"),
        ("http_health_check: {path: /, method: CONNECT}", "cannot be a CONNECT request"),
        ("http_health_check: {path: /, request_headers_to_add: [{header: {key: a, value: '%PROTOCOL%'}}]}", "constant"),
    ],
)
def test_problems(text, what):
    assert any(what in line for line in problems(text))


def test_one_check_for_a_cluster():
    one = f"{{{NEEDED}, tcp_health_check: {{}}}}"
    assert any("multiple health checks" in line for line in compiled(f"health_checks: [{one}, {one}]")[1])


def test_other_protocols_are_reported():
    assert any("custom_health_check" in line for line in unsupported("health_checks: [{custom_health_check: {}}]"))
