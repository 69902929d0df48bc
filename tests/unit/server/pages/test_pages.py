"""The admin's pages, held to the bodies that Envoy 1.40 gives."""

import json
import re

import pytest

from pyvoy.server import logs
from pyvoy.server.pages.config_dump import redact
from tests.unit.server.admin_proxy import BOOTSTRAP, Bench


@pytest.fixture
def bench():
    return Bench()


def test_clusters_as_text(bench):
    bench.store.root.scope("\x00host.details.10.0.0.1:80").counter("rq_total").inc(7)
    lines = bench.text("/clusters").splitlines()
    assert lines[:10] == [
        "details::observability_name::details",
        "details::default_priority::max_connections::1024",
        "details::default_priority::max_pending_requests::1024",
        "details::default_priority::max_requests::1024",
        "details::default_priority::max_retries::3",
        "details::high_priority::max_connections::1024",
        "details::high_priority::max_pending_requests::1024",
        "details::high_priority::max_requests::1024",
        "details::high_priority::max_retries::3",
        "details::added_via_api::false",
    ]
    assert [line.rpartition("10.0.0.1:80::")[2] for line in lines[10:29]] == [
        "cx_active::0", "cx_connect_fail::0", "cx_total::0", "rq_active::0", "rq_error::0", "rq_pending_active::0",
        "rq_success::0", "rq_timeout::0", "rq_total::7", "hostname::one", "health_flags::healthy", "weight::1",
        "region::r", "zone::z", "sub_zone::", "canary::false", "priority::0", "success_rate::-1",
        "local_origin_success_rate::-1",
    ]  # fmt: skip
    assert "details::10.0.0.2:80::health_flags::/failed_eds_health" in lines
    assert lines[-1] == "empty::added_via_api::false"


def test_clusters_as_json_and_filtered(bench):
    (status,) = json.loads(bench.text("/clusters", format="json", filter="^det"))["cluster_statuses"]
    first, second = status["host_statuses"]
    assert first["address"] == {"socket_address": {"address": "10.0.0.1", "port_value": 80}}
    assert first["health_status"] == {"eds_health_status": "HEALTHY"}
    assert first["locality"] == {"region": "r", "zone": "z"}
    assert [stat["name"] for stat in first["stats"]][-3:] == ["cx_active", "rq_active", "rq_pending_active"]
    assert second["health_status"] == {"failed_eds_health": True, "eds_health_status": "UNHEALTHY"}
    assert status["circuit_breakers"]["thresholds"][1]["priority"] == "HIGH"
    assert bench.get("/clusters", filter="(").status == 400


def test_listeners(bench):
    assert bench.text("/listeners") == "ingress::127.0.0.1:8080\ningress::[::1]:8081\negress::/tmp/egress.sock\n"
    first, second = json.loads(bench.text("/listeners", format="json"))["listener_statuses"]
    assert first["local_address"] == {"socket_address": {"address": "127.0.0.1", "port_value": 8080}}
    assert first["additional_local_addresses"] == [{"socket_address": {"address": "::1", "port_value": 8081}}]
    assert second["local_address"] == {"pipe": {"path": "/tmp/egress.sock"}}


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ({}, [("close", {"names": ["ingress", "egress"], "delay_s": 0.0})]),
        ({"inboundonly": ""}, [("close", {"names": ["ingress"], "delay_s": 0.0})]),
        (
            {"graceful": ""},
            [
                ("workers:drain", {"time_s": 5.0, "immediate": False}),
                ("close", {"names": ["ingress", "egress"], "delay_s": 5.0}),
            ],
        ),
        ({"graceful": "", "skip_exit": ""}, [("workers:drain", {"time_s": 5.0, "immediate": False})]),
    ],
)
def test_draining_listeners(bench, query, sent):
    assert bench.post("/drain_listeners", **query).body == "OK\n"
    assert bench.sent == sent


def test_readiness_follows_the_state(bench):
    assert (bench.get("/ready").status, bench.text("/ready")) == (200, "LIVE\n")
    bench.post("/healthcheck/fail")
    assert (bench.get("/ready").status, bench.text("/ready")) == (503, "DRAINING\n")
    bench.post("/healthcheck/ok")
    assert bench.sent == [("workers:health", {"failed": True}), ("workers:health", {"failed": False})]
    bench.proxy.live = False
    assert (bench.get("/ready").status, bench.text("/ready")) == (503, "INITIALIZING\n")


def test_server_info(bench):
    info = json.loads(bench.text("/server_info"))
    assert info["version"].split("/")[1] == "1.40.0"
    assert info["state"] == "LIVE"
    assert re.fullmatch(r"\d+s", info["uptime_current_epoch"])
    assert info["command_line_options"]["config_path"] == "x.yaml"
    assert info["command_line_options"]["drain_time"] == "5s"
    assert info["node"]["id"] == "n1"
    extensions = {item["name"]: item for item in info["node"]["extensions"]}
    assert extensions["envoy.filters.http.router"]["category"] == "envoy.filters.http"


def test_config_dump_has_envoys_sections(bench):
    configs = json.loads(bench.text("/config_dump"))["configs"]
    names = [config["@type"].rpartition(".")[2] for config in configs]
    assert names == [
        "BootstrapConfigDump", "ClustersConfigDump", "ListenersConfigDump", "ScopedRoutesConfigDump",
        "RoutesConfigDump", "SecretsConfigDump",
    ]  # fmt: skip
    assert configs[0]["bootstrap"]["node"]["user_agent_name"] == "envoy"
    assert [item["cluster"]["name"] for item in configs[1]["static_clusters"]] == ["details", "empty"]
    assert [item["listener"]["name"] for item in configs[2]["static_listeners"]] == ["ingress", "egress"]
    assert [item["route_config"]["name"] for item in configs[4]["static_route_configs"]] == ["routes"]


@pytest.mark.parametrize(
    ("query", "configs"),
    [
        ({"mask": "bootstrap.node.id"}, [{"@type": "BootstrapConfigDump", "bootstrap": {"node": {"id": "n1"}}}]),
        (
            {"resource": "static_clusters", "mask": "cluster.name", "name_regex": "^e"},
            [
                {
                    "@type": "ClustersConfigDump.StaticCluster",
                    "cluster": {"@type": "envoy.config.cluster.v3.Cluster", "name": "empty"},
                }
            ],
        ),
        ({"resource": "dynamic_listeners"}, []),
    ],
)
def test_config_dump_is_masked(bench, query, configs):
    text = bench.text("/config_dump", **query).replace("type.googleapis.com/", "").replace("envoy.admin.v3.", "")
    assert json.loads(text)["configs"] == configs


@pytest.mark.parametrize(
    ("query", "status", "body"),
    [
        ({"resource": "nosuch"}, 404, "nosuch not found in config dump\n"),
        (
            {"resource": "bootstrap"},
            400,
            "bootstrap is not a repeated field. Use ?mask=bootstrap to get only this field\n",
        ),
        (
            {"resource": "static_clusters", "mask": "nosuch"},
            400,
            'FieldMask paths: "nosuch"\n could not be successfully used.\n',
        ),
    ],
)
def test_config_dump_refuses(bench, query, status, body):
    response = bench.get("/config_dump", **query)
    assert (response.status, response.body) == (status, body)


def test_secrets_are_blacked_out_also_inside_any():
    from envoy.config.bootstrap.v3 import bootstrap_pb2
    from envoy.extensions.transport_sockets.tls.v3 import tls_pb2

    bootstrap = bootstrap_pb2.Bootstrap()
    context = tls_pb2.UpstreamTlsContext()
    certificate = context.common_tls_context.tls_certificates.add()
    certificate.private_key.inline_string = "very secret"
    certificate.password.inline_bytes = b"very secret"
    certificate.certificate_chain.inline_string = "public"
    bootstrap.static_resources.clusters.add().transport_socket.typed_config.Pack(context)
    redact(bootstrap)
    packed = bootstrap.static_resources.clusters[0].transport_socket.typed_config.value
    assert b"very secret" not in packed
    assert b"[redacted]" in packed
    assert b"public" in packed


def test_runtime_shows_layers_and_the_final_value(bench):
    fraction = '{"denominator": "HUNDRED", "numerator": 5}'
    assert json.loads(bench.text("/runtime")) == {
        "entries": {
            "fraction": {"final_value": fraction, "layer_values": [fraction, ""]},
            "upstream.use_retry": {"final_value": "true", "layer_values": ["true", ""]},
            "upstream.weight": {"final_value": "4", "layer_values": ["3", "4"]},
        },
        "layers": ["base", "over"],
    }
    assert bench.post("/runtime_modify").status == 400
    assert (bench.post("/runtime_modify", a="b").status, bench.post("/runtime_modify", a="b").body) == (
        503,
        "No admin layer specified",
    )


def test_stats_in_every_form(bench):
    bench.store.root.counter("cluster.details.upstream_rq_200").inc(3)
    assert bench.text("/stats", filter="rq_200$") == "cluster.details.upstream_rq_200: 3\n"
    assert json.loads(bench.text("/stats", format="json", filter="rq_200$"))["stats"][0]["value"] == 3
    line = 'envoy_cluster_upstream_rq{envoy_response_code="200",envoy_cluster_name="details"} 3\n'
    assert line in bench.text("/stats/prometheus")
    assert bench.get("/stats", format="xml").status == 400
    bench.post("/reset_counters")
    assert bench.sent == [("reset", {})]


def test_logging_lists_and_changes_levels(bench):
    before = logs.current_levels()
    try:
        assert "\n  upstream: debug\n" in bench.post("/logging", upstream="debug").body
        assert bench.sent[-1] == ("logging", {"component": "upstream", "level": logs.LEVELS["debug"]})
        assert "\n  http: error\n" in bench.post("/logging", paths="http:error,main:off").body
        assert "\n  rbac: trace\n" in bench.post("/logging", level="trace").body
    finally:
        for component, level in before.items():
            logs.set_component(component, logs.LEVELS[level])


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({"foo": "debug"}, "error: unknown logger name\n\nusage: "),
        ({"level": "foo"}, "error: unknown logger level\n\nusage: "),
        ({"http": "info", "main": "info"}, "error: invalid number of parameters\n\nusage: "),
    ],
)
def test_logging_refuses(bench, query, text):
    response = bench.post("/logging", **query)
    assert response.status == 400
    assert response.body.startswith(text)


def test_filter_timing_is_told_to_the_workers(bench):
    off = "filters are timed for 0 % of the requests (runtime key pyvoy.filter_timing)\n"
    assert bench.post("/filter_timing").body == off
    assert bench.sent == []
    told = bench.post("/filter_timing", percent="0.01").body
    assert told == "filters are timed for 0.01 % of the requests (asked for here)\n"
    assert bench.sent == [("workers:filter_timing", {"fraction": (100, 1_000_000)})]
    assert bench.post("/filter_timing", percent="default").body == off
    assert bench.sent[-1] == ("workers:filter_timing", {"fraction": None})


@pytest.mark.parametrize(
    "query", [{"percent": "x"}, {"percent": "-1"}, {"percent": "nan"}, {"rate": "1"}, {"percent": "1", "rate": "1"}]
)
def test_filter_timing_refuses(bench, query):
    response = bench.post("/filter_timing", **query)
    assert response.status == 400
    assert "usage: /filter_timing?percent=" in response.body
    assert bench.sent == []


def test_the_front_page_shows_everything_and_escapes_it():
    bench = Bench(BOOTSTRAP.replace("id: n1", "id: '<script>'"))
    bench.proxy.addresses = {"<b>": ["127.0.0.1:1"]}
    bench.proxy.last_reload_error = ["x.yaml:1:1: error: <oops>"]
    page = bench.text("/")
    assert page.startswith("<!DOCTYPE html>")
    for text in (
        "&lt;script&gt;",
        "&lt;b&gt;",
        "&lt;oops&gt;",
        "LIVE",
        "details",
        "1/2",
        "restarted 2&times;",
        "/config_dump",
    ):
        assert text in page
    assert "<script" not in page
    assert not re.search(r'(src|href)="(https?:)?//', page)


@pytest.mark.parametrize("path", ["/certs", "/memory", "/init_dump", "/hot_restart_version", "/help"])
def test_small_pages_answer(bench, path):
    assert bench.get(path).status == 200


def test_quitting_and_reopening_are_the_supervisors_matter(bench):
    bench.post("/quitquitquit")
    bench.post("/reopen_logs")
    assert bench.sent == [("quit", {}), ("reopen_logs", {})]
