"""Virtual hosts and matches, decided as Envoy 1.40 decided the same requests."""

from __future__ import annotations

import pytest

from pyvoy.stats.store import memory_store
from tests.unit.config.building import runtime
from tests.unit.config.compile.tables import problems, routes, stream, table

HOSTS = """
name: r
virtual_hosts:
- {name: exact, domains: [x.com, X2.com, 'x.com:81'], routes: [&all {match: {prefix: /}, route: {cluster: a}}]}
- {name: suffix, domains: ['*.foo.com', '*-bar.foo.com', '*oo.com'], routes: [*all]}
- {name: longer, domains: ['*.bar.foo.com'], routes: [*all]}
- {name: prefix, domains: ['www.*', 'www.q.*'], routes: [*all]}
- {name: port, domains: ['p.com:8080'], routes: [*all]}
- {name: rest, domains: ['*'], routes: [*all]}
"""


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("x.com", "exact"),
        ("X.COM", "exact"),
        ("x2.com", "exact"),
        ("x.com:81", "exact"),
        ("x.com:82", "rest"),
        ("a.foo.com", "suffix"),
        ("A.FOO.com", "suffix"),
        (".foo.com", "suffix"),
        ("a-bar.foo.com", "suffix"),
        ("moo.com", "suffix"),
        ("oo.com", "rest"),
        ("x.bar.foo.com", "longer"),
        ("www.x", "prefix"),
        ("www.q.z", "prefix"),
        ("www.", "rest"),
        ("WWW.foo.com", "suffix"),
        ("p.com", "rest"),
        ("P.com:8080", "port"),
    ],
)
def test_virtual_host(host, name):
    found, reports = table(HOSTS)
    assert reports == []
    assert found.find(stream(host=host.encode())).virtual_host.name == name


@pytest.mark.parametrize(
    ("host", "name"),
    [("x.com:81", "x"), ("x.com:", "x"), ("x.com:abc", "x"), ("[::1]:80", "six"), ("[::1]", "six"), ("y.com:80", None)],
)
def test_ignoring_the_port(host, name):
    found, _ = table(
        """
        name: r
        ignore_port_in_host_matching: true
        virtual_hosts:
        - {name: x, domains: [x.com], routes: [{match: {prefix: /}, route: {cluster: a}}]}
        - {name: six, domains: ['[::1]'], routes: [{match: {prefix: /}, route: {cluster: a}}]}
        - {name: never, domains: ['y.com:80'], routes: [{match: {prefix: /}, route: {cluster: a}}]}
        """
    )
    route = found.find(stream(host=host.encode()))
    assert (route and route.virtual_host.name) == name


def test_a_header_can_stand_for_the_host():
    found, _ = table(
        """
        name: r
        vhost_header: X-Vh
        virtual_hosts:
        - {name: x, domains: [x.com], routes: [{match: {prefix: /}, route: {cluster: b}}]}
        - {name: d, domains: ['*'], routes: [{match: {prefix: /}, route: {cluster: a}}]}
        """
    )
    assert found.find(stream(headers=((b"x-vh", b"X.com"),))).cluster == "b"
    assert found.find(stream(headers=((b"x-vh", b"y"),))).cluster == "a"
    assert found.find(stream(host=b"x.com")) is None


@pytest.mark.parametrize(
    ("match", "yes", "no"),
    [
        ("path: /e", "/e /e?x /e#f", "/e/ /E /ee"),
        ("{path: /e, case_sensitive: false}", "/e /E?x", "/ee"),
        ("prefix: /p/", "/p/ /p/a?b", "/p /P/ /?/p/"),
        ("{prefix: /ci, case_sensitive: false}", "/CIx /cI?y", "/c"),
        ("prefix: '/q?'", "", "/q? /q?x"),
        ("path_separated_prefix: /sep", "/sep /sep/ /sep/a /sep?x", "/sepx /se"),
        ("{path_separated_prefix: /sep, case_sensitive: false}", "/SEP/a", "/SEPx"),
        ("safe_regex: {regex: '/r[0-9]+(/.*)?'}", "/r1 /r12/a/b?c=/r1", "/r /r1x"),
        ("{prefix: /, query_parameters: [{name: a, string_match: {exact: '1'}}]}", "/?a=1 /?b&a=1&a=2", "/ /?a=2&a=1"),
        ("{prefix: /, query_parameters: [{name: z}]}", "/?z /?z= /?&&z&", "/ /?Z"),
        ("{prefix: /, query_parameters: [{name: q, present_match: false}]}", "/ /?Q", "/?q=1"),
        ("{prefix: /, query_parameters: [{name: q, present_match: true}]}", "/?q", "/"),
        ("{prefix: /, query_parameters: [{name: a}, {name: b}]}", "/?b&a", "/?a"),
        ("{prefix: /, runtime_fraction: {default_value: {numerator: 0}}}", "", "/"),
        ("{prefix: /, runtime_fraction: {default_value: {numerator: 100}}}", "/", ""),
        ("{prefix: /, runtime_fraction: {default_value: {numerator: 0}, runtime_key: key}}", "/", ""),
    ],
)
def test_match(match, yes, no):
    body = match if match.startswith("{") else f"{{{match}}}"
    found = routes(f"{{match: {body}, route: {{cluster: a}}}}", runtime=runtime(key=100))
    for path in yes.split():
        assert found.find(stream(path.encode())) is not None, path
    for path in no.split():
        assert found.find(stream(path.encode())) is None, path


@pytest.mark.parametrize(
    ("text", "request_headers", "expected"),
    [
        ("headers: [{name: k, string_match: {prefix: v}}]", ((b"k", b"v1"),), True),
        ("headers: [{name: k, string_match: {prefix: v}}]", (), False),
        ("grpc: {}", ((b"content-type", b"application/grpc"),), True),
        ("grpc: {}", ((b"content-type", b"application/grpc+proto"),), True),
        ("grpc: {}", ((b"content-type", b"application/grpcx"),), False),
        ("grpc: {}", (), False),
    ],
)
def test_header_conditions(text, request_headers, expected):
    found = routes(f"{{match: {{prefix: /, {text}}}, route: {{cluster: a}}}}")
    assert (found.find(stream(headers=request_headers)) is not None) == expected


def test_dynamic_metadata_and_filter_state_choose():
    metadata = "dynamic_metadata: [{filter: f, path: [{key: k}], value: {bool_match: true}}]"
    found = routes(
        f"{{match: {{prefix: /, {metadata}}}, route: {{cluster: a}}}}\n"
        "{match: {prefix: /, filter_state: [{key: s, string_match: {exact: v}}]}, route: {cluster: b}}\n"
        "{match: {prefix: /}, route: {cluster: c}}"
    )
    plain, by_metadata, by_state = stream(), stream(), stream()
    by_metadata.info.dynamic_metadata["f"] = {"k": True}
    by_state.info.filter_state["s"] = "v"
    assert [found.find(one).cluster for one in (plain, by_metadata, by_state)] == ["c", "a", "b"]


def test_the_first_route_that_matches_wins_among_prefixes_and_paths():
    found = routes(
        """
        {match: {prefix: /a}, route: {cluster: a}}
        {match: {path: /ab}, route: {cluster: b}}
        {match: {path: /c}, route: {cluster: b}}
        {match: {prefix: /c}, route: {cluster: c}}
        """
    )
    answers = [found.find(stream(path)) for path in (b"/ab", b"/c?q", b"/cd", b"/d")]
    assert [route and route.cluster for route in answers] == ["a", "b", "c", None]


def test_connect_goes_to_the_connect_route_only():
    upgrades = "upgrade_configs: [{upgrade_type: CONNECT}]"
    found = routes(
        "{match: {prefix: /}, route: {cluster: a}}\n"
        f"{{match: {{connect_matcher: {{}}}}, route: {{cluster: b, {upgrades}}}}}"
    )
    assert found.find(stream(b"", method=b"CONNECT")).cluster == "b"
    assert found.find(stream(b"", method=b"CONNECT")).upgrades == {b"connect": True}
    assert found.find(stream(b"", method=b"GET")) is None
    assert found.find(stream()).cluster == "a"


def test_path_parameters_are_ignored_on_wish():
    found = routes(
        """
        {match: {path: /p}, route: {cluster: a}}
        {match: {safe_regex: {regex: '/r[a-z]+'}}, route: {cluster: b}}
        {match: {path_separated_prefix: /s}, route: {cluster: c}}
        """,
        "ignore_path_parameters_in_path_matching: true",
    )
    cases = {b"/p;a?q": "a", b"/p?a;b": "a", b"/rabc;x": "b", b"/rabc1;x": None, b"/s;x/y": "c", b"/s/;": "c"}
    for path, cluster in cases.items():
        route = found.find(stream(path))
        assert (route and route.cluster) == cluster, path


@pytest.mark.parametrize(
    ("require", "headers", "redirected"),
    [
        ("ALL", (), True),
        ("ALL", ((b"x-forwarded-proto", b"https"),), False),
        ("ALL", ((b"x-envoy-internal", b"true"),), True),
        ("EXTERNAL_ONLY", ((b"x-envoy-internal", b"true"),), False),
        ("EXTERNAL_ONLY", (), True),
        ("NONE", (), False),
    ],
)
def test_require_tls(require, headers, redirected):
    found, _ = table(
        f"""
        name: r
        virtual_hosts:
        - {{name: v, domains: ['*'], require_tls: {require}, routes: [{{match: {{prefix: /}}, route: {{cluster: a}}}}]}}
        """
    )
    request = stream(b"/e?q", b"tls.com:80", headers=headers)
    route = found.find(request)
    assert (route.action == "redirect") == redirected
    if redirected:
        assert route.direct_response(request) == (301, b"", [(b"location", b"https://tls.com:80/e?q")])


def test_virtual_clusters_count_in_their_own_scopes():
    store = memory_store()
    found, _ = table(
        """
        name: r
        virtual_hosts:
        - name: v
          domains: ['*']
          virtual_clusters: [{name: one, headers: [{name: ':path', string_match: {prefix: /v}}]}]
          routes: [{match: {prefix: /}, route: {cluster: a}, stat_prefix: rs}]
        """,
        store=store,
    )
    for path in (b"/v", b"/w", b"/w"):
        request = stream(path)
        route = found.find(request)
        stats = route.virtual_cluster(request.request_headers)
        stats.total.inc()
        stats.count_response(200)
        stats.time.record(3)
    root = store.root
    assert root.counter("vhost.v.vcluster.one.upstream_rq_total").value == 1
    assert root.counter("vhost.v.vcluster.other.upstream_rq_2xx").value == 2
    assert root.counter("vhost.v.vcluster.other.upstream_rq_200").value == 2
    assert root.counter("vhost.v.route.rs.upstream_rq_total").value == 3
    assert root.counter("vhost.v.route.rs.upstream_rq_200").value == 3


def test_a_route_may_have_stats_without_virtual_clusters():
    store = memory_store()
    found = routes("{match: {prefix: /}, route: {cluster: a}, stat_prefix: rs}", store=store)
    stats = found.find(stream()).virtual_cluster(stream().request_headers)
    stats.timeout.inc()
    assert stats.name == ""
    assert store.root.counter("vhost.v.route.rs.upstream_rq_timeout").value == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{match: {prefix: /}, route: {cluster: zz}}", ["route: unknown cluster 'zz'"]),
        (
            "{match: {prefix: /}, route: {weighted_clusters: {clusters: [{name: zz, weight: 1}]}}}",
            ["route: unknown weighted cluster 'zz'"],
        ),
        (
            "{match: {prefix: /}, route: {weighted_clusters: {clusters: [{name: a, weight: 0}]}}}",
            ["Sum of weights in the weighted_cluster must be greater than 0."],
        ),
        (
            "{match: {prefix: /}, route: {weighted_clusters: {clusters: [{weight: 1}]}}}",
            ["At least one of name or cluster_header need to be specified"],
        ),
        (
            "{match: {prefix: /}, route: {weighted_clusters: {clusters: [{name: a, cluster_header: b, weight: 1}]}}}",
            ["Only one of name or cluster_header can be specified"],
        ),
        (
            "{match: {prefix: /}, route: {cluster: a, prefix_rewrite: /x, path_rewrite: /b}}",
            ["Specify only one of prefix_rewrite, regex_rewrite or path_rewrite_policy"],
        ),
        (
            "{match: {prefix: /}, route: {cluster: a, upgrade_configs: [{upgrade_type: a}, {upgrade_type: A}]}}",
            ["Duplicate upgrade A"],
        ),
        (
            "{match: {prefix: /}, route: {cluster: a, upgrade_configs: [{upgrade_type: a, connect_config: {}}]}}",
            ["Non-CONNECT upgrade type a has ConnectConfig"],
        ),
    ],
)
def test_problems_have_envoys_words(text, expected):
    found = problems(text)
    assert len(found) == len(expected)
    for line, words in zip(found, expected, strict=True):
        assert words in line


def test_clusters_are_not_checked_when_validation_is_off():
    assert problems("{match: {prefix: /}, route: {cluster: zz}}", "validate_clusters: false") == []


def test_domains_must_be_unique():
    _, found = table(
        """
        name: r
        virtual_hosts:
        - {name: a, domains: [X.com, '*'], routes: []}
        - {name: b, domains: [x.com, '*'], routes: []}
        """
    )
    assert "Duplicate entry of domain x.com in route r" in found[0]
    assert "Only a single wildcard domain is permitted in route r" in found[1]


def test_a_table_without_hosts_has_no_routes():
    assert table("name: r")[0].find(stream()) is None


def test_internal_only_headers_and_host_options():
    found, _ = table(
        """
        name: r
        internal_only_headers: [X-Secret]
        virtual_hosts:
        - name: v
          domains: ['*']
          include_request_attempt_count: true
          include_attempt_count_in_response: true
          request_body_buffer_limit: 10
          metadata: {filter_metadata: {f: {k: 1}}}
          retry_policy: {retry_on: 5xx, num_retries: 3}
          routes:
          - {match: {path: /own}, route: {cluster: a, retry_policy: {retry_on: reset}}, request_body_buffer_limit: 5}
          - {match: {prefix: /}, route: {cluster: a}, metadata: {filter_metadata: {g: {k: [x]}}}}
        """
    )
    assert found.internal_only_headers == (b"x-secret",)
    own, other = found.find(stream(b"/own")), found.find(stream())
    assert other.include_attempt_count_in_request
    assert other.include_attempt_count_in_response
    assert (own.request_buffer_limit_bytes, other.request_buffer_limit_bytes) == (5, 10)
    assert (own.retry.num_retries, other.retry.num_retries) == (1, 3)
    assert other.metadata == {"g": {"k": ["x"]}}
    assert other.virtual_host.metadata == {"f": {"k": 1}}
