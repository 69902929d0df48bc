"""Prometheus exposition as Envoy writes it: no HELP, no added suffix, braces always, Envoy's digits."""

import sys
from subprocess import run

import pytest

from pyvoy.stats.merge import View
from pyvoy.stats.prometheus import metric_name
from pyvoy.stats.query import parse_query
from pyvoy.stats.store import memory_store
from pyvoy.stats.tags import TagExtractor
from pyvoy.stats.text import render


def exposed(fill, **parameters):
    store = memory_store()
    view = View([store.file])
    fill(store.root)
    view.flush()
    return render(view.snapshot(), parse_query(parameters, prometheus=True), TagExtractor()).body


def test_counters_then_gauges_grouped_by_what_the_tags_leave():
    def fill(root):
        root.counter("http.in.downstream_rq_2xx").inc(2)
        root.counter("http.in.downstream_rq_total").inc(3)
        root.counter("http.in.downstream_rq_5xx").inc()
        root.counter("cluster.b.upstream_rq_total").inc(1)
        root.counter("cluster.a.upstream_rq_total").inc(4)
        root.gauge("server.live").set(1)

    assert exposed(fill) == (
        "# TYPE envoy_cluster_upstream_rq_total counter\n"
        'envoy_cluster_upstream_rq_total{envoy_cluster_name="a"} 4\n'
        'envoy_cluster_upstream_rq_total{envoy_cluster_name="b"} 1\n'
        "# TYPE envoy_http_downstream_rq_total counter\n"
        'envoy_http_downstream_rq_total{envoy_http_conn_manager_prefix="in"} 3\n'
        "# TYPE envoy_http_downstream_rq_xx counter\n"
        'envoy_http_downstream_rq_xx{envoy_response_code_class="2",envoy_http_conn_manager_prefix="in"} 2\n'
        'envoy_http_downstream_rq_xx{envoy_response_code_class="5",envoy_http_conn_manager_prefix="in"} 1\n'
        "# TYPE envoy_server_live gauge\n"
        "envoy_server_live{} 1\n"
    )


def test_names_are_sorted_before_dots_become_underscores():
    def fill(root):
        root.counter("listener_manager.x")
        root.counter("listener.1.2.3.4_5.x")

    lines = exposed(fill).splitlines()
    assert lines[0] == "# TYPE envoy_listener_x counter"
    assert lines[2] == "# TYPE envoy_listener_manager_x counter"


def test_histograms():
    def fill(root):
        histogram = root.histogram("cluster.a.upstream_rq_time")
        histogram.record(41)
        histogram.record(0)

    lines = exposed(fill).splitlines()
    assert lines[0] == "# TYPE envoy_cluster_upstream_rq_time histogram"
    assert lines[1] == 'envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="a",le="0.5"} 1'
    assert lines[6] == 'envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="a",le="50"} 2'
    assert lines[19] == 'envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="a",le="3600000"} 2'
    assert lines[20:] == [
        'envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="a",le="+Inf"} 2',
        'envoy_cluster_upstream_rq_time_sum{envoy_cluster_name="a"} 41.493975903614455091883428394794',
        'envoy_cluster_upstream_rq_time_count{envoy_cluster_name="a"} 2',
    ]


def test_summaries_are_of_the_interval():
    lines = exposed(lambda root: root.histogram("h").record(5), histogram_buckets="summary").splitlines()
    assert lines[0] == "# TYPE envoy_h summary"
    assert lines[1] == 'envoy_h{quantile="0"} ' + format(5.05, ".32g")
    assert lines[-1] == "envoy_h_count{} 1"


def test_used_only_and_filter():
    def fill(root):
        root.counter("used.a").inc()
        root.counter("used.b").inc()
        root.counter("unused.a")
        root.histogram("unused.h")

    assert exposed(fill, usedonly="", filter="a$") == "# TYPE envoy_used_a counter\nenvoy_used_a{} 1\n"


def test_hidden_names_are_not_exposed():
    assert exposed(lambda root: root.gauge("\x00host.a").inc()) == ""


def test_label_values_are_escaped():
    found = exposed(lambda root: root.counter('cluster.a"\\b.x'))
    assert found.splitlines()[1] == 'envoy_cluster_x{envoy_cluster_name="a\\"\\\\b"} 0'


@pytest.mark.parametrize(
    ("name", "expected"),
    [("c:x.y-z", "envoy_c_x_y_z"), ("wasmcustom.my.metric", "my_metric"), ("wasmcustom.1x", "_1x")],
)
def test_metric_names(name, expected):
    assert metric_name(name) == expected


def test_the_library_is_loaded_on_first_need_only():
    code = "import sys, pyvoy.stats.text, pyvoy.stats.merge; sys.exit('prometheus_client' in sys.modules)"
    assert run([sys.executable, "-c", code], check=False).returncode == 0
