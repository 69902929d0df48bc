"""ratelimit: what the server is asked about, and what becomes of its answers and failures."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from typing import Any

from envoy.config.core.v3 import base_pb2
from envoy.service.ratelimit.v3 import rls_pb2
from google.protobuf import duration_pb2, struct_pb2

from tests.parity.case import Case, ask, request
from tests.parity.cases.http2_upstream import HTTP2, fields
from tests.support import h2wire as h2
from tests.support.upstream import STREAM, Script

_CONFIG = "- ratelimit: {domain: d, timeout: 1s, rate_limit_service: {transport_api_version: V3, grpc_service: {envoy_grpc: {cluster_name: $b}}}%s}"
_LIMITS = "rate_limits: [{actions: [{generic_key: {descriptor_value: all}}, {request_headers: {header_name: x-a, descriptor_key: a}}]}]"
_ROUTES = "- {match: {prefix: /}, route: {cluster: $up, %s}, name: all}"


def _case(name: str, want: str, message: Any, config: str = "", routes: str = _ROUTES % _LIMITS, send: Any = None, status: bytes = b"0", **rest: Any) -> Case:
    body = message.SerializeToString()
    frames = h2.head(STREAM, fields=[*fields(200), (b"content-type", b"application/grpc")], end=False)
    frames += h2.data(STREAM, b"\0" + len(body).to_bytes(4, "big") + body, end=False)
    frames += h2.head(STREAM, fields=[(b"grpc-status", status)])
    script = Script(((frames,),), http2=True)
    return Case(f"rls-{name}", want, (ask(*(send or (request("/", "x-a: 1"),))),), filters=_CONFIG % config, routes=routes, upstream={"b": script}, clusters={"b": HTTP2}, **rest)


_CODE = rls_pb2.RateLimitResponse


def _limit(requests: int, unit: int, left: int, name: str = "", code: int = 1) -> Any:
    limit = _CODE.RateLimit(requests_per_unit=requests, unit=unit, name=name)  # type: ignore[arg-type]
    return _CODE.DescriptorStatus(code=code, current_limit=limit, limit_remaining=left, duration_until_reset=duration_pb2.Duration(seconds=7))  # type: ignore[arg-type]


_META = struct_pb2.Struct()
_META.update({"k": "v"})
_OK = _CODE(overall_code=_CODE.OK)
_OVER = _CODE(overall_code=_CODE.OVER_LIMIT)
_FULL = _CODE(
    overall_code=_CODE.OVER_LIMIT,
    response_headers_to_add=[base_pb2.HeaderValue(key="x-r", value="1"), base_pb2.HeaderValue(key="content-type", value="text/html")],
    raw_body=b"slow down",
    statuses=[_limit(10, 1, 3, "one"), _limit(20, 2, 0), _CODE.DescriptorStatus(code=_CODE.OK)],
    dynamic_metadata=_META,
)

CASES: tuple[Case, ...] = (
    _case("ok", "200", _OK),
    _case("over", "429", _OVER),
    _case("no-descriptor", "200", _OVER, send=(request("/"),)),
    _case("no-limits", "200", _OVER, routes="- {match: {prefix: /}, route: {cluster: $up}} # $b"),
    _case("full", "429", _FULL, ", enable_x_ratelimit_headers: DRAFT_VERSION_03", log="m=%DYNAMIC_METADATA(envoy.filters.http.ratelimit:k)%~de=%RESPONSE_CODE_DETAILS%~fl=%RESPONSE_FLAGS%\n"),
    _case("request-headers", "200", _CODE(overall_code=_CODE.OK, request_headers_to_add=[base_pb2.HeaderValue(key="x-q", value="1")], response_headers_to_add=[base_pb2.HeaderValue(key="x-r", value="2")])),
    _case("limit-headers-ok", "200", _CODE(overall_code=_CODE.OK, statuses=[_limit(5, 3, 4)]), ", enable_x_ratelimit_headers: DRAFT_VERSION_03"),
    _case("not-told", "429", _OVER, ", disable_x_envoy_ratelimited_header: true"),
    _case("status", "503", _OVER, ", rate_limited_status: {code: ServiceUnavailable}"),
    _case("response-rules", "429", _OVER, ", response_headers_to_add: [{header: {key: x-limited, value: 'by-%PROTOCOL%'}}]"),
    _case("not-enforced", "200", _OVER, ", filter_enforced: {default_value: {numerator: 0}}"),
    _case("not-enabled", "200", _OVER, ", filter_enabled: {default_value: {numerator: 0}}"),
    _case("failed", "200", _OK, status=b"13"),
    _case("failed-denied", "500", _OK, ", failure_mode_deny: true", status=b"13"),
    _case("failed-status", "503", _OK, ", failure_mode_deny: true, status_on_error: {code: ServiceUnavailable}", status=b"13"),
    _case("unknown-code", "200", _CODE()),
    _case("stat-prefix", "429", _OVER, ", stat_prefix: s"),
    _case("external-only", "429", _OVER, ", request_type: external"),
    _case("internal-only", "200", _OVER, ", request_type: internal"),
    _case("own-limits", "429", _OVER, ", rate_limits: [{actions: [{remote_address: {}}]}]", routes="- {match: {prefix: /}, route: {cluster: $up}} # $b"),
    _case("host-limits", "429", _OVER, routes="- {match: {prefix: /}, route: {cluster: $up}} # $b", vhost="rate_limits: [{actions: [{generic_key: {descriptor_value: host}}]}]"),
    _case("ignore-host", "200", _OVER, routes="- {match: {prefix: /}, route: {cluster: $up}, per_filter: {ratelimit: {vh_rate_limits: IGNORE}}} # $b", vhost="rate_limits: [{actions: [{generic_key: {descriptor_value: host}}]}]"),
    _case("include-host", "429", _OVER, routes=_ROUTES % _LIMITS + "\n# $b", vhost="rate_limits: [{actions: [{generic_key: {descriptor_value: host}}]}]\ntyped_per_filter_config: {envoy.filters.http.ratelimit: {'@type': type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute, vh_rate_limits: INCLUDE, domain: other}}"),
    _case("route-limits", "429", _OVER, routes="- {match: {prefix: /}, route: {cluster: $up}, per_filter: {ratelimit: {rate_limits: [{actions: [{generic_key: {descriptor_value: r}}]}]}}} # $b"),
    _case("stage", "200", _OVER, ", stage: 1"),
)
