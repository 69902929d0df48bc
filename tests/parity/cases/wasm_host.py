"""What a Proxy-Wasm module asks of its host: WASI, start, logs, metrics, queues, calls, properties, foreign functions."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from pyvoy.extensions.wasm.calls.wasi import _FIXED
from pyvoy.extensions.wasm.pairs import serialize
from tests.parity.case import ROUTE_ALL, Case, answers, ask, request, response
from tests.parity.cases.wasm import CALL_PATH, calling, cel, number, on_request, on_response, prop, value, wasm
from tests.parity.cases.wasm_flow import COUNTING, EFFECTIVE, TICKING, in_ticks
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
    Step,
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
from tests.support.steps import Answers, Close, Wait

WASI = "wasi_snapshot_preview1"
LETTERS = {"i": "i32", "I": "i64"}


def imported(module: str, name: str, signature: str) -> str:
    takes, _, gives = signature.partition(">")
    result = f"(result {LETTERS[gives]})" if gives else ""
    return f'(import "{module}" "{name}" (func ${name} (param {" ".join(LETTERS[each] for each in takes)}) {result}))'


def errnos(name: str, calls: tuple[tuple[str, str, tuple[int, ...]], ...], *more: Step | str, module: str = WASI) -> Case:
    """WASI functions by name, signature and arguments; their error numbers are noted."""
    signatures = {function: signature for function, signature, _ in calls}
    steps: list[Step | str] = []
    for function, signature, arguments in calls:
        words = " ".join(f"({LETTERS[letter]}.const {argument})" for letter, argument in zip(signature, arguments, strict=False))
        steps += [f"(i32.store (i32.const 240) (call ${function} {words}))", note(f"{function}="), "(call $digit (i32.load (i32.const 240)))", note("")]
    guest = Guest(imports="".join(imported(module, *each) for each in signatures.items()))
    return wasm(f"wasi-{name}", "200", guest.on("request_headers", *steps, *more, show_reply(), returns=1))


NOT_IN_ENVOY = {"path_link", "path_symlink", "sock_accept", "proc_raise"}
"""There they have other parameters than in WASI, or are not there."""
FIXED = tuple((name, signature, (1,) * len(signature.partition(">")[0])) for name, (signature, _) in _FIXED.items() if name not in NOT_IN_ENVOY)
IOVEC = "(i32.store (i32.const 800) (i32.const 900)) (i32.store (i32.const 804) (i32.const 5)) (i32.store (i32.const 808) (i32.const 906)) (i32.store (i32.const 812) (i32.const 3)) (i64.store (i32.const 900) (i64.const 0x0a6e6f206f6c6568)) (i64.store (i32.const 908) (i64.const 0x0a0a0a))"

def asks(name: str) -> Step:
    """Ask for a name; Envoy may answer before the call returns, so that nothing is noted of the call."""

    def step(guest: Guest) -> str:
        guest.uses("resolve_dns")
        at, size = guest.text(name)
        return f"(drop (call $resolve_dns (i32.const {at}) (i32.const {size}) (i32.const 640)))"

    return step


WASI_CASES = (
    errnos("fixed-1", FIXED[:17]),
    errnos("fixed-2", FIXED[17:]),
    *(errnos(f"fixed-badf-{at}", tuple((name, signature, (7,) * len(signature.partition(">")[0])) for name, signature, _ in part)) for at, part in ((1, FIXED[:17]), (2, FIXED[17:]))),
    errnos("args", (("args_sizes_get", "ii>i", (640, 644)), ("args_get", "ii>i", (640, 680)), ("args_sizes_get", "ii>i", (0x7FFFFFF0, 644)), ("clock_res_get", "ii>i", (0, 640)), ("clock_res_get", "ii>i", (1, 640)), ("clock_res_get", "ii>i", (2, 640)), ("clock_res_get", "ii>i", (3, 640)), ("clock_time_get", "iIi>i", (3, 0, 640)), ("clock_time_get", "iIi>i", (0, 0, 0x7FFFFFF0)), ("random_get", "ii>i", (640, 0)), ("random_get", "ii>i", (0x68000, 65536)), ("random_get", "ii>i", (0x68000, 65537)), ("environ_sizes_get", "ii>i", (640, 644)), ("environ_get", "ii>i", (640, 700)), ("environ_sizes_get", "ii>i", (640, 0x7FFFFFF0)), ("fd_readdir", "iiiIi>i", (1, 640, 10, 0, 660)), ("fd_fdstat_get", "ii>i", (2, 640)), ("fd_fdstat_get", "ii>i", (99, 640)), ("poll_oneoff", "iiii>i", (640, 640, 0, 660)), ("poll_oneoff", "iiii>i", (640, 640, 1, 0x7FFFFFF0)), ("sched_yield", ">i", ())), "(call $digit (i32.load (i32.const 640)))", note(""), "(call $digit (i32.load (i32.const 660)))"),
    errnos("write", (("fd_write", "iiii>i", (1, 800, 1, 640)), ("fd_write", "iiii>i", (1, 800, 2, 644)), ("fd_write", "iiii>i", (2, 800, 2, 648)), ("fd_write", "iiii>i", (0, 800, 2, 652)), ("fd_write", "iiii>i", (3, 800, 2, 652)), ("fd_write", "iiii>i", (1, 800, 0, 656)), ("fd_write", "iiii>i", (1, 800, 1, 0x7FFFFFF0)), ("fd_pwrite", "iiiIi>i", (1, 800, 2, 0, 660)), ("fd_pwrite", "iiiIi>i", (1, 800, 2, 0, 0x7FFFFFF0))), *(f"(call $digit (i32.load (i32.const {at})))" for at in (640, 644, 648, 652, 656, 660))),
    wasm("wasi-write-lines", "200", Guest(imports=imported(WASI, "fd_write", "iiii>i")).on("request_headers", IOVEC, "(call $digit (call $fd_write (i32.const 1) (i32.const 800) (i32.const 1) (i32.const 640))) (call $digit (call $fd_write (i32.const 1) (i32.const 800) (i32.const 2) (i32.const 640))) (call $digit (call $fd_write (i32.const 2) (i32.const 800) (i32.const 2) (i32.const 640))) (call $digit (i32.load (i32.const 640)))", show_reply(), returns=1)),
)

LEVELS = tuple(call("log", level, f"line {level}", label="l") for level in range(7))
STARTS = (
    wasm("start-and-initialize", "200", Guest(entry='(func (export "_initialize") (call $digit (i32.const 1))) (func (export "__main_void") (result i32) (call $digit (i32.const 4)) (i32.const 0))').on("request_headers", show_reply(), returns=1)),
    wasm("start-main-alone", "200", Guest(entry='(func (export "main") (param i32 i32) (result i32) (call $digit (i32.const 4)) (i32.const 0))').on("request_headers", note("x"), show_reply(), returns=1)),
    wasm("start-main-fails", "200", Guest(entry='(func (export "_initialize") (call $digit (i32.const 1))) (func (export "main") (param i32 i32) (result i32) (call $digit (i32.const 4)) (i32.const 5))').on("request_headers", show_reply(), returns=1)),
    wasm("start-main-both", "200", Guest(entry='(func (export "_initialize") (call $digit (i32.const 1))) (func (export "main") (param i32 i32) (result i32) (call $digit (i32.const 4)) (i32.const 0)) (func (export "__main_void") (result i32) (call $digit (i32.const 5)) (i32.const 0))').on("request_headers", show_reply(), returns=1)),
    wasm("start-logs", "200", Guest(entry='(data (i32.const 700) "from _start") (func (export "_start") (drop (call $log (i32.const 2) (i32.const 700) (i32.const 11))))').on("request_headers", show_reply(), returns=1)),
    wasm("start-table-imported", "200", Guest(imports='(import "env" "table" (table 4 funcref))').on("request_headers", note("x"), show_reply(), returns=1)),
    wasm("start-order", "200", Guest().on("context_create", note("create", P(0), "<", P(1)), show_log()).on("vm_start", note("vm", P(0), "/", P(1)), call("get_buffer_bytes", 6, 0, 99, OUT, label="v"), call("get_buffer_bytes", 7, 0, 99, OUT, label="p"), prop("plugin_name"), prop("plugin_root_id"), prop("plugin_vm_id"), show_log(), returns=1).on("configure", note("conf", P(0), "/", P(1)), call("get_buffer_bytes", 6, 0, 99, OUT, label="v"), call("get_buffer_bytes", 7, 0, 99, OUT, label="p"), show_log(), returns=1).on("request_headers", show_reply(), returns=1), more="root_id: root", vm="vm_id: $id, configuration: {'@type': type.googleapis.com/google.protobuf.StringValue, value: vm conf}", conf="conf"),
    wasm("start-done", "200", Guest().on("vm_start", call("done", label="d"), returns=1).on("configure", call("done", label="d"), returns=1).on("done", note("done"), returns=0).on("request_headers", call("done", label="d"), show_reply(), returns=1), conf="c"),
    on_request("log-lines", *LEVELS, call("log", 2, "", label="e"), call("log", 2, "two\nlines", label="l"), call("log", 2, b"\xff\xfe", label="b"), call("log", 2, "ends\n", label="n"), call("log", 2, "über", label="u")),
    wasm("log-prefixes", "200", Guest().on("context_create", note("create"), show_log()).on("request_headers", note("q"), show_log(), call("set_effective_context", 1, label="e"), show_log()).on("log", note("l"), show_log()).on("done", note("d"), show_log(), returns=1).on("delete", note("x"), show_log()), more="root_id: root"),
    Case("wasm-resolve-dns", "200", ((Wait(0.3), request("/"), Answers(1)),), filters=f"- wasm: {{config: {plugin_yaml(Guest().on('vm_start', call('resolve_dns', Raw(0x7FFFFFF0, 5), At(640), label='n'), call('resolve_dns', 'localhost', At(0x7FFFFFF0), label='t'), asks('localhost'), returns=1).on('resolve_dns', note('dns', P(0), '/', P(1), '/', P(2)), call('get_buffer_bytes', 8, 0, 99, OUT, label='b')).on('request_headers', call('get_buffer_bytes', 8, 0, 99, OUT, label='b'), show_reply(), answer(1)), vm='vm_id: $id')}}}"),
    Case("wasm-shared-queue", "200 200", ((request("/"), Answers(1), Wait(0.2), request("/show"), Answers(2)),), filters=f"- wasm: {{config: {plugin_yaml(Guest().on('vm_start', call('register_shared_queue', 'my', At(640), label='r'), returns=1).on('request_headers', when_path('/show', show_reply(), answer(1)), call('resolve_shared_queue', Raw(0, 0), 'bad', OUT_U32, label='b'), '(global.set $saved0 (i32.load (i32.const 640)))', call('enqueue_shared_queue', Saved(), 'data1', label='e')).on('queue_ready', note('ready'), '(call $digit (i32.eq (local.get 1) (i32.load (i32.const 640))))', call('dequeue_shared_queue', 9999999, OUT, label='x'), call('dequeue_shared_queue', P(1), OUT, label='d'), call('dequeue_shared_queue', P(1), OUT, label='d')), vm='vm_id: $id')}}}"),
    on_request("metrics-names", *(step for kind, name in ((0, "wasm-metrics-names.a.b.c"), (1, "wasm-metrics-names.x y/z"), (0, "wasm-metrics-names.ü"), (0, "wasm-metrics-names..d."), (0, "wasm-metrics-names.a=b;c")) for step in (call("define_metric", kind, name, At(256), label="D"), save(), call("record_metric", Saved(), 5, label="r"), call("get_metric", Saved(), OUT_U64, label="g")))),
    on_request("metrics-values", call("define_metric", 1, "wasm-metrics-values.g", At(256), label="D"), save(), call("record_metric", Saved(), 4294967296, label="r"), call("increment_metric", Saved(), -4294967297, label="i"), call("get_metric", Saved(), OUT_U64, label="g"), call("increment_metric", Saved(), 0, label="i"), call("increment_metric", Saved(), 7, label="i"), call("get_metric", Saved(), OUT_U64, label="g"), call("define_metric", 0, "wasm-metrics-values.c", At(256), label="D"), save(), call("record_metric", Saved(), 0, label="r"), call("increment_metric", Saved(), 1099511627776, label="i"), call("get_metric", Saved(), At(600), label="g"), *(call(name, (1 << 10) + kind, *more, label=f"{name[:3]}{kind}") for kind in range(4) for name, more in (("get_metric", (OUT_U64,)), ("record_metric", (1,)), ("increment_metric", (1,))))),
)

H2_BODY = "hello world"
TRAIL = serialize([(b"trail", b"cow")])


def http_call(cluster: str, headers: object = CALL_PATH, body: object = "hello world", trailers: object = TRAIL, timeout: int = 1000) -> Step:
    return call("http_call", cluster, headers, body, trailers, timeout, At(256), label="call")  # type: ignore[arg-type]


TOKEN = "(call $digit (i32.load (i32.const 256)))"
ANSWERED = (note("cb", P(1), "/", P(2), "/", P(3), "/", P(4)), value(6, ":status"), call("get_buffer_bytes", 4, 0, 100, OUT, label="b"), call("get_status", OUT_U32, OUT), value(7, "x-u"), EFFECTIVE, value(6, ":status"), call("get_buffer_bytes", 4, 1, 3, OUT, label="b"), call("get_buffer_status", 4, OUT_U32, At(600), label="s"), call("get_header_map_size", 6, OUT_U32, label="z"), show_reply())


def http_calls(name: str, *steps: Step | str, want: str = "200", answered: tuple[Step | str, ...] = ANSWERED, **more: object) -> Case:
    more.setdefault("clusters", {"b": ""})
    more.setdefault("routes", f"{ROUTE_ALL}  # and $b")
    return calling(f"http-call-{name}", want, *steps, answered=answered, **more)


def head(*pairs: tuple[bytes, bytes]) -> bytes:
    return serialize(pairs)


POST_HEAD = head((b":method", b"POST"), (b":path", b"/"), (b":authority", b"foo"))
CALLS = (
    http_calls("trailers", http_call("wasm-http-call-trailers-b", POST_HEAD)),
    http_calls("trailers-no-body", http_call("wasm-http-call-trailers-no-body-b", POST_HEAD, Raw(0, 0))),
    http_calls("empty-lists", http_call("wasm-http-call-empty-lists-b", POST_HEAD, Raw(0, 0), b"\0\0\0\0")),
    http_calls("answer-trailers", http_call("wasm-http-call-answer-trailers-b", POST_HEAD), upstream={"b": answers(response("200 OK", "transfer-encoding: chunked", body=None) + b"3\r\nabc\r\n0\r\nx-u: w\r\n\r\n")}, cluster="typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {'@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http_protocol_options: {enable_trailers: true}}}}"),
    http_calls("headers", http_call("wasm-http-call-headers-b", head((b":method", b"GET"), (b":path", b"/x?y"), (b":authority", b""), (b":scheme", b"https"), (b"X-Dup", b"1"), (b"x-dup", b"2"), (b"host", b"other"), (b"connection", b"close"), (b"user-agent", b"me"), (b"x-request-id", b"own")), Raw(0, 0), Raw(0, 0))),
    http_calls("head", http_call("wasm-http-call-head-b", head((b":method", b"HEAD"), (b":path", b"/"), (b":authority", b"foo")), Raw(0, 0), Raw(0, 0))),
    http_calls("204", http_call("wasm-http-call-204-b", POST_HEAD), upstream={"b": answers(response("204 No Content", body=None))}),
    http_calls("500", http_call("wasm-http-call-500-b", POST_HEAD), upstream={"b": answers(response("500 Oops", "x-a: 1", "x-a: 2", body=b"bad"))}),
    http_calls("timeout", http_call("wasm-http-call-timeout-b", POST_HEAD, timeout=200), upstream={"b": answers((Wait(2.0),))}),
    http_calls("closed", http_call("wasm-http-call-closed-b", POST_HEAD), upstream={"b": answers((Close(),))}),
    http_calls("cut", http_call("wasm-http-call-cut-b", POST_HEAD), upstream={"b": answers((b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", Close()))}),
    http_calls("no-http", http_call("wasm-http-call-no-http-b", POST_HEAD), upstream={"b": answers((b"nonsense\r\n\r\n", Close()))}),
    http_calls("empty", http_call("wasm-http-call-empty-empty", POST_HEAD), TOKEN, show_reply(), clusters={"empty": ""}, routes=f"{ROUTE_ALL}  # and $empty"),
    http_calls("missing-parts", *(http_call("wasm-http-call-missing-parts-b", headers) for headers in (head((b":method", b"POST"), (b":authority", b"foo")), head((b":path", b"/"), (b":authority", b"foo")), head((b":path", b"/"), (b":method", b"POST")), Raw(0, 0), b"nonsense")), http_call("bogus"), http_call(""), http_call("wasm-http-call-missing-parts-b", POST_HEAD, timeout=0xFFFFFFFF), http_call("wasm-http-call-missing-parts-b", POST_HEAD, timeout=0x7FFFFFFF), TOKEN),
    http_calls("chain", http_call("wasm-http-call-chain-b", POST_HEAD), answered=("(global.set $saved1 (i32.add (global.get $saved1) (i32.const 1)))", note("cb", P(1)), "(if (i32.lt_u (global.get $saved1) (i32.const 2)) (then", http_call("wasm-http-call-chain-b", POST_HEAD), "return ))", EFFECTIVE, show_reply())),
    http_calls("many", *(http_call("wasm-http-call-many-b", POST_HEAD) for _ in range(20)), answered=("(global.set $saved1 (i32.add (global.get $saved1) (i32.const 1)))", "(if (i32.lt_u (global.get $saved1) (i32.const 20)) (then (return)))", note("all"), EFFECTIVE, show_reply())),
    wasm("http-call-in-tick", "200", Guest().on("configure", *TICKING, returns=1).on("request_headers", keep(0), COUNTING, returns=1).on("tick", *in_ticks(4, http_call("wasm-http-call-in-tick-b", POST_HEAD))).on("http_call_response", *ANSWERED), clusters={"b": ""}, routes=f"{ROUTE_ALL}  # and $b"),
    Case("wasm-http-call-in-log", "200", ((request("/"), Answers(1), Wait(0.3)),), filters=f"- wasm: {{config: {plugin_yaml(Guest().on('log', http_call('wasm-http-call-in-log-b', POST_HEAD), keep(0)).on('http_call_response', note('cb', P(0), '/', P(2)), EFFECTIVE, show_log()), vm='vm_id: $id')}}}", clusters={"b": ""}, routes=f"{ROUTE_ALL}  # and $b"),
    Case("wasm-http-call-client-gone", "", ((request("/"), Wait(0.2)),), settle_s=0.0, upstream={"b": answers((Wait(0.5), b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"))}, filters=f"- wasm: {{config: {plugin_yaml(Guest().on('request_headers', keep(0), http_call('wasm-http-call-client-gone-b', POST_HEAD), returns=1).on('http_call_response', note('cb', P(0), '/', P(2)), EFFECTIVE, show_log()), vm='vm_id: $id')}}}", clusters={"b": ""}, routes=f"{ROUTE_ALL}  # and $b"),
    wasm("http-call-response-paused", "200", Guest().on("response_headers", keep(0), http_call("wasm-http-call-response-paused-b", POST_HEAD), returns=1).on("http_call_response", value(6, ":status"), EFFECTIVE, value(2, ":status"), show_header(2), call("continue_stream", 1, label="c")), clusters={"b": ""}, routes=f"{ROUTE_ALL}  # and $b"),
    wasm("http-call-old", "200", Guest("0.1.0").on("request_headers", keep(0), http_call("wasm-http-call-old-b", POST_HEAD), returns=1).on("http_call_response", note("cb", P(2)), value(6, "none"), value(7, "none"), call("get_buffer_bytes", 4, 0, 9, OUT, label="b"), EFFECTIVE, call("add_header_map_value", 0, "x-a", "1", label="a"), call("continue_request", label="c")), clusters={"b": ""}, routes=f"{ROUTE_ALL}  # and $b"),
    wasm("http-call-in-start", "200", Guest().on("vm_start", http_call("wasm-http-call-in-start-b", POST_HEAD), returns=1).on("http_call_response", note("cb", P(2)), value(6, ":status"), show_log()).on("request_headers", show_reply(), returns=1), clusters={"b": ""}, routes=f"{ROUTE_ALL}  # and $b", settle_s=0.5),
    wasm("http-call-in-configure", "200", Guest().on("configure", http_call("wasm-http-call-in-configure-b", POST_HEAD), returns=1).on("http_call_response", note("cb", P(2)), value(6, ":status"), show_log()).on("request_headers", show_reply(), returns=1), clusters={"b": ""}, routes=f"{ROUTE_ALL}  # and $b", settle_s=0.5, conf="c"),
)

def service(name: str, want: str, *guests: Guest, singleton: bool = True, filters: Guest | None = None, **more: object) -> Case:
    """Modules without streams; what they do is seen in statistics, logs and calls, while a client waits."""
    entries = [f"{{singleton: {str(singleton).lower()}, config: {plugin_yaml(guest, vm='vm_id: $id', name=f's{at}', configuration='conf')}}}" for at, guest in enumerate(guests)]
    chain = f"- wasm: {{config: {plugin_yaml(filters, vm='vm_id: $id', name='filter')}}}" if filters is not None else ""
    steps = ((request("/"), Answers(1), Wait(0.5), *((request("/show"), Answers(2)) if filters is not None else ())),)
    return Case(f"wasm-service-{name}", want, steps, services=f"[{', '.join(entries)}]", filters=chain, routes=f"{ROUTE_ALL}  # and $b", clusters={"b": ""}, **more)  # type: ignore[arg-type]


ONCE = ("(if (global.get $saved1) (then (return)))", "(global.set $saved1 (i32.const 1))")
SERVICES = (
    service("life", "200", Guest().on("context_create", note("c", P(0), "<", P(1))).on("vm_start", note("vm", P(1)), returns=1).on("configure", note("conf", P(1)), call("get_buffer_bytes", 7, 0, 99, OUT, label="b"), show_log(), returns=1)),
    service("tick", "200", Guest().on("configure", call("set_tick_period_milliseconds", 50, quiet=True), returns=1).on("tick", *ONCE, note("tick"), value(0, ":path"), call("define_metric", 0, "wasm-service-tick.ticks", At(256), label="D"), save(), call("increment_metric", Saved(), 1, label="i"), show_log())),
    service("calls", "200", Guest().on("configure", call("set_tick_period_milliseconds", 50, quiet=True), returns=1).on("tick", *ONCE, call("http_call", "wasm-service-calls-b", POST_HEAD, "body", Raw(0, 0), 1000, At(256), label="call")).on("http_call_response", *ANSWERED[:5], show_log())),
    service("several", "200", Guest().on("configure", note("one"), show_log(), returns=1), Guest().on("configure", note("two"), show_log(), returns=1), singleton=False),
    service("shares", "200 200", Guest().on("configure", call("set_shared_data", "k", "of the service", 0, label="s"), call("register_shared_queue", "q", At(640), label="q"), returns=1).on("queue_ready", call("dequeue_shared_queue", P(1), OUT, label="d"), call("set_shared_data", "k", "it came", 0, label="s"), show_log()), filters=Guest().on("request_headers", call("get_shared_data", "k", OUT, At(600), label="g"), call("resolve_shared_queue", Raw(0, 0), "q", At(256), label="r"), save(), when_path("/", call("enqueue_shared_queue", Saved(), "item", label="e")), show_reply(), returns=1)),
    service("traps", "200", Guest().on("configure", call("set_tick_period_milliseconds", 50, quiet=True), returns=1).on("tick", note("tick"), show_log(), TRAP)),
)

NOWHERE = Raw(0xAAAAAAAA, 0)
"""Nothing, at an address that is none: what Zig passes for `undefined`."""
ZERO = on_request("zero-size-nowhere", call("log", 2, NOWHERE), value(0, ":path"), *(call(name, *arguments) for name, *arguments in (
    ("get_header_map_value", 0, NOWHERE, OUT), ("add_header_map_value", 0, "x-a", NOWHERE), ("replace_header_map_value", 0, "x-b", NOWHERE), ("remove_header_map_value", 0, NOWHERE),
    ("set_header_map_pairs", 2, NOWHERE), ("set_buffer_bytes", 0, 0, 0, NOWHERE), ("get_property", NOWHERE, OUT), ("set_property", "k", NOWHERE), ("get_shared_data", NOWHERE, OUT, OUT_U32),
    ("set_shared_data", "z", NOWHERE, 0), ("register_shared_queue", NOWHERE, OUT_U32), ("resolve_shared_queue", NOWHERE, NOWHERE, OUT_U32), ("define_metric", 0, NOWHERE, OUT_U32),
    ("call_foreign_function", "compress", NOWHERE, OUT), ("http_call", "nope", CALL_PATH, NOWHERE, NOWHERE, 100, OUT_U32), ("grpc_call", NOWHERE, NOWHERE, NOWHERE, NOWHERE, NOWHERE, 100, OUT_U32), ("grpc_send", 7, NOWHERE, 0))))
TINYGO_IMPORTS = "".join(imported(WASI, *each) for each in (("args_sizes_get", "ii>i"), ("clock_time_get", "iIi>i"), ("environ_sizes_get", "ii>i"), ("random_get", "ii>i"), ("poll_oneoff", "iiii>i"), ("fd_prestat_get", "ii>i"), ("fd_write", "iiii>i")))
TINYGO_EXPORTS = """(func (export "free") (param i32)) (func (export "calloc") (param i32 i32) (result i32) unreachable)
(func (export "realloc") (param i32 i32) (result i32) unreachable) (func (export "proxy_on_memory_allocate") (param i32) (result i32) unreachable)
(func (export "asyncify_start_unwind") (param i32)) (func (export "asyncify_stop_unwind")) (func (export "asyncify_start_rewind") (param i32))
(func (export "asyncify_stop_rewind")) (func (export "asyncify_get_state") (result i32) (i32.const 0))"""


def asked(function: str, *arguments: str) -> str:
    return f"(global.set $saved0 (i32.or (i32.shl (global.get $saved0) (i32.const 1)) (i32.ne (i32.const 0) (call ${function} {' '.join(arguments)}))))"


START = asked("args_sizes_get", "(i32.const 800)", "(i32.const 804)") + asked("clock_time_get", "(i32.const 0)", "(i64.const 1000)", "(i32.const 808)") + asked("environ_sizes_get", "(i32.const 816)", "(i32.const 820)") + asked("random_get", "(i32.const 824)", "(i32.const 8)") + asked("poll_oneoff", "(i32.const 832)", "(i32.const 900)", "(i32.const 1)", "(i32.const 840)") + asked("fd_prestat_get", "(i32.const 3)", "(i32.const 844)")
TINYGO = wasm("tinygo", "200", Guest("0.2.0", imports=TINYGO_IMPORTS, entry=f'(func (export "_start") {START})', extra=TINYGO_EXPORTS).on("request_headers", note("start="), "(call $digit (global.get $saved0))", note(" args="), "(call $digit (i32.load (i32.const 800))) (call $digit (i32.load (i32.const 816)))", value(0, ":path"),
    "(i32.store (i32.const 832) (i32.const 900)) (i32.store (i32.const 836) (i32.const 4)) (i32.store (i32.const 900) (i32.const 0x0a216968)) (drop (call $fd_write (i32.const 1) (i32.const 832) (i32.const 1) (i32.const 840)))", show_reply(), returns=1))

CASES = (ZERO, TINYGO, *SERVICES, *WASI_CASES, *STARTS, *CALLS)
_ = (ask, cel, number, on_response, Close)
