"""Tags and what is left of the name: the pairs are those of Envoy 1.40's Prometheus output, unless said otherwise."""

import pytest

from pyvoy.stats.tags import DEFAULT_TAGS, TagExtractor

EXTRACTOR = TagExtractor()

CASES = [
    ("server.live", "server.live", {}),
    ("cluster.a.upstream_rq_total", "cluster.upstream_rq_total", {"cluster_name": "a"}),
    ("cluster.a.b.upstream_cx_total", "cluster.b.upstream_cx_total", {"cluster_name": "a"}),
    ("cluster.a.upstream_rq_503", "cluster.upstream_rq", {"response_code": "503", "cluster_name": "a"}),
    (
        "cluster.a.external.upstream_rq_5xx",
        "cluster.external.upstream_rq_xx",
        {"response_code_class": "5", "cluster_name": "a"},
    ),
    (
        "http.ingress.downstream_rq_2xx",
        "http.downstream_rq_xx",
        {"response_code_class": "2", "http_conn_manager_prefix": "ingress"},
    ),
    (
        "http.p.fault.client.delays_injected",
        "http.fault.delays_injected",
        {"fault_downstream_cluster": "client", "http_conn_manager_prefix": "p"},
    ),
    ("http.p.lua.errors", "http.lua.errors", {"http_conn_manager_prefix": "p"}),
    (
        "listener.127.0.0.1_18990.worker_0.downstream_cx_total",
        "listener.worker_downstream_cx_total",
        {"worker_id": "0", "listener_address": "127.0.0.1_18990"},
    ),
    (
        "listener.[__1]_80.downstream_cx_total",
        "listener.downstream_cx_total",
        {"listener_address": "[__1]_80"},
    ),
    (
        "listener.0.0.0.0_80.http.p.downstream_rq_2xx",
        "listener.http.downstream_rq_xx",
        {"response_code_class": "2", "http_conn_manager_prefix": "p", "listener_address": "0.0.0.0_80"},
    ),
    ("listener.admin.downstream_cx_total", "listener.admin.downstream_cx_total", {}),
    (
        "listener.admin.http.admin.downstream_rq_2xx",
        "listener.admin.http.downstream_rq_xx",
        {"response_code_class": "2", "http_conn_manager_prefix": "admin"},
    ),
    ("server.worker_1.watchdog_miss", "server.worker_watchdog_miss", {"worker_id": "1"}),
    ("listener_manager.worker_0.dispatcher.loop", "listener_manager.worker_dispatcher.loop", {"worker_id": "0"}),
    (
        "vhost.vh.vcluster.vc.upstream_rq_total",
        "vhost.vcluster.upstream_rq_total",
        {"virtual_cluster": "vc", "virtual_host": "vh"},
    ),
    (
        "vhost.vh.route.r.upstream_rq_200",
        "vhost.route.upstream_rq",
        {"response_code": "200", "virtual_host": "vh", "route": "r"},
    ),
    ("tcp.t.downstream_cx_total", "tcp.downstream_cx_total", {"tcp_prefix": "t"}),
    ("connection_limit.cl.active", "connection_limit.active", {"connection_limit_prefix": "cl"}),
    ("rb.rbac.allowed", "rbac.allowed", {"rbac_prefix": "rb"}),
    ("lrl.http_local_rate_limit.ok", "http_local_rate_limit.ok", {"local_http_ratelimit_prefix": "lrl"}),
    ("cluster.c.ssl.ciphers.AES-128", "cluster.ssl.ciphers", {"ssl_cipher_suite": "AES-128", "cluster_name": "c"}),
    (
        "listener.1.2.3.4_5.ssl.versions.TLSv1.3",
        "listener.ssl.versions",
        {"ssl_version": "TLSv1.3", "listener_address": "1.2.3.4_5"},
    ),
    (
        "mongo.m.collection.c.callsite.s.query.total",
        "mongo.collection.callsite.query.total",
        {"mongo_callsite": "s", "mongo_collection": "c", "mongo_prefix": "m"},
    ),
]


@pytest.mark.parametrize(("name", "left", "tags"), CASES, ids=[case[0] for case in CASES])
def test_default_tags(name, left, tags):
    found = EXTRACTOR.extract(name)
    assert found.name == left
    assert list(found.tags) == [(f"envoy.{tag}", value) for tag, value in tags.items()]


def test_the_name_of_a_timed_filter_is_a_tag_whatever_it_is():
    for name in ("guard", "envoy.filters.http.lua", "request_ns.x"):
        found = EXTRACTOR.extract(f"http.p.filter_time.{name}.request_ns")
        assert found.name == "http.filter_time.request_ns"
        assert set(found.tags) == {("envoy.http_conn_manager_prefix", "p"), ("pyvoy.filter_name", name)}


def test_fixed_tags_are_on_every_name():
    found = TagExtractor(fixed=(("zone", "z1"),)).extract("server.live")
    assert (found.name, found.tags) == ("server.live", (("zone", "z1"),))


@pytest.mark.parametrize(
    ("pattern", "left", "value"),
    [
        (r"(_v(\d+))$", "app.requests", "7"),
        (r"(_v\d+)$", "app.requests", "_v7"),
        (r"no group", "app.requests_v7", None),
        (r"absent(\d)", "app.requests_v7", None),
    ],
)
def test_custom_tags(pattern, left, value):
    found = TagExtractor(custom=[("version", pattern)]).extract("app.requests_v7")
    assert found.name == left
    assert dict(found.tags).get("version") == value


def test_a_custom_tag_does_not_replace_a_default_one():
    found = TagExtractor(DEFAULT_TAGS, [("envoy.response_code", "(_rq)")]).extract("cluster.a.upstream_rq_503")
    assert dict(found.tags)["envoy.response_code"] == "503"
