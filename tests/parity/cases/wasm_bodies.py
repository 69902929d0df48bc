"""Bodies under a Proxy-Wasm module: what is shown and kept, what each start and size replaces, pauses and limits."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from tests.parity.case import Case, answers, response
from tests.parity.cases.wasm import body, value, wasm
from tests.support.guest import (
    OUT,
    OUT_U32,
    At,
    Guest,
    P,
    Raw,
    Saved,
    Step,
    answer,
    call,
    keep,
    note,
    show_header,
    show_log,
)
from tests.support.steps import Wait

ALL = 4294967295
UNSIZED = call("remove_header_map_value", 0, "content-length", quiet=True)
UNTIL_LAST = f"(if (i32.eqz (local.get 2)) (then {answer(1)}))"
SHOWN = note("b", P(1), "/", P(2))


def got(kind: int = 0) -> Step:
    return call("get_buffer_bytes", kind, 0, 200, OUT, label="g")


def put(kind: int, start: object, size: int, data: str | bytes) -> Step:
    return call("set_buffer_bytes", kind, start, size, data, label="s")  # type: ignore[arg-type]


def request_body(name: str, *steps: Step | str, pieces: tuple[bytes, ...] = (b"abc", b"defgh"), **more: object) -> Case:
    guest = Guest().on("request_headers", UNSIZED).on("request_body", SHOWN, *steps).on("response_headers", show_header(2))
    return body(f"body-{name}", guest, *pieces, **more)  # type: ignore[arg-type]


def response_body(name: str, *steps: Step | str, pieces: tuple[bytes, ...] = (b"abc", b"defgh"), want: str = "200", **more: object) -> Case:
    """The upstream sends its body in pieces; what the callbacks note is logged."""
    sent: list[object] = [response("200 OK", f"content-length: {sum(map(len, pieces))}", body=None)]
    for piece in pieces:
        sent += [Wait(0.1), piece]
    guest = Guest().on("response_headers", call("remove_header_map_value", 2, "content-length", quiet=True)).on("response_body", SHOWN, *steps).on("log", show_log())
    return wasm(f"response-body-{name}", want, guest, upstream={"up": answers(tuple(sent))}, **more)  # type: ignore[arg-type]


OPERATIONS: dict[str, tuple[Step | str, ...]] = {
    "read": (got(0),),
    "twice-prepended-appended": (put(0, 0, 0, "<"), call("get_buffer_status", 0, OUT_U32, At(600), label="n"), "(global.set $saved0 (i32.load (i32.const 256)))", put(0, Saved(), 0, ">"), got(0)),
    "partly-replaced": (put(0, 0, 1, "part."), got(0)),
    "removed": (put(0, 0, ALL, Raw(0, 0)), got(0)),
    "partly-removed": (put(0, 0, 1, Raw(0, 0)), got(0)),
    "kept-prepended-appended": (put(0, 0, 0, "<"), call("get_buffer_status", 0, OUT_U32, At(600), label="n"), "(global.set $saved0 (i32.load (i32.const 256)))", put(0, Saved(), 0, ">"), got(0), UNTIL_LAST),
    "kept-replaced": (put(0, 0, ALL, "new"), got(0), UNTIL_LAST),
    "kept-partly-replaced": (put(0, 0, 1, "part."), got(0), UNTIL_LAST),
    "kept-removed": (put(0, 0, ALL, Raw(0, 0)), got(0), UNTIL_LAST),
    "kept-partly-removed": (put(0, 0, 1, Raw(0, 0)), got(0), UNTIL_LAST),
    "kept-ended": (got(0), UNTIL_LAST, call("get_buffer_status", 0, OUT_U32, At(600), label="n"), "(global.set $saved0 (i32.load (i32.const 256)))", put(0, Saved(), 0, ".0"), got(0)),
    "kept-one-piece": (got(0), "(if (i32.lt_u (local.get 1) (i32.const 6)) (then", answer(1), "))"),
    "watermark": (got(0), f"(if (i32.eqz (local.get 2)) (then {answer(2)}))", put(0, 0, 0, "end:"), got(0)),
    "in-the-middle": (put(0, 1, 1, "Q"), put(0, 2, 0, "Q"), put(0, 2, ALL, "Q"), got(0)),
    "at-the-end": (put(0, 3, 0, "E"), put(0, 4, 7, "F"), put(0, 99, 99, "G"), got(0)),
    "too-much": (put(0, 0, 99, "all of it"), got(0)),
    "reads": (*(call("get_buffer_bytes", 0, start, size, OUT, label=f"{start},{size}") for start, size in ((0, 0), (0, 1), (1, 1), (2, 99), (3, 0), (3, 1), (9, 1), (1, ALL), (ALL, 1), (ALL, ALL), (0, ALL))),),
    "status": (call("get_buffer_status", 0, OUT_U32, OUT_U32, label="n"), call("get_buffer_status", 1, OUT_U32, OUT_U32, label="o"), call("get_buffer_status", 0, At(0x7FFFFFF0), At(600), label="p")),
    "bad-pointers": (put(0, 0, 1, Raw(0x7FFFFFF0, 8)), call("get_buffer_bytes", 0, 0, 1, At(0x7FFFFFF0), At(0x7FFFFFF0), label="g"), got(0)),
}  # fmt: skip


HANGS = {"kept-one-piece"}
"""The last callback, with nothing in it, stops."""


def for_response(steps: tuple[Step | str, ...]) -> tuple[Step | str, ...]:
    """The same steps on the other body."""
    return tuple(_other(step) if callable(step) else step for step in steps)


def _other(step: Step) -> Step:
    return lambda guest: step(guest).replace("bytes (i32.const 0)", "bytes (i32.const 1)").replace("status (i32.const 0)", "status (i32.const 1)")




CASES = (
    *(request_body(name, *steps, want="" if name in HANGS else "200") for name, steps in OPERATIONS.items()),
    *(request_body(f"{name}-one-piece", *steps, pieces=(b"abcdefgh",), want="" if name in HANGS else "200") for name, steps in OPERATIONS.items() if name.startswith("kept-")),
    *(response_body(name, *for_response(steps)) for name, steps in OPERATIONS.items()),
    request_body("limit", got(0), UNTIL_LAST, pieces=(b"abc", b"d" * 40), listener="per_connection_buffer_limit_bytes: 20", want="413"),
    request_body("limit-watermark", f"(if (i32.eqz (local.get 2)) (then {answer(2)}))", pieces=(b"abc", b"d" * 40), listener="per_connection_buffer_limit_bytes: 20", want="200"),
    response_body("limit", UNTIL_LAST, pieces=(b"abc", b"d" * 40), listener="per_connection_buffer_limit_bytes: 20"),
    response_body("kept-whole", UNTIL_LAST, pieces=(b"abc", b"d" * 4000)),
    body("body-after-release", Guest().on("request_headers", keep(0)).on("response_headers", note("rh"), got(0), got(1), put(0, 0, 0, "x"), put(1, 0, 0, "x"), show_header(2)), b"abc"),
    body("body-other-in-callback", Guest().on("request_headers", UNSIZED).on("request_body", SHOWN, got(1), put(1, 0, 0, "x"), call("set_buffer_bytes", 7, 0, 0, "x", label="c"), value(0, ":path"), value(2, ":status"), call("add_header_map_value", 0, "x-late", "1", label="a")).on("response_headers", show_header(2)), b"abc"),
    body("body-headers-held", Guest().on("request_headers", UNSIZED, returns=1).on("request_body", SHOWN, got(0), value(0, ":path"), call("add_header_map_value", 0, "x-late", "1", label="a")).on("response_headers", show_header(2)), b"abc", b"def", more="allow_on_headers_stop_iteration: true", want="200"),
    body("body-headers-held-kept", Guest().on("request_headers", UNSIZED, returns=1).on("request_body", SHOWN, got(0), UNTIL_LAST, put(0, 0, ALL, "whole"), call("add_header_map_value", 0, "x-late", "1", label="a")).on("response_headers", show_header(2)), b"abc", b"def", more="allow_on_headers_stop_iteration: true", want="200"),
    *(
        body(f"body-headers-stop-{kind}-then-tick", Guest().on("configure", call("set_tick_period_milliseconds", 50, quiet=True), returns=1).on("request_headers", UNSIZED, keep(0), "(global.set $saved1 (i32.const 6))", returns=kind).on("request_body", SHOWN, got(0)).on("tick", "(if (i32.eqz (global.get $saved1)) (then (return)))", "(global.set $saved1 (i32.sub (global.get $saved1) (i32.const 1)))", "(if (global.get $saved1) (then (return)))", call("set_effective_context", Saved(), label="e"), value(0, ":path"), call("add_header_map_value", 0, "x-ticked", "1", label="a"), call("continue_stream", 0, label="c")).on("response_headers", show_header(2)), b"abc", b"def", want="200", more=more)
        for kind, more in ((1, ""), (3, ""), (4, ""), (1, "allow_on_headers_stop_iteration: true"), (3, "allow_on_headers_stop_iteration: true"))[:3]
    ),
    *(
        body(f"body-stop-{kind}-then-tick", Guest().on("configure", call("set_tick_period_milliseconds", 50, quiet=True), returns=1).on("request_headers", UNSIZED, keep(0)).on("request_body", SHOWN, got(0), "(global.set $saved1 (i32.const 5))", returns=kind).on("tick", "(if (i32.eqz (global.get $saved1)) (then (return)))", "(global.set $saved1 (i32.sub (global.get $saved1) (i32.const 1)))", "(if (global.get $saved1) (then (return)))", call("set_effective_context", Saved(), label="e"), *((got(0), put(0, 0, 0, "T")) if kind == 1 else ()), call("continue_stream", 0, label="c")).on("response_headers", show_header(2)), b"abc", b"def", want=want, **more)
        for kind, want, more in ((1, "200", {}), (2, "200", {}), (3, "200", {}))
    ),
)
