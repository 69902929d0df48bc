"""The flow of streams under a Proxy-Wasm module: replies, resumes, resets and traps from every callback."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from dataclasses import replace

from tests.parity.case import ROUTE_ALL, Case, answers, request, response
from tests.parity.cases.wasm import CALL_PATH, body, value, wasm, with_trailers
from tests.support.guest import (
    OUT,
    OUT_U32,
    TRAP,
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
    plugin_yaml,
    show_header,
    show_log,
    show_reply,
    when_path,
)
from tests.support.steps import Answers, Wait

NO_HEADERS = Raw(0, 0)
TICKING = (call("set_tick_period_milliseconds", 50, quiet=True),)
"""Steps of on_configure."""
TIMED = "- {match: {prefix: /}, route: {cluster: $up, timeout: 0.5s, idle_timeout: 0.5s}, name: all}"
POST = request("/", body=b"abc", method="POST")
SLOW = answers((Wait(0.3), response()))


def reply(status: int = 403, text: str = "no", details: str = "why", grpc: int = 4294967295) -> Step:
    return call("send_local_response", status, details, text, NO_HEADERS, grpc, label="r")


def in_ticks(count: int, *steps: Step | str) -> tuple[Step | str, ...]:
    """Steps of on_tick, done in the count-th tick after `counting`."""
    return (
        "(if (i32.eqz (global.get $saved1)) (then (return)))",
        "(global.set $saved1 (i32.sub (global.get $saved1) (i32.const 1)))",
        "(if (global.get $saved1) (then (return)))",
        *steps,
    )


COUNTING = "(global.set $saved1 (i32.const 4))"
"""Have the fourth tick from now on do it."""
EFFECTIVE = call("set_effective_context", Saved(), label="e")


def replacing(returns: int) -> Guest:
    """A module that answers in place of every response, and logs what it sees."""
    return Guest().on("response_headers", note("rh", P(1), "/", P(2)), value(2, ":status"), reply(418, "page"), returns=returns).on("response_body", note("rb", P(1), "/", P(2))).on("log", note("log"), show_log())


def seen() -> Guest:
    """A module that logs what passes of its own replies."""
    return Guest().on("response_headers", note("rh", P(1), "/", P(2)), value(2, ":status")).on("response_body", note("rb", P(1), "/", P(2))).on("response_trailers", note("rt")).on("log", note("log"), show_log())


def replying(name: str, callback: str, want: str, *requests: bytes, steps: tuple[Step | str, ...] = (reply(),), returns: int = 0, **more: object) -> Case:
    """A reply from a callback that is not one of the response's own."""
    return wasm(f"reply-in-{name}", want, seen().on(callback, note(callback), *steps, returns=returns), *requests, **more)  # type: ignore[arg-type]


def ticked(name: str, want: str, *steps: Step | str, paused: str = "request_headers", returns: int = 1, **more: object) -> Case:
    """A stream that is paused in a callback; a tick acts on it."""
    guest = Guest().on("configure", *TICKING, returns=1).on(paused, keep(0), COUNTING, returns=returns).on("tick", *in_ticks(4, EFFECTIVE, *steps)).on("log", note("log"), value(0, ":path"), value(2, ":status"), show_log())
    if paused != "response_headers":
        guest.on("response_headers", note("rh"), value(2, ":status"), value(0, ":path"))
    return wasm(f"tick-{name}", want, guest, *more.pop("requests", ()), **more)  # type: ignore[arg-type, misc]


REPLIES = (
    replying("body", "request_body", "403", POST),
    replying("body-twice", "request_body", "200", POST, steps=(reply(200, "body", "ok"), reply(200, "other", "not send"))),
    replying("body-then-trap", "request_body", "503", POST, steps=(reply(200, "body", "not sent"), TRAP)),
    replying("headers-then-trap", "request_headers", "503", steps=(reply(200, "body", "not sent"), TRAP)),
    replying("headers-with-body", "request_headers", "403", POST),
    replying("headers-and-continue", "request_headers", "403", steps=(call("continue_stream", 0, label="c"), reply()), returns=1),
    replying("headers-and-close", "request_headers", "", steps=(call("close_stream", 0, label="c"), reply()), settle_s=0.5),
    replying("headers-then-close", "request_headers", "", steps=(reply(), call("close_stream", 0, label="c")), settle_s=0.5),
    *(replying(f"grpc-{code}", "request_headers", "200", request("/", "content-type: application/grpc", method="POST"), steps=(reply(403, "b", "d", code),)) for code in (0, 7, 17, 99)),
    *(replying(f"status-{code}", "request_headers", str(code), steps=(reply(code),)) for code in (100, 199, 204, 304, 599)),
    replying("many-headers", "request_headers", "200", steps=(call("send_local_response", 200, "d", "x", b"\3\0\0\0\3\0\0\0\1\0\0\0\3\0\0\0\1\0\0\0\6\0\0\0\1\0\0\0x-a\x001\0x-a\x002\0server\x003\0", 4294967295),)),
    replying("length", "request_headers", "200", steps=(call("send_local_response", 200, "d", "x", b"\1\0\0\0\16\0\0\0\1\0\0\0content-length\x009\0", 4294967295),)),
    replying("head", "request_headers", "403", request("/", method="HEAD")),
    wasm("reply-in-response-body", "200", Guest().on("response_body", note("b"), reply(), show_log()), settle_s=0.5),
    wasm("reply-in-response-body-held", "", Guest().on("response_headers", note("rh"), returns=3).on("response_body", note("b"), reply(), show_log()), settle_s=0.5),
    wasm("reply-in-response-body-kept", "403", Guest().on("response_headers", note("rh"), returns=1).on("response_body", note("b"), reply(), show_log()), more="allow_on_headers_stop_iteration: true", settle_s=0.5),
    wasm("reply-in-response-headers-body", "418", Guest().on("response_headers", note("rh"), value(2, ":status"), call("send_local_response", 418, "tea pot", "short", b"\1\0\0\0\3\0\0\0\1\0\0\0x-r\0v\0", 4294967295)).on("response_body", note("rb", P(1))).on("log", show_log()), upstream={"up": answers(response("500 Oops", "x-up: 1", body=b"long body"))}),
    with_trailers("reply-in-trailers", seen().on("request_trailers", note("t"), reply(200, "body"))),
    with_trailers("reply-in-response-trailers", Guest().on("response_trailers", note("t"), reply(200, "body"), show_log())),
    wasm("reply-in-tick", "403", seen().on("configure", *TICKING, returns=1).on("request_headers", keep(0), COUNTING, returns=1).on("tick", *in_ticks(4, EFFECTIVE, reply()))),
    wasm("reply-in-root", "200", Guest().on("configure", reply(), call("continue_stream", 0, label="c"), call("close_stream", 0, label="x"), call("continue_stream", 2, label="c"), call("close_stream", 3, label="x"), returns=1).on("request_headers", show_reply(), returns=1), conf="c"),
)

TICKS = (
    ticked("continue", "200", value(0, ":path"), call("add_header_map_value", 0, "x-tick", "1", label="a"), call("continue_stream", 0, label="c"), value(0, ":path")),
    ticked("continue-twice", "200", call("continue_stream", 0, label="c"), call("continue_stream", 0, label="c")),
    ticked("continue-then-reply", "403", call("continue_stream", 0, label="c"), reply(), settle_s=0.5),
    ticked("reply-then-continue", "403", reply(), call("continue_stream", 0, label="c"), settle_s=0.5),
    *(wasm(f"reply-over-{what}-{how}", "418", replacing(returns), **more)
      for how, returns in (("goes-on", 0), ("paused", 1))
      for what, more in {
          "no-route": {"routes": "- {match: {prefix: /x}, route: {cluster: $up}}"},
          "dead": {"routes": "- {match: {prefix: /}, route: {cluster: $dead}}"},
          "direct": {"routes": "- {match: {prefix: /}, direct_response: {status: 503, body: {inline_string: direct}}}"},
          "upstream": {},
      }.items()),
    wasm("reply-over-trap", "503", Guest().on("response_headers", TRAP), routes="- {match: {prefix: /x}, route: {cluster: $up}}"),
    wasm("reply-over-own-twice", "418", replacing(1).on("request_headers", reply(403), reply(404), returns=1)),
    wasm("reply-over-own", "418", replacing(1).on("request_headers", reply(403), returns=1)),
    Case("wasm-reply-over-other-plugin", "418", ((request("/"), Answers(1)),), filters=f"- wasm: {{config: {plugin_yaml(replacing(1), vm='vm_id: $id')}}}\n- wasm: {{config: {plugin_yaml(Guest().on('request_headers', reply(403), returns=1), vm='vm_id: other', name='other')}}}"),
    Case("wasm-reply-over-rbac", "418", ((request("/"), Answers(1)),), filters=f"- wasm: {{config: {plugin_yaml(replacing(1), vm='vm_id: $id')}}}\n- rbac: {{rules: {{action: DENY, policies: {{all: {{permissions: [{{any: true}}], principals: [{{any: true}}]}}}}}}}}"),
    wasm("reply-over-later", "418", Guest().on("configure", *TICKING, returns=1).on("response_headers", keep(0), COUNTING, note("rh"), returns=1).on("tick", *in_ticks(4, EFFECTIVE, reply(418, "page"))).on("log", note("log"), show_log()), routes="- {match: {prefix: /x}, route: {cluster: $up}}"),
    ticked("close", "", call("close_stream", 0, label="c"), settle_s=0.5),
    ticked("reroute", "200", call("replace_header_map_value", 0, ":path", "/b/x", label="r"), call("continue_stream", 0, label="c"), routes="- {match: {prefix: /b/}, route: {cluster: $b}, name: b}\n- {match: {prefix: /}, route: {cluster: $up}, name: a}"),
    ticked("response", "200", value(2, ":status"), value(0, ":path"), call("add_header_map_value", 2, "x-tick", "1", label="a"), call("continue_stream", 1, label="c"), value(2, ":status"), paused="response_headers"),
    ticked("response-reply", "403", reply(), paused="response_headers"),
    ticked("response-close", "", call("close_stream", 1, label="c"), paused="response_headers", settle_s=0.5),
    ticked("response-3", "200", call("get_buffer_bytes", 1, 0, 99, OUT, label="g"), call("continue_stream", 1, label="c"), paused="response_headers", returns=3),
    ticked("response-4", "200", call("continue_stream", 1, label="c"), paused="response_headers", returns=4),
    ticked("response-99", "200", call("continue_stream", 1, label="c"), paused="response_headers", returns=99),
    wasm("continue-in-configure", "200", Guest().on("configure", *(call("continue_stream", kind, label="c") for kind in (0, 1, 2, 3, 4)), show_log(), returns=1)),
    ticked("root-calls", "200", call("set_effective_context", 1, label="e"), value(0, ":path"), value(2, ":status"), call("get_header_map_pairs", 0, OUT, label="p"), call("get_header_map_size", 0, OUT_U32, label="s"), call("add_header_map_value", 0, "a", "b", label="a"), call("set_header_map_pairs", 4, NO_HEADERS, label="sp"), *(call("get_buffer_bytes", kind, 0, 9, OUT, label=f"b{kind}") for kind in (0, 1, 4, 6, 7)), call("get_property", "plugin_root_id", OUT, label="p"), call("set_property", "a", "b", label="s"), EFFECTIVE, call("continue_stream", 0, label="c")),
    wasm("tick-no-effect", "200 200", Guest().on("configure", *TICKING, returns=1).on("request_headers", keep(0), when_path("/show", show_log(), answer(0)), COUNTING).on("tick", *in_ticks(4, EFFECTIVE, value(0, ":path"), call("continue_stream", 0, label="c"), reply())), request("/"), request("/show")),
    wasm("tick-period", "200", Guest().on("configure", call("set_tick_period_milliseconds", 0, label="t"), call("set_tick_period_milliseconds", 4294967295, label="t"), call("set_tick_period_milliseconds", 20, label="t"), returns=1).on("tick", "(if (i32.lt_u (global.get $saved1) (i32.const 4)) (then (global.set $saved1 (i32.add (global.get $saved1) (i32.const 1)))))").on("request_headers", show_reply(), returns=1)),
)


def trapping(callback: str, want: str, *, policy: str = "", case: str = "", **more: object) -> Case:
    """A trap in a callback of the second request, and a third behind it."""
    where = f"trap-in-{case or callback}" + (f"-{policy.lower()}" if policy else "")
    guest = Guest().on("request_headers", note("q"), "(global.set $saved0 (i32.add (global.get $saved0) (i32.const 1)))") if callback != "request_headers" else Guest()
    guest.on(callback, note(callback), TRAP)
    if callback != "response_headers":
        guest.on("response_headers", show_header(2))
    chosen = f"failure_policy: {policy}" if policy else ""
    if policy == "FAIL_RELOAD":
        chosen += ", reload_config: {backoff: {base_interval: 60s}}"  # the second request finds no VM yet
    return wasm(where, want, guest, request("/one", body=b"abc", method="POST"), request("/two"), more=chosen, **more)  # type: ignore[arg-type]


TRAPS = (
    trapping("request_headers", "503"), trapping("response_headers", "503 503"),
    *(trapping(callback, want, policy="FAIL_OPEN") for callback, want in (("request_body", "503"), ("response_headers", "503 200"))),
    *(trapping(callback, want, policy="FAIL_RELOAD") for callback, want in (("request_body", "503"), ("response_headers", "503 503"), ("request_headers", "503"))),
    trapping("log", "200 503"),
    trapping("log", "200 200", policy="FAIL_OPEN"),
    trapping("delete", "200 200", policy="FAIL_OPEN"),
    trapping("done", "200 200", policy="FAIL_OPEN"),
    replace(with_trailers("trap-in-trailers", Guest().on("request_trailers", TRAP)), want="503"),
    with_trailers("trap-in-response-trailers", Guest().on("response_trailers", TRAP)),
    Case("wasm-trap-in-tick", "200 503", ((request("/"), Answers(1), Wait(0.6), request("/"), Answers(2)),), filters=f"- wasm: {{config: {plugin_yaml(Guest().on('configure', *TICKING, returns=1).on('request_headers', keep(0), COUNTING).on('tick', *in_ticks(4, TRAP)), vm='vm_id: $id')}}}"),
    Case("wasm-trap-in-tick-open", "200 200", ((request("/"), Answers(1), Wait(0.6), request("/"), Answers(2)),), filters=f"- wasm: {{config: {plugin_yaml(Guest().on('configure', *TICKING, returns=1).on('request_headers', keep(0), COUNTING).on('tick', *in_ticks(4, TRAP)), vm='vm_id: $id', more='failure_policy: FAIL_OPEN')}}}"),
    *(
        wasm(f"trap-in-tick-{name}", want, Guest().on("configure", *TICKING, returns=1).on("request_headers", keep(0), COUNTING).on("tick", *in_ticks(4, TRAP)), request("/"), upstream={"up": answers(steps)}, settle_s=0.8, more=more)
        for name, want, more, steps in (
            ("mid-response", "200", "", (response("200 OK", "content-length: 6", body=None), b"abc", Wait(0.6), b"def")),
            ("mid-response-open", "200", "failure_policy: FAIL_OPEN", (response("200 OK", "content-length: 6", body=None), b"abc", Wait(0.6), b"def")),
            ("before-response", "503", "", (Wait(0.6), response("200 OK"))),
            ("before-response-open", "503", "failure_policy: FAIL_OPEN", (Wait(0.6), response("200 OK"))),
        )
    ),
    Case("wasm-trap-reload-later", "503 200", ((request("/trap"), Answers(1), Wait(1.0), request("/"), Answers(2)),), filters=f"- wasm: {{config: {plugin_yaml(Guest().on('request_headers', when_path('/trap', TRAP)).on('response_headers', note('again'), show_header(2)), vm='vm_id: $id', more='failure_policy: FAIL_RELOAD, reload_config: {backoff: {base_interval: 0.5s}}')}}}"),
    Case("wasm-trap-in-call-answer", "503 503", ((request("/"), Answers(1), Wait(0.4), request("/"), Answers(2)),), filters=f"- wasm: {{config: {plugin_yaml(Guest().on('request_headers', call('http_call', 'wasm-trap-in-call-answer-b', CALL_PATH, Raw(0, 0), Raw(0, 0), 1000, At(256), label='call')).on('http_call_response', TRAP), vm='vm_id: $id')}}}", clusters={"b": ""}, routes=f"{ROUTE_ALL}  # and $b", upstream={"up": SLOW}),
    Case("wasm-trap-in-queue", "503 503", ((request("/"), Answers(1), Wait(0.3), request("/"), Answers(2)),), filters=f"- wasm: {{config: {plugin_yaml(Guest().on('configure', call('register_shared_queue', 'q', At(640), quiet=True), returns=1).on('request_headers', '(global.set $saved0 (i32.load (i32.const 640)))', call('enqueue_shared_queue', Saved(), 'x', label='e')).on('queue_ready', TRAP), vm='vm_id: $id')}}}", upstream={"up": SLOW}),
)

RESUMES = (
    *(
        wasm(f"trailers-added-behind-a-pause-{name}", "200", Guest().on("configure", *TICKING, returns=1).on("request_headers", keep(0), COUNTING, returns=pauses).on("tick", *in_ticks(4, EFFECTIVE, call("continue_stream", 0, label="c"))).on("request_body", note("b", P(1), "/", P(2)), "(if (local.get 2) (then", call("add_header_map_value", 1, "x-t", "v", label="t"), "))", returns=0).on("request_trailers", note("trailers", P(1)), value(1, "x-t")).on("response_headers", show_header(2)), POST)
        for name, pauses in (("all", 1), ("none", 0), ("buffer", 3))
    ),
    with_trailers("trailers-then-tick", Guest().on("configure", *TICKING, returns=1).on("request_trailers", note("t"), keep(0), COUNTING, returns=1).on("tick", *in_ticks(4, EFFECTIVE, value(1, "x-t"), call("add_header_map_value", 1, "x-late", "1", label="a"), call("continue_stream", 0, label="c"))).on("response_headers", show_header(2))),
    with_trailers("response-trailers-then-tick", Guest().on("configure", *TICKING, returns=1).on("response_trailers", note("t"), keep(0), COUNTING, returns=1).on("tick", *in_ticks(4, EFFECTIVE, value(3, "x-u"), call("add_header_map_value", 3, "x-late", "1", label="a"), call("continue_stream", 1, label="c"))).on("log", show_log())),
    with_trailers("trailers-stop-9", Guest().on("configure", *TICKING, returns=1).on("request_trailers", note("t"), keep(0), COUNTING, returns=9).on("tick", *in_ticks(4, EFFECTIVE, call("continue_stream", 0, label="c"))).on("response_headers", show_header(2))),
    with_trailers("trailers-sets", Guest().on("request_trailers", note("t", P(1)), call("replace_header_map_value", 1, "x-new", "v", label="r"), call("remove_header_map_value", 1, "x", label="d"), value(1, "bogus"), call("replace_header_map_value", 3, "x-new", "v", label="o"), value(3, "bogus"), call("get_header_map_size", 1, OUT_U32, label="s")).on("response_headers", show_header(2)).on("response_trailers", note("rt", P(1)), call("replace_header_map_value", 3, "x-new", "v", label="r"), call("get_header_map_pairs", 3, OUT, label="p"), show_log())),
    with_trailers("trailers-headers-held", Guest().on("configure", *TICKING, returns=1).on("request_headers", keep(0), COUNTING, note("h"), returns=1).on("request_body", note("b", P(1), "/", P(2))).on("request_trailers", note("t")).on("tick", *in_ticks(4, EFFECTIVE, call("continue_stream", 0, label="c"))).on("response_headers", show_header(2))),
    with_trailers("trailers-body-kept", Guest().on("request_body", note("b", P(1), "/", P(2)), answer(1)).on("request_trailers", note("t"), call("get_buffer_bytes", 0, 0, 99, OUT, label="g"), call("set_buffer_bytes", 0, 0, 99, "new", label="s")).on("response_headers", show_header(2))),
    with_trailers("trailers-body-dropped", Guest().on("request_body", note("b", P(1), "/", P(2)), answer(3)).on("request_trailers", note("t"), call("get_buffer_bytes", 0, 0, 99, OUT, label="g")).on("response_headers", show_header(2))),
    with_trailers("response-trailers-body-kept", Guest().on("response_body", note("b", P(1), "/", P(2)), answer(1)).on("response_trailers", note("t"), call("get_buffer_bytes", 1, 0, 99, OUT, label="g"), show_log())),
    body("trailers-created", Guest().on("request_headers", call("remove_header_map_value", 0, "content-length", quiet=True)).on("request_body", note("b", P(1), "/", P(2)), call("add_header_map_value", 1, "newtrailer", "request", label="a"), call("get_header_map_size", 1, OUT_U32, label="s")).on("request_trailers", note("t", P(1))).on("response_headers", show_header(2)), b"abc", b"def"),
    wasm("response-trailers-created", "200", Guest().on("response_headers", call("remove_header_map_value", 2, "content-length", quiet=True)).on("response_body", note("b", P(1), "/", P(2)), call("add_header_map_value", 3, "newtrailer", "v", label="a")).on("response_trailers", note("t", P(1))).on("log", value(3, "newtrailer"), show_log()), hcm="http_protocol_options: {enable_trailers: true}"),
    wasm("continue-unpaused-response", "200 200", Guest().on("response_headers", call("continue_stream", 1, label="c"), value(2, ":status"), show_header(2), value(0, ":path")).on("log", show_log()), settle_s=0.4),
    wasm("response-end", "200", Guest().on("response_headers", note("h", P(1), "/", P(2)), show_header(2)).on("response_body", note("b", P(1), "/", P(2))).on("log", show_log()), request("/", method="HEAD")),
    wasm("close-in-body", "", Guest().on("request_body", call("close_stream", 0, label="c")), POST, settle_s=0.5),
    wasm("close-in-response-body", "200", Guest().on("response_body", call("close_stream", 1, label="c"), show_log()), settle_s=0.5),
    wasm("close-other-in-request", "", Guest().on("request_headers", call("close_stream", 1, label="c"), show_log(), returns=1), settle_s=0.5),
    wasm("close-l4-kinds", "200", Guest().on("request_headers", call("close_stream", 2, label="c"), call("close_stream", 3, label="c"), call("continue_stream", 2, label="c"), show_reply(), returns=1), settle_s=0.5),
    Case("wasm-client-gone", "", ((request("/"), Wait(0.2)),), settle_s=0.0, filters=f"- wasm: {{config: {plugin_yaml(Guest().on('request_headers', note('h'), returns=1).on('log', note('log'), value(0, ':path'), value(2, ':status')).on('done', note('done'), returns=1).on('delete', note('delete'), show_log()), vm='vm_id: $id')}}}"),
    wasm("upstream-gone", "503", Guest().on("response_headers", note("rh"), value(2, ":status"), call("get_property", "response\0code_details", OUT, label="d"), call("get_property", "response\0flags", OUT, label="f")).on("response_body", note("rb", P(1), "/", P(2))).on("log", show_log()), routes="- {match: {prefix: /}, route: {cluster: $dead}, name: all}"),
    wasm("no-route", "404", Guest().on("request_headers", note("h"), call("get_property", "xds\0route_name", OUT, label="r"), call("get_property", "xds\0cluster_name", OUT, label="c")).on("response_headers", note("rh"), value(2, ":status"), call("get_property", "response\0code_details", OUT, label="d")).on("log", show_log()), routes="- {match: {prefix: /only}, route: {cluster: $up}, name: all}"),
    wasm("bad-request", "400", Guest().on("request_headers", note("h")).on("response_headers", note("rh"), value(2, ":status")).on("log", note("log"), value(0, ":path"), value(2, ":status"), show_log()), b"GET / HTTP/1.1\r\n\r\n"),
    wasm("direct-response", "201", Guest().on("request_headers", note("h")).on("response_headers", note("rh", P(1), "/", P(2)), value(2, ":status")).on("response_body", note("rb", P(1), "/", P(2)), call("get_buffer_bytes", 1, 0, 99, OUT, label="g")).on("log", show_log()), routes="- {match: {prefix: /}, direct_response: {status: 201, body: {inline_string: hello}}, name: all}"),
)

CASES = (*REPLIES, *TICKS, *TRAPS, *RESUMES)
