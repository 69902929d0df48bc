"""Where a response, a time and a retry are counted."""

from types import SimpleNamespace

import pytest

from pyvoy.http.charging import Charging
from pyvoy.http.headers import HeaderMap
from pyvoy.http.routing.virtual_cluster import RouteStats
from pyvoy.stats.store import memory_store
from pyvoy.upstream.cluster_stats import ClusterStats
from tests.unit.upstream.hosts import host


class Books:
    """What is counted for a request with these headers."""

    def __init__(self, *headers, alternative=None, health_check=False):
        self.root = memory_store().root
        stream = SimpleNamespace(request_headers=HeaderMap(list(headers)), health_check=health_check)
        self.host = host(1, root=self.root)
        self.charging = Charging(
            stream,
            ClusterStats(self.root.scope("cluster.up")),
            RouteStats("all", self.root.scope("traffic")),
            alternative,
        )

    def __getitem__(self, name):
        return self.root.counter(name).value


def test_a_response_counts_for_cluster_traffic_and_host():
    books = Books()
    books.charging.code(503, None, books.host)
    assert books["cluster.up.upstream_rq_503"] == books["cluster.up.external.upstream_rq_5xx"] == 1
    assert books["traffic.upstream_rq_503"] == 1
    assert books.host.stats.rq_error.value == 1


def test_an_internal_request_has_counters_of_its_own():
    books = Books((b"x-envoy-internal", b"true"))
    books.charging.code(200, None, books.host)
    assert (books["cluster.up.internal.upstream_rq_200"], books["cluster.up.external.upstream_rq_200"]) == (1, 0)
    assert books.host.stats.rq_error.value == 0


@pytest.mark.parametrize("by_header", [True, False])
def test_a_canary_counts_by_its_host_or_its_header(by_header):
    books = Books()
    books.host.canary = not by_header
    headers = HeaderMap([(b"x-envoy-upstream-canary", b"true")] if by_header else [])
    books.charging.code(200, headers, books.host)
    assert books["cluster.up.canary.upstream_rq_200"] == 1


def test_an_alternative_name_counts_too():
    books = Books(alternative=b"other")
    books.charging.code(200, None, None)
    books.charging.time(12, None)
    assert books["cluster.up.other.upstream_rq_200"] == books["cluster.up.other.external.upstream_rq_2xx"] == 1


def test_a_health_check_counts_nothing():
    books = Books(health_check=True)
    books.charging.code(200, None, None)
    books.charging.time(12, None)
    assert books["cluster.up.upstream_rq_200"] == books["traffic.upstream_rq_200"] == 0


@pytest.mark.parametrize(
    ("event", "name"),
    [
        ("retry", "upstream_rq_retry"),
        ("retry_success", "upstream_rq_retry_success"),
        ("retry_limit_exceeded", "upstream_rq_retry_limit_exceeded"),
        ("retry_overflow", "upstream_rq_retry_overflow"),
        ("timeout", "upstream_rq_timeout"),
    ],
)
def test_an_event_counts_for_cluster_and_traffic(event, name):
    books = Books()
    getattr(books.charging, event)()
    assert books["cluster.up." + name] == books["traffic." + name] == 1
