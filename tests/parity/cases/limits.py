"""Limits and time-outs."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from tests.parity.case import Case, answers, ask, get, request, response
from tests.support.steps import Answers, Wait

SLOW_BODY = request("/", "Content-Length: 10", method="POST")
SLOW = {"up": answers((Wait(1.2), response()))}
HALF = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello"
OPTIONS = "common_http_protocol_options"


def route(action: str) -> str:
    return f"- {{match: {{prefix: /}}, route: {{cluster: $up, {action}}}}}"


CASES = (
    Case("limit-header-kb", "431", ((request("/", "X-A: " + "y" * 3000),),), hcm="max_request_headers_kb: 2"),
    Case("limit-header-kb-under", "200", (ask(request("/", "X-A: " + "y" * 1500)),), hcm="max_request_headers_kb: 2"),
    Case("limit-header-kb-raised", "200", (ask(request("/", "X-A: " + "y" * 70000)),), hcm="max_request_headers_kb: 80"),
    Case("limit-header-count", "431", ((request("/", *(f"X-{n}: y" for n in range(6))),),),
         hcm=f"{OPTIONS}: {{max_headers_count: 5}}"),
    Case("limit-header-count-edge", "200 431", (
        ask(request("/", *(f"X-{n}: y" for n in range(4)))), (request("/", *(f"X-{n}: y" for n in range(5))),)),
        hcm=f"{OPTIONS}: {{max_headers_count: 5}}"),
    Case("limit-uri-long", "200", (ask(request("/" + "a" * 8000)),)),
    Case("limit-uri-too-long", "431", ((request("/" + "a" * 70000),),)),
    Case("limit-underscore-allow", "200", (ask(request("/", "x_a: 1")),)),
    Case("limit-underscore-reject", "400", ((request("/", "x_a: 1"),),),
         hcm=f"{OPTIONS}: {{headers_with_underscores_action: REJECT_REQUEST}}"),
    Case("limit-underscore-drop", "200", (ask(request("/", "x_a: 1", "x-b: 2")),),
         hcm=f"{OPTIONS}: {{headers_with_underscores_action: DROP_HEADER}}"),
    Case("limit-request-headers-timeout", "408", ((b"GET / HTTP/1.1\r\nHost: a.t", Answers(1)),),
         hcm="request_headers_timeout: 0.2s"),
    Case("limit-request-timeout", "408", ((SLOW_BODY, Answers(1)),), hcm="request_timeout: 0.2s"),
    Case("limit-request-timeout-done", "200", (ask(request("/", method="POST", body=b"abc")),),
         hcm="request_timeout: 0.3s", upstream={"up": answers((Wait(0.5), response()))}),
    Case("limit-idle", "200", (ask(request("/")),), hcm=f"{OPTIONS}: {{idle_timeout: 0.3s}}", settle_s=1.0),
    Case("limit-idle-no-request", "", ((Wait(0.1),),), hcm=f"{OPTIONS}: {{idle_timeout: 0.3s}}", settle_s=1.0),
    Case("limit-idle-partial-head", "", ((b"GET / HT", Wait(0.1)),), hcm=f"{OPTIONS}: {{idle_timeout: 0.3s}}", settle_s=1.0),
    Case("limit-connection-duration", "200", (ask(request("/")),),
         hcm=f"{{{OPTIONS}: {{max_connection_duration: 0.3s}}, drain_timeout: 0.1s}}", settle_s=1.0),
    Case("limit-connection-duration-next", "200 200", ((request("/"), Answers(1), Wait(0.4), request("/"), Answers(2)),),
         hcm=f"{{{OPTIONS}: {{max_connection_duration: 0.2s}}, drain_timeout: 5s}}"),
    Case("limit-stream-idle-request", "408", ((SLOW_BODY, Answers(1)),), hcm="stream_idle_timeout: 0.2s"),
    Case("limit-stream-idle-upstream", "504", get("/"), hcm="stream_idle_timeout: 0.2s", upstream=SLOW),
    Case("limit-stream-idle-mid-body", "200", get("/"), hcm="stream_idle_timeout: 0.2s",
         upstream={"up": answers((HALF, Wait(1.0), b"world"))}),
    Case("limit-stream-idle-route", "504", get("/"), routes=route("idle_timeout: 0.2s"), upstream=SLOW),
    Case("limit-stream-idle-route-off", "200", get("/"), hcm="stream_idle_timeout: 0.2s",
         routes=route("idle_timeout: 0s"), upstream={"up": answers((Wait(0.4), response()))}),
    Case("limit-stream-duration", "504", get("/"), upstream=SLOW, hcm=f"{OPTIONS}: {{max_stream_duration: 0.2s}}"),
    Case("limit-stream-duration-request", "408", ((SLOW_BODY, Answers(1)),),
         hcm=f"{OPTIONS}: {{max_stream_duration: 0.2s}}"),
    Case("limit-stream-duration-route", "504", get("/"), upstream=SLOW,
         routes=route("max_stream_duration: {max_stream_duration: 0.2s}")),
    Case("limit-stream-duration-mid-body", "200", get("/"), upstream={"up": answers((HALF, Wait(1.0), b"world"))},
         hcm=f"{OPTIONS}: {{max_stream_duration: 0.2s}}"),
    Case("limit-upstream-stream-duration", "504", get("/"), upstream=SLOW, cluster="""
typed_extension_protocol_options:
  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
    "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
    common_http_protocol_options: {max_stream_duration: 0.2s}
    explicit_http_config: {http_protocol_options: {}}"""),
    Case("limit-requests-per-connection", "200 200", (ask(request("/"), request("/")),),
         hcm=f"{OPTIONS}: {{max_requests_per_connection: 2}}"),
    Case("limit-route-timeout-off", "200", get("/"), routes=route("timeout: 0s"),
         upstream={"up": answers((Wait(0.3), response()))}),
    Case("limit-route-timeout-starts-late", "200", (
        (request("/", "Content-Length: 4", method="POST") + b"ab", Wait(0.4), b"cd", Answers(1)),),
        routes=route("timeout: 0.2s")),
    Case("limit-grpc-timeout-header", "504", (ask(request("/", "grpc-timeout: 200m")),), upstream=SLOW,
         routes=route("timeout: 3s, max_stream_duration: {grpc_timeout_header_max: 2s}")),
    Case("limit-expected-timeout-header", "200", get("/"), routes=route("timeout: 2.5s")),
    Case("limit-expected-per-try", "200", get("/"),
         routes=route("timeout: 2.5s, retry_policy: {retry_on: 5xx, per_try_timeout: 1.5s}")),
    Case("limit-direct-response-big", "200", get("/"), route_config="max_direct_response_body_size_bytes: 10000",
         routes="- {match: {prefix: /}, direct_response: {status: 200, body: {inline_string: '" + "x" * 6000 + "'}}}"),
    Case("limit-big-bodies", "200", (ask(request("/", method="POST", body=b"q" * 3_000_000)),),
         upstream={"up": answers(response(body=b"r" * 3_000_000))}),
    Case("limit-small-buffers", "200", (ask(request("/", method="POST", body=b"q" * 300_000)),),
         listener="per_connection_buffer_limit_bytes: 16384", cluster="per_connection_buffer_limit_bytes: 16384",
         upstream={"up": answers(response(body=b"r" * 300_000))}),
    Case("limit-buffer-over-connection-limit", "200", (ask(request("/", method="POST", body=b"q" * 60_000)),),
         listener="per_connection_buffer_limit_bytes: 16384", filters="- buffer: {max_request_bytes: 100000}"),
)
