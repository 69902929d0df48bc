"""Tracing: which requests are traced and why, what the upstream and the client are told of it.

Contexts that the client brings, and none that is sampled where there is a collector: ids and spans would be random.
"""
# ruff: noqa: E501 - a table: a case reads best on its own line

from typing import Any

from tests.parity.case import Case, ask, request

_REASON = "id=%REQ(X-REQUEST-ID):15%\n"
"""The first 15 characters of the request id: the last of them is the reason."""
_IDS = "tr=%TRACE_ID%~sp=%SPAN_ID%\n"
_UUID = "x-request-id: 00001111-2222-4333-8444-555555555555"
"""Draws 4369 of 10000."""
_NONE = "random_sampling: {value: 0}"
_TRACE, _SPAN, _PARENT = "x-b3-traceid: 000000000000000a", "x-b3-spanid: 000000000000000b", "x-b3-parentspanid: 000000000000000c"
_UNSAMPLED = "x-b3-sampled: 0"
_WIDE = "x-b3-traceid: 0000000000000bbb000000000000000a"
_W3C = "traceparent: 00-aaaaaaaaaaaaaaaacccccccccccccccc-bbbbbbbbbbbbbbbb-00"


def _case(name: str, *headers: str, tracing: str = _NONE, **rest: Any) -> Case:
    rest.setdefault("log", _REASON if any(header.startswith("x-request-id") for header in headers) else _IDS)
    return Case(f"trace-{name}", "200", (ask(request("/", *headers)),), hcm=f"tracing: {{{tracing}}}", **rest)


def _zipkin(name: str, *headers: str, more: str = "", **rest: Any) -> Case:
    config = f"{{'@type': type.googleapis.com/envoy.config.trace.v3.ZipkinConfig, collector_cluster: $up, collector_endpoint: /api/v2/spans, collector_endpoint_version: HTTP_JSON{more}}}"
    return _case(f"zipkin-{name}", *headers, tracing=f"{_NONE}, provider: {{name: envoy.tracers.zipkin, typed_config: {config}}}", **rest)


def _otel(name: str, *headers: str, **rest: Any) -> Case:
    config = "{'@type': type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig, service_name: s, http_service: {http_uri: {uri: 'http://c/v1/traces', cluster: $up, timeout: 1s}}}"
    return _case(f"otel-{name}", *headers, tracing=f"{_NONE}, provider: {{name: envoy.tracers.opentelemetry, typed_config: {config}}}", **rest)


def _routed(fields: str, **rest: Any) -> dict[str, Any]:
    return {"routes": f"- {{match: {{prefix: /}}, route: {{cluster: $up}}, {fields}}}", **rest}


DECORATED = _routed("decorator: {operation: checkout}")
OUTBOUND = {"listener": "traffic_direction: OUTBOUND"}

REASONS = [
    _case("sampled", _UUID, tracing="verbose: true"),
    _case("none-sampled", _UUID),
    _case("draw-within", _UUID, tracing="random_sampling: {value: 43.7}"),
    _case("draw-without", _UUID, tracing="random_sampling: {value: 43.69}"),
    _case("overall-within", _UUID, tracing="overall_sampling: {value: 43.7}"),
    _case("overall-without", _UUID, tracing="overall_sampling: {value: 43.69}"),
    _case("client", _UUID, "x-client-trace-id: mine"),
    _case("client-not-sampled", _UUID, "x-client-trace-id: mine", tracing=f"client_sampling: {{value: 0}}, {_NONE}"),
    _case("forced", _UUID, "x-envoy-force-trace: 1"),
    _case("forced-at-the-edge", _UUID, "x-envoy-force-trace: 1", "x-forwarded-for: 8.8.8.8"),
    _case("reason-comes-along", "x-request-id: 00001111-2222-a333-8444-555555555555"),
    _case("reason-and-overall", "x-request-id: 00001111-2222-a333-8444-555555555555", tracing="overall_sampling: {value: 0}"),
    _case("id-is-no-uuid", "x-request-id: mine", tracing=""),
    _case("id-has-no-number", "x-request-id: zzzzzzzz-2222-4333-8444-555555555555", tracing=""),
    _case("route-samples-none", _UUID, tracing="", **_routed("tracing: {random_sampling: {numerator: 0}}")),
    _case("route-samples-all", _UUID, **_routed("tracing: {overall_sampling: {numerator: 4370, denominator: TEN_THOUSAND}}")),
    _case("route-draw-of-100", _UUID, **_routed("tracing: {random_sampling: {numerator: 69}}")),
    _case("route-draw-within-100", _UUID, **_routed("tracing: {random_sampling: {numerator: 70}}")),
    _case("route-client-not-sampled", _UUID, "x-client-trace-id: mine", **_routed("tracing: {client_sampling: {numerator: 0}, random_sampling: {numerator: 0}}")),
]  # fmt: skip

DECORATORS = [
    _case("decorator-told", **DECORATED),
    _case("decorator-not-told", **_routed("decorator: {operation: checkout, propagate: false}")),
    _case("decorator-overridden", "x-envoy-decorator-operation: mine", **DECORATED),
    _case("decorator-empty-override", "x-envoy-decorator-operation:", **DECORATED),
    _case("decorator-and-no-route", "x-envoy-decorator-operation: mine"),
    _case("decorator-outbound", **DECORATED, **OUTBOUND),
    _case("decorator-outbound-overrides", "x-envoy-decorator-operation: mine", **DECORATED, **OUTBOUND),
    _case("decorator-and-operation", "x-envoy-decorator-operation: mine", tracing=f"{_NONE}, operation: 'op-%REQ(:METHOD)%'", **DECORATED),
]  # fmt: skip

CONTEXTS = [
    _zipkin("context", _TRACE, _SPAN, _PARENT, _UNSAMPLED),
    _zipkin("context-without-parent", _TRACE, _SPAN, _UNSAMPLED),
    _zipkin("wide-trace", _WIDE, _SPAN, _UNSAMPLED),
    _zipkin("short-ids", "x-b3-traceid: a", "x-b3-spanid: b", "x-b3-sampled: false"),
    _zipkin("undecided", _TRACE, _SPAN),
    _zipkin("flags", _TRACE, _SPAN, "x-b3-flags: 1", _UNSAMPLED),
    _zipkin("bad-trace", "x-b3-traceid: zz", _SPAN),
    _zipkin("long-trace", f"x-b3-traceid: {'1' * 33}", _SPAN),
    _zipkin("bad-parent", _TRACE, _SPAN, "x-b3-parentspanid: q", _UNSAMPLED),
    _zipkin("single", "b3: 000000000000000a-000000000000000b-0-000000000000000c"),
    _zipkin("single-without-parent", "b3: 0000000000000bbb000000000000000a-000000000000000b-0"),
    _zipkin("single-undecided", "b3: 000000000000000a-000000000000000b"),
    _zipkin("single-bad", "b3: mine"),
    _zipkin("single-short", "b3: a-b-0"),
    _zipkin("single-bad-state", "b3: 000000000000000a-000000000000000b-x"),
    _zipkin("single-and-many", "b3: 000000000000000a-000000000000000b-0", "x-b3-traceid: 0000000000000001", _SPAN),
    _zipkin("w3c", _W3C, "tracestate: a=b", more=", trace_context_option: USE_B3_WITH_W3C_PROPAGATION"),
    _zipkin("w3c-and-b3", _W3C, _TRACE, _SPAN, _UNSAMPLED, more=", trace_context_option: USE_B3_WITH_W3C_PROPAGATION"),
    _zipkin("w3c-not-asked-for", _W3C, _TRACE, _SPAN, _UNSAMPLED),
    _zipkin("outbound-bad", "b3: mine", **OUTBOUND),
    _zipkin("direct", _TRACE, _SPAN, _UNSAMPLED, routes="- {match: {prefix: /}, direct_response: {status: 200}}"),
    _otel("bad", "traceparent: mine"),
    _otel("zero-trace", "traceparent: 00-00000000000000000000000000000000-bbbbbbbbbbbbbbbb-00"),
    _otel("zero-span", "traceparent: 00-aaaaaaaaaaaaaaaacccccccccccccccc-0000000000000000-00"),
    _otel("capitals", "traceparent: 00-AAAAAAAAAAAAAAAACCCCCCCCCCCCCCCC-bbbbbbbbbbbbbbbb-zz"),
    _otel("too-long", "traceparent: 00-aaaaaaaaaaaaaaaacccccccccccccccc-bbbbbbbbbbbbbbbb-00-x"),
]  # fmt: skip

CASES = (*REASONS, *DECORATORS, *CONTEXTS)
