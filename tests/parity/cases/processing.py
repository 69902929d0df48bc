"""ext_proc: what a processor is told and may change, in every mode; failures, spurious messages, routes."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from typing import Any

from envoy.config.core.v3 import base_pb2
from envoy.service.ext_proc.v3 import external_processor_pb2 as proc

from pyvoy.http.grpc_frames import frame
from tests.parity.case import Case, answers, ask, request, response
from tests.parity.cases.http2_upstream import HTTP2, fields, reply
from tests.support import h2wire as h2
from tests.support.steps import Step, Until, Wait
from tests.support.upstream import STREAM, Script

_HEAD = h2.head(STREAM, fields=[*fields(200), (b"content-type", b"application/grpc")], end=False)
_DONE = h2.head(STREAM, fields=[(b"grpc-status", b"0")])
_FAILED = h2.head(STREAM, fields=[(b"grpc-status", b"13")])
_LOG = "st=%RESPONSE_CODE%~fl=%RESPONSE_FLAGS%~de=%RESPONSE_CODE_DETAILS%~rx=%BYTES_RECEIVED%~tx=%BYTES_SENT%~rt=%ROUTE_NAME%~up=%UPSTREAM_HOST%\n"
_POST = request("/", method="POST", body=b"0123456789")
STATUS = Until(b":status")
"""The processor waits for the response's head."""


def _say(*given: Any) -> tuple[Step, ...]:
    """What the processor says: messages, and steps between them."""
    steps: list[Step] = [_HEAD]
    for each in given:
        steps.append(each if isinstance(each, bytes | Until | Wait) else h2.data(STREAM, frame(each.SerializeToString()), end=False))
    return tuple(steps)


def _case(name: str, want: str, *said: Any, config: str = "", mode: str = "", requests: tuple[bytes, ...] = (request("/p?q=1", "x-a: b"),), answer: bytes = b"", processor: Script | None = None, before: str = "", server: str = "$b", upstream_up: Script | None = None, **rest: Any) -> Case:
    script = processor or Script((_say(*said, *(() if said and said[-1] == _FAILED else (_DONE,))),), early=True, http2=True)
    if "forward_rules" not in config:
        config += ", forward_rules: {disallowed_headers: {patterns: [{exact: x-envoy-upstream-service-time}]}}"
    if "message_timeout: " not in config:
        config += ", message_timeout: 5s"  # the default of 0.2 s is short where many cases run at once
    filters = before + f"- ext_proc: {{grpc_service: {{envoy_grpc: {{cluster_name: {server}}}}}, processing_mode: {{{mode}}}{config}}}"
    given = {"b": script, **({"up": answers(answer)} if answer else {}), **({"up": upstream_up} if upstream_up else {})}
    rest.setdefault("log", _LOG)
    rest.setdefault("routes", "- {match: {prefix: /}, route: {cluster: $up}, name: all}")
    return Case(f"proc-{name}", want, (ask(*requests),), filters=filters, upstream=given, clusters={"b": HTTP2}, **rest)


def header(key: str, value: str = "", raw: bytes = b"", **more: Any) -> Any:
    return base_pb2.HeaderValueOption(header=base_pb2.HeaderValue(key=key, value=value, raw_value=raw), **more)


def common(*headers: Any, remove: tuple[str, ...] = (), **more: Any) -> Any:
    if headers or remove:
        more["header_mutation"] = proc.HeaderMutation(set_headers=headers, remove_headers=remove)
    return proc.CommonResponse(**more)


def rq(*headers: Any, top: dict[str, Any] | None = None, **more: Any) -> Any:
    return proc.ProcessingResponse(request_headers=proc.HeadersResponse(response=common(*headers, **more)), **(top or {}))


def rs(*headers: Any, top: dict[str, Any] | None = None, **more: Any) -> Any:
    return proc.ProcessingResponse(response_headers=proc.HeadersResponse(response=common(*headers, **more)), **(top or {}))


def rq_body(*headers: Any, **more: Any) -> Any:
    return proc.ProcessingResponse(request_body=proc.BodyResponse(response=common(*headers, **more)))


def rs_body(*headers: Any, **more: Any) -> Any:
    return proc.ProcessingResponse(response_body=proc.BodyResponse(response=common(*headers, **more)))


def body(data: bytes) -> Any:
    return proc.BodyMutation(body=data)


_SKIP = "request_header_mode: SKIP, response_header_mode: SKIP"
_RQ = "response_header_mode: SKIP"
_SET = header("x-new", raw=b"n")
_OK = response("200 OK", "x-up: 1", body=b"hello world")

_CHUNKED = request("/", "transfer-encoding: chunked", method="POST") + b"3\r\n012\r\n4\r\n3456\r\n3\r\n789\r\n0\r\n\r\n"
_TRAILERS = request("/", "transfer-encoding: chunked", method="POST") + b"a\r\n0123456789\r\n0\r\nx-trailer: t\r\n\r\n"
_KEEP = "http_protocol_options: {enable_trailers: true}"
_UP2 = HTTP2
H2_UP = Script(((reply(),),), http2=True)

CASES: tuple[Case, ...] = (
    _case("headers", "200", rq(_SET, header("x-a", raw=b"c"), remove=("user-agent",)), STATUS, rs(header("x-back", raw=b"1"), remove=("x-up",)), answer=_OK, all_stats=True),
    _case("headers-value", "200", rq(header("x-new", "text")), STATUS, rs(header("x-back", "text"))),
    _case("request-only", "200", rq(_SET), mode=_RQ),
    _case("response-only", "200", STATUS, rs(_SET), mode="request_header_mode: SKIP"),
    _case("nothing", "200", mode=_SKIP),
    _case("actions", "200", rq(header("x-a", raw=b"0"), header("x-a", raw=b"1", append_action=0), header("x-b", raw=b"1", append_action=1), header("x-a", raw=b"9", append_action=1), header("x-c", raw=b"2", append_action=2), header("x-d", raw=b"3", append_action=3)), mode=_RQ),
    _case("append", "200", rq(header("x-a", raw=b"0", append={"value": True}), header("x-e", raw=b"0", append={"value": False})), mode=_RQ),
    _case("routing-headers", "200", rq(header(":path", raw=b"/other"), header(":method", raw=b"PUT"), header("host", raw=b"b.test"), header(":authority", raw=b"c.test"), header("x-envoy-x", raw=b"1"), remove=(":path", "x-envoy-y")), mode=_RQ),
    _case("routing-allowed", "200", rq(header(":path", raw=b"/other"), header(":method", raw=b"PUT"), header(":authority", raw=b"c.test"), header("x-envoy-x", raw=b"1")), mode=_RQ, config=", mutation_rules: {allow_all_routing: true, allow_envoy: true}"),
    _case("rule-error", "500", rq(header("x-b", raw=b"1")), mode=_RQ, config=", mutation_rules: {disallow_all: true, disallow_is_error: true}"),
    _case("rule-expression", "200", rq(header("x-b", raw=b"1"), header("x-c", raw=b"1")), mode=_RQ, config=", mutation_rules: {disallow_all: true, allow_expression: {regex: 'x-c'}}"),
    _case("bad-header", "500", rq(header("x b", raw=b"1")), mode=_RQ),
    _case("bad-value", "500", rq(header("x-b", raw=b"1\r\n2")), mode=_RQ),
    _case("bad-remove", "500", rq(remove=("x b",)), mode=_RQ),
    _case("both-values", "200", rq(header("x-b", "v", raw=b"1")), mode=_RQ),
    _case("clear-route", "200", rq(header("x-two", raw=b"1"), clear_route_cache=True), mode=_RQ, routes="- {match: {prefix: /, headers: [{name: x-two, present_match: true}]}, route: {cluster: $c}, name: two}\n- {match: {prefix: /}, route: {cluster: $up}, name: one}"),
    _case("clear-route-retain", "200", rq(header("x-two", raw=b"1"), clear_route_cache=True), mode=_RQ, config=", route_cache_action: RETAIN", routes="- {match: {prefix: /, headers: [{name: x-two, present_match: true}]}, route: {cluster: $c}, name: two}\n- {match: {prefix: /}, route: {cluster: $up}, name: one}"),
    _case("clear-route-always", "200", rq(header("x-two", raw=b"1")), mode=_RQ, config=", route_cache_action: CLEAR", routes="- {match: {prefix: /, headers: [{name: x-two, present_match: true}]}, route: {cluster: $c}, name: two}\n- {match: {prefix: /}, route: {cluster: $up}, name: one}"),
    _case("clear-route-ignored", "200", rq(clear_route_cache=True), mode=_RQ),
    _case("immediate", "418", proc.ProcessingResponse(immediate_response=proc.ImmediateResponse(status={"code": 418}, headers=proc.HeaderMutation(set_headers=[header("x-why", raw=b"tea"), header("content-type", raw=b"text/html")]), body=b"teapot", details="no coffee here"))),  # type: ignore[arg-type]
    _case("immediate-plain", "200", proc.ProcessingResponse(immediate_response=proc.ImmediateResponse())),
    _case("immediate-from-response", "403", rq(), STATUS, proc.ProcessingResponse(immediate_response=proc.ImmediateResponse(status={"code": 403}, body=b"no"))),  # type: ignore[arg-type]
    _case("immediate-off", "500", proc.ProcessingResponse(immediate_response=proc.ImmediateResponse()), config=", disable_immediate_response: true"),
    _case("immediate-grpc", "200", proc.ProcessingResponse(immediate_response=proc.ImmediateResponse(status={"code": 403}, body=b"no", grpc_status={"status": 9})), requests=(request("/", "content-type: application/grpc", method="POST", body=b""),)),  # type: ignore[arg-type]
    _case("replace", "200", rq(header("content-type", raw=b"text/x"), status=1, body_mutation=body(b"other body")), requests=(_POST,), mode=_RQ + ", request_body_mode: BUFFERED"),
    _case("replace-no-body", "200", rq(header(":method", raw=b"POST"), status=1, body_mutation=body(b"made up")), mode=_RQ),
    _case("replace-response", "200", rq(), STATUS, rs(status=1, body_mutation=body(b"quite different")), answer=_OK),
    _case("buffered", "200", rq(), Until(b"0123456789"), rq_body(_SET), requests=(_POST,), mode=_RQ + ", request_body_mode: BUFFERED"),
    _case("buffered-changed", "200", rq(), Until(b"0123456789"), rq_body(header("content-length", raw=b"3"), body_mutation=body(b"abc")), requests=(_POST,), mode=_RQ + ", request_body_mode: BUFFERED"),
    _case("buffered-mismatch", "500", rq(), Until(b"0123456789"), rq_body(body_mutation=body(b"abc")), requests=(_POST,), mode=_RQ + ", request_body_mode: BUFFERED"),
    _case("buffered-skip-headers", "200", Until(b"0123456789"), rq_body(body_mutation=body(b"abc")), requests=(_POST,), mode=_SKIP + ", request_body_mode: BUFFERED"),
    _case("buffered-cleared", "200", Until(b"0123456789"), rq_body(body_mutation=proc.BodyMutation(clear_body=True)), requests=(_POST,), mode=_SKIP + ", request_body_mode: BUFFERED"),
    _case("buffered-response", "200", STATUS, rs(remove=("content-length",)), Until(b"hello world"), rs_body(header("x-late", raw=b"1"), body_mutation=body(b"bye")), answer=_OK, mode="request_header_mode: SKIP, response_body_mode: BUFFERED"),
    _case("buffered-no-body", "200", rq(), mode=_RQ + ", request_body_mode: BUFFERED"),
    _case("streamed", "200", rq(), Until(b"0123456789"), rq_body(body_mutation=body(b"abc")), requests=(_POST,), mode=_RQ + ", request_body_mode: STREAMED"),
    _case("streamed-same", "200", rq(), Until(b"0123456789"), rq_body(), requests=(_POST,), mode=_RQ + ", request_body_mode: STREAMED"),
    _case("streamed-response", "200", STATUS, rs(), Until(b"hello world"), rs_body(body_mutation=body(b"bye")), answer=_OK, mode="request_header_mode: SKIP, response_body_mode: STREAMED"),
    _case("partial", "200", rq(), Until(b"0123456789"), rq_body(_SET, body_mutation=body(b"abc")), requests=(_POST,), mode=_RQ + ", request_body_mode: BUFFERED_PARTIAL"),
    _case("duplex", "200", Until(b"0123456789"), rq(_SET), rq_body(body_mutation=proc.BodyMutation(streamed_response=proc.StreamedBodyResponse(body=b"one,"))), rq_body(body_mutation=proc.BodyMutation(streamed_response=proc.StreamedBodyResponse(body=b"two", end_of_stream=True))), requests=(_POST,), mode=_RQ + ", request_body_mode: FULL_DUPLEX_STREAMED, request_trailer_mode: SEND"),
    _case("override-mode", "200", rq(top={"mode_override": {"response_header_mode": 2, "request_body_mode": 2}}), Until(b"0123456789"), rq_body(header("x-m", raw=b"1")), requests=(_POST,), config=", allow_mode_override: true"),
    _case("override-not-allowed", "200", rq(top={"mode_override": {"response_header_mode": 2, "request_body_mode": 2}}), STATUS, rs(_SET), requests=(_POST,)),
    _case("override-listed", "200", rq(top={"mode_override": {"response_header_mode": 2, "request_body_mode": 2}}), STATUS, rs(_SET), requests=(_POST,), config=", allow_mode_override: true, allowed_override_modes: [{request_body_mode: NONE, response_header_mode: SKIP}]"),
    _case("metadata", "200", rq(top={"dynamic_metadata": {"ours": {"user": "me", "n": 1}, "theirs": {"a": "b"}}}), mode=_RQ, config=", metadata_options: {receiving_namespaces: {untyped: [ours]}}", log="m=%DYNAMIC_METADATA(ours)%~t=%DYNAMIC_METADATA(theirs)%\n"),
    _case("attributes", "200", rq(), STATUS, rs(), config=", request_attributes: [request.path], response_attributes: [response.code]"),
    _case("forward-rules", "200", rq(), mode=_RQ, config=", forward_rules: {allowed_headers: {patterns: [{prefix: x-}]}, disallowed_headers: {patterns: [{exact: x-request-id}]}}"),
    _case("observe", "200", mode="request_body_mode: STREAMED, response_body_mode: STREAMED", config=", observability_mode: true, deferred_close_timeout: 0.2s", requests=(_POST,), answer=_OK, processor=Script(((_HEAD, Until(b"hello world")),), early=True, http2=True)),
    _case("timeout", "504", config=", message_timeout: 0.5s", processor=Script(((_HEAD, Wait(1.5)),), early=True, http2=True)),
    _case("timeout-open", "200", config=", message_timeout: 0.5s, failure_mode_allow: true", processor=Script(((_HEAD, Wait(1.5)),), early=True, http2=True)),
    _case("timeout-longer", "200", proc.ProcessingResponse(override_message_timeout={"seconds": 2}), Wait(1.2), rq(), mode=_RQ, config=", message_timeout: 0.6s, max_message_timeout: 3s"),
    _case("timeout-not-longer", "504", proc.ProcessingResponse(override_message_timeout={"seconds": 2}), Wait(1.5), rq(), mode=_RQ, config=", message_timeout: 0.6s"),
    _case("grpc-error", "500", processor=Script(((h2.head(STREAM, fields=[*fields(200), (b"content-type", b"application/grpc"), (b"grpc-status", b"13"), (b"grpc-message", b"oh no")]),),), early=True, http2=True)),
    _case("grpc-error-open", "200", config=", failure_mode_allow: true", processor=Script(((h2.head(STREAM, fields=[*fields(200), (b"content-type", b"application/grpc"), (b"grpc-status", b"13"), (b"grpc-message", b"oh no")]),),), early=True, http2=True)),
    _case("status-on-error", "503", config=", status_on_error: {code: 503}", processor=Script(((h2.head(STREAM, fields=[*fields(200), (b"grpc-status", b"7")]),),), early=True, http2=True)),
    _case("server-ends", "200", requests=(_POST,)),
    _case("spurious", "500", rs()),
    _case("spurious-open", "200", rs(), config=", failure_mode_allow: true"),
    _case("off-by-route", "200", rq(_SET), mode=_RQ, routes="- {match: {prefix: /}, route: {cluster: $up}, name: all, per_filter: {ext_proc: {disabled: true}}}"),
    _case("route-mode", "200", STATUS, rs(_SET), mode=_RQ, routes="- {match: {prefix: /}, route: {cluster: $up}, name: all, per_filter: {ext_proc: {overrides: {processing_mode: {request_header_mode: SKIP, response_header_mode: SEND}, grpc_initial_metadata: [{key: x-m, value: v}]}}}}"),
    _case("local-reply", "404", STATUS, rs(_SET), mode="request_header_mode: SKIP", routes="- {match: {prefix: /other}, route: {cluster: $up}}"),
    _case("no-server", "504", config=", message_timeout: 0.5s", processor=Script(raw=((),), early=True)),
    _case("many-headers", "500", rq(*[header(f"x-{n}", raw=b"1") for n in range(101)]), mode=_RQ),
    _case("many-removed", "500", rq(remove=tuple(f"x-{n}" for n in range(101))), mode=_RQ),
    _case("too-many-headers", "500", rq(*[header(f"x-{n}", raw=b"1") for n in range(97)]), mode=_RQ),
    _case("bad-status", "200", rq(), STATUS, rs(header(":status", raw=b"99"), header(":status", raw=b"x"))),
    _case("other-status", "201", rq(), STATUS, rs(header(":status", raw=b"201"))),
    _case("scheme", "200", rq(header(":scheme", raw=b"ftp"), header(":authority", raw=b"a b")), mode=_RQ, config=", mutation_rules: {allow_all_routing: true}"),
    _case("append-system", "200", rq(header(":path", raw=b"/x", append={"value": True}), header(":path", raw=b"/y", append_action=1)), mode=_RQ),
    _case("disallow-system", "200", rq(header(":path", raw=b"/x"), header("x-b", raw=b"1")), mode=_RQ, config=", mutation_rules: {disallow_system: true}"),
    _case("length-kept", "200", rq(header("content-length", raw=b"3")), Until(b"0123456789"), rq_body(body_mutation=body(b"abc")), requests=(_POST,), mode=_RQ + ", request_body_mode: STREAMED"),
    _case("eager-body", "200", Until(b"0123456789"), rq(_SET), rq_body(body_mutation=body(b"abc")), rq_body(), requests=(_POST,), mode=_RQ + ", request_body_mode: STREAMED", config=", send_body_without_waiting_for_header_response: true"),
    _case("attribute-kinds", "200", rq(), STATUS, rs(), config=", request_attributes: [request.size, connection.mtls, request.protocol, xds.route_name, request.referer, \"request.headers['x-a']\", request.id, metadata.a], response_attributes: [response.flags, response.size, request.path, upstream.address, response.code_details]"),
    _case("open-server", "200", processor=Script((_say(rq(_SET)),), early=True, http2=True), mode=_RQ),
    _case("remove-error", "500", rq(remove=("x-a",)), mode=_RQ, config=", mutation_rules: {disallow_all: true, disallow_is_error: true}"),
    _case("remove-ignored", "200", rq(remove=("x-a", "host", ":path")), mode=_RQ),
    _case("stat-prefix", "200", rq(), mode=_RQ, config=", stat_prefix: s"),
    _case("immediate-headers", "503", proc.ProcessingResponse(immediate_response=proc.ImmediateResponse(status={"code": 503}, headers=proc.HeaderMutation(set_headers=[header(":status", raw=b"201"), header("x-envoy-a", raw=b"1"), header("host", raw=b"1"), header("x-a", raw=b"1"), header("x-a", raw=b"2", append={"value": True})], remove_headers=["x-a"])))),  # type: ignore[arg-type]
    _case("immediate-bad-headers", "403", proc.ProcessingResponse(immediate_response=proc.ImmediateResponse(status={"code": 403}, headers=proc.HeaderMutation(set_headers=[header("x-ok", raw=b"1"), header("x b", raw=b"201"), header("x-a", raw=b"1")])))),  # type: ignore[arg-type]
    _case("immediate-low-status", "200", proc.ProcessingResponse(immediate_response=proc.ImmediateResponse(status={"code": 100}))),  # type: ignore[arg-type]
    _case("empty-response", "500", proc.ProcessingResponse()),
    _case("two-requests", "200 200", rq(_SET), mode=_RQ, requests=(request("/one"), request("/two"))),
    _case("buffered-pieces", "200", rq(), Until(b"789"), rq_body(_SET), requests=(_CHUNKED,), mode=_RQ + ", request_body_mode: BUFFERED"),
    _case("buffered-too-large", "413", rq(), Wait(0.3), requests=(_POST,), mode=_RQ + ", request_body_mode: BUFFERED", listener="per_connection_buffer_limit_bytes: 4"),
    _case("partial-full", "200", rq(), Until(b"0123456789"), rq_body(body_mutation=body(b"abc")), requests=(_POST,), mode=_RQ + ", request_body_mode: BUFFERED_PARTIAL", listener="per_connection_buffer_limit_bytes: 4"),
    _case("request-trailers", "200", rq(), Until(b"x-trailer"), proc.ProcessingResponse(request_trailers=proc.TrailersResponse(header_mutation=proc.HeaderMutation(set_headers=[header("x-more", raw=b"m")]))), requests=(_TRAILERS,), mode=_RQ + ", request_trailer_mode: SEND", hcm=_KEEP, cluster=_UP2, upstream_up=H2_UP),
    _case("buffered-trailers", "200", rq(), Until(b"0123456789"), rq_body(body_mutation=body(b"abc")), Until(b"x-trailer"), proc.ProcessingResponse(request_trailers=proc.TrailersResponse()), requests=(_TRAILERS,), mode=_RQ + ", request_body_mode: BUFFERED, request_trailer_mode: SEND", hcm=_KEEP, cluster=_UP2, upstream_up=H2_UP),
    _case("buffered-trailers-skipped", "200", processor=Script((_say(rq(), Until(b"0123456789"), rq_body(body_mutation=body(b"abc"))),), early=True, http2=True), requests=(_TRAILERS,), mode=_RQ + ", request_body_mode: BUFFERED", hcm=_KEEP, cluster=_UP2, upstream_up=H2_UP),
    _case("streamed-trailers", "200", rq(), Until(b"0123456789"), rq_body(), Until(b"x-trailer"), proc.ProcessingResponse(request_trailers=proc.TrailersResponse()), requests=(_TRAILERS,), mode=_RQ + ", request_body_mode: STREAMED, request_trailer_mode: SEND", hcm=_KEEP, cluster=_UP2, upstream_up=H2_UP),
    _case("duplex-trailers", "200", Until(b"x-trailer"), rq(), rq_body(body_mutation=proc.BodyMutation(streamed_response=proc.StreamedBodyResponse(body=b"all"))), proc.ProcessingResponse(request_trailers=proc.TrailersResponse(header_mutation=proc.HeaderMutation(set_headers=[header("x-more", raw=b"m")]))), requests=(_TRAILERS,), mode=_RQ + ", request_body_mode: FULL_DUPLEX_STREAMED, request_trailer_mode: SEND", hcm=_KEEP, cluster=_UP2, upstream_up=H2_UP),
    _case("duplex-response", "200", STATUS, rs(_SET), Until(b"hello world"), rs_body(body_mutation=proc.BodyMutation(streamed_response=proc.StreamedBodyResponse(body=b"a"))), Wait(0.1), rs_body(body_mutation=proc.BodyMutation(streamed_response=proc.StreamedBodyResponse(body=b"b", end_of_stream=True))), answer=_OK, mode="request_header_mode: SKIP, response_body_mode: FULL_DUPLEX_STREAMED, response_trailer_mode: SEND"),
    _case("duplex-wrong-answer", "500", rq(), Until(b"0123456789"), rq_body(body_mutation=body(b"abc")), requests=(_POST,), mode=_RQ + ", request_body_mode: FULL_DUPLEX_STREAMED, request_trailer_mode: SEND", config=", failure_mode_allow: true"),
    _case("streamed-wrong-answer", "200", rq(), Until(b"0123456789"), rq_body(body_mutation=proc.BodyMutation(streamed_response=proc.StreamedBodyResponse(body=b"b"))), requests=(_POST,), mode=_RQ + ", request_body_mode: STREAMED"),
    _case("response-streamed-cleared", "200", STATUS, rs(), Until(b"hello world"), rs_body(body_mutation=proc.BodyMutation(clear_body=True)), answer=_OK, mode="request_header_mode: SKIP, response_body_mode: STREAMED"),
    _case("response-partial", "200", STATUS, rs(), Until(b"hello world"), rs_body(header("x-late", raw=b"1"), body_mutation=body(b"bye")), answer=_OK, mode="request_header_mode: SKIP, response_body_mode: BUFFERED_PARTIAL"),
    _case("response-error-late", "500", STATUS, rs(), Until(b"hello world"), _FAILED, answer=_OK, mode="request_header_mode: SKIP, response_body_mode: STREAMED"),
    _case("response-error-buffered", "500", STATUS, rs(), Until(b"hello world"), _FAILED, answer=_OK, mode="request_header_mode: SKIP, response_body_mode: BUFFERED"),
    _case("streamed-open", "200", rq(), Until(b"0123456789"), _FAILED, requests=(_POST,), mode=_RQ + ", request_body_mode: STREAMED", config=", failure_mode_allow: true"),
    _case("forward-metadata", "200", rq(), mode=_RQ, config=", metadata_options: {forwarding_namespaces: {untyped: [ours, none]}}", before="- {name: envoy.filters.http.set_metadata, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.set_metadata.v3.Config, metadata: [{metadata_namespace: ours, value: {a: b}}]}}\n"),
    _case("route-open", "200", routes="- {match: {prefix: /}, route: {cluster: $up}, name: all, per_filter: {ext_proc: {overrides: {failure_mode_allow: true}}}}", processor=Script(((h2.head(STREAM, fields=[*fields(200), (b"grpc-status", b"7")]),),), early=True, http2=True)),
    _case("vhost-off-route-on", "200", rq(_SET), mode=_RQ, vhost="per_filter: {ext_proc: {disabled: true}}", routes="- {match: {prefix: /}, route: {cluster: $up}, name: all, per_filter: {ext_proc: {overrides: {processing_mode: {response_header_mode: SKIP}}}}}"),
    _case("http-error", "500", processor=Script(((h2.head(STREAM, fields=fields(503)),),), early=True, http2=True)),
    _case("head", "200", rq(_SET), STATUS, rs(_SET), requests=(request("/", method="HEAD"),), answer=response("200 OK", "content-length: 5", body=None)),
    _case("upstream-gone", "503", rq(), STATUS, rs(_SET), routes="- {match: {prefix: /}, route: {cluster: $dead}}"),
    _case("dead-server", "500", server="$dead"),
    _case("dead-server-open", "200", server="$dead", config=", failure_mode_allow: true"),
    _case("no-host", "500", server="$empty"),
    _case("no-host-open", "200", server="$empty", config=", failure_mode_allow: true"),
)
