"""Upstream side: retries, circuit breakers, pools, host choice."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from tests.parity.case import Case, answers, ask, get, request, response
from tests.support.steps import Answers, Close, Reset, Wait

BAD = response("503 Service Unavailable", body=b"bad")
GOOD = response()


def retry(name: str, want: str, policy: str, *given: object, method: str = "GET", body: bytes | None = None,
          lines: tuple[str, ...] = (), **more: object) -> Case:
    """One request; the upstream's answers in order."""
    return Case(
        f"retry-{name}", want, (ask(request("/", *lines, method=method, body=body)),),
        routes=f"- {{match: {{prefix: /}}, route: {{cluster: $up, retry_policy: {{{policy}}}}}}}",
        upstream={"up": answers(*given)}, **more)  # type: ignore[arg-type]



HOSTS = """
lb_policy: %s
load_assignment: {cluster_name: x, endpoints: [{lb_endpoints: [
  {endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $b_port}}}%s},
  {endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $c_port}}}%s}]}]}"""
TWO = "- {match: {prefix: /}, route: {cluster: $up%s}}\n- {match: {prefix: /}, route: {cluster: $b}}\n" \
    "- {match: {prefix: /}, route: {cluster: $c}}"


def balance(name: str, policy: str, *options: str, count: int = 6) -> Case:
    action, first, second = (*options, "", "", "")[:3]
    return Case(
        f"balance-{name}", " ".join(["200"] * count),
        (ask(*(request(f"/{n}", f"X-Hash: key{n % 3}") for n in range(count))),),
        routes=TWO % action, cluster=HOSTS % (policy, first, second))


HASH = ", hash_policy: [{header: {header_name: x-hash}}]"

CASES = (
    retry("5xx", "200", "retry_on: 5xx", BAD, GOOD),
    retry("5xx-exhausted", "503", "retry_on: 5xx, num_retries: 2", BAD),
    retry("5xx-not-on-4xx", "404", "retry_on: 5xx", response("404 Not Found")),
    retry("5xx-on-reset", "200", "retry_on: 5xx", (Reset(),), GOOD),
    retry("5xx-on-close", "200", "retry_on: 5xx", (Close(),), GOOD),
    retry("num-zero", "503", "retry_on: 5xx, num_retries: 0", BAD, GOOD),
    retry("gateway-error", "200", "retry_on: gateway-error", response("502 Bad Gateway"), GOOD),
    retry("gateway-error-not-500", "500", "retry_on: gateway-error", response("500 Internal Server Error"), GOOD),
    retry("reset", "200", "retry_on: reset", (Reset(),), GOOD),
    retry("reset-not-503", "503", "retry_on: reset", BAD, GOOD),
    retry("reset-exhausted", "503", "retry_on: reset", (Reset(),)),
    retry("reset-before-request", "503", "retry_on: reset-before-request", (Reset(),), GOOD),
    retry("connect-failure-not-reset", "503", "retry_on: connect-failure", (Reset(),), GOOD),
    retry("refused-stream-h1", "503", "retry_on: refused-stream", (Reset(),), GOOD),
    retry("retriable-4xx", "200", "retry_on: retriable-4xx", response("409 Conflict"), GOOD),
    retry("retriable-4xx-not-404", "404", "retry_on: retriable-4xx", response("404 Not Found"), GOOD),
    retry("status-codes", "200", "retry_on: retriable-status-codes, retriable_status_codes: [418]",
          response("418 Teapot"), GOOD),
    retry("status-codes-other", "419", "retry_on: retriable-status-codes, retriable_status_codes: [418]",
          response("419 Other"), GOOD),
    retry("retriable-headers", "200", "retry_on: retriable-headers, "
          "retriable_headers: [{name: x-again, present_match: true}]", response("200 OK", "X-Again: 1"), GOOD),
    retry("retriable-request-headers", "503", "retry_on: 5xx, "
          "retriable_request_headers: [{name: x-may, present_match: true}]", BAD, GOOD),
    retry("retriable-request-headers-match", "200", "retry_on: 5xx, "
          "retriable_request_headers: [{name: x-may, present_match: true}]", BAD, GOOD, lines=("X-May: 1",)),
    retry("envoy-ratelimited", "200", "retry_on: envoy-ratelimited", response("429 X", "x-envoy-ratelimited: true"), GOOD),
    retry("5xx-not-ratelimited", "503", "retry_on: 5xx", response("503 X", "x-envoy-ratelimited: true"), GOOD),
    retry("overloaded-header", "200", "retry_on: 5xx", response("503 X", "x-envoy-overloaded: true"), GOOD),
    retry("several", "200", "retry_on: '5xx, reset ,connect-failure', num_retries: 3", BAD, (Reset(),), BAD, GOOD),
    retry("grpc-unavailable", "200", "retry_on: unavailable",
          response("200 OK", "content-type: application/grpc", "grpc-status: 14", body=b""),
          response("200 OK", "content-type: application/grpc", "grpc-status: 0", body=b""),
          lines=("Content-Type: application/grpc",)),
    retry("grpc-cancelled-not-unavailable", "200", "retry_on: cancelled",
          response("200 OK", "content-type: application/grpc", "grpc-status: 14", body=b""), GOOD),
    retry("with-body", "200", "retry_on: 5xx", BAD, GOOD, method="POST", body=b"hello body"),
    retry("chunked-body", "200", "retry_on: 5xx", BAD, GOOD, method="POST", body=b"x" * 5000),
    retry("per-try-timeout", "200", "retry_on: 5xx, per_try_timeout: 0.2s", (Wait(1.0),), GOOD),
    retry("per-try-timeout-exhausted", "504", "retry_on: 5xx, per_try_timeout: 0.15s", (Wait(1.0),)),
    retry("per-try-timeout-no-retry", "504", "per_try_timeout: 0.15s", (Wait(1.0),)),
    retry("per-try-idle-timeout", "200", "retry_on: 5xx, per_try_idle_timeout: 0.2s", (Wait(1.0),), GOOD),
    retry("backoff", "200", "retry_on: 5xx, retry_back_off: {base_interval: 0.01s, max_interval: 0.02s}", BAD, GOOD),
    retry("rate-limited-backoff", "200", "retry_on: 5xx, rate_limited_retry_back_off: {reset_headers: "
          "[{name: retry-after, format: SECONDS}], max_interval: 1s}", response("503 X", "Retry-After: 0"), GOOD),
    retry("head", "200", "retry_on: 5xx", b"HTTP/1.1 503 X\r\nContent-Length: 3\r\n\r\n", GOOD, method="HEAD"),
    Case("retry-connect-failure", "503", get("/"), routes="""
- {match: {prefix: /}, route: {cluster: $dead, retry_policy: {retry_on: connect-failure, num_retries: 2}}}"""),
    Case("retry-connect-failure-5xx", "503", get("/"), routes="""
- {match: {prefix: /}, route: {cluster: $dead, retry_policy: {retry_on: 5xx}}}"""),
    Case("retry-vhost-policy", "200", get("/"), vhost="retry_policy: {retry_on: 5xx}",
         upstream={"up": answers(BAD, GOOD)}),
    Case("retry-route-over-vhost", "503", get("/"), vhost="retry_policy: {retry_on: 5xx}", routes="""
- {match: {prefix: /}, route: {cluster: $up, retry_policy: {retry_on: reset}}}""",
         upstream={"up": answers(BAD, GOOD)}),
    Case("retry-header-external", "503", (ask(request("/", "x-envoy-retry-on: 5xx")),),
         upstream={"up": answers(BAD, GOOD)}),
    Case("retry-header-internal", "200", (ask(request(
        "/", "x-envoy-retry-on: 5xx", "x-envoy-max-retries: 2", "X-Forwarded-For: 10.0.0.1")),),
        hcm="internal_address_config: {cidr_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}]}",
        upstream={"up": answers(BAD, BAD, GOOD)}),
    Case("timeout-header-internal", "504", (ask(request(
        "/", "x-envoy-upstream-rq-timeout-ms: 150", "X-Forwarded-For: 10.0.0.1")),),
        hcm="internal_address_config: {cidr_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}]}",
        upstream={"up": answers((Wait(0.8), GOOD))}),
    Case("timeout-alt-response-internal", "204", (ask(request(
        "/", "x-envoy-upstream-rq-timeout-ms: 150", "x-envoy-upstream-rq-timeout-alt-response: 1",
        "X-Forwarded-For: 10.0.0.1")),),
        hcm="internal_address_config: {cidr_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}]}",
        upstream={"up": answers((Wait(0.8), GOOD))}),
    Case("retry-attempt-count", "200", get("/"), vhost="{include_request_attempt_count: true, "
         "include_attempt_count_in_response: true, include_is_timeout_retry_header: true, "
         "retry_policy: {retry_on: 5xx}}", upstream={"up": answers(BAD, GOOD)}),
    Case("breaker-max-retries", "503", get("/"), cluster="circuit_breakers: {thresholds: [{max_retries: 0}]}",
         vhost="retry_policy: {retry_on: 5xx}", upstream={"up": answers(BAD, GOOD)}),
    Case("breaker-max-requests-zero", "503", get("/"), cluster="circuit_breakers: {thresholds: [{max_requests: 0}]}"),
    Case("breaker-max-pending-zero", "503", get("/"),
         cluster="circuit_breakers: {thresholds: [{max_pending_requests: 0}]}"),
    Case("breaker-max-requests-one", "503", ((request("/1"), Wait(0.1)), (request("/2"), Answers(1))), settle_s=0.3,
         cluster="circuit_breakers: {thresholds: [{max_requests: 1}]}", upstream={"up": answers((Wait(2.0), GOOD))}),
    Case("breaker-max-pending-one", "503", ((request("/1"), Wait(0.1)), (request("/2"), Wait(0.1)),
         (request("/3"), Answers(1))), settle_s=0.2, upstream={"up": answers((Wait(2.0), GOOD))},
         cluster="circuit_breakers: {thresholds: [{max_connections: 1, max_pending_requests: 1}]}"),
    Case("breaker-max-connections-zero", "200", get("/"),
         cluster="circuit_breakers: {thresholds: [{max_connections: 0}]}"),
    Case("breaker-high-priority", "503 200", get("/high", "/"), routes="""
- {match: {prefix: /high}, route: {cluster: $up, priority: HIGH}}
- {match: {prefix: /}, route: {cluster: $up}}""",
         cluster="circuit_breakers: {thresholds: [{priority: HIGH, max_requests: 0}]}"),
    Case("breaker-track-remaining", "200", get("/"), all_stats=True,
         cluster="circuit_breakers: {thresholds: [{max_requests: 7, track_remaining: true}]}"),
    Case("pool-reuse", "200 200", (ask(request("/1")), ask(request("/2")))),
    Case("pool-max-requests", "200 200 200", get("/1", "/2", "/3"), cluster="max_requests_per_connection: 2"),
    Case("pool-max-requests-one", "200 200", get("/1", "/2"), cluster="max_requests_per_connection: 1"),
    Case("pool-idle-timeout", "200 200", ((request("/1"), Answers(1), Wait(0.6), request("/2"), Answers(2)),), cluster="""
typed_extension_protocol_options:
  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
    "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
    common_http_protocol_options: {idle_timeout: 0.2s}
    explicit_http_config: {http_protocol_options: {}}"""),
    Case("pool-upstream-closes-idle", "200 200", ((request("/1"), Answers(1), Wait(0.3), request("/2"), Answers(2)),),
         upstream={"up": answers((GOOD, Wait(0.1), Close()), GOOD)}),
    Case("pool-extra-bytes-idle", "200 200", ((request("/1"), Answers(1), Wait(0.3), request("/2"), Answers(2)),),
         upstream={"up": answers((GOOD, Wait(0.1), b"stray"), GOOD)}),
    balance("ring-hash", "RING_HASH", HASH),
    balance("maglev", "MAGLEV", HASH),
    balance("weight", "RING_HASH", HASH, ", load_balancing_weight: 1", ", load_balancing_weight: 9"),
    balance("unhealthy-host", "ROUND_ROBIN", "", ", health_status: UNHEALTHY", "", 4),
    balance("draining-host", "ROUND_ROBIN", "", "", ", health_status: DRAINING", 4),
    Case("balance-priority", "200 200", get("/", "/"), routes=TWO % "", cluster="""
load_assignment: {cluster_name: x, endpoints: [
  {priority: 1, lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $c_port}}}}]},
  {priority: 0, lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $b_port}}}}]}]}"""),
    Case("balance-priority-failover", "200 200", get("/", "/"), routes=TWO % "", cluster="""
load_assignment: {cluster_name: x, endpoints: [
  {priority: 1, lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $c_port}}}}]},
  {priority: 0, lb_endpoints: [{health_status: UNHEALTHY,
    endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $b_port}}}}]}]}"""),
    Case("cluster-dns", "200", get("/"), cluster="""
type: STRICT_DNS
dns_lookup_family: V4_ONLY
dns_refresh_rate: 60s
load_assignment: {cluster_name: x, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address:
  {address: localhost, port_value: $up_port}}}}]}]}"""),
    Case("cluster-dns-host-rewrite", "200", get("/"), cluster="""
type: LOGICAL_DNS
dns_lookup_family: V4_ONLY
dns_refresh_rate: 60s
load_assignment: {cluster_name: x, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address:
  {address: localhost, port_value: $up_port}}}}]}]}""",
         routes="- {match: {prefix: /}, route: {cluster: $up, auto_host_rewrite: true}}"),
    Case("cluster-hostname-rewrite", "200", get("/"), cluster="""
load_assignment: {cluster_name: x, endpoints: [{lb_endpoints: [{endpoint: {hostname: named.test,
  address: {socket_address: {address: 127.0.0.1, port_value: $up_port}}}}]}]}""",
         routes="- {match: {prefix: /}, route: {cluster: $up, auto_host_rewrite: true}}"),
    Case("cluster-alt-stat-name", "200", get("/"), cluster="alt_stat_name: $id.alt"),
)
