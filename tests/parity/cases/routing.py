"""Route matching: virtual hosts, paths, headers, query parameters, weighted clusters."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from tests.parity.case import Case, ask, get, request

HIT = "direct_response: {status: 200, body: {inline_string: hit}}"


def hosts(*names: str, target: str = "/") -> tuple:  # type: ignore[type-arg]
    return (ask(*(request(target, host=name) for name in names)),)


def header_case(name: str, matcher: str, want: str, *lines: tuple[str, ...]) -> Case:
    """A route that needs one header matcher; each tuple of header lines is one request."""
    return Case(
        f"match-header-{name}",
        want,
        (ask(*(request("/", *each) for each in lines)),),
        routes=f"- {{match: {{prefix: /, headers: [{{name: x-a, {matcher}}}]}}, {HIT}}}",
    )


def query_case(name: str, matcher: str, want: str, *targets: str) -> Case:
    return Case(
        f"match-query-{name}",
        want,
        get(*targets),
        routes=f"- {{match: {{prefix: /, query_parameters: [{{name: q, {matcher}}}]}}, {HIT}}}",
    )


CASES = (
    Case("match-prefix", "200 200 404 404", get("/api", "/apix/y", "/ap", "/API"),
         routes=f"- {{match: {{prefix: /api}}, {HIT}}}"),
    Case("match-prefix-query", "200 404", get("/api?x=1", "/?/api"), routes=f"- {{match: {{prefix: /api}}, {HIT}}}"),
    Case("match-path", "200 200 404 404", get("/exact", "/exact?q=1", "/exact/", "/exac"),
         routes=f"- {{match: {{path: /exact}}, {HIT}}}"),
    Case("match-case-insensitive", "200 200 200 404", get("/API/x", "/eXaCt", "/exact?Q", "/other"),
         routes=f"- {{match: {{prefix: /api, case_sensitive: false}}, {HIT}}}\n"
                f"- {{match: {{path: /EXACT, case_sensitive: false}}, {HIT}}}"),
    Case("match-regex", "200 200 404 404 200", get("/r/1", "/r/42?q=x", "/r/x", "/r/1/2", "/b.*"),
         routes=f"- {{match: {{safe_regex: {{regex: '/r/[0-9]+'}}}}, {HIT}}}\n"
                f"- {{match: {{safe_regex: {{regex: '/b\\.\\*'}}}}, {HIT}}}"),
    Case("match-path-separated-prefix", "200 200 200 404 404", get("/api", "/api/x", "/api?q", "/apix", "/ap"),
         routes=f"- {{match: {{path_separated_prefix: /api}}, {HIT}}}"),
    Case("match-path-separated-prefix-case", "200 404", get("/API/x", "/APIX"),
         routes=f"- {{match: {{path_separated_prefix: /api, case_sensitive: false}}, {HIT}}}"),
    Case("match-first-wins", "201 202 203", get("/a/b", "/a/c", "/"), routes="""
- {match: {path: /a/b}, direct_response: {status: 201}}
- {match: {prefix: /a}, direct_response: {status: 202}}
- {match: {prefix: /}, direct_response: {status: 203}}
- {match: {prefix: /a/b}, direct_response: {status: 204}}"""),
    Case("match-fraction-zero", "202", get("/"), routes="""
- {match: {prefix: /, runtime_fraction: {default_value: {numerator: 0}}}, direct_response: {status: 201}}
- {match: {prefix: /, runtime_fraction: {default_value: {numerator: 100}}}, direct_response: {status: 202}}"""),
    Case("match-header-of-the-proxys-own", "200 301 200 200", get("/warm", "/x", "/id", "/warm"), routes="""
- {match: {prefix: /warm}, route: {cluster: $up}}
- {match: {prefix: /id, headers: [{name: x-request-id}]}, route: {cluster: $up}}
- {match: {prefix: /, headers: [{name: x-forwarded-proto, string_match: {exact: http}}]}, redirect: {https_redirect: true}}
- {match: {prefix: /}, route: {cluster: $up}}"""),
    header_case("exact", "string_match: {exact: v}", "200 404 404 404 200",
                ("X-A: v",), ("X-A: V",), ("X-A: v2",), (), ("X-A: v", "X-A: v")),
    header_case("several-values-not-joined", "string_match: {exact: 'v,w'}", "404 200 404",
                ("X-A: v", "X-A: w"), ("X-A: v,w",), ("X-A: v, w",)),
    header_case("several-values-any", "string_match: {exact: w}", "200 200 404",
                ("X-A: v", "X-A: w"), ("X-A: w", "X-A: v"), ("X-A: v", "X-A: x")),
    header_case("several-values-invert", "string_match: {exact: w}, invert_match: true", "404 200",
                ("X-A: v", "X-A: w"), ("X-A: v", "X-A: x")),
    header_case("several-values-range", "range_match: {start: 1, end: 5}", "200 404",
                ("X-A: 9", "X-A: 3"), ("X-A: 9", "X-A: 8")),
    header_case("ignore-case", "string_match: {exact: Val, ignore_case: true}", "200 404", ("X-A: vAL",), ("X-A: va",)),
    header_case("prefix", "string_match: {prefix: ab}", "200 404 404", ("X-A: abc",), ("X-A: ABc",), ("X-A: xab",)),
    header_case("suffix", "string_match: {suffix: yz}", "200 404", ("X-A: xyz",), ("X-A: yzx",)),
    header_case("contains", "string_match: {contains: mid}", "200 404", ("X-A: a-mid-b",), ("X-A: m-id",)),
    header_case("regex", "string_match: {safe_regex: {regex: 'a+b'}}", "200 404", ("X-A: aaab",), ("X-A: aaabc",)),
    header_case("range", "range_match: {start: -5, end: 10}", "200 200 404 404 404",
                ("X-A: 9",), ("X-A: -5",), ("X-A: 10",), ("X-A: x",), ()),
    header_case("present", "present_match: true", "200 200 404", ("X-A: 1",), ("X-A:",), ()),
    header_case("present-false", "present_match: false", "404 200", ("X-A: 1",), ()),
    header_case("present-invert", "present_match: true, invert_match: true", "404 200", ("X-A: 1",), ()),
    header_case("exact-invert", "string_match: {exact: v}, invert_match: true", "404 200 404",
                ("X-A: v",), ("X-A: w",), ()),
    header_case("missing-as-empty", "string_match: {exact: ''}, treat_missing_header_as_empty: true", "200 200 404",
                (), ("X-A:",), ("X-A: v",)),
    header_case("missing-as-empty-invert",
                "string_match: {exact: v}, invert_match: true, treat_missing_header_as_empty: true", "200 404",
                (), ("X-A: v",)),
    header_case("legacy-exact", "exact_match: v", "200 404", ("X-A: v",), ("X-A: w",)),
    Case("match-header-pseudo", "200 404 200", (ask(
        request("/x", method="POST", body=b""), request("/x"), request("/y", host="B.test:99")),),
        routes=f"""
- {{match: {{prefix: /, headers: [{{name: ':method', string_match: {{exact: POST}}}}]}}, {HIT}}}
- {{match: {{prefix: /y, headers: [{{name: ':authority', string_match: {{exact: 'B.test:99'}}}}]}}, {HIT}}}"""),
    Case("match-header-two", "200 404 404", (ask(
        request("/", "X-A: 1", "X-B: 2"), request("/", "X-A: 1"), request("/", "X-B: 2")),),
        routes=f"- {{match: {{prefix: /, headers: [{{name: x-a, present_match: true}}, "
               f"{{name: x-b, string_match: {{exact: '2'}}}}]}}, {HIT}}}"),
    query_case("exact", "string_match: {exact: '1'}", "200 200 404 404 200 404",
               "/?q=1", "/?a=2&q=1", "/?q=2", "/", "/?q=1&q=2", "/?q=2&q=1"),
    query_case("present", "present_match: true", "200 200 404 404", "/?q", "/?q=", "/?qq=1", "/"),
    query_case("regex", "string_match: {safe_regex: {regex: '[a-z]+'}}", "200 404 404", "/?q=abc", "/?q=ab1", "/?Q=abc"),
    query_case("encoded", "string_match: {exact: 'a%20b'}", "200 404", "/?q=a%20b", "/?q=a+b"),
    Case("vhost-order", "201 201 202 202 203 204 205 205",
         hosts("exact.test", "EXACT.TEST", "a.exact.test", "x.deep.exact.test", "foo.bar", "www.any.where", "other",
               ".exact.test"), vhosts="""
- {name: any, domains: ['*'], routes: [{match: {prefix: /}, direct_response: {status: 205}}]}
- {name: pre, domains: ['foo.*'], routes: [{match: {prefix: /}, direct_response: {status: 203}}]}
- {name: pre2, domains: ['www.any.*'], routes: [{match: {prefix: /}, direct_response: {status: 204}}]}
- {name: suf, domains: ['*.exact.test'], routes: [{match: {prefix: /}, direct_response: {status: 202}}]}
- {name: ex, domains: ['exact.test'], routes: [{match: {prefix: /}, direct_response: {status: 201}}]}"""),
    Case("vhost-suffix-longest", "202 201 202", hosts("a.b.test", "a.test", "x.a.b.test"), vhosts="""
- {name: s1, domains: ['*.test'], routes: [{match: {prefix: /}, direct_response: {status: 201}}]}
- {name: s2, domains: ['*.b.test', '*-b.test'], routes: [{match: {prefix: /}, direct_response: {status: 202}}]}"""),
    Case("vhost-suffix-before-prefix", "202", hosts("foo.bar.test"), vhosts="""
- {name: p, domains: ['foo.*'], routes: [{match: {prefix: /}, direct_response: {status: 201}}]}
- {name: s, domains: ['*.test'], routes: [{match: {prefix: /}, direct_response: {status: 202}}]}"""),
    Case("vhost-none", "404 200", hosts("b.test", "a.test"), vhosts=f"""
- {{name: a, domains: ['a.test'], routes: [{{match: {{prefix: /}}, {HIT}}}]}}"""),
    Case("vhost-port-matters", "404 200 404", hosts("a.test", "a.test:81", "a.test:82"), vhosts=f"""
- {{name: a, domains: ['a.test:81'], routes: [{{match: {{prefix: /}}, {HIT}}}]}}"""),
    Case("vhost-ignore-port", "200 200 404", hosts("a.test", "a.test:81", "b.test:81"),
         route_config="ignore_port_in_host_matching: true", vhosts=f"""
- {{name: a, domains: ['a.test'], routes: [{{match: {{prefix: /}}, {HIT}}}]}}"""),
    Case("vhost-header", "201 404", (ask(request("/", "X-Host: one"), request("/")),),
         route_config="vhost_header: x-host", vhosts="""
- {name: one, domains: ['one'], routes: [{match: {prefix: /}, direct_response: {status: 201}}]}
- {name: rest, domains: ['*'], routes: [{match: {prefix: /}, direct_response: {status: 202}}]}"""),
    Case("vhost-require-tls", "301 301", get("/x?y=1", "/"), vhost="require_tls: ALL"),
    Case("vhost-require-tls-external", "301", get("/x"), vhost="require_tls: EXTERNAL_ONLY"),
    Case("weighted-all-to-one", "200 200 200", get("/", "/", "/"), routes="""
- match: {prefix: /}
  route: {weighted_clusters: {clusters: [{name: $up, weight: 100}, {name: $b, weight: 0}]}}"""),
    Case("weighted-second", "200 200", get("/", "/"), routes="""
- match: {prefix: /}
  route: {weighted_clusters: {clusters: [{name: $up, weight: 0}, {name: $b, weight: 7}]}}"""),
    Case("weighted-header-rules", "200", get("/"), routes="""
- match: {prefix: /}
  route:
    weighted_clusters:
      clusters:
      - name: $up
        weight: 1
        request_headers_to_add: [{header: {key: x-weighted, value: 'yes'}}]
        response_headers_to_add: [{header: {key: x-weighted, value: back}}]
        request_headers_to_remove: [x-gone]
        host_rewrite_literal: weighted.test"""),
    Case("cluster-header", "200 503 503", (ask(
        request("/", "X-C: cluster-header-up"), request("/", "X-C: nope"), request("/")),),
        routes="- {match: {prefix: /}, route: {cluster_header: x-c}}\n- {match: {prefix: /z}, route: {cluster: $up}}"),
    Case("cluster-not-found-code", "404 500", get("/a", "/b"), routes="""
- {match: {prefix: /a}, route: {cluster_header: x-c, cluster_not_found_response_code: NOT_FOUND}}
- {match: {prefix: /b}, route: {cluster_header: x-c, cluster_not_found_response_code: INTERNAL_SERVER_ERROR}}"""),
    Case("unknown-cluster-unvalidated", "503", get("/"), route_config="validate_clusters: false",
         routes="- {match: {prefix: /}, route: {cluster: nope}}"),
    Case("non-forwarding", "503", get("/"), routes="- {match: {prefix: /}, non_forwarding_action: {}}"),
    Case("direct-response-body", "200 204 503", get("/a", "/b", "/c"), routes="""
- match: {prefix: /a}
  direct_response: {status: 200, body: {inline_string: 'hello there'}}
  response_headers_to_add: [{header: {key: x-d, value: 'v'}}, {header: {key: content-type, value: text/html},
    append_action: OVERWRITE_IF_EXISTS_OR_ADD}]
- {match: {prefix: /b}, direct_response: {status: 204}}
- {match: {prefix: /c}, direct_response: {status: 503, body: {inline_string: ''}}}"""),
    Case("direct-response-head-and-post", "200 200", (ask(
        request("/", method="HEAD"), request("/", method="POST", body=b"some body")),),
        routes=f"- {{match: {{prefix: /}}, {HIT}}}"),
    Case("grpc-match", "200 404", (ask(
        request("/", "Content-Type: application/grpc", method="POST", body=b""), request("/")),),
        routes=f"- {{match: {{prefix: /, grpc: {{}}}}, {HIT}}}"),
    Case("connect-matcher", "404 200", (ask(request("b.test:443", host="b.test:443", method="CONNECT")), *get("/")),
         routes=f"- {{match: {{prefix: /}}, {HIT}}}"),
    Case("attempt-count", "200", get("/"),
         vhost="{include_request_attempt_count: true, include_attempt_count_in_response: true}"),
)
