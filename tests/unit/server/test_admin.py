"""The admin's dispatch: who may do what, and what is counted."""

import pytest

from tests.unit.server.admin_proxy import BOOTSTRAP, Bench


@pytest.fixture
def bench():
    return Bench()


def test_an_unknown_path_is_answered_with_the_list_of_all(bench):
    response = bench.get("/nonsense")
    assert response.status == 404
    assert response.body.startswith("invalid path. admin commands are:\n  /: Admin home page\n")
    assert "\n  /clusters: upstream cluster status\n      filter: Regular" in response.body


@pytest.mark.parametrize(
    "path", ["/quitquitquit", "/logging", "/healthcheck/fail", "/drain_listeners", "/reset_counters"]
)
def test_what_changes_state_wants_post(bench, path):
    response = bench.get(path)
    assert (response.status, response.body) == (405, "Method GET not allowed, POST required.\n")
    assert bench.sent == []
    assert bench.post(path).status == 200


def test_only_allowed_paths_are_answered():
    text = BOOTSTRAP.replace("node:", "admin: {allow_paths: [{exact: /ready}, {prefix: /stats}]}\nnode:", 1)
    bench = Bench(text)
    assert bench.get("/ready").status == 200
    assert bench.get("/stats/prometheus").status == 200
    assert bench.get("/clusters").status == 403


def test_requests_are_counted_as_envoy_counts_them(bench):
    bench.get("/ready")
    bench.get("/nonsense")
    found = bench.proxy.snapshot().counters
    assert found["http.admin.downstream_rq_total"] == 2
    assert found["http.admin.downstream_rq_2xx"] == 1
    assert found["listener.admin.http.admin.downstream_rq_4xx"] == 1
