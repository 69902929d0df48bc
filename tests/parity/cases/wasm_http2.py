"""Proxy-Wasm modules between HTTP/2 peers: ends that come with data, trailers, gRPC, pauses, replies, resets."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from tests.parity.case import Case
from tests.parity.cases.http2_upstream import HTTP2, reply, upstream
from tests.parity.cases.wasm import value
from tests.parity.cases.wasm_flow import COUNTING, EFFECTIVE, TICKING, in_ticks
from tests.support import h2wire as h2
from tests.support.guest import (
    OUT,
    OUT_U32,
    TRAP,
    Guest,
    P,
    Raw,
    Step,
    answer,
    call,
    keep,
    note,
    plugin_yaml,
    show_header,
    show_log,
)
from tests.support.h2wire import GET, POST, data, head, opening
from tests.support.steps import Answers, Wait
from tests.support.upstream import STREAM, Script

HCM = "codec_type: HTTP2"
GRPC = [*POST[:3], POST[3], (b"content-type", b"application/grpc"), (b"te", b"trailers")]
LAST = "(if (i32.eqz (local.get 2)) (then (return (i32.const 1))))"


def told(*body: Step | str) -> Guest:
    """A module that notes every event of the request; the answer has the notes."""
    guest = Guest().on("request_headers", note("h", P(1), "/", P(2)), call("remove_header_map_value", 0, "content-length", quiet=True))
    guest.on("request_body", note("b", P(1), "/", P(2)), call("get_buffer_bytes", 0, 0, 99, OUT, label="g"), *body).on("request_trailers", note("t", P(1)), value(1, "x-t"))
    return guest.on("response_headers", note("rh", P(1), "/", P(2)), show_header(2))


def both(name: str, want: str, guest: Guest, *steps: object, up: dict[str, Script] | None = None, more: str = "", count: int = 1, **case: object) -> Case:
    """A client and an upstream of HTTP/2."""
    start = opening() + steps[0] if steps and isinstance(steps[0], bytes) else opening()
    config = plugin_yaml(guest, vm="vm_id: $id", more=more)
    return Case(f"wasm-h2-{name}", want, ((start, *steps[1:], Answers(count, 2.0)),), hcm=HCM, filters=f"- wasm: {{config: {config}}}", cluster=HTTP2, upstream=up or upstream(), **case)  # type: ignore[arg-type]


PIECES = (head(1, fields=POST, end=False) + data(1, b"abc", end=False), Wait(0.1), data(1, b"defgh"))
APART = (head(1, fields=POST, end=False) + data(1, b"abc", end=False), Wait(0.1), data(1, b"de", end=False), Wait(0.1), data(1, b""))
TRAILED = (head(1, fields=POST, end=False) + data(1, b"abc", end=False), Wait(0.1), head(1, fields=[(b"x-t", b"v")]))
ANSWER = Guest().on("response_headers", note("rh", P(1), "/", P(2)), call("remove_header_map_value", 2, "content-length", quiet=True)).on("response_body", note("rb", P(1), "/", P(2)), call("get_buffer_bytes", 1, 0, 99, OUT, label="g")).on("response_trailers", note("rt", P(1)), value(3, "x-t"), value(3, "grpc-status")).on("log", note("log"), value(3, "grpc-status"), show_log())
TRAILERS = reply(body=b"abc", trailers=[(b"x-t", b"w"), (b"grpc-status", b"0")])
CASES = (
    both("get", "200", told(), head(1)),
    both("post-pieces", "200", told(), *PIECES),
    both("post-end-apart", "200", told(), *APART),
    both("post-kept", "200", told(LAST, call("set_buffer_bytes", 0, 0, 99, "whole", label="s")), *PIECES),
    both("post-kept-end-apart", "200", told(LAST, call("set_buffer_bytes", 0, 0, 99, "whole", label="s")), *APART),
    both("post-trailers", "200", told(), *TRAILED),
    both("post-trailers-kept", "200", told(answer(1)), *TRAILED),
    both("trailers-added", "200", told("(if (i32.eqz (local.get 2)) (then (return (i32.const 0))))", call("add_header_map_value", 1, "x-new", "v", label="a")), *PIECES),
    both("response", "200", ANSWER, head(1), up=upstream((head(STREAM, fields=[(b":status", b"200")], end=False) + data(STREAM, b"abc", end=False), Wait(0.1), data(STREAM, b"de")))),
    both("response-trailers", "200", ANSWER, head(1), up=upstream(TRAILERS)),
    both("response-trailers-changed", "200", Guest().on("response_trailers", call("replace_header_map_value", 3, "grpc-status", "7", label="r"), call("add_header_map_value", 3, "x-more", "m", label="a"), call("remove_header_map_value", 3, "x-t", label="d"), call("get_header_map_size", 3, OUT_U32, label="s")), head(1, fields=GRPC), up=upstream(TRAILERS)),
    both("response-trailers-added", "200", Guest().on("response_headers", call("remove_header_map_value", 2, "content-length", quiet=True)).on("response_body", "(if (i32.eqz (local.get 2)) (then (return (i32.const 0))))", call("add_header_map_value", 3, "x-new", "v", label="a")), head(1)),
    both("response-trailers-then-tick", "200", Guest().on("configure", *TICKING, returns=1).on("response_trailers", keep(0), COUNTING, returns=1).on("tick", *in_ticks(4, EFFECTIVE, value(3, "x-t"), call("continue_stream", 1, label="c"), show_log())), head(1), up=upstream(TRAILERS)),
    both("trailers-only", "200", ANSWER, head(1, fields=GRPC), up=upstream(head(STREAM, fields=[(b":status", b"200"), (b"content-type", b"application/grpc"), (b"grpc-status", b"5")]))),
    both("grpc-reply", "200", Guest().on("request_headers", call("send_local_response", 403, "why", "not you", Raw(0, 0), 7, label="r")).on("response_headers", note("rh", P(1), "/", P(2)), value(2, "grpc-status"), show_header(2)), head(1, fields=GRPC, end=False) + data(1, b"\0\0\0\0\2hi")),
    both("grpc-trap", "200", Guest().on("request_headers", TRAP), head(1, fields=GRPC, end=False) + data(1, b"\0\0\0\0\2hi")),
    both("grpc-trap-body", "200", Guest().on("request_body", TRAP), head(1, fields=GRPC, end=False) + data(1, b"\0\0\0\0\2hi")),
    both("close", "0", Guest().on("request_headers", call("close_stream", 0), returns=1), head(1), settle_s=0.5),
    both("close-response-body", "200", Guest().on("response_body", call("close_stream", 1)), head(1), settle_s=0.5),
    both("trap-response-body", "200", Guest().on("response_body", TRAP), head(1), up=upstream((head(STREAM, fields=[(b":status", b"200")], end=False) + data(STREAM, b"abc", end=False), Wait(0.2), data(STREAM, b"de"))), settle_s=0.5),
    both("client-resets", "", Guest().on("request_headers", note("h"), returns=1).on("log", note("log"), value(0, ":path"), value(2, ":status"), call("get_property", "response\0code_details", OUT, label="d")).on("done", note("done"), returns=1).on("delete", note("x"), show_log()), head(1), Wait(0.2), h2.rst(1), settle_s=0.3),
    both("three", "200 200 200", Guest().on("request_headers", note("q", P(0)), show_header(0)).on("response_headers", note("s", P(0)), show_header(2)), head(1) + head(3) + head(5), count=3),
    both("pseudo", "200", Guest().on("request_headers", *(value(0, name) for name in (":path", ":method", ":authority", ":scheme", ":protocol", "host", "te")), call("get_header_map_size", 0, OUT_U32, label="s"), call("replace_header_map_value", 0, ":path", "/other", label="p"), call("replace_header_map_value", 0, ":method", "PUT", label="m"), call("replace_header_map_value", 0, ":scheme", "https", label="c"), call("replace_header_map_value", 0, ":authority", "x.test", label="a"), show_header(0)), head(1, (b"te", b"trailers"), fields=GET)),
)
