"""ext_authz: what the server is asked over HTTP and gRPC, what its answers do, failures, bodies, routes."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from typing import Any

from envoy.config.core.v3 import base_pb2
from envoy.service.auth.v3 import external_auth_pb2
from envoy.type.v3 import http_status_pb2
from google.protobuf import struct_pb2, wrappers_pb2
from google.rpc import status_pb2

from tests.parity.case import Case, answers, ask, request, response
from tests.parity.cases.http2_upstream import HTTP2, fields
from tests.support import h2wire as h2
from tests.support.upstream import STREAM, Script

_HTTP = "http_service: {server_uri: {uri: 'http://authz.test', cluster: $b, timeout: 1s}%s}"
_GRPC = "grpc_service: {envoy_grpc: {cluster_name: $b}, timeout: 1s}, transport_api_version: V3"
_ROUTES = "- {match: {prefix: /off}, route: {cluster: $up}, per_filter: {ext_authz: {disabled: true}}}\n- {match: {prefix: /}, route: {cluster: $up}, name: all}"


def _case(name: str, want: str, *requests: bytes, service: str = "", config: str = "", answer: Any = (), **rest: Any) -> Case:
    given = answer if isinstance(answer, Script) else answers(*(answer if isinstance(answer, tuple) else (answer,)))
    rest.setdefault("routes", _ROUTES)
    filters = f"- ext_authz: {{{_HTTP % service}{config}}}"
    return Case(f"authz-{name}", want, (ask(*(requests or (request("/p?q=1", "x-a: b", "authorization: me"),))),), filters=filters, upstream={"b": given}, **rest)


def _grpc(name: str, want: str, message: Any, *requests: bytes, config: str = "", status: bytes = b"0", **rest: Any) -> Case:
    body = message.SerializeToString()
    frames = h2.head(STREAM, fields=[*fields(200), (b"content-type", b"application/grpc")], end=False)
    frames += h2.data(STREAM, b"\0" + len(body).to_bytes(4, "big") + body, end=False)
    frames += h2.head(STREAM, fields=[(b"grpc-status", status)])
    script = Script(((frames,),), http2=True)
    return Case(f"authz-grpc-{name}", want, (ask(*(requests or (request("/p?q=1&r=2", "x-a: b"),))),), filters=f"- ext_authz: {{{_GRPC}{config}}}", routes=_ROUTES, upstream={"b": script}, clusters={"b": HTTP2}, **rest)


def _header(key: str, value: str, append: bool | None = None, action: int = 0) -> Any:
    option = base_pb2.HeaderValueOption(header=base_pb2.HeaderValue(key=key, value=value), append_action=action)  # type: ignore[arg-type]
    if append is not None:
        option.append.CopyFrom(wrappers_pb2.BoolValue(value=append))
    return option


def _ok(**more: Any) -> Any:
    return external_auth_pb2.CheckResponse(status=status_pb2.Status(code=0), ok_response=external_auth_pb2.OkHttpResponse(**more))


def _denied(status: int = 0, **more: Any) -> Any:
    code = http_status_pb2.HttpStatus(code=status)  # type: ignore[arg-type]
    return external_auth_pb2.CheckResponse(status=status_pb2.Status(code=7), denied_response=external_auth_pb2.DeniedHttpResponse(status=code, **more))


_META = struct_pb2.Struct()
_META.update({"user": "me"})
_OKAY = response("200 OK", "x-user: me", "x-more: yes", "set-cookie: c=1", body=b"hello")
_NO = response("401 Unauthorized", "x-why: because", "www-authenticate: Basic", "set-cookie: c=1", body=b"who are you")
_POST = request("/", method="POST", body=b"0123456789")
_BODY = ", with_request_body: {max_request_bytes: %d, allow_partial_message: %s}"

CASES: tuple[Case, ...] = (
    _case("ok", "200", answer=_OKAY, all_stats=True),
    _case("denied", "401", answer=_NO),
    _case("off", "200", request("/off"), answer=_NO),
    _case("denied-headers", "401", answer=_NO, service=", authorization_response: {allowed_client_headers: {patterns: [{exact: x-other}]}}"),
    _case("ok-to-upstream", "200", request("/", "x-user: forged", "x-more: first"), answer=_OKAY, service=", authorization_response: {allowed_upstream_headers: {patterns: [{exact: x-user}]}, allowed_upstream_headers_to_append: {patterns: [{exact: x-more}]}}"),
    _case("ok-to-client", "200", answer=_OKAY, service=", authorization_response: {allowed_client_headers_on_success: {patterns: [{prefix: x-}]}}"),
    _case("metadata", "200", answer=_OKAY, service=", authorization_response: {dynamic_metadata_from_headers: {patterns: [{prefix: x-}]}}", log="m=%DYNAMIC_METADATA(envoy.filters.http.ext_authz:x-user)%\n"),
    _case("path-prefix", "200", answer=_OKAY, service=", path_prefix: /check"),
    _case("allowed-headers", "200", answer=_OKAY, config=", allowed_headers: {patterns: [{prefix: x-}]}"),
    _case("disallowed-headers", "200", answer=_OKAY, config=", allowed_headers: {patterns: [{prefix: x-}]}, disallowed_headers: {patterns: [{exact: x-a}]}"),
    _case("headers-to-add", "200", answer=_OKAY, service=", authorization_request: {headers_to_add: [{key: x-from, value: proxy}]}"),
    _case("server-error", "403", answer=response("500 Oops", body=b"oops")),
    _case("not-found", "404", answer=response("404 Not Found", body=b"")),
    _case("redirect", "302", answer=response("302 Found", "location: /login", body=b"")),
    _case("no-answer", "403", answer=((),)),
    _case("status-on-error", "503", answer=((),), config=", status_on_error: {code: ServiceUnavailable}"),
    _case("fail-open", "200", answer=((),), config=", failure_mode_allow: true, failure_mode_allow_header_add: true"),
    _case("disabled", "200", answer=_NO, config=", filter_enabled: {default_value: {numerator: 0}}"),
    _case("deny-at-disable", "403", answer=_OKAY, config=", filter_enabled: {default_value: {numerator: 0}}, deny_at_disable: {default_value: true, runtime_key: k}"),
    _case("stat-prefix", "200", answer=_OKAY, config=", stat_prefix: s"),
    _case("body", "200", _POST, answer=_OKAY, config=_BODY % (100, "false")),
    _case("body-partial", "200", _POST, answer=_OKAY, config=_BODY % (4, "true")),
    _case("body-too-large", "413", _POST, answer=_OKAY, config=_BODY % (4, "false")),
    _case("body-not-wanted", "200", _POST, answer=_OKAY),
    _case("uncharged", "401", answer=_NO, config=", charge_cluster_response_stats: false"),
    _case("clear-route", "200", request("/a"), answer=_OKAY, config=", clear_route_cache: true", service=", authorization_response: {allowed_upstream_headers: {patterns: [{exact: x-user}]}}",
          routes="- {match: {prefix: /, headers: [{name: x-user, present_match: true}]}, route: {cluster: $c}, name: two}\n- {match: {prefix: /}, route: {cluster: $up}, name: one}"),
    _grpc("ok", "200", _ok()),
    _grpc("ok-headers", "200", _ok(headers=[_header("x-a", "set", False), _header("x-new", "n"), _header("x-a", "joined", True), _header("x-absent", "z", True)], headers_to_remove=["x-gone", "host"]), request("/", "x-a: b", "x-gone: 1")),
    _grpc("ok-actions", "200", _ok(headers=[_header("x-a", "0"), _header("x-b", "1", action=1), _header("x-c", "2", action=2), _header("x-d", "3", action=3)]), request("/", "x-a: a", "x-b: b", "x-c: c")),
    _grpc("ok-query", "200", _ok(query_parameters_to_set=[base_pb2.QueryParameter(key="s", value="3")], query_parameters_to_remove=["q"])),
    _grpc("ok-response", "200", _ok(response_headers_to_add=[_header("x-r", "1"), _header("server", "me", False), _header("server", "x", action=1), _header("x-e", "e", action=3), _header("x-t", "t", True)])),
    _grpc("ok-metadata", "200", external_auth_pb2.CheckResponse(status=status_pb2.Status(code=0), ok_response=external_auth_pb2.OkHttpResponse(), dynamic_metadata=_META), log="m=%DYNAMIC_METADATA(envoy.filters.http.ext_authz:user)%\n"),
    _grpc("denied", "403", _denied()),
    _grpc("denied-with", "418", _denied(418, body="teapot", headers=[_header("x-why", "tea")])),
    _grpc("refused", "403", _ok(), status=b"13"),
)
