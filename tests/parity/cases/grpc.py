"""gRPC: the filters grpc_web, grpc_http1_bridge and grpc_stats before an HTTP/2 upstream."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from base64 import b64encode
from typing import Any

from tests.parity.case import Case, answers, ask, request, response
from tests.parity.cases.http2_upstream import HTTP2, fields, from_http2, reply, upstream
from tests.support import h2wire as h2
from tests.support.h2wire import POST, data, head
from tests.support.steps import Wait
from tests.support.upstream import STREAM

MESSAGE = b"\0\0\0\0\2hi"
PATH = "/pkg.Service/Method"
GRPC = (b"content-type", b"application/grpc")
OK = reply(GRPC, body=b"\0\0\0\0\2ok", trailers=[(b"grpc-status", b"0")])
TWO = reply(GRPC, body=b"\0\0\0\0\2ok\0\0\0\0\3two", trailers=[(b"grpc-status", b"0"), (b"grpc-message", b"fine")])
FAILED = reply(GRPC, body=b"", trailers=[(b"grpc-status", b"5"), (b"grpc-message", b"gone")])
ONLY = reply(GRPC, (b"grpc-status", b"7"), (b"grpc-message", b"no"), body=None)
PLAIN = reply((b"content-type", b"text/plain"), status=404, body=b"what?")
CALL = head(1, GRPC, (b"te", b"trailers"), fields=[(name, PATH.encode() if name == b":path" else value) for name, value in POST], end=False)


def web(name: str, want: str, up: bytes, kind: str = "application/grpc-web", *more: str, body: bytes = MESSAGE) -> Case:
    """A gRPC-Web call by an HTTP/1 client."""
    sent = request(PATH, f"Content-Type: {kind}", *more, method="POST", body=body)
    return Case(f"grpc-web-{name}", want, (ask(sent),), filters="- grpc_web: {}", cluster=HTTP2, upstream=upstream(up))


def bridge(name: str, want: str, up: bytes, kind: str = "application/grpc", filters: str = "- grpc_http1_bridge: {}", body: bytes = MESSAGE, path: str = PATH) -> Case:
    """A gRPC call by an HTTP/1 client that reads no trailers."""
    sent = request(path, f"Content-Type: {kind}", method="POST", body=body)
    return Case(f"grpc-bridge-{name}", want, (ask(sent),), filters=filters, cluster=HTTP2, upstream=upstream(up))


def counted(name: str, up: bytes, config: str = "", sent: bytes = MESSAGE) -> Case:
    """A gRPC call by an HTTP/2 client, counted."""
    return from_http2(f"grpc-stats-{name}", "200", CALL + data(1, sent), up=upstream(up), filters=f"- grpc_stats: {{{config}}}")


PROTO = "Content-Type: application/x-protobuf"
HELD = "content_type: application/x-protobuf, withhold_grpc_frames: true"
SIZED = f"{HELD}, response_size_header: x-size"


def reverse(name: str, want: str, answered: bytes | tuple[Any, ...], config: str = HELD, *pieces: Any, sent: bytes = MESSAGE, fields: h2.Headers = (), **more: Any) -> Case:  # type: ignore[assignment]
    """A gRPC call by an HTTP/2 client, a plain HTTP/1 upstream."""
    more.setdefault("filters", f"- grpc_http1_reverse_bridge: {{{config}}}")
    more.setdefault("cluster", "")
    call = head(1, GRPC, (b"te", b"trailers"), *fields, fields=[(name, PATH.encode() if name == b":path" else value) for name, value in POST], end=False)
    steps = pieces or (data(1, sent),)
    first = call + steps[0] if isinstance(steps[0], bytes) else call
    more.setdefault("up", {"up": answers(answered)})
    return from_http2(f"grpc-reverse-{name}", want, first, *steps[1:], **more)


TEXT = "application/grpc-web-text"
CASES = (
    web("unary", "200", OK),
    web("proto", "200", OK, "application/grpc-web+proto"),
    web("text", "200", TWO, TEXT, f"Accept: {TEXT}", body=b64encode(MESSAGE)),
    web("text-request-only", "200", OK, TEXT, body=b64encode(MESSAGE)),
    web("text-pieces", "400", OK, TEXT, body=b64encode(MESSAGE) + b64encode(MESSAGE)),
    web("text-bad", "400", OK, TEXT, body=b"!!!!"),
    web("text-bad-size", "400", OK, TEXT, body=b"AAAAA"),
    web("failed", "200", FAILED),
    web("trailers-only", "200", ONLY),
    web("not-web", "200", OK, "application/json"),
    web("not-grpc-answer", "404", PLAIN),
    web("reset", "503", h2.rst(STREAM, 2)),
    bridge("unary", "200", OK),
    bridge("failed", "503", FAILED),
    bridge("trailers-only", "200", ONLY),
    bridge("not-grpc", "200", reply(), kind="text/plain"),
    bridge("query", "200", OK, path=PATH + "?a=b", filters="- grpc_http1_bridge: {ignore_query_parameters: true}"),
    bridge("protobuf", "200", OK, kind="application/x-protobuf", body=b"hi", filters="- grpc_http1_bridge: {upgrade_protobuf_to_grpc: true}"),
    from_http2("grpc-bridge-http2", "200", CALL + data(1, MESSAGE), up=upstream(OK), filters="- grpc_http1_bridge: {}"),
    counted("totals", TWO),
    counted("by-method", OK, "stats_for_all_methods: true"),
    counted("by-method-dots", OK, "stats_for_all_methods: true, replace_dots_in_grpc_service_name: true"),
    counted("listed", OK, "individual_method_stats_allowlist: {services: [{name: pkg.Service, method_names: [Method]}]}"),
    counted("not-listed", OK, "individual_method_stats_allowlist: {services: [{name: pkg.Service, method_names: [Other]}]}"),
    counted("failed", FAILED, "stats_for_all_methods: true"),
    counted("trailers-only", ONLY, "stats_for_all_methods: true"),
    counted("messages", TWO, "stats_for_all_methods: true", sent=MESSAGE * 3),
    from_http2("grpc-stream", "200", CALL + data(1, MESSAGE, False), Wait(0.1), data(1, MESSAGE), up=upstream((head(STREAM, fields=fields(200, GRPC), end=False) + data(STREAM, MESSAGE, False), Wait(0.1), data(STREAM, MESSAGE, False) + head(STREAM, fields=[(b"grpc-status", b"0")]))), filters="- grpc_stats: {stats_for_all_methods: true}"),
    reverse("unary", "200", response("200 OK", PROTO, body=b"hi")),
    reverse("frames-stay", "200", response("200 OK", PROTO, body=MESSAGE), "content_type: application/x-protobuf"),
    reverse("empty", "200", response("200 OK", PROTO, body=b"")),
    reverse("empty-no-length", "200", response("200 OK", PROTO, "Transfer-Encoding: chunked", body=None) + b"0\r\n\r\n"),
    reverse("no-body", "200", response("204 No Content", PROTO, body=None)),
    reverse("chunked", "200", response("200 OK", PROTO, "Transfer-Encoding: chunked", body=None) + b"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"),
    reverse("pieces", "200", (response("200 OK", PROTO, "Transfer-Encoding: chunked", body=None) + b"2\r\nab\r\n", Wait(0.1), b"3\r\ncde\r\n0\r\n\r\n")),
    reverse("trailers", "200", response("200 OK", PROTO, "Transfer-Encoding: chunked", body=None) + b"2\r\nab\r\n0\r\nx-t: 1\r\n\r\n", cluster="{typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {'@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http_protocol_options: {enable_trailers: true}}}}}"),
    *(reverse(f"status-{code}", "200", response(f"{code} X", PROTO, body=b"hi")) for code in (400, 404, 500, 503, 201)),
    reverse("other-type", "200", response("200 OK", "Content-Type: text/html", body=b"hi")),
    reverse("other-type-failed", "200", response("404 Not Found", "Content-Type: text/html", body=b"hi")),
    reverse("no-type", "200", response("200 OK", body=b"hi")),
    reverse("refused", "200", b"", routes="- {match: {prefix: /}, route: {cluster: $dead}}", up={}),
    reverse("no-route", "200", b"", routes="- {match: {prefix: /nothing}, route: {cluster: $up}}"),
    reverse("too-small", "200", response("200 OK", PROTO, body=b"hi"), sent=b"abc"),
    reverse("request-length", "200", response("200 OK", PROTO, body=b"hi"), fields=[(b"content-length", b"7")]),
    reverse("request-pieces", "200", response("200 OK", PROTO, body=b"hi"), HELD, data(1, MESSAGE[:6], False), Wait(0.05), data(1, MESSAGE[6:])),
    reverse("sized", "200", response("200 OK", PROTO, "x-size: 2", body=b"hi"), SIZED),
    reverse("sized-pieces", "200", (response("200 OK", PROTO, "x-size: 5", "Transfer-Encoding: chunked", body=None) + b"2\r\nab\r\n", Wait(0.1), b"3\r\ncde\r\n0\r\n\r\n"), SIZED),
    reverse("sized-wrong", "200", response("200 OK", PROTO, "x-size: 9", body=b"hi"), SIZED),
    reverse("sized-missing", "200", response("200 OK", PROTO, body=b"hi"), SIZED),
    reverse("sized-twice", "200", response("200 OK", PROTO, "x-size: 2, 7", body=b"hi"), SIZED),
    reverse("sized-empty", "200", response("200 OK", PROTO, "x-size: 0", body=b""), SIZED),
    reverse("other-route", "200", response("200 OK", PROTO, body=b"hi"), routes="- {match: {prefix: /, headers: [{name: content-type, string_match: {exact: application/x-protobuf}}]}, route: {cluster: $up}, name: proto}\n- {match: {prefix: /}, route: {cluster: $dead}}"),
    reverse("route-off", "200", response("200 OK", PROTO, body=b"hi"), routes="- {match: {prefix: /}, route: {cluster: $up}, per_filter: {grpc_http1_reverse_bridge: {disabled: true}}}"),
    from_http2("grpc-reverse-not-grpc", "200", head(1, (b"content-type", b"text/plain"), fields=POST, end=False) + data(1, b"hi"), up={"up": answers(response())}, cluster="", filters=f"- grpc_http1_reverse_bridge: {{{HELD}}}"),
    from_http2("grpc-reverse-head-only", "200", head(1, GRPC, fields=POST), up={"up": answers(response("200 OK", PROTO, body=b"hi"))}, cluster="", filters=f"- grpc_http1_reverse_bridge: {{{HELD}}}"),
    Case("grpc-reverse-http1", "200", (ask(request(PATH, "Content-Type: application/grpc", method="POST", body=MESSAGE)),), filters=f"- grpc_http1_reverse_bridge: {{{HELD}}}", upstream={"up": answers(response("200 OK", PROTO, body=b"hi"))}),
)  # fmt: skip
