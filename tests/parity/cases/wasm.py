"""Proxy-Wasm: the same module in Envoy (on V8) and here, over every host function, callback and phase."""
# ruff: noqa: E501 - a table: a case reads best on its own line

import base64
from pathlib import Path

from pyvoy.extensions.wasm.pairs import serialize
from tests.parity.case import Case, answers, ask, get, request, response, tunnel
from tests.support.guest import (
    OUT,
    OUT_U32,
    OUT_U64,
    TRAP,
    At,
    Guest,
    P,
    Raw,
    Saved,
    answer,
    call,
    keep,
    note,
    plugin_yaml,
    save,
    show_header,
    show_log,
    show_reply,
    when_path,
)
from tests.support.steps import Answers, Fin, Step, Until, UntilEnd, Wait


def value(kind: int, name: str) -> object:
    return call("get_header_map_value", kind, name, OUT, label="v")


def wasm(name: str, want: str, guest: Guest, *requests: bytes, more: str = "", vm: str = "vm_id: $id", conf: str = "",
         **case: object) -> Case:
    config = plugin_yaml(guest, more=more, vm=vm, configuration=conf)
    send: tuple[tuple[Step, ...], ...] = (ask(*requests),) if requests else get("/")
    return Case(f"wasm-{name}", want, send, filters=f"- wasm: {{config: {config}}}", **case)  # type: ignore[arg-type]


def on_request(name: str, *steps: object, want: str = "200", abi: str = "0.2.1", lines: tuple[str, ...] = (), **more: object) -> Case:
    """Steps in the request headers callback; their notes are the answer."""
    guest = Guest(abi).on("request_headers", *steps, show_reply(), returns=1)
    return wasm(name, want, guest, request("/p?q=1", *lines), **more)  # type: ignore[arg-type]


def on_response(name: str, *steps: object, want: str = "200", abi: str = "0.2.1", **more: object) -> Case:
    """Steps in the response headers callback; their notes are a header."""
    return wasm(name, want, Guest(abi).on("response_headers", *steps, show_header(2)), **more)  # type: ignore[arg-type]


def body(name: str, guest: Guest, *pieces: bytes, want: str = "200", head: tuple[str, ...] = (), more: str = "", **case: object) -> Case:
    """A POST whose body comes in pieces."""
    size = sum(map(len, pieces))
    steps: list[object] = [request("/", *head, f"content-length: {size}", method="POST")]
    for piece in pieces:
        steps += [Wait(0.1), piece]
    steps.append(Answers(1))
    return Case(f"wasm-{name}", want, (tuple(steps),),  # type: ignore[arg-type]
                filters=f"- wasm: {{config: {plugin_yaml(guest, more=more, vm='vm_id: $id')}}}", **case)  # type: ignore[arg-type]


REQUEST, REQUEST_TRAILERS, RESPONSE, RESPONSE_TRAILERS, CALL = 0, 1, 2, 3, 6

MAPS = [
    on_request("get-value", value(0, ":path"), value(0, ":method"), value(0, ":authority"), value(0, ":scheme"), value(0, "x-a"), value(0, "X-A"), value(0, "host"), value(0, "missing"), value(0, "empty"), value(0, "x-forwarded-proto"), value(0, "connection"), lines=("x-a: 1", "x-a: 2", "empty:")),
    on_request("get-value-old", value(0, "x-a"), value(0, "missing"), abi="0.1.0", lines=("x-a: 1",)),
    on_request("get-value-020", value(0, "x-a"), value(0, "missing"), abi="0.2.0", lines=("x-a: 1",)),
    on_request("get-value-phases", value(1, "x"), value(2, ":status"), value(3, "x"), value(4, "x"), value(5, "x"), value(6, "x"), value(7, "x"), value(8, "x"), value(99, "x")),
    on_request("get-pairs-phases", *(call("get_header_map_pairs", kind, OUT) for kind in (1, 2, 3, 4, 5, 6, 7, 8))),
    on_request("get-pairs", call("get_header_map_pairs", 0, OUT), lines=("x-a: 1", "x-b: 2", "x-a: 3")),
    on_request("size", call("get_header_map_size", 0, OUT_U32), call("get_header_map_size", 2, OUT_U32), call("get_header_map_size", 6, OUT_U32), call("get_header_map_size", 9, OUT_U32)),
    on_request("count", note("n=", P(1), " eos=", P(2)), lines=("x-a: 1", "x-a: 2")),
    on_request("count-old", note("n=", P(1)), abi="0.1.0"),
    on_request("add", call("add_header_map_value", 0, "x-a", "2"), call("add_header_map_value", 0, "x-new", "n"), call("add_header_map_value", 0, "accept", "b"), call("add_header_map_value", 0, "Upper", "u"), call("add_header_map_value", 0, ":path", "/x"), call("get_header_map_pairs", 0, OUT), lines=("x-a: 1", "accept: a", "x-z: 9")),
    on_request("replace", call("replace_header_map_value", 0, "x-a", "2"), call("replace_header_map_value", 0, "x-new", "n"), call("replace_header_map_value", 0, "accept", "b"), call("replace_header_map_value", 0, ":path", "/x"), call("replace_header_map_value", 0, "host", "h.test"), call("get_header_map_pairs", 0, OUT), lines=("x-a: 1", "x-a: 11", "accept: a", "x-z: 9")),
    on_request("remove", call("remove_header_map_value", 0, "x-a"), call("remove_header_map_value", 0, "missing"), call("remove_header_map_value", 0, "ACCEPT"), call("get_header_map_pairs", 0, OUT), lines=("x-a: 1", "x-a: 11", "accept: a", "x-z: 9")),
    on_request("write-phases", *(call(name, kind, "x", "y") for name in ("add_header_map_value", "replace_header_map_value") for kind in (1, 2, 3, 6, 9)), *(call("remove_header_map_value", kind, "x") for kind in (1, 2, 3, 6, 9))),
    on_request("set-pairs", call("set_header_map_pairs", 0, serialize([(b":path", b"/z"), (b":authority", b"a"), (b":method", b"GET"), (b":scheme", b"http"), (b"x-forwarded-proto", b"http"), (b"X-B", b"c")])), call("get_header_map_pairs", 0, OUT)),
    on_request("set-pairs-bad", call("set_header_map_pairs", 0, b"\2\0\0\0\5\0\0\0\2\0\0\0:path\0/z\0"), call("get_header_map_pairs", 0, OUT)),
    on_request("set-pairs-phases", *(call("set_header_map_pairs", kind, b"\0\0\0\0") for kind in (1, 2, 3, 5, 6, 8))),
    wasm("request-to-upstream", "200", Guest().on("request_headers", call("add_header_map_value", 0, "x-one", "1"), call("replace_header_map_value", 0, "user-agent", "w"), call("remove_header_map_value", 0, "x-gone"), show_header(0)), request("/", "x-gone: 1", "user-agent: me")),
    wasm("response-to-client", "200", Guest().on("response_headers", call("add_header_map_value", 2, "x-one", "1"), call("replace_header_map_value", 2, "x-up", "w"), call("remove_header_map_value", 2, "x-gone"), value(2, ":status"), show_header(2)), upstream={"up": answers(response("200 OK", "x-gone: 1", "x-up: u"))}),
    wasm("response-status", "418", Guest().on("response_headers", call("replace_header_map_value", 2, ":status", "418"))),
    wasm("reroute", "200", Guest().on("request_headers", call("replace_header_map_value", 0, ":path", "/b/x")), routes="- {match: {prefix: /b/}, route: {cluster: $b}, name: b}\n- {match: {prefix: /}, route: {cluster: $up}, name: a}"),
    wasm("no-reroute-without-change", "200", Guest().on("request_headers", value(0, ":path"))),
    wasm("set-pairs-no-path", "404", Guest().on("request_headers", call("set_header_map_pairs", 0, b"\0\0\0\0"))),
    on_response("request-map-gone", value(0, ":path"), call("get_header_map_pairs", 0, OUT), call("add_header_map_value", 0, "x", "y"), call("get_header_map_size", 0, OUT_U32)),
    wasm("request-map-gone-2", "200", Guest().on("request_headers").on("response_headers", value(0, ":path"), value(1, "x"), value(2, ":status"), show_header(2))),
    on_response("response-count", note("n=", P(1), " eos=", P(2)), upstream={"up": answers(response("200 OK", "x-a: 1", "x-a: 2"))}),
    on_response("response-eos", note("eos=", P(2)), want="204", upstream={"up": answers(response("204 No Content", body=None))}),
]

BUFFERS = [
    on_request("buffer-absent", *(call("get_buffer_bytes", kind, 0, 100, OUT, label=f"b{kind}") for kind in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 100)), *(call("get_buffer_status", kind, OUT_U32, OUT_U32, label=f"s{kind}") for kind in (0, 4, 6, 7, 9))),
    on_request("vm-configuration", call("get_buffer_bytes", 6, 0, 100, OUT), call("get_buffer_bytes", 6, 1, 2, OUT), call("get_buffer_bytes", 6, 5, 2, OUT), call("get_buffer_bytes", 6, 4294967295, 4294967295, OUT), call("set_buffer_bytes", 6, 0, 1, "x"), vm="vm_id: $id, configuration: {'@type': type.googleapis.com/google.protobuf.StringValue, value: vmconf}"),
    on_request("buffer-write-absent", *(call("set_buffer_bytes", kind, 0, 1, "x", label=f"w{kind}") for kind in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9))),
    wasm("plugin-configuration", "200", Guest().on("configure", note("size=", P(1)), call("get_buffer_bytes", 7, 0, 100, OUT), call("get_buffer_bytes", 6, 0, 100, OUT), call("get_buffer_status", 7, OUT_U32, OUT_U32), returns=1).on("request_headers", call("get_buffer_bytes", 7, 0, 100, OUT), show_reply(), returns=1), conf="hello"),
    wasm("configuration-old", "200", Guest("0.1.0").on("vm_start", call("get_configuration", OUT), returns=1).on("configure", call("get_configuration", OUT), returns=1).on("request_headers", call("get_configuration", OUT), show_reply(), returns=1), conf="hello", vm="vm_id: $id, configuration: {'@type': type.googleapis.com/google.protobuf.StringValue, value: vmconf}"),
    body("body-pieces", Guest().on("request_headers", note("h", P(2))).on("request_body", note("b", P(1), "/", P(2)), call("get_buffer_bytes", 0, 0, 100, OUT, label="g")).on("response_headers", show_header(2)), b"abc", b"defgh"),
    body("body-kept", Guest().on("request_body", note("b", P(1), "/", P(2)), call("get_buffer_bytes", 0, 0, 100, OUT, label="g"), f"(if (i32.eqz (local.get 2)) (then {answer(1)}))").on("response_headers", show_header(2)), b"abc", b"defgh"),
    body("body-prepend", Guest().on("request_headers", call("remove_header_map_value", 0, "content-length")).on("request_body", "(if (i32.eqz (local.get 1)) (then (return (i32.const 0))))", call("set_buffer_bytes", 0, 0, 0, "<")).on("response_headers", show_header(2)), b"abc", b"defgh"),
    body("body-append", Guest().on("request_headers", call("remove_header_map_value", 0, "content-length")).on("request_body", "(if (i32.eqz (local.get 1)) (then (return (i32.const 0))))", call("set_buffer_bytes", 0, 4294967295, 0, ">")).on("response_headers", show_header(2)), b"abc", b"defgh"),
    body("body-replace", Guest().on("request_headers", call("remove_header_map_value", 0, "content-length")).on("request_body", call("set_buffer_bytes", 0, 0, 4294967295, "XY")).on("response_headers", show_header(2)), b"abc"),
    body("body-prefix", Guest().on("request_headers", call("remove_header_map_value", 0, "content-length")).on("request_body", "(if (i32.eqz (local.get 1)) (then (return (i32.const 0))))", call("set_buffer_bytes", 0, 0, 2, "Z"), call("set_buffer_bytes", 0, 1, 1, "Q"), call("get_buffer_bytes", 0, 0, 99, OUT)).on("response_headers", show_header(2)), b"abc"),
    body("body-kept-rewritten", Guest().on("request_headers", call("remove_header_map_value", 0, "content-length")).on("request_body", note("b", P(1), "/", P(2)), "(block $last (br_if $last (local.get 2))", call("set_buffer_bytes", 0, 0, 3, "1234567"), answer(1), ")").on("response_headers", show_header(2)), b"abcdef", b"ghijk"),
    body("body-stop-no-buffer", Guest().on("request_body", note("b", P(1), "/", P(2)), f"(if (i32.eqz (local.get 2)) (then {answer(3)}))"), b"abc", b"def", want="", settle_s=0.4),
    body("headers-continue-2", Guest().on("request_headers", returns=2).on("request_body", note("b", P(1), "/", P(2))).on("response_headers", show_header(2)), b"abc"),
    wasm("response-body", "200", Guest().on("response_headers", call("remove_header_map_value", 2, "content-length")).on("response_body", note("b", P(1), "/", P(2)), call("get_buffer_bytes", 1, 0, 100, OUT, label="g"), call("set_buffer_bytes", 1, 0, 2, "changed")), upstream={"up": answers(response(body=b"original"))}),
    wasm("response-body-kept", "200", Guest().on("response_headers", call("remove_header_map_value", 2, "content-length")).on("response_body", f"(if (i32.eqz (local.get 2)) (then {answer(1)}))", call("get_buffer_bytes", 1, 0, 100, OUT, label="g"), call("set_buffer_bytes", 1, 0, 99, "all new")), upstream={"up": answers(response(body=b"original"))}),
    body("trailers-added", Guest().on("request_headers", call("remove_header_map_value", 0, "content-length")).on("request_body", "(if (i32.eqz (local.get 2)) (then (return (i32.const 0))))", call("add_header_map_value", 1, "x-t", "v"), value(1, "x-t")).on("response_headers", show_header(2)), b"abc"),
]

REPLIES = [
    wasm("reply", "403", Guest().on("request_headers", call("send_local_response", 403, "why not", "no way", b"\1\0\0\0\3\0\0\0\1\0\0\0x-r\0v\0", 4294967295))),
    wasm("reply-empty", "204", Guest().on("request_headers", call("send_local_response", 204, Raw(0, 0), Raw(0, 0), Raw(0, 0), 4294967295), returns=1)),
    wasm("reply-type", "200", Guest().on("request_headers", call("send_local_response", 200, "d", "{}", b"\1\0\0\0\14\0\0\0\20\0\0\0content-type\0application/json\0", 4294967295))),
    wasm("reply-twice", "401", Guest().on("request_headers", call("send_local_response", 401, "a", "first", Raw(0, 0), 4294967295), call("send_local_response", 402, "b", "second", Raw(0, 0), 4294967295))),
    wasm("reply-seen", "403", Guest().on("request_headers", call("send_local_response", 403, "d", "body", Raw(0, 0), 4294967295)).on("response_headers", note("rh", P(1), "/", P(2)), value(2, ":status"), show_header(2)).on("response_body", note("rb", P(1), "/", P(2)))),
    wasm("reply-from-response", "503", Guest().on("response_headers", note("rh"), call("send_local_response", 503, "d", "instead", Raw(0, 0), 4294967295)).on("response_body", note("rb"))),
    wasm("reply-grpc", "200", Guest().on("request_headers", call("send_local_response", 401, "d", "no token", Raw(0, 0), 16)), request("/", "content-type: application/grpc", method="POST")),
    wasm("reply-grpc-none", "200", Guest().on("request_headers", call("send_local_response", 401, "d", "no token", Raw(0, 0), 4294967295)), request("/", "content-type: application/grpc", method="POST")),
    wasm("reply-code-odd", "299", Guest().on("request_headers", call("send_local_response", 299, "d", "x", Raw(0, 0), 4294967295))),
    wasm("close-request", "", Guest().on("request_headers", call("close_stream", 0), returns=1), settle_s=0.5),
    wasm("close-response", "", Guest().on("response_headers", call("close_stream", 1)), settle_s=0.5),
    on_request("continue-kinds", call("continue_stream", 3), call("continue_stream", 4), call("close_stream", 4)),
    wasm("continue-in-callback", "200", Guest().on("request_headers", call("continue_stream", 0), value(0, ":path"), returns=1).on("response_headers", show_header(2))),
    wasm("continue-old", "200", Guest("0.1.0").on("request_headers", call("continue_request"), returns=1).on("response_headers", show_header(2))),
    wasm("pause-hangs", "504", Guest().on("request_headers", returns=1), routes="- {match: {prefix: /}, route: {cluster: $up, timeout: 0.3s, idle_timeout: 0.3s}, name: all}", settle_s=0.8),
    wasm("stop-iteration", "504", Guest().on("request_headers", note("h"), returns=1).on("response_headers", note("r"), show_header(2)), more="allow_on_headers_stop_iteration: true", routes="- {match: {prefix: /}, route: {cluster: $up, timeout: 0.3s, idle_timeout: 0.3s}, name: all}", settle_s=0.8),
]

ODD = [
    *(wasm(f"status-{name}", "502", Guest().on("response_headers", call(f"{how}_header_map_value", 2, ":status", text))) for name, how, text in (("letters", "replace", "abc"), ("empty", "replace", ""), ("twice", "add", "201"), ("huge", "replace", "9" * 20))),
    wasm("status-gone", "502", Guest().on("response_headers", call("remove_header_map_value", 2, ":status"))),
    wasm("status-1000", "1000", Guest().on("response_headers", call("replace_header_map_value", 2, ":status", "1000"))),
    wasm("method-gone", "503", Guest().on("request_headers", call("remove_header_map_value", 0, ":method"))),
    wasm("path-gone", "404", Guest().on("request_headers", call("remove_header_map_value", 0, ":path"))),
    wasm("authority-gone", "200", Guest().on("request_headers", call("remove_header_map_value", 0, ":authority"))),
    wasm("scheme-gone", "200", Guest().on("request_headers", call("remove_header_map_value", 0, ":scheme"))),
    wasm("path-odd", "404", Guest().on("request_headers", call("replace_header_map_value", 0, ":path", "no slash"))),
    wasm("length-odd", "200", Guest().on("response_headers", call("replace_header_map_value", 2, "content-length", "abc"))),
    wasm("chunked-twice", "200", Guest().on("response_headers", call("replace_header_map_value", 2, "transfer-encoding", "chunked"))),
    wasm("reply-status-header", "200", Guest().on("request_headers", call("send_local_response", 200, "d", "x", serialize([(b":status", b"abc")]), 4294967295))),
    *(wasm(f"reply-{code}", want, Guest().on("request_headers", call("send_local_response", code, "d", Raw(0, 0), Raw(0, 0), 4294967295))) for code, want in ((600, "600"), (1000, "1000"))),
]

EXIT = '(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))'
DEEP = "(func $deep (param $n i32) (result i32) (if (i32.eqz (local.get $n)) (then (return (i32.const 7)))) (i32.add (i32.const 1) (call $deep (i32.sub (local.get $n) (i32.const 1)))))"

FAILURES = [
    wasm("trap-request", "503", Guest().on("request_headers", TRAP)),
    wasm("trap-response", "503", Guest().on("response_headers", TRAP)),
    wasm("trap-twice", "503 503", Guest().on("request_headers", TRAP).on("response_headers", note("never"), show_header(2)), request("/"), request("/")),
    wasm("trap-open", "503 200", Guest().on("request_headers", call("add_header_map_value", 0, "x-a", "1"), TRAP), request("/"), request("/"), more="failure_policy: FAIL_OPEN"),
    wasm("trap-open-old-field", "200", Guest().on("request_headers", TRAP), more="fail_open: true"),
    wasm("trap-reload", "503 503", Guest().on("request_headers", TRAP), request("/"), request("/"), more="failure_policy: FAIL_RELOAD"),
    wasm("trap-body", "503", Guest().on("request_body", TRAP), request("/", body=b"abc", method="POST")),
    wasm("trap-response-body", "200", Guest().on("response_body", TRAP)),
    wasm("trap-response-body-kept", "503", Guest().on("response_headers", returns=1).on("response_body", TRAP), more="allow_on_headers_stop_iteration: true"),
    wasm("trap-context-create", "503 503", Guest().on("context_create", "(if (i32.gt_u (local.get 0) (i32.const 1)) (then unreachable))").on("request_headers"), request("/"), request("/")),
    wasm("trap-delete", "200 503", Guest().on("delete", TRAP), request("/"), request("/")),
    wasm("trap-allocator", "503", Guest(allocator="unused", extra='(func (export "malloc") (param i32) (result i32) unreachable)').on("request_headers", value(0, ":path"))),
    wasm("trap-log", "200 503", Guest().on("log", TRAP), request("/"), request("/")),
    wasm("trap-done", "200 503", Guest().on("done", TRAP, returns=1), request("/"), request("/")),
    wasm("trap-grpc", "200", Guest().on("request_headers", TRAP), request("/", "content-type: application/grpc", method="POST")),
    wasm("proc-exit", "503", Guest(imports=EXIT).on("request_headers", "(call $exit (i32.const 3)) unreachable")),
    wasm("out-of-bounds", "503", Guest().on("request_headers", "(drop (i32.load (i32.const 0x7fffffff)))")),
    wasm("proc-exit-goes-on", "200 200", Guest(imports=EXIT).on("request_headers", "(call $exit (i32.const 3))", call("add_header_map_value", 0, "x-a", "1"), value(0, "x-a"), show_reply(), returns=1).on("log", "(call $exit (i32.const 0))", note("logged"), show_log()), request("/"), request("/2")),
    wasm("proc-exit-in-configure", "200", Guest(imports=EXIT).on("vm_start", "(call $exit (i32.const 1))", returns=1).on("configure", "(call $exit (i32.const 1))", returns=1).on("request_headers", note("on"), show_reply(), returns=1)),
    wasm("stack-overflow", "503", Guest(extra="(func $deep (call $deep) (call $deep))").on("request_headers", "(call $deep)")),
    wasm("stack-deep", "200", Guest(extra=DEEP).on("request_headers", "(call $digit (call $deep (i32.const 50000)))", show_reply(), returns=1)),
    wasm("divide-by-zero", "503", Guest().on("request_headers", "(drop (i32.div_u (i32.const 1) (i32.const 0)))")),
    wasm("memory-grows", "200", Guest().on("request_headers", "(drop (memory.grow (i32.const 64)))", call("add_header_map_value", 0, "x-a", "1"), value(0, "x-a")).on("response_headers", show_header(2))),
]

BAD = 0x7FFFFFF0
POINTERS = [
    on_request("bad-pointers-maps", call("get_header_map_value", 0, Raw(BAD, 4), OUT, label="a"), call("get_header_map_value", 0, "x-a", At(BAD), At(BAD), label="b"), call("get_header_map_pairs", 0, At(BAD), At(256), label="c"), call("add_header_map_value", 0, "x", Raw(BAD, 4), label="d"), call("replace_header_map_value", 0, Raw(4294967295, 4294967295), "y", label="e"), call("remove_header_map_value", 0, Raw(BAD, 1), label="f"), call("set_header_map_pairs", 0, Raw(BAD, 4), label="g"), call("get_header_map_size", 0, At(BAD), label="h"), lines=("x-a: 1",)),
    on_request("bad-pointers-other", call("log", 2, Raw(BAD, 4), label="a"), call("get_property", Raw(BAD, 4), OUT, label="b"), call("set_property", Raw(BAD, 4), "x", label="c"), call("get_shared_data", Raw(BAD, 1), OUT, OUT_U32, label="d"), call("set_shared_data", Raw(BAD, 1), "v", 0, label="e"), call("define_metric", 0, Raw(BAD, 3), OUT_U32, label="f"), call("get_current_time_nanoseconds", At(BAD), label="g"), call("get_buffer_bytes", 6, 0, 9, At(BAD), At(BAD), label="h"), call("register_shared_queue", Raw(BAD, 2), OUT_U32, label="i"), call("send_local_response", 200, Raw(BAD, 3), "b", Raw(0, 0), 0, label="j"), call("http_call", Raw(BAD, 3), "", "", "", 0, OUT_U32, label="k"), call("call_foreign_function", Raw(BAD, 3), "", OUT, label="l"), call("get_status", At(BAD), OUT, label="m"), vm="vm_id: $id, configuration: {'@type': type.googleapis.com/google.protobuf.StringValue, value: vmconf}"),
    on_request("zero-pointer", call("get_header_map_value", 0, ":method", At(0), At(4), label="a"), "(call $note (i32.load (i32.const 0)) (i32.load (i32.const 4)))"),
    on_request("zero-size", call("log", 2, Raw(0, 0), label="a"), call("add_header_map_value", 0, "x-e", Raw(0, 0), label="b"), value(0, "x-e")),
]

DATA = [
    on_request("shared-data", call("get_shared_data", "k", OUT, OUT_U32, label="g"), call("set_shared_data", "k", "v1", 77, label="s"), call("get_shared_data", "k", OUT, At(600), label="g"), call("set_shared_data", "k", "v2", 0, label="s"), call("get_shared_data", "k", OUT, At(600), label="g"), call("set_shared_data", "k", "v3", 99999, label="s"), call("get_shared_data", "k", OUT, At(600), label="g"), "(global.set $saved0 (i32.load (i32.const 600)))", call("set_shared_data", "k", "v4", Saved(), label="s"), call("set_shared_data", "k", "v5", Saved(), label="s"), call("get_shared_data", "k", OUT, At(600), label="g"), call("set_shared_data", "e", Raw(0, 0), 0, label="s"), call("get_shared_data", "e", OUT, At(600), label="g")),
    on_request("queues", call("resolve_shared_queue", Raw(0, 0), "q", OUT_U32, label="r"), call("enqueue_shared_queue", 77, "x", label="e"), call("dequeue_shared_queue", 77, OUT, label="d"), call("register_shared_queue", "q", At(256), label="R"), save(), call("register_shared_queue", "q", At(260), label="R"), "(call $digit (i32.eq (i32.load (i32.const 256)) (i32.load (i32.const 260))))", call("dequeue_shared_queue", Saved(), OUT, label="d"), call("enqueue_shared_queue", Saved(), "one", label="e"), call("enqueue_shared_queue", Saved(), "two", label="e"), call("dequeue_shared_queue", Saved(), OUT, label="d"), call("dequeue_shared_queue", Saved(), OUT, label="d"), call("dequeue_shared_queue", Saved(), OUT, label="d"), call("resolve_shared_queue", "other", "q", At(256), label="r"), call("resolve_shared_queue", Raw(0, 0), "q", At(256), label="r"), call("resolve_shared_queue", "wasm-queues", "q", At(256), label="r")),
    on_request("metrics", call("define_metric", 0, "wasm-metrics.c", At(256), label="D"), save(), "(call $digit (i32.load (i32.const 256)))", call("increment_metric", Saved(), 3, label="i"), call("increment_metric", Saved(), 0, label="i"), call("increment_metric", Saved(), -1, label="i"), call("record_metric", Saved(), 4, label="r"), call("get_metric", Saved(), OUT_U64, label="g"), call("define_metric", 1, "wasm-metrics.g", At(256), label="D"), save(), "(call $digit (i32.load (i32.const 256)))", call("increment_metric", Saved(), 5, label="i"), call("increment_metric", Saved(), -2, label="i"), call("get_metric", Saved(), OUT_U64, label="g"), call("record_metric", Saved(), 9, label="r"), call("get_metric", Saved(), OUT_U64, label="g"), call("define_metric", 2, "wasm-metrics.h", At(256), label="D"), save(), "(call $digit (i32.load (i32.const 256)))", call("increment_metric", Saved(), 5, label="i"), call("record_metric", Saved(), 5, label="r"), call("get_metric", Saved(), OUT_U64, label="g"), call("define_metric", 3, "bad", OUT_U32, label="D"), call("get_metric", 4000, OUT_U64, label="g"), call("increment_metric", 4000, 1, label="i"), call("record_metric", 4000, 1, label="r"), call("define_metric", 0, "wasm-metrics.c", OUT_U32, label="D")),
]

GENERAL = [
    on_request("log-levels", *(call("log", level, "hello") for level in (0, 1, 2, 3, 4, 5, 6, 100))),
    on_request("effective-context", call("set_effective_context", 1), call("set_effective_context", 999), value(0, ":path"), call("set_effective_context", 2), value(0, ":method")),
    on_request("done-not-pending", call("done"), call("get_status", OUT_U32, OUT)),
    on_request("time", call("get_current_time_nanoseconds", At(256)), call("set_tick_period_milliseconds", 0)),
    on_request("log-level", call("get_log_level", At(256))),
    wasm("order", "200 200", Guest().on("context_create", note("create", P(0), "<", P(1))).on("vm_start", note("start", P(0), "/", P(1)), returns=1).on("configure", note("conf", P(0), "/", P(1)), returns=1).on("request_headers", note("rq", P(0)), when_path("/show", show_reply(), answer(1))).on("response_headers", note("rs", P(0))).on("response_body", note("rb", P(0), "/", P(1), "/", P(2))).on("log", note("log", P(0))).on("done", note("done", P(0)), returns=0).on("delete", note("delete", P(0))), request("/"), request("/show"), conf="xyz"),
    wasm("tick", "200", Guest().on("configure", call("set_tick_period_milliseconds", 50, quiet=True), returns=1).on("tick", note("t"), call("set_tick_period_milliseconds", 0, quiet=True)).on("request_headers", show_reply(), returns=1), conf="c"),
    wasm("log-phase", "200 200", Guest().on("request_headers", when_path("/show", show_reply(), answer(1))).on("log", "(if (i32.eqz (global.get $saved1)) (then (nop)))", value(0, ":path"), value(2, ":status"), value(1, "x"), value(3, "x"), call("get_header_map_pairs", 1, OUT), call("add_header_map_value", 2, "a", "b")), request("/first"), request("/show")),
    wasm("log-phase-old", "200 200", Guest("0.1.0").on("request_headers", when_path("/show", show_reply(), answer(1))).on("log", value(0, ":path"), value(2, ":status"), value(1, "x"), value(3, "x")), request("/first"), request("/show")),
    on_request("foreign", call("call_foreign_function", "nothing", "x", OUT), call("call_foreign_function", "clear_route_cache", Raw(0, 0), At(0), At(0)), call("call_foreign_function", "uncompress", "no zlib", OUT), call("call_foreign_function", "uncompress", b"x\x9c\xcbH\xcd\xc9\xc9\x07\x00\x06,\x02\x15", OUT), call("call_foreign_function", "declare_property", b"\x0a\x01a", At(0), At(0)), call("call_foreign_function", "declare_property", b"\x0a\x01a", At(0), At(0)), call("call_foreign_function", "set_envoy_filter_state", b"\x0a\x03abc\x12\x03xyz", At(0), At(0))),
]


def prop(*path: str) -> object:
    return call("get_property", "\0".join(path), OUT, label=".".join(path))


def number(*path: str) -> object:
    return call("get_property", "\0".join(path), At(256), At(260), label=".".join(path) + "#")


LOCALITY = (
    "{load_assignment: {cluster_name: x, endpoints: [{metadata: {filter_metadata: {ns: {k: v}}}, lb_endpoints: [{endpoint: "
    "{address: {socket_address: {address: 127.0.0.1, port_value: $up_port}}}}]}]}}"
)

PROPERTIES = [
    on_response("property-locality-metadata", prop("xds", "upstream_host_locality_metadata", "filter_metadata", "ns", "k"), prop("xds", "upstream_host_locality_metadata", "filter_metadata", "other"), cluster=LOCALITY),
    on_request("property-request", prop("request", "path"), prop("request", "url_path"), prop("request", "host"), prop("request", "scheme"), prop("request", "method"), prop("request", "referer"), prop("request", "useragent"), prop("request", "id"), prop("request", "protocol"), prop("request", "query"), prop("request", "headers", "x-a"), prop("request", "headers", "none"), number("request", "size"), number("request", "time"), number("request", "duration"), number("request", "total_size"), lines=("x-a: 1", "x-a: 2", "user-agent: me")),
    on_request("property-missing", prop("request.path"), prop("nothing"), prop("request", "nothing"), prop("node"), prop("cluster_name"), prop("route_name"), prop("listener_direction"), prop("response", "code"), prop("response", "headers"), prop("upstream", "address"), prop("upstream", "port"), prop(""), prop("request", "headers", "\u20ac"), prop("\u20ac")),
    on_request("property-xds", prop("xds", "cluster_name"), prop("xds", "route_name"), prop("xds", "virtual_host_name"), number("xds", "listener_direction"), prop("xds", "filter_chain_name"), prop("xds", "node", "id"), prop("xds", "node", "cluster"), prop("xds", "route_metadata", "filter_metadata", "ns", "key"), prop("xds", "cluster_metadata"), routes="- {match: {prefix: /}, route: {cluster: $up}, name: all, metadata: {filter_metadata: {ns: {key: deep}}}}"),
    on_request("property-plugin", prop("plugin_name"), prop("plugin_root_id"), prop("plugin_vm_id"), number("connection_id"), more="root_id: root"),
    on_request("property-connection", number("connection", "id"), prop("connection", "mtls"), prop("connection", "requested_server_name"), prop("connection", "tls_version"), number("source", "port"), number("destination", "port"), prop("destination", "nothing")),
    on_request("property-set", call("set_property", "foo", "bar"), prop("foo"), call("set_property", "a\0b", "c"), prop("a", "b"), call("set_property", "request\0path", "x"), prop("request", "path"), prop("filter_state", "wasm.foo"), call("set_property", "empty", Raw(0, 0)), prop("empty")),
    wasm("property-root", "200", Guest().on("configure", prop("plugin_root_id"), prop("plugin_name"), call("set_property", "foo", "bar"), prop("request", "path"), prop("xds", "node", "id"), number("xds", "listener_direction"), returns=1).on("request_headers", show_reply(), returns=1), conf="c", more="root_id: r"),
    wasm("property-response", "200", Guest().on("response_headers", number("response", "code"), prop("response", "code_details"), prop("response", "headers", "x-up"), number("response", "flags"), number("response", "size"), number("upstream", "port"), prop("request", "path"), number("upstream", "request_attempt_count"), show_header(2)), upstream={"up": answers(response("200 OK", "x-up: u"))}),
    wasm("property-state-logged", "200", Guest().on("request_headers", call("set_property", "shown", "value")), log="s=%FILTER_STATE(wasm.shown:PLAIN)%\n"),
]

def cel(*expressions: str) -> list[object]:
    """Create, evaluate and note each expression; the numbers of expressions count up from 0."""
    steps: list[object] = []
    for at, text in enumerate(expressions):
        steps += [call("call_foreign_function", "expr_create", text, At(0x800), At(0x804), quiet=True), call("call_foreign_function", "expr_evaluate", at.to_bytes(4, "little"), OUT, label=text)]
    return steps


MESSAGES = (
    ("C.Address{pipe: C.Pipe{path: '/x', mode: 7u}}", "C.Address{pipe: C.Pipe{path: '/x'}}.pipe.path", "has(C.Address{pipe: C.Pipe{}}.pipe)", "has(C.Address{}.pipe)", "C.SocketAddress{address: 'a', port_value: 80u}.port_value", "C.SocketAddress{port_value: 80}"),
    ("C.SocketAddress{protocol: 1}.protocol", "C.SocketAddress{}.address == ''", "has(C.SocketAddress{}.address)", "C.SocketAddress{}.nothing", "google.protobuf.Int64Value{value: 5}", "google.protobuf.StringValue{value: 's'} + '!'"),
    ("google.protobuf.BoolValue{}", "google.protobuf.Duration{seconds: 5}", "google.protobuf.Timestamp{seconds: 5, nanos: 1}", "google.protobuf.Struct{fields: {'a': google.protobuf.Value{number_value: 1.5}}}", "google.protobuf.Struct{fields: {'a': 'text'}}", "google.protobuf.Value{string_value: 'x'}"),
    ("google.protobuf.ListValue{values: ['a', 1.0]}", "C.HeaderValueOption{append: true}", "C.HeaderValueOption{}.append == null", "C.HeaderValueOption{append: google.protobuf.BoolValue{value: true}}.append", "C.Metadata{filter_metadata: {'ns': {'k': 'v'}}}", "C.Metadata{filter_metadata: {'ns': {'k': 'v'}}}.filter_metadata.ns.k"),
    ("C.Locality{region: 'r'} == C.Locality{region: 'r'}", "C.Locality{region: 'r'} == C.Locality{}", "C.Locality{region: 'r',}", "C.DataSource{inline_bytes: b'x'}", "size(C.Locality{})", "[C.Locality{region: 'a'}].exists(l, l.region == 'a')"),
    ("C.BuildVersion{version: envoy.type.v3.SemanticVersion{major_number: 1u}}.version.major_number", "C.ControlPlane{identifier: request.method}.identifier", "C.Extension{type_urls: ['a', 'b']}.type_urls[1]", "C.Extension{type_urls: 'a'}", "C.Locality{region: null}", "C.Address{pipe: null}"),
    ("C.Address{pipe: 'x'}", "C.Address{pipe: C.Locality{}}", "C.Locality{region: 'a'}['region']", "{'a': C.Locality{region: 'r'}}", "[C.Locality{}]", "C.Locality{} in [C.Locality{}]"),
    ("string(C.Locality{})", "C.Locality{region: 'a'}.region.size()", "C.SocketAddress{port_value: 4294967296u}", "C.SocketAddress{protocol: 77}.protocol"),
)
"""A few at a time: the texts of a guest lie before the places of its results."""
NO_MESSAGES = ("no.Such{}", "C.Locality{nothing: 1}", "C.Locality{region}", "C.Locality{", "C.Locality{region: 'a' 'b'}", "C.Locality{,}", "Locality{}", "C.Locality{}{}", "request['x']{}", "C.Locality{region: 'a', region: 'b'}")

EXPRESSIONS = [
    on_request("cel-attributes", *cel("request.path", "request.headers['x-a']", "request.headers['none']", "request.host + '/' + request.method", "request.nothing", "nothing", "xds.route_name", "plugin_name", "source.port > 0", "has(request.headers.none)", "has(request.path)", "'x-a' in request.headers", "request.url_path.startsWith('/p')", "request.query.endsWith('1')", "request.path.contains('?')", "request.path.matches('^/p.q=[0-9]$')", "size(request.path)", "connection.mtls"), lines=("x-a: 1",)),
    on_request("cel-values", *cel("true", "'text'", "1.5", "b'xyz'", "!true", "1 < 2 && 2 < 3", "false || 'a' == 'a'", "1 == 2 ? 'yes' : 'no'", "'a' + 'b'", "[1, 2, 3].size() == 3", "2 in [1, 2]", "{'a': 'b'}['a']", "string(12)", "'a\\tb'", "r'a\\tb'", "true || nothing", "nothing || true", "false && nothing", "nothing && true")),
    on_request("cel-numbers", *(call("call_foreign_function", "expr_create", text, At(0x800), At(0x804), quiet=True) for text in ("1 + 2 * 3", "(1 + 2) * 3", "7 / 2", "-7 / 2", "-7 % 3", "0x10", "5u", "int('12')", "int(2.9)")), *(step for at in range(9) for step in (call("call_foreign_function", "expr_evaluate", at.to_bytes(4, "little"), At(0x800), At(0x804), quiet=True), "(call $digit (i32.load (i32.load (i32.const 0x800)))) (call $note (i32.const 0x900) (i32.const 1))"))),
    on_request("cel-macros", *cel("[1, 2, 3].exists(x, x == 2)", "[1, 2, 3].exists(x, x > 5)", "[1, 2].all(x, x > 0)", "[].all(x, x)", "[1, 2, 3].exists_one(x, x > 2)", "[1, 2].map(x, x * 2)", "[1, 2, 3].map(x, x > 1, x + 1)", "[1, 2, 3].filter(x, x > 1)", "{'a': 1}.exists(k, k == 'a')", "request.headers.exists(k, k == 'x-a')", "request.headers.all(k, size(k) > 0)", "['a', 'b'].map(x, x + 'c')", "[[1], [2, 3]].exists(l, l.exists(x, x == 3))", "[1, 'a'].exists(x, x == 1)", "['a', 1].exists(x, x > 0)", "[1, 2].all(x, x / 0 == 1)", "'abc'.exists(x, true)", "[1].exists(request, request == 1)", "[1].filter(x, x)", "dyn('a')", "bytes('a')", "string(b'a')"), lines=("x-a: 1",)),
    on_request("cel-times", *cel("timestamp('2020-01-02T03:04:05.678Z').getFullYear() == 2020", "timestamp('2020-01-02T03:04:05.678Z').getMonth()", "timestamp('2020-01-02T03:04:05.678Z').getDate()", "timestamp('2020-01-02T03:04:05.678Z').getDayOfMonth()", "timestamp('2020-01-02T03:04:05.678Z').getDayOfWeek()", "timestamp('2020-01-02T03:04:05.678Z').getDayOfYear()", "timestamp('2020-01-02T03:04:05.678Z').getHours()", "timestamp('2020-01-02T03:04:05.678Z').getMinutes()", "timestamp('2020-01-02T03:04:05.678Z').getSeconds()", "timestamp('2020-01-02T03:04:05.678Z').getMilliseconds()", "string(timestamp('2020-01-02T03:04:05.678Z'))", "string(timestamp('2020-01-02T03:04:05+01:00'))", "int(timestamp('1970-01-01T00:01:00Z'))", "timestamp('1970-01-01T00:00:01Z')", "timestamp(60) == timestamp('1970-01-01T00:01:00Z')", "string(duration('90s'))", "string(duration('1h30m'))", "string(duration('-1.5s'))", "duration('1.5s')", "duration('90m').getHours()", "duration('90m').getMinutes()", "duration('90s').getSeconds()", "duration('1500ms').getMilliseconds()"), *cel()),
    on_request("cel-time-sums", *cel("request.time > timestamp('2020-01-01T00:00:00Z')", "request.time.getFullYear() > 2020", "timestamp('2020-01-01T00:00:00Z') + duration('1h') == timestamp('2020-01-01T01:00:00Z')", "timestamp('2020-01-01T01:00:00Z') - timestamp('2020-01-01T00:00:00Z') == duration('1h')", "duration('1h') + duration('30m') == duration('90m')", "duration('1h') - duration('30m')", "timestamp('2020-01-01T01:00:00Z') - duration('1h') == timestamp('2020-01-01T00:00:00Z')", "duration('1s') < duration('2s')", "timestamp(1) <= timestamp(1)", "timestamp('nonsense')", "duration('nonsense')", "timestamp(1) + timestamp(1)", "duration('1s') * 2", "1 + duration('1s')", "request.time - request.time == duration('0s')", "size(string(request.time)) > 20", "timestamp(1) == 1", "duration('1h').getFullYear()")),
    on_request("cel-kinds", *cel("{1: 2}[true]", "{true: 2}[1]", "{1: 2}[1.0]", "{}[[]]", "{'a': 1}[{}]", "bool([])", "bool({})", "bool(1)", "{1.0: 2}.size() == 1", "{[]: 1}.size() == 1", "{'a': 1, 'a': 2}.size() == 1", "[] in {}", "{} in {'a':1}", "1.0 in {1: 2}")),
    on_request("cel-conversions", *cel("true in {1: 2}", "1 in [true]", "uint(-1)", "int('x')", "uint(1.5) == 1u", "int(1e300)", "int(-1.9)", "int(true)", "double(true)", "string(null)", "[1] == [1.0]", "{'a': [1]} == {'a': [1]}", "[[1]].exists(x, x == [1])", "[true, 1].filter(x, x)", "null in [null]")),
    on_request("cel-time-bounds", *cel("string(duration('999999999999h'))", "string(duration('2562047h'))", "string(duration('2562048h'))", "string(duration('87660000h'))", "string(duration('-87660001h'))", "string(timestamp(253402300799))", "string(timestamp(253402300800))", "string(timestamp(-62135596800))", "string(timestamp(-62135596801))", "string(timestamp('9999-12-31T23:59:59-23:00'))", "string(timestamp('0001-01-01T00:00:00Z'))", "string(timestamp('0000-01-01T00:00:00Z'))", "string(timestamp('9999-12-31T23:59:59Z') + duration('1h'))", "string(timestamp('2020-01-01T00:00:00Z') - duration('2000000h') - duration('2000000h'))")),
    on_request("cel-time-texts", *cel("string(duration('2000000h') + duration('2000000h'))", "string(timestamp('9999-12-31T23:59:59Z') - timestamp('0001-01-01T00:00:00Z'))", "timestamp(9223372036854775807) == timestamp(0)", "string(timestamp('2020-01-01T00:00:00+99:00'))", "string(timestamp('2020-01-01T24:00:00Z'))", "string(timestamp('2020-01-01T23:59:60Z'))", "duration('\u0661h') == duration('1h')", "duration('+1h') == duration('1h')", "duration('0') == duration('0s')", "duration(1) == duration('1s')")),
    on_request("cel-moments", *cel("int(timestamp('2020-01-01T24:00:00Z'))", "int(timestamp('2020-01-01T23:59:60Z'))", "int(timestamp('2020-12-31T23:59:60.25Z'))", "int(timestamp('2020-12-31T23:59:61Z'))", "int(timestamp('2020-12-31T23:60:00Z'))", "int(timestamp('2020-12-31T22:58:60Z'))", "int(timestamp('2020-01-01t00:00:00z'))", "int(timestamp('2020-01-01 00:00:00Z'))", "int(timestamp('2020-01-01T00:00:00.1234567891Z'))", "int(timestamp('2020-01-01T00:00:00.Z'))", "int(timestamp('2020-01-01T00:00:00+0100'))", "int(timestamp('2020-01-01T00:00:00+24:00'))", "int(timestamp('2020-01-01T00:00:00+23:59'))", "int(timestamp('2020-1-1T00:00:00Z'))")),
    on_request("cel-numbers-of-kinds", *cel("[]", "{}", "[[]]", "{'a':{}}", "metadata.filter_metadata", "[1].filter(x, x == 2)", "[] + []", "1 + 1.0", "1.5 * 2", "1 + 1u", "2u - 1u", "1u - 2u", "-1u", "18446744073709551615u + 1u", "9223372036854775807 + 1", "-9223372036854775808 - 1", "int(18446744073709551615u)", "-9223372036854775808 / -1", "{'k': timestamp(1)}", "[duration('1s')]")),
    on_request("cel-signs", *cel("timestamp('1960-01-01T00:00:00.25Z').getMilliseconds()", "duration('-1.25s').getMilliseconds()", "duration('-90m').getMinutes()", "{} in request.headers", "1 in request.headers", "-true", "!!1", "--'a'", "1 - -1", "1 - --1", "!!!true", "bool('t')", "bool('f')", "bool('no')", "bool('T')", "bool('TRUE')", "bool('0')", "- - -1.5")),
    on_request("cel-number-texts", *cel("string(2.0)", "string(-0.0)", "string(1e20)", "string(1e-7)", "string(1.0/3.0)", "string(123456789.0)", "string(123456789012345680.0)", "string(1000000.5)", "string(999999.5)", "string(0.00012345678)", "string(-1.0/0.0)", "1.0/0.0", "double('inf')", "double('1_0')", "int('1_0')", "int('+1')", "int(' 1')")),
    *(on_request(f"cel-messages-{at}", *cel(*(text.replace("C.", "envoy.config.core.v3.") for text in texts))) for at, texts in enumerate(MESSAGES)),
    on_request("cel-messages-bad", *(call("call_foreign_function", "expr_create", text.replace("C.", "envoy.config.core.v3."), At(0), At(0), label=text) for text in NO_MESSAGES)),
    on_request("cel-bad", *(call("call_foreign_function", "expr_create", text, OUT, label=text) for text in ("1 +", "", "(", "'a", "a b", "a..b")), call("call_foreign_function", "expr_create", "1/0", OUT, label="c"), call("call_foreign_function", "expr_evaluate", b"\x00\x00\x00\x00", OUT, label="e"), call("call_foreign_function", "expr_evaluate", b"\x09\x00\x00\x00", OUT, label="e"), call("call_foreign_function", "expr_evaluate", b"x", OUT, label="e"), call("call_foreign_function", "expr_delete", b"\x00\x00\x00\x00", At(0), At(0), label="d"), call("call_foreign_function", "expr_evaluate", b"\x00\x00\x00\x00", OUT, label="e"), call("call_foreign_function", "expr_delete", b"x", At(0), At(0), label="d")),
]

CALL_PATH = b"\4\0\0\0\5\0\0\0\5\0\0\0\7\0\0\0\3\0\0\0\12\0\0\0\6\0\0\0\3\0\0\0\1\0\0\0:path\0/call\0:method\0GET\0:authority\0b.test\0x-c\0001\0"


def http_call(cluster: str, headers: bytes = CALL_PATH, body: str = "", timeout: int = 1000) -> object:
    return call("http_call", cluster, headers, body if body else Raw(0, 0), Raw(0, 0), timeout, At(256), label="call")


ANSWERED = (
    note("cb", P(0), "/", P(2), "/", P(3), "/", P(4)),
    call("get_header_map_value", 6, ":status", OUT, label="v"), call("get_buffer_bytes", 4, 0, 100, OUT, label="b"),
    call("get_header_map_value", 6, "x-up", OUT, label="v"), call("get_status", OUT_U32, OUT), call("get_header_map_value", 7, "x", OUT, label="v"),
    call("add_header_map_value", 6, "x", "y", label="w"), call("set_buffer_bytes", 4, 0, 1, "x", label="w"),
    call("set_effective_context", Saved(), label="e"), show_reply(),
)


def calling(name: str, want: str, *steps: object, answered: tuple[object, ...] = ANSWERED, **more: object) -> Case:
    guest = Guest().on("request_headers", keep(0), *steps, returns=1).on("http_call_response", *answered)  # type: ignore[arg-type]
    return wasm(name, want, guest, **more)  # type: ignore[arg-type]


def with_trailers(name: str, guest: Guest) -> Case:
    """A chunked request with trailers, and a chunked answer with trailers."""
    head = request("/", "transfer-encoding: chunked", "trailer: x-t", method="POST")
    answer_ = response("200 OK", "transfer-encoding: chunked", body=None) + b"3\r\nabc\r\n0\r\nx-u: w\r\n\r\n"
    config = plugin_yaml(guest, vm="vm_id: $id")
    return Case(f"wasm-{name}", "200", ((head, Wait(0.1), b"3\r\nabc\r\n", Wait(0.1), b"0\r\nx-t: v\r\n\r\n", Answers(1)),), filters=f"- wasm: {{config: {config}}}",
                upstream={"up": answers(answer_)}, hcm="http_protocol_options: {enable_trailers: true}",
                cluster="typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {'@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http_protocol_options: {enable_trailers: true}}}}")


TRAILERS = [
    with_trailers("trailers", Guest().on("request_body", note("b", P(1), "/", P(2))).on("request_trailers", note("t", P(1)), value(1, "x-t"), call("add_header_map_value", 1, "x-more", "m"), value(0, ":path")).on("response_headers", note("rh"), value(1, "x-t"), show_header(2)).on("response_trailers", note("rt", P(1)), value(3, "x-u"), call("replace_header_map_value", 3, "x-u", "z"), value(2, ":status"), show_header(3, "x-seen"))),
    with_trailers("trailers-paused", Guest().on("request_body", answer(1)).on("request_trailers", note("t", P(1)), call("get_buffer_bytes", 0, 0, 99, OUT, label="b"), call("remove_header_map_value", 1, "x-t")).on("response_headers", show_header(2))),
]

CALLS = [
    calling("call-ids", "200", http_call("wasm-call-ids-b"), "(call $digit (i32.load (i32.const 256)))", http_call("wasm-call-ids-b"), "(call $digit (i32.load (i32.const 256)))", answered=(note("cb", P(1)), "(if (i32.eq (local.get 1) (i32.const 4)) (then (return)))", call("set_effective_context", Saved(), quiet=True), show_reply()), clusters={"b": ""}),
    calling("call", "200", http_call("wasm-call-b"), upstream={"b": answers(response("201 Created", "x-up: yes", body=b"from b"))}, cluster="", clusters={"b": ""}),
    calling("call-body", "200", http_call("wasm-call-body-b", body="sent"), clusters={"b": ""}),
    on_request("call-refused", http_call("nothing"), call("http_call", "wasm-call-refused-b", b"\1\0\0\0\5\0\0\0\1\0\0\0:path\0/\0", Raw(0, 0), Raw(0, 0), 0, At(256), label="c"), call("http_call", "wasm-call-refused-b", CALL_PATH, Raw(0, 0), Raw(0, 0), 0x80000000, At(256), label="c"), call("http_call", "wasm-call-refused-b", Raw(0, 0), Raw(0, 0), Raw(0, 0), 0, At(256), label="c"), clusters={"b": ""}),
    calling("call-continue", "200", http_call("wasm-call-continue-b"), answered=(call("set_effective_context", Saved(), quiet=True), call("add_header_map_value", 0, "x-called", "yes", quiet=True), call("continue_stream", 0, quiet=True)), clusters={"b": ""}),
    calling("call-dead", "200", http_call("wasm-call-dead-dead"), clusters={"dead": ""}),
]


def logger(name: str, want: str, guest: Guest, *requests: bytes, **case: object) -> Case:
    """The module as a filter and, in the same VM, as an access logger."""
    filter_config = plugin_yaml(guest, vm="vm_id: $id", name="filter")
    log_config = plugin_yaml(guest, vm="vm_id: $id", name="logger", more="root_id: log")
    kind = "type.googleapis.com/envoy.extensions.access_loggers.wasm.v3.WasmAccessLog"
    entry = f"{{name: envoy.access_loggers.wasm, typed_config: {{'@type': {kind}, config: {log_config}}}}}"
    return Case(f"wasm-logger-{name}", want, (ask(*requests),), filters=f"- wasm: {{config: {filter_config}}}", hcm=f"access_log: [{entry}]", **case)  # type: ignore[arg-type]


LOGGERS = [
    logger("order", "200 200", Guest().on("context_create", note("c")).on("request_headers", when_path("/show", show_reply(), answer(1))).on("log", note("l"), value(0, ":path"), value(2, ":status"), prop("plugin_name"), prop("response", "code_details"), prop("request", "path")).on("done", note("d", P(0)), returns=1).on("delete", note("x", P(0))), request("/one"), request("/show")),
]

TWO = Guest().on("request_headers", note("q", P(0)), call("get_property", "plugin_name", OUT, label="n"), show_header(0, "x-q")).on("response_headers", note("s", P(0)), call("get_property", "plugin_name", OUT, label="n"), show_header(2, "x-s"))
SHARED = plugin_yaml(TWO, vm="vm_id: $id", name="one"), plugin_yaml(TWO, vm="vm_id: $id", name="two"), plugin_yaml(TWO, vm="vm_id: $id-other", name="three")
TRAPS = Guest().on("request_headers", when_path("/trap", call("get_property", "plugin_name", OUT), "(br_if $other (i32.ne (i32.load (i32.const 260)) (i32.const 5)))", TRAP)).on("response_headers", note("s", P(0)), show_header(2, "x-s"))
TRAPPING = [plugin_yaml(TRAPS, vm="vm_id: $id", name="one"), plugin_yaml(TRAPS, vm="vm_id: $id", name="other")]
def reader(header: str) -> Guest:
    return Guest().on("request_headers", call("get_shared_data", "k", OUT, At(600), label="g"), show_header(0, header))


SHARING = [
    plugin_yaml(Guest().on("request_headers", call("set_shared_data", "k", "of one", 0, quiet=True)), vm="vm_id: $id-one"),
    plugin_yaml(reader("x-same"), vm="vm_id: $id-one", name="same"),
    plugin_yaml(reader("x-other"), vm="vm_id: $id-other", name="other"),
]
SEVERAL = [
    Case("wasm-shared-data-by-vm-id", "200", get("/"), filters="".join(f"- {{name: w{at}, typed_config: {{'@type': type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm, config: {config}}}}}\n" for at, config in enumerate(SHARING))),
    Case("wasm-two-in-a-vm", "200 200", (ask(request("/"), request("/")),), filters="".join(f"- wasm: {{config: {config}}}\n" for config in SHARED)),
    Case("wasm-trap-in-a-shared-vm", "200 503 503", (ask(request("/"), request("/trap"), request("/")),), filters="".join(f"- {{name: w{at}, typed_config: {{'@type': type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm, config: {config}}}}}\n" for at, config in enumerate(TRAPPING))),
    wasm("struct-configuration", "200", Guest().on("configure", call("get_buffer_bytes", 7, 0, 999, OUT, label="b"), returns=1).on("request_headers", show_reply(), returns=1), more="configuration: {'@type': type.googleapis.com/google.protobuf.Struct, value: {a: 1}}"),
    wasm("struct-types", "200", Guest().on("configure", call("get_buffer_bytes", 7, 0, 999, OUT, label="b"), returns=1).on("request_headers", show_reply(), returns=1), more="configuration: {'@type': type.googleapis.com/google.protobuf.Struct, value: {s: [1, 2.5, true, null, 'x y', {b: 'ü'}]}}"),
    wasm("bytes-configuration", "200", Guest().on("configure", call("get_buffer_bytes", 7, 0, 999, OUT, label="b"), returns=1).on("request_headers", show_reply(), returns=1), more="configuration: {'@type': type.googleapis.com/google.protobuf.BytesValue, value: 'AAEC'}"),
    wasm("other-configuration", "200", Guest().on("configure", call("get_buffer_bytes", 7, 0, 999, OUT, label="b"), returns=1).on("request_headers", show_reply(), returns=1), more="configuration: {'@type': type.googleapis.com/google.protobuf.Duration, value: 3s}"),
    wasm("capabilities", "200", Guest().on("request_headers", note("rq"), value(0, ":path"), call("get_property", "plugin_name", OUT, label="n")).on("response_headers", show_header(2)), more="capability_restriction_config: {allowed_capabilities: {proxy_on_request_headers: {}, proxy_on_response_headers: {}, proxy_get_header_map_value: {}, proxy_add_header_map_value: {}}}"),
    wasm("environment", "200", Guest(imports='(import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32))) (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes (param i32 i32) (result i32)))').on("request_headers", "(call $digit (call $environ_sizes (i32.const 512) (i32.const 516))) (call $digit (i32.load (i32.const 512))) (call $digit (i32.load (i32.const 516))) (call $digit (call $environ_get (i32.const 520) (i32.const 600))) (call $note (i32.const 600) (i32.load (i32.const 516)))", show_reply(), returns=1), vm="vm_id: $id, environment_variables: {key_values: {NAME: value}}"),
    wasm("validate-configuration-not-called", "200", Guest(extra='(func (export "proxy_validate_configuration") (param i32 i32) (result i32) unreachable)').on("request_headers", note("fine"), show_reply(), returns=1), conf="x"),
    wasm("root-id", "200", Guest().on("context_create", call("get_property", "plugin_root_id", OUT, label="r")).on("request_headers", show_reply(), returns=1), more="root_id: my_root"),
    wasm("initialize", "200", Guest(entry='(func (export "_initialize") (call $digit (i32.const 1))) (func (export "_start") unreachable) (func (export "main") (param i32 i32) (result i32) (call $digit (i32.const 2)) (i32.const 0))').on("request_headers", show_reply(), returns=1)),
    wasm("start", "200", Guest(entry='(func (export "_start") (call $digit (i32.const 3)))').on("request_headers", show_reply(), returns=1)),
    wasm("allocator", "200", Guest(allocator="proxy_on_memory_allocate").on("request_headers", value(0, ":path"), call("get_header_map_value", 0, ":method", OUT, label="w"), show_reply(), returns=1)),
    wasm("wasi-unstable", "200", Guest(imports='(import "wasi_unstable" "clock_time_get" (func $clock (param i32 i64 i32) (result i32))) (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32))) (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32))) (import "wasi_snapshot_preview1" "fd_prestat_get" (func $prestat (param i32 i32) (result i32))) (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32))) (import "wasi_snapshot_preview1" "fd_fdstat_get" (func $fdstat (param i32 i32) (result i32))) (import "env" "pthread_equal" (func $equal (param i32 i32) (result i32))) (import "env" "emscripten_notify_memory_growth" (func $grown (param i32)))').on("request_headers", *(f"(call $digit {text}) (call $digit (i32.const 0))" for text in ("(call $clock (i32.const 0) (i64.const 0) (i32.const 512))", "(call $clock (i32.const 1) (i64.const 0) (i32.const 512))", "(call $clock (i32.const 2) (i64.const 0) (i32.const 512))", "(call $random (i32.const 512) (i32.const 8))", "(call $random (i32.const 512) (i32.const 70000))", "(call $random (i32.const 0x7ffffff0) (i32.const 8))", "(call $write (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 512))", "(call $write (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 512))", "(call $write (i32.const 1) (i32.const 0x7ffffff0) (i32.const 1) (i32.const 512))", "(call $prestat (i32.const 3) (i32.const 512))", "(call $poll (i32.const 512) (i32.const 512) (i32.const 1) (i32.const 600))", "(call $fdstat (i32.const 1) (i32.const 512))", "(call $fdstat (i32.const 0) (i32.const 512))", "(call $equal (i32.const 3) (i32.const 3))")), "(call $grown (i32.const 0))", show_reply(), returns=1)),
]


MODULES = Path(__file__).parents[2] / "modules" / "built"


def built(name: str, *requests: bytes, root_id: str = "", kind: str = "", want: str = "200 200", **case: object) -> Case:
    """A module of tests/modules, made by a compiler."""
    code = base64.b64encode((MODULES / f"{name}.wasm").read_bytes()).decode()
    text = "{'@type': type.googleapis.com/google.protobuf.StringValue, value: 'from the configuration'}"
    config = f"{{name: {name}, root_id: '{root_id}', configuration: {text}, vm_config: {{vm_id: $id, code: {{local: {{inline_bytes: '{code}'}}}}}}}}"
    return Case(f"wasm-built-{name}{kind}", want, (ask(*requests),), filters=f"- wasm: {{config: {config}}}", **case)  # type: ignore[arg-type]


POST = request("/two", method="POST", body=b"some body")
BUILT = [built("c", request("/one"), POST), built("assemblyscript", request("/one"), POST, root_id="add_header"), built("rust", request("/one"), POST),
         built("cpp", request("/one"), POST, root_id="sdk_root"), built("zig", request("/one"), POST),
         built("cpp", request("/refused"), POST, root_id="sdk_root", kind="-refused", want="403 200")]
if (MODULES / "go.wasm").exists():
    BUILT.append(built("go", request("/one"), POST))


def l4(name: str, guest: Guest, *steps: object, more: str = "", to: str = "up", extra: str = "", **case: object) -> Case:
    """A TCP session through a module and tcp_proxy; `extra` names other clusters that it needs."""
    config = plugin_yaml(guest, more=more, vm="vm_id: $id")
    return Case(f"wasm-l4-{name}", "", (tuple(steps),), l4=f"- wasm: {{config: {config}}}\n- tcp_proxy: {{stat_prefix: $id, cluster: ${to}}}  # {extra}",  # type: ignore[arg-type]
                **case)  # type: ignore[arg-type]


HELLO = tunnel(Until(b"hello"), b"welcome", Wait(0.2), b"bye", Wait(0.1), Fin(), UntilEnd(1.0))

L4 = [
    l4("pass", Guest().on("new_connection", note("new", P(0))).on("downstream_data", note("d", P(1), "/", P(2))), b"hello", UntilEnd(2.0), upstream={"up": HELLO}),
    l4("rewrite", Guest().on("downstream_data", "(if (i32.eqz (local.get 1)) (then (return (i32.const 0))))", call("set_buffer_bytes", 2, 0, 0, "<<"), call("set_buffer_bytes", 2, 4294967295, 0, ">>")).on("upstream_data", "(if (i32.eqz (local.get 1)) (then (return (i32.const 0))))", call("set_buffer_bytes", 3, 0, 2, "WE")), b"hello", UntilEnd(2.0), upstream={"up": HELLO}),
    l4("hold", Guest().on("downstream_data", "(block $all (br_if $all (i32.ge_u (local.get 1) (i32.const 5)))", answer(1), ")", call("set_buffer_bytes", 2, 0, 1, "J")), b"hel", Wait(0.2), b"lo", UntilEnd(2.0), upstream={"up": tunnel(Until(b"lo"), b"welcome", Fin(), UntilEnd(1.0))}),
    l4("close", Guest().on("downstream_data", call("close_stream", 2), returns=1), b"hello", UntilEnd(2.0), upstream={"up": HELLO}),
    l4("stop-new", Guest().on("new_connection", call("close_stream", 2), returns=1), b"hello", UntilEnd(2.0), upstream={"up": HELLO}),
    l4("trap", Guest().on("downstream_data", TRAP), b"hello", UntilEnd(2.0), upstream={"up": HELLO}),
    l4("notes", Guest().on("context_create", note("c", P(0))).on("new_connection", note("new"), call("get_buffer_bytes", 2, 0, 9, OUT, label="b"), call("set_buffer_bytes", 2, 0, 0, "x", label="s"), call("continue_stream", 2), call("continue_stream", 3)).on("downstream_data", note("d", P(1), "/", P(2)), call("get_buffer_bytes", 2, 0, 99, OUT, label="b"), call("get_property", "source\0nothing", OUT, label="p"), call("get_header_map_value", 0, "x", OUT, label="h")).on("upstream_data", note("u", P(1), "/", P(2)), call("set_buffer_bytes", 3, 0, 0, Raw(0x10000, 120), label="s")), b"hello", UntilEnd(2.0), upstream={"up": HELLO}),
]

L4.append(l4("properties", Guest().on("downstream_data", prop("request", "path"), prop("request", "headers", "x"), prop("request", "headers"), prop("response", "code"), number("source", "port"), number("connection", "id"), prop("xds", "route_name"), prop("xds", "virtual_host_name"), prop("plugin_name"), prop("request", "protocol"), call("set_property", "mine", "value"), prop("mine"), call("get_header_map_pairs", 0, OUT), call("send_local_response", 200, "d", "b", Raw(0, 0), 0)).on("upstream_data", "(if (i32.eqz (local.get 1)) (then (return (i32.const 0))))", call("set_buffer_bytes", 3, 0, 0, Raw(0x10000, 480), quiet=True)), b"hello", UntilEnd(2.0), upstream={"up": HELLO}))

LIFE = Guest().on("context_create", note("c")).on("new_connection", note("new")).on("downstream_data", note("d", P(1), "/", P(2))).on("upstream_data", note("u", P(1), "/", P(2)), call("set_buffer_bytes", 3, 0, 0, Raw(0x10000, 220), quiet=True)).on("downstream_connection_close", note("dc", P(1))).on("upstream_connection_close", note("uc", P(1))).on("done", note("done"), returns=1).on("log", note("log")).on("delete", note("delete"))
L4.append(Case("wasm-l4-order", "", ((b"hello", UntilEnd(2.0)), (b"hello", UntilEnd(2.0))), l4=f"- wasm: {{config: {plugin_yaml(LIFE, vm='vm_id: $id')}}}\n- tcp_proxy: {{stat_prefix: $id, cluster: $up}}", upstream={"up": HELLO}))

CASES = [*MAPS, *BUFFERS, *REPLIES, *ODD, *FAILURES, *POINTERS, *DATA, *GENERAL, *PROPERTIES, *EXPRESSIONS, *CALLS, *TRAILERS, *LOGGERS, *SEVERAL, *BUILT, *L4]
