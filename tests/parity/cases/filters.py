"""The HTTP filters with their per-route configuration: header_mutation, buffer, health_check, cors, fault, rbac ..."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from tests.parity.case import Case, answers, ask, get, request, response

ALL = "default_value: {numerator: 100}, runtime_key: none"
BUCKET = "token_bucket: {max_tokens: 2, tokens_per_fill: 1, fill_interval: 600s}"
LIMIT = f"stat_prefix: $id, {BUCKET}, filter_enabled: {{{ALL}}}, filter_enforced: {{{ALL}}}"
CORS_POLICY = """
    cors:
      allow_origin_string_match: [{exact: 'http://good.test'}, {suffix: '.any.test'}]
      allow_methods: GET,POST
      allow_headers: x-a,x-b
      expose_headers: x-e
      max_age: '600'
"""
CORS_ROUTES = "- match: {prefix: /}\n  route: {cluster: $up}\n  per_filter:" + CORS_POLICY
FAULT = "percentage: {numerator: 100}"
EVERY = "permissions: [{any: true}], principals: [{any: true}]"


def fault(name: str, want: str, config: str, *lines: str, **more: object) -> Case:
    return Case(f"fault-{name}", want, (ask(request("/", *lines)),), filters=f"- fault: {{{config}}}", **more)  # type: ignore[arg-type]


def cors(name: str, want: str, *lines: str, method: str = "GET", routes: str = CORS_ROUTES, **more: object) -> Case:
    return Case(f"cors-{name}", want, (ask(request("/", *lines, method=method)),), filters="- cors: {}", routes=routes,
                **more)  # type: ignore[arg-type]


def rbac(name: str, want: str, rules: str, *targets: str, lines: tuple[str, ...] = (), more: str = "") -> Case:
    return Case(f"rbac-{name}", want, (ask(*(request(target, *lines) for target in targets)),),
                filters=f"- rbac: {{rules: {{{rules}}}{more}}}")


def policy(permission: str = "any: true", principal: str = "any: true", action: str = "ALLOW") -> str:
    return f"action: {action}, policies: {{p1: {{permissions: [{{{permission}}}], principals: [{{{principal}}}]}}}}"


def health(name: str, want: str, config: str, *targets: str, **more: object) -> Case:
    return Case(f"health-{name}", want, get(*targets), filters=f"- health_check: {{{config}, "
                "headers: [{name: ':path', string_match: {exact: /healthz}}]}", **more)  # type: ignore[arg-type]


PREFLIGHT = ("Origin: http://good.test", "Access-Control-Request-Method: GET")

CASES = (
    Case("buffer-whole", "200", (ask(request("/", method="POST", body=b"hello")),),
         filters="- buffer: {max_request_bytes: 100}"),
    Case("buffer-chunked-gets-length", "200", (ask(
        request("/", "Transfer-Encoding: chunked", method="POST") + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),),
        filters="- buffer: {max_request_bytes: 100}"),
    Case("buffer-no-body", "200", get("/"), filters="- buffer: {max_request_bytes: 100}"),
    Case("buffer-per-route", "413 200 200 413", (
        ask(request("/", method="POST", body=b"x" * 20)), ask(request("/off", method="POST", body=b"x" * 20)),
        ask(request("/big", method="POST", body=b"x" * 20)), ask(request("/big", method="POST", body=b"x" * 60))),
        filters="- buffer: {max_request_bytes: 10}", routes="""
- {match: {prefix: /off}, route: {cluster: $up}, per_filter: {buffer: {disabled: true}}}
- {match: {prefix: /big}, route: {cluster: $up}, per_filter: {buffer: {buffer: {max_request_bytes: 50}}}}
- {match: {prefix: /}, route: {cluster: $up}}"""),
    Case("mutation-request-response", "200", (ask(request("/", "X-Gone: 1", "X-Old: 1")),),
         upstream={"up": answers(response("200 OK", "X-Up: 1", "X-Old: 2"))}, filters="""
- header_mutation:
    mutations:
      request_mutations:
      - {remove: x-gone}
      - {append: {header: {key: x-new, value: '%REQUEST_HEADER(:path)%'}}}
      - {append: {header: {key: x-old, value: new}, append_action: OVERWRITE_IF_EXISTS}}
      response_mutations:
      - {remove: x-up}
      - {append: {header: {key: x-code, value: '%RESPONSE_CODE%'}}}
      - {append: {header: {key: x-old, value: add}, append_action: ADD_IF_ABSENT}}"""),
    Case("mutation-per-route", "200", get("/r"), filters="""
- header_mutation: {mutations: {request_mutations: [{append: {header: {key: x-l, value: filter}}}]}}""", routes="""
- match: {prefix: /}
  route: {cluster: $up}
  per_filter: {header_mutation: {mutations: {request_mutations: [{append: {header: {key: x-l, value: route}}}],
    response_mutations: [{append: {header: {key: x-r, value: route}}}]}}}""",
         vhost="per_filter: {header_mutation: {mutations: {request_mutations: "
               "[{append: {header: {key: x-l, value: vhost}}}]}}}"),
    Case("mutation-on-local-reply", "404", get("/"), filters="""
- header_mutation: {mutations: {response_mutations: [{append: {header: {key: x-r, value: 'v %RESPONSE_CODE%'}}}]}}""",
         routes="- {match: {path: /x}, route: {cluster: $up}}"),
    Case("mutation-query", "200", get("/p?a=1&b=2"), filters="""
- header_mutation:
    mutations:
      query_parameter_mutations:
      - {remove: a}
      - {append: {record: {key: c, value: 'three'}}}"""),
    Case("mutation-remove-on-match", "200", (ask(request("/", "X-Rm-A: 1", "X-Rm-B: 2", "X-Keep: 3")),), filters="""
- header_mutation: {mutations: {request_mutations: [{remove_on_match: {key_matcher: {prefix: x-rm-}}}]}}"""),
    health("local", "200 200 200", "pass_through_mode: false", "/healthz", "/healthz?x", "/other"),
    health("pass-through", "200", "pass_through_mode: true", "/healthz"),
    health("pass-through-cached", "200 200", "pass_through_mode: true, cache_time: 60s", "/healthz", "/healthz"),
    health("pass-through-failed", "503 503", "pass_through_mode: true, cache_time: 60s", "/healthz", "/healthz",
           upstream={"up": answers(response("503 Service Unavailable"))}),
    health("cluster-percentages", "503", "pass_through_mode: false, "
           "cluster_min_healthy_percentages: {health-cluster-percentages-empty: {value: 50}}", "/healthz",
           routes="- {match: {prefix: /x}, route: {cluster: $empty}}\n- {match: {prefix: /}, route: {cluster: $up}}"),
    Case("ratelimit-enforced", "200 200 429 429", get("/1", "/2", "/3", "/4"), filters=f"- local_ratelimit: {{{LIMIT}}}"),
    Case("ratelimit-not-enforced", "200 200 200", get("/1", "/2", "/3"),
         filters=f"- local_ratelimit: {{stat_prefix: $id, {BUCKET}, filter_enabled: {{{ALL}}}}}"),
    Case("ratelimit-off", "200 200 200", get("/1", "/2", "/3"),
         filters=f"- local_ratelimit: {{stat_prefix: $id, {BUCKET}}}"),
    Case("ratelimit-headers-status", "200 200 503", get("/1", "/2", "/3"), filters=f"""
- local_ratelimit: {{{LIMIT}, status: {{code: 503}}, enable_x_ratelimit_headers: DRAFT_VERSION_03,
    response_headers_to_add: [{{header: {{key: x-limited, value: 'yes'}}}}]}}"""),
    Case("ratelimit-per-route", "200 429 200", get("/r", "/r", "/"), filters="- local_ratelimit: {stat_prefix: $id}",
         routes=f"""
- match: {{prefix: /r}}
  route: {{cluster: $up}}
  per_filter: {{local_ratelimit: {{stat_prefix: $id, token_bucket: {{max_tokens: 1, tokens_per_fill: 1,
    fill_interval: 600s}}, filter_enabled: {{{ALL}}}, filter_enforced: {{{ALL}}}}}}}
- {{match: {{prefix: /}}, route: {{cluster: $up}}}}"""),
    Case("ratelimit-per-connection", "200 200 429 200", (
        ask(request("/"), request("/"), request("/")), ask(request("/"))),
        filters=f"- local_ratelimit: {{{LIMIT}, local_rate_limit_per_downstream_connection: true}}"),
    cors("preflight", "200", *PREFLIGHT, method="OPTIONS"),
    cors("preflight-suffix", "200", "Origin: http://x.any.test", "Access-Control-Request-Method: GET", method="OPTIONS"),
    cors("preflight-bad-origin", "200", "Origin: http://bad.test", "Access-Control-Request-Method: GET", method="OPTIONS"),
    cors("options-without-method", "200", "Origin: http://good.test", method="OPTIONS"),
    cors("simple", "200", "Origin: http://good.test"),
    cors("simple-bad-origin", "200", "Origin: http://bad.test"),
    cors("no-origin", "200"),
    cors("upstream-headers-replaced", "200", "Origin: http://good.test", upstream={"up": answers(response(
        "200 OK", "Access-Control-Allow-Origin: *", "Access-Control-Expose-Headers: up"))}),
    cors("credentials", "200", *PREFLIGHT, method="OPTIONS",
         routes=CORS_ROUTES + "      allow_credentials: true\n"),
    cors("private-network", "200", *PREFLIGHT, "Access-Control-Request-Private-Network: true", method="OPTIONS",
         routes=CORS_ROUTES + "      allow_private_network_access: true\n"),
    cors("disabled", "200", *PREFLIGHT, method="OPTIONS",
         routes=CORS_ROUTES + "      filter_enabled: {default_value: {numerator: 0}, runtime_key: none}\n"),
    cors("shadow", "200", *PREFLIGHT, method="OPTIONS", routes=CORS_ROUTES
         + f"      filter_enabled: {{default_value: {{numerator: 0}}, runtime_key: none}}\n      shadow_enabled: {{{ALL}}}\n"),
    cors("not-forwarded", "200", "Origin: http://bad.test", "Access-Control-Request-Method: GET", method="OPTIONS",
         routes=CORS_ROUTES + "      forward_not_matching_preflights: false\n"),
    cors("vhost", "200", *PREFLIGHT, method="OPTIONS", routes="- {match: {prefix: /}, route: {cluster: $up}}",
         vhost="per_filter:\n" + CORS_POLICY[1:].replace("    ", "  ")),
    fault("abort", "418", f"abort: {{http_status: 418, {FAULT}}}"),
    fault("abort-grpc-status", "200", f"abort: {{grpc_status: 5, {FAULT}}}", "Content-Type: application/grpc"),
    fault("abort-zero", "200", "abort: {http_status: 418, percentage: {numerator: 0}}"),
    fault("abort-header", "503", f"abort: {{header_abort: {{}}, {FAULT}}}", "x-envoy-fault-abort-request: 503"),
    fault("abort-header-absent", "200", f"abort: {{header_abort: {{}}, {FAULT}}}"),
    fault("abort-header-percentage", "200", f"abort: {{header_abort: {{}}, {FAULT}}}",
          "x-envoy-fault-abort-request: 503", "x-envoy-fault-abort-request-percentage: 0"),
    fault("delay", "200", f"delay: {{fixed_delay: 0.15s, {FAULT}}}"),
    fault("delay-then-abort", "500", f"delay: {{fixed_delay: 0.1s, {FAULT}}}, abort: {{http_status: 500, {FAULT}}}"),
    fault("delay-header", "200", f"delay: {{header_delay: {{}}, {FAULT}}}", "x-envoy-fault-delay-request: 100"),
    fault("headers-match", "418", f"abort: {{http_status: 418, {FAULT}}}, headers: [{{name: x-f, present_match: true}}]",
          "X-F: 1"),
    fault("headers-no-match", "200",
          f"abort: {{http_status: 418, {FAULT}}}, headers: [{{name: x-f, present_match: true}}]"),
    fault("other-cluster", "200", f"abort: {{http_status: 418, {FAULT}}}, upstream_cluster: nope"),
    fault("rate-limit", "200", f"response_rate_limit: {{fixed_limit: {{limit_kbps: 100}}, {FAULT}}}",
          upstream={"up": answers(response(body=b"x" * 30000))}),
    Case("fault-per-route", "418 200", get("/r", "/"), filters="- fault: {}", routes=f"""
- {{match: {{prefix: /r}}, route: {{cluster: $up}}, per_filter: {{fault: {{abort: {{http_status: 418, {FAULT}}}}}}}}}
- {{match: {{prefix: /}}, route: {{cluster: $up}}}}"""),
    rbac("allow", "200 403", policy("url_path: {path: {prefix: /ok}}"), "/ok", "/no"),
    rbac("deny", "403 200", policy("url_path: {path: {prefix: /no}}", action="DENY"), "/no?x", "/ok"),
    rbac("empty-allow", "403", "action: ALLOW", "/"),
    rbac("header", "200 403", policy("header: {name: ':path', string_match: {exact: /a}}"), "/a", "/b"),
    rbac("principal-header", "200", policy(principal="header: {name: x-a, string_match: {exact: v}}"), "/",
         lines=("X-A: v",)),
    rbac("principal-ip", "200", policy(principal="direct_remote_ip: {address_prefix: 127.0.0.0, prefix_len: 8}"), "/"),
    rbac("principal-ip-no", "403", policy(principal="remote_ip: {address_prefix: 10.0.0.0, prefix_len: 8}"), "/"),
    rbac("destination-port", "403", policy("destination_port: 1"), "/"),
    rbac("and-or-not", "200 403 403", policy(
        "and_rules: {rules: [{or_rules: {rules: [{url_path: {path: {exact: /a}}}, {url_path: {path: {exact: /b}}}]}}, "
        "{not_rule: {url_path: {path: {exact: /b}}}}]}"), "/a", "/b", "/c"),
    rbac("authenticated-plain", "403", policy(principal="authenticated: {}"), "/"),
    rbac("log-action", "200", policy(action="LOG"), "/"),
    Case("rbac-shadow", "200", get("/"), filters="""
- rbac: {shadow_rules: {action: ALLOW, policies: {p: {permissions: [{url_path: {path: {exact: /x}}}],
    principals: [{any: true}]}}}, shadow_rules_stat_prefix: sh_}"""),
    Case("rbac-per-route", "200 403 403", get("/off", "/deny", "/"), filters="- rbac: {rules: {action: ALLOW}}", routes=f"""
- {{match: {{prefix: /off}}, route: {{cluster: $up}}, per_filter: {{rbac: {{}}}}}}
- {{match: {{prefix: /deny}}, route: {{cluster: $up}}, per_filter: {{rbac: {{rbac: {{rules: {{action: DENY,
   policies: {{d: {{{EVERY}}}}}}}}}}}}}}}
- {{match: {{prefix: /}}, route: {{cluster: $up}}}}"""),
    Case("filter-config-disabled", "200 418", get("/r", "/"), filters=f"- fault: {{abort: {{http_status: 418, {FAULT}}}}}",
         routes="""
- match: {prefix: /r}
  route: {cluster: $up}
  per_filter: {fault: {"@type": type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true}}
- {match: {prefix: /}, route: {cluster: $up}}"""),
    Case("filter-disabled-by-default", "200 413", (
        ask(request("/", method="POST", body=b"x" * 20)), ask(request("/r", method="POST", body=b"x" * 20))), filters="""
- name: envoy.filters.http.buffer
  disabled: true
  typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer, max_request_bytes: 10}""",
         routes="""
- match: {prefix: /r}
  route: {cluster: $up}
  per_filter: {buffer: {"@type": type.googleapis.com/envoy.config.route.v3.FilterConfig, config: {
    "@type": type.googleapis.com/envoy.extensions.filters.http.buffer.v3.BufferPerRoute,
    buffer: {max_request_bytes: 10}}}}
- {match: {prefix: /}, route: {cluster: $up}}"""),
    Case("filter-order", "403", get("/"), filters=f"""
- header_mutation: {{mutations: {{request_mutations: [{{append: {{header: {{key: x-f, value: '1'}}}}}}],
    response_mutations: [{{append: {{header: {{key: x-r, value: outer}}}}}}]}}}}
- rbac: {{rules: {{{policy(principal="header: {name: x-f, present_match: true}", action="DENY")}}}}}
- buffer: {{max_request_bytes: 100}}"""),
)
