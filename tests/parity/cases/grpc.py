"""gRPC: the filters grpc_web, grpc_http1_bridge and grpc_stats before an HTTP/2 upstream."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from base64 import b64encode

from tests.parity.case import Case, ask, request
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
)  # fmt: skip
