"""The connection manager's own rules: forwarded headers, request ids, hop-by-hop, paths, hosts, server header."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from tests.parity.case import Case, ask, request, response
from tests.support.upstream import Script

INTERNAL = (
    "x-envoy-retry-on: 5xx", "x-envoy-retry-grpc-on: cancelled", "x-envoy-max-retries: 3",
    "x-envoy-retriable-status-codes: 503", "x-envoy-retriable-header-names: x", "x-envoy-upstream-rq-timeout-ms: 9000",
    "x-envoy-upstream-rq-per-try-timeout-ms: 8000", "x-envoy-upstream-rq-timeout-alt-response: 204",
    "x-envoy-upstream-alt-stat-name: alt", "x-envoy-expected-rq-timeout-ms: 7", "x-envoy-force-trace: 1",
    "x-envoy-ip-tags: t", "x-envoy-original-url: /u", "x-envoy-hedge-on-per-try-timeout: true",
    "x-envoy-decorator-operation: op", "x-envoy-downstream-service-cluster: c", "x-envoy-downstream-service-node: n",
    "x-envoy-original-path: /p", "x-envoy-original-host: h", "x-envoy-internal: true",
    "x-envoy-external-address: 9.9.9.9", "x-envoy-other: stays", "x-forwarded-client-cert: Hash=1",
    "x-envoy-attempt-count: 7", "x-forwarded-host: fh", "x-forwarded-port: 1",
)
XFF = "X-Forwarded-For: 1.2.3.4, 5.6.7.8"


def one(name: str, want: str, hcm: str, *lines: str, target: str = "/", host: str | None = "a.test", **more: object) -> Case:
    return Case(f"hcm-{name}", want, (ask(request(target, *lines, host=host)),), hcm=hcm, **more)  # type: ignore[arg-type]


def up(*lines: str) -> dict[str, Script]:
    return {"up": Script(((response("200 OK", *lines),),))}


def path(name: str, want: str, hcm: str, *targets: str) -> Case:
    return Case(f"path-{name}", want, (*(ask(request(target)) for target in targets),), hcm=hcm)


def host(name: str, hcm: str, *names: str) -> Case:
    return Case(f"host-{name}", " ".join(["200"] * len(names)), (ask(*(request("/", host=n) for n in names)),), hcm=hcm)


EDGE = "use_remote_address: true"
CASES = (
    one("plain", "200", "", "User-Agent: test", "Accept: */*"),
    one("plain-order", "200", "", "B: 1", "A: 2", "User-Agent: t", "X-Forwarded-For: 1.1.1.1", "A: 3", ordered=True,
        upstream=up("Z: 1", "Content-Type: text/x", "Y: 2", "Date: Mon, 01 Jan 2024 00:00:00 GMT")),
    one("edge", "200", EDGE),
    one("edge-xff", "200", EDGE, XFF, "X-Forwarded-Proto: https"),
    one("edge-xff-hops", "200", f"{{{EDGE}, xff_num_trusted_hops: 1}}", XFF, "X-Forwarded-Proto: https"),
    one("edge-xff-hops-too-many", "200", f"{{{EDGE}, xff_num_trusted_hops: 5}}", XFF),
    one("edge-skip-append", "200", f"{{{EDGE}, skip_xff_append: true}}", XFF),
    one("xff-not-edge", "200", "", XFF, "X-Forwarded-Proto: https"),
    one("xff-not-edge-hops", "200", "xff_num_trusted_hops: 1", XFF),
    one("xff-junk", "200", "", "X-Forwarded-For: nonsense"),
    one("internal-headers", "200", "", *INTERNAL),
    one("internal-headers-edge", "200", EDGE, *INTERNAL),
    one("internal-address", "200", f"{{{EDGE}, internal_address_config: {{cidr_ranges: "
        "[{address_prefix: 127.0.0.0, prefix_len: 8}]}}", *INTERNAL),
    one("internal-address-xff", "200", "internal_address_config: {cidr_ranges: "
        "[{address_prefix: 10.0.0.0, prefix_len: 8}]}", "X-Forwarded-For: 10.1.2.3", "x-envoy-retry-on: 5xx"),
    one("internal-address-xff-two", "200", "internal_address_config: {cidr_ranges: "
        "[{address_prefix: 10.0.0.0, prefix_len: 8}]}", "X-Forwarded-For: 10.1.2.3, 10.1.2.4", "x-envoy-retry-on: 5xx"),
    one("internal-only-headers", "200", "", "X-Secret: 1", "X-Open: 2", route_config="internal_only_headers: [x-secret]"),
    one("proto-junk", "200", "", "X-Forwarded-Proto: gopher"),
    one("append-port", "200", f"{{{EDGE}, append_x_forwarded_port: true}}"),
    one("request-id-kept", "200", "", "X-Request-Id: mine"),
    one("request-id-edge", "200", EDGE, "X-Request-Id: mine"),
    one("request-id-edge-preserved", "200", f"{{{EDGE}, preserve_external_request_id: true}}", "X-Request-Id: mine"),
    one("request-id-off", "200", "generate_request_id: false"),
    one("request-id-in-response", "200", "always_set_request_id_in_response: true", "X-Request-Id: mine"),
    one("request-id-in-local-reply", "404", "always_set_request_id_in_response: true", "X-Request-Id: mine",
        routes="- {match: {prefix: /none}, route: {cluster: $up}}"),
    one("hop-connection-nominates", "200", "", "Connection: close, X-Secret", "X-Secret: 1"),
    one("hop-nominates-host", "400", "", "Connection: close, host, x-forwarded-for"),
    one("hop-nominates-pseudo", "200", "", "Connection: keep-alive, x-b", "X-B: 1", "X-C: 2"),
    one("hop-te-gzip", "200", "", "TE: gzip, trailers", "Connection: TE"),
    one("hop-te-trailers", "200", "", "TE: trailers", "Connection: TE"),
    one("hop-te-alone", "200", "", "TE: gzip"),
    one("hop-keepalive-proxyconn", "200", "", "Keep-Alive: timeout=5", "Proxy-Connection: keep-alive"),
    one("hop-upgrade-without-connection", "200", "", "Upgrade: websocket"),
    one("hop-response", "200", "", upstream=up("Connection: X-Secret, close", "X-Secret: 1", "Keep-Alive: timeout=5",
        "Proxy-Connection: close", "Upgrade: h2c", "Trailer: x")),
    one("referer-bad", "200", "", "Referer: not a url"),
    one("referer-good", "200", "", "Referer: http://b.test/x"),
    one("referer-twice", "200", "", "Referer: http://b.test/x", "Referer: http://b.test/y"),
    one("server-overwrite", "200", "", upstream=up("Server: mine")),
    one("server-name", "200", "server_name: custom", upstream=up("Server: mine")),
    one("server-append-absent", "200", "server_header_transformation: APPEND_IF_ABSENT", upstream=up("Server: mine")),
    one("server-append-absent-none", "200", "{server_header_transformation: APPEND_IF_ABSENT, server_name: c}"),
    one("server-pass-through", "200", "server_header_transformation: PASS_THROUGH", upstream=up("Server: mine")),
    one("server-pass-through-none", "200", "server_header_transformation: PASS_THROUGH"),
    one("server-pass-through-local", "404", "server_header_transformation: PASS_THROUGH",
        routes="- {match: {prefix: /none}, route: {cluster: $up}}"),
    one("via", "200", "via: 1.1 proxy", "Via: 1.0 before", upstream=up("Via: 1.1 up")),
    one("via-none", "200", "via: 1.1 proxy"),
    one("date-kept", "200", "", upstream=up("Date: Mon, 01 Jan 2024 00:00:00 GMT")),
    one("suppress-envoy-headers", "200", "", router="suppress_envoy_headers: true",
        upstream=up("X-Envoy-Upstream-Healthchecked-Cluster: c", "x-envoy-degraded: 1")),
    one("user-agent", "200", "add_user_agent: true"),
    one("user-agent-edge", "200", f"{{add_user_agent: true, {EDGE}}}", "User-Agent: mine"),
    one("xfcc-sanitize", "200", "", "x-forwarded-client-cert: By=x;Hash=y"),
    one("xfcc-forward-only-plain", "200", "forward_client_cert_details: FORWARD_ONLY", "x-forwarded-client-cert: By=x"),
    one("xfcc-always-forward", "200", "forward_client_cert_details: ALWAYS_FORWARD_ONLY",
        "x-forwarded-client-cert: By=x"),
    one("scheme-overwrite", "200", "scheme_header_transformation: {scheme_to_overwrite: https}", "X-A: 1", routes="""
- {match: {prefix: /}, route: {cluster: $up}, request_headers_to_add: [{header: {key: x-s, value: '%REQUEST_HEADER(:scheme)%'}}]}"""),
    one("proper-case", "200", "http_protocol_options: {header_key_format: {proper_case_words: {}}}", "x-foo-bar: 1",
        upstream=up("x-foo-bar: 2")),
    one("absolute-target", "200", "", target="http://b.test:81/x?y=1"),
    one("absolute-target-no-path", "200", "", target="http://b.test"),
    one("absolute-target-https", "200", "", target="https://b.test/x"),
    one("absolute-target-userinfo", "200", "", target="http://u:p@b.test/x"),
    one("absolute-target-bad-port", "400", "", target="http://b.test:99999/x"),
    one("local-reply-mapper", "404", """
local_reply_config:
  body_format: {text_format_source: {inline_string: "%RESPONSE_CODE% %LOCAL_REPLY_BODY% %REQUEST_HEADER(:path)%\\n"}}
""".strip(), routes="- {match: {prefix: /none}, route: {cluster: $up}}"),
    one("local-reply-mapped-status", "418", """
local_reply_config:
  mappers:
  - filter: {status_code_filter: {comparison: {op: EQ, value: {default_value: 404, runtime_key: none}}}}
    status_code: 418
    body: {inline_string: teapot}
    headers_to_add: [{header: {key: x-mapped, value: "yes"}}]
    body_format_override: {json_format: {code: "%RESPONSE_CODE%", text: "%LOCAL_REPLY_BODY%"}}
""", routes="- {match: {prefix: /none}, route: {cluster: $up}}"),
    path("as-is", "200 200 200 200", "", "/a/../b", "//a//b", "/a%2fb", "/%41?x=%41"),
    path("normalize", "200 200 200 200 200", "normalize_path: true",
         "/a/./b/../c?x=/../y", "/a/%2e%2e/b", "/%41%2f%zz", "/a\\b", "/../../x"),
    path("normalize-bad", "400 400", "normalize_path: true", "/a%00b", "/a#b"),
    path("merge-slashes", "200 200 200", "merge_slashes: true", "//a///b?x=//y", "/a//", "/a/../b"),
    path("normalize-and-merge", "200", "{normalize_path: true, merge_slashes: true}", "//a//../b//c"),
    path("escaped-reject", "400 400 400 200", "path_with_escaped_slashes_action: REJECT_REQUEST",
         "/a%2fb", "/a%5cb", "/a%2Fb", "/a?x=%2f"),
    path("escaped-redirect", "307 307 200", "path_with_escaped_slashes_action: UNESCAPE_AND_REDIRECT",
         "/a%2fb?x=1", "/a%5Cb", "/ab"),
    path("escaped-forward", "200 200", "path_with_escaped_slashes_action: UNESCAPE_AND_FORWARD", "/a%2fb%2F", "/a%5cb"),
    path("escaped-forward-normalized", "200", "{path_with_escaped_slashes_action: UNESCAPE_AND_FORWARD, "
         "normalize_path: true}", "/a%2f..%2fb"),
    host("as-is", "", "a.test:80", "a.test.", "A.Test"),
    host("strip-matching", "strip_matching_host_port: true", "a.test:$port", "a.test:81", "a.test"),
    host("strip-any", "strip_any_host_port: true", "a.test:81", "a.test", "[::1]:81", "[::1]"),
    host("strip-dot", "strip_trailing_host_dot: true", "a.test.", "a.test", "a.test.:81"),
    host("strip-dot-any", "{strip_trailing_host_dot: true, strip_any_host_port: true}", "a.test.:81"),
)
