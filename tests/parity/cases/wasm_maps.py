"""Header maps of responses, of calls and of old modules, and several plugins in a chain."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from pyvoy.extensions.wasm.pairs import serialize
from tests.parity.case import Case, answers, ask, request, response
from tests.parity.cases.wasm import on_request, value, wasm, with_trailers
from tests.parity.cases.wasm_flow import COUNTING, EFFECTIVE, TICKING, in_ticks, reply
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
    call,
    keep,
    note,
    plugin_yaml,
    save,
    show_header,
    show_log,
    when_path,
)

FILTER = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"
UP = {"up": answers(response("200 OK", "x-a: 1", "x-a: 2", "set-cookie: a=1", "set-cookie: b=2", "vary: x", "vary: y", "server: up", "date: then", "empty:", "via: 1.1 up"))}


def on_response(name: str, *steps: Step | str, **more: object) -> Case:
    """Steps in the response headers callback; their notes are logged, the client sees the rest."""
    more.setdefault("upstream", UP)
    return wasm(f"response-{name}", more.pop("want", "200"), Guest(more.pop("abi", "0.2.1")).on("response_headers", *steps, show_log()), **more)  # type: ignore[arg-type]


def add(name: str, text: str | bytes, kind: int = 2) -> Step:
    return call("add_header_map_value", kind, name, text, label="a")


def put(name: str, text: str | bytes, kind: int = 2) -> Step:
    return call("replace_header_map_value", kind, name, text, label="r")


def drop(name: str, kind: int = 2) -> Step:
    return call("remove_header_map_value", kind, name, label="d")


MAPS = (
    on_response("values", *(value(2, name) for name in (":status", "x-a", "X-A", "set-cookie", "vary", "server", "date", "empty", "content-length", "none", "via")), call("remove_header_map_value", 2, "x-envoy-upstream-service-time", quiet=True), call("get_header_map_size", 2, OUT_U32, label="s"), note("n", P(1))),
    on_response("add", add("x-a", "3"), add("set-cookie", "c=3"), add("vary", "z"), add("server", "me"), add("date", "now"), add("x-new", "n"), add("Upper", "u"), add("empty", ""), add("content-type", "text/plain"), add("via", "2"), *(value(2, name) for name in ("x-a", "set-cookie", "vary", "server", "x-new", "upper", "empty"))),
    on_response("replace", put("x-a", "3"), put("set-cookie", "c=3"), put("vary", "z"), put("server", "me"), put("date", "now"), put("x-new", "n"), put("Upper", "u"), put("content-length", "2"), put("x-envoy-upstream-service-time", "9"), *(value(2, name) for name in ("x-a", "set-cookie", "vary", "server", "date"))),
    on_response("remove", drop("x-a"), drop("set-cookie"), drop("vary"), drop("server"), drop("date"), drop("none"), drop("EMPTY"), drop("content-length"), drop("x-envoy-upstream-service-time"), value(2, "x-a")),
    on_response("set-pairs", call("set_header_map_pairs", 2, serialize([(b":status", b"201"), (b"X-Up", b"1"), (b"x-up", b"2"), (b"set-cookie", b"z"), (b"content-length", b"2")]), label="p"), value(2, ":status"), value(2, "x-up"), value(2, "x-a"), want="201"),
    on_response("set-pairs-empty", call("set_header_map_pairs", 2, b"\0\0\0\0", label="p"), value(2, ":status"), want="502"),
    on_response("odd", add("x y", "1"), add("x-ctl", b"a\x01b"), add("x-high", b"\xff\xfe"), add("x-tab", "a\tb"), add("x-blank", "  a  "), add(":x", "1"), drop("")),
    on_response("old", value(2, "x-a"), value(2, "none"), add("x-old", "1"), value(2, "x-old"), abi="0.1.0"),
    on_response("long", add("x-long", "v" * 20000), value(2, ":status")),
    on_request("request-odd", *(call("add_header_map_value", 0, name, text, label="a") for name, text in (("x-tab", "a\tb"), ("x-blank", "  a  "), ("x-high", b"\xff\xfe"), ("cookie", "b=2"), ("x-a", "2"), ("x-forwarded-for", "1.2.3.4"))), *(value(0, name) for name in ("x-tab", "x-blank", "x-high", "cookie", "x-a", "x-forwarded-for")), lines=("cookie: a=1", "x-a: 1")),
    wasm("request-values-upstream", "200", Guest().on("request_headers", add("cookie", "b=2", 0), add("accept", "b", 0), add("x-many", "1", 0), add("x-many", "2", 0), put("user-agent", "", 0), put("x-empty", "", 0), drop("x-envoy-expected-rq-timeout-ms", 0), put("x-request-id", "own", 0), put("x-forwarded-proto", "https", 0), put("te", "trailers", 0), put("connection", "keep-alive", 0)), request("/", "cookie: a=1", "accept: a", "user-agent: me")),
    wasm("request-expected-timeout", "200", Guest().on("request_headers", put("x-envoy-upstream-rq-timeout-ms", "777", 0), put("x-envoy-max-retries", "2", 0))),
)

SPLIT = "1\r\nx-injected: 2"
WHOLE = [(b":path", b"/"), (b":authority", b"a.test"), (b":method", b"GET"), (b":scheme", b"http"), (b"x-forwarded-proto", b"http")]
SUSPECTS = (
    *(wasm(f"suspect-{how}-{what}", "503 200", Guest().on("request_headers", when_path("/bad", step)).on("response_headers", note("rh", P(1)), show_header(2)), request("/bad"), request("/"))
      for how, write in (("added", add), ("replaced", put)) for what, step in (("name", write("bad()name", "1", 0)), ("upper", write("Bad Name", "1", 0)), ("value", write("x-a", SPLIT, 0)), ("nul", write("x-a", "a\0b", 0)), ("path", write(":path", "/a\r\nx: y", 0)))),
    *(wasm(f"suspect-pairs-{what}", "503", Guest().on("request_headers", call("set_header_map_pairs", 0, serialize([*WHOLE, pair]), label="p"), call("get_header_map_pairs", 0, OUT, label="g"), show_log())) for what, pair in (("name", (b"bad()name", b"1")), ("value", (b"x-a", SPLIT.encode())))),
    wasm("suspect-mirrored", "503", Guest().on("request_headers", add("x-a", SPLIT, 0)), clusters={"b": ""}, routes="- {match: {prefix: /}, route: {cluster: $up, request_mirror_policies: [{cluster: $b}]}}"),
    Case("wasm-suspect-authz", "403", (ask(request("/")),), clusters={"b": ""}, upstream={"b": answers(response("200 OK"))},
         filters=f"- wasm: {{config: {plugin_yaml(Guest().on('request_headers', add('x-a', SPLIT, 0)), vm='vm_id: $id')}}}\n- ext_authz: {{http_service: {{server_uri: {{uri: 'http://a', cluster: $b, timeout: 2s}}, authorization_request: {{allowed_headers: {{patterns: [{{exact: x-a}}]}}}}}}}}"),
    on_request("suspect-seen", add("bad()name", "1", 0), add("x-a", SPLIT, 0), value(0, "bad()name"), value(0, "x-a"), call("get_header_map_pairs", 0, OUT, label="p")),
    wasm("suspect-taken-away", "200", Guest().on("request_headers", add("bad()name", "1", 0), drop("bad()name", 0), add("x-a", SPLIT, 0), put("x-a", "good", 0))),
    with_trailers("suspect-trailer-name", Guest().on("request_trailers", add("bad()name", "1", 1), show_log())),
    *(wasm(f"forwarded-proto-{what}", want, Guest().on("request_headers", step)) for what, want, step in (("removed", "404", drop("x-forwarded-proto", 0)), ("empty", "404", put("x-forwarded-proto", "", 0)), ("of-pairs", "404", call("set_header_map_pairs", 0, serialize(WHOLE[:4]), label="p")))),
    *(wasm(f"upgrade-{what}", "200", Guest().on("request_headers", when_path("/u", *steps)), send)
      for what, steps, send in (("alone", (put("upgrade", "websocket", 0),), request("/u")), ("alone-post", (put("upgrade", "h2c", 0),), request("/u", body=b"abc", method="POST")), ("with-close", (put("upgrade", "websocket", 0), put("connection", "close", 0)), request("/u")))),
    wasm("forwarded-proto-removed-by-header", "404", Guest().on("request_headers", drop("x-forwarded-proto", 0)), request("/", "x-a: 1"), routes="- {match: {prefix: /, headers: [{name: x-a, present_match: true}]}, route: {cluster: $up}}"),
)


def chain(name: str, want: str, *guests: Guest, requests: tuple[bytes, ...] = (request("/"),), vms: tuple[str, ...] = (), more: str = "", **case: object) -> Case:
    """Several plugins, one behind the other."""
    names = vms or tuple(f"$id-{at}" for at in range(len(guests)))
    configs = (plugin_yaml(guest, vm=f"vm_id: {names[at]}", name=f"n{at}", more=more) for at, guest in enumerate(guests))
    entries = "".join(f"- {{name: w{at}, typed_config: {{'@type': {FILTER}, config: {config}}}}}\n" for at, config in enumerate(configs))
    return Case(f"wasm-chain-{name}", want, (ask(*requests),), filters=entries, **case)  # type: ignore[arg-type]


def passing(mark: str, *steps: Step | str, returns: int = 0) -> Guest:
    """A plugin that leaves its mark both ways."""
    return Guest().on("request_headers", *steps, note(mark), show_header(0, f"x-{mark}"), returns=returns).on("response_headers", note(mark), value(2, ":status"), show_header(2, f"x-{mark}"))


LAST = "(if (i32.eqz (local.get 2)) (then (return (i32.const 1))))"
TICK = (*in_ticks(4, EFFECTIVE, call("continue_stream", 0, quiet=True)),)
CHAINS = (
    chain("reply-of-the-second", "403", passing("one"), passing("two", reply()), passing("three")),
    chain("reply-of-the-first", "403", passing("one", reply()), passing("two")),
    chain("trap-in-the-second", "503 503", passing("one"), passing("two", TRAP), requests=(request("/"), request("/"))),
    chain("both-pause", "200", passing("one", keep(0), COUNTING, returns=1).on("configure", *TICKING, returns=1).on("tick", *TICK), passing("two", keep(0), COUNTING, returns=1).on("configure", *TICKING, returns=1).on("tick", *TICK)),
    chain("bodies", "200", Guest().on("request_headers", call("remove_header_map_value", 0, "content-length", quiet=True)).on("request_body", LAST, call("set_buffer_bytes", 0, 0, 99, "of the first", quiet=True)), Guest().on("request_body", note("b", P(1), "/", P(2)), call("get_buffer_bytes", 0, 0, 99, OUT, label="g")).on("response_headers", show_header(2)), requests=(request("/", method="POST", body=b"of the client"),)),
    chain("response-bodies", "200", Guest().on("response_body", note("b", P(1), "/", P(2)), call("get_buffer_bytes", 1, 0, 99, OUT, label="g")).on("log", show_log()), Guest().on("response_headers", call("remove_header_map_value", 2, "content-length", quiet=True)).on("response_body", LAST, call("set_buffer_bytes", 1, 0, 99, "of the second", quiet=True))),
    chain("reply-then-body", "200", Guest().on("response_headers", note("rh", P(1), "/", P(2))).on("response_body", note("b", P(1), "/", P(2))).on("log", show_log()), Guest().on("request_headers", reply(200, "a body"))),
    chain("one-vm", "200", *(passing("same") for _ in range(3)), vms=("$id", "$id", "$id")),
    chain("shared-queue", "200 200", Guest().on("vm_start", call("register_shared_queue", "q", At(640), label="r"), returns=1).on("queue_ready", call("dequeue_shared_queue", P(1), OUT, label="d"), show_log()), Guest().on("request_headers", call("resolve_shared_queue", "wasm-chain-shared-queue-0", "q", At(256), label="r"), save(), call("enqueue_shared_queue", Saved(), "from another VM", label="e"), call("resolve_shared_queue", Raw(0, 0), "q", At(256), label="o"), show_header(0)), requests=(request("/"), request("/")), settle_s=0.4),
    chain("shared-data", "200 200", *(Guest().on("request_headers", call("get_shared_data", "k", OUT, At(600), label="g"), call("set_shared_data", "k", f"of {at}", 0, label="s"), show_header(0, f"x-{at}")) for at in range(3)), vms=("$id", "$id", "$id-other"), requests=(request("/"), request("/"))),
    chain("reload", "503 503", passing("one"), passing("two", when_path("/", TRAP)), requests=(request("/"), request("/")), more="failure_policy: FAIL_RELOAD, reload_config: {backoff: {base_interval: 60s}}"),
)
READ = ["request.path", "request.headers.x-t2", "request.headers", "request.total_size", "request.size", "request.host", "request.method", "request.query", "response.headers", "response.headers.:status", "response.total_size", "response.size", "response.code", "response.trailers", "response.trailers.x-u"]


def reading(phase: str, names: list[str], returns: int = 0) -> Case:
    """What is left of both heads when a later callback asks."""
    steps = [call("get_property", name.replace(".", "\0"), OUT, label=name) for name in names]
    return with_trailers(f"read-in-{phase.replace('_', '-')}", Guest().on(phase, *steps, show_log(), returns=returns))


READS = (
    *(reading(phase, READ) for phase in ("request_body", "request_trailers", "response_body", "response_trailers")),
    reading("response_headers", [name for name in READ if name not in ("response.headers", "response.total_size")]),
    reading("done", READ, returns=1),
    on_request("own-under-old-names", *(step for name in ("route_name", "cluster_name", "node", "\0", "a\0b") for step in (call("get_property", name, OUT, label="g"), call("set_property", name, "mine", label="s"), call("get_property", name, OUT, label=name)))),
)
HEAD = ((b":method", b"POST"), (b":path", b"/other"), (b":authority", b"x.test"))
NO_XFP = "function envoy_on_request(h) h:headers():remove('x-forwarded-proto') h:clearRouteCache() end"
ROUTED = (
    *(wasm(f"reroute-{name}", want, Guest().on("request_headers", step)) for name, want, step in (
        ("without-forwarded-proto", "404", call("remove_header_map_value", 0, "x-forwarded-proto")),
        ("empty-forwarded-proto", "404", call("replace_header_map_value", 0, "x-forwarded-proto", Raw(0, 0))),
        ("odd-forwarded-proto", "200", call("replace_header_map_value", 0, "x-forwarded-proto", "odd")),
        ("without-scheme", "200", call("remove_header_map_value", 0, ":scheme")),
        ("only-what-is-needed", "404", call("set_header_map_pairs", 0, serialize(list(HEAD)))),
        ("what-is-needed", "200", call("set_header_map_pairs", 0, serialize([*HEAD, (b"x-forwarded-proto", b"http")]))),
    )),
    Case("route-cleared-without-forwarded-proto", "404", (ask(request("/")),), filters=f'- lua: {{default_source_code: {{inline_string: "{NO_XFP}"}}}}'),
    Case("route-kept-without-forwarded-proto", "200", (ask(request("/")),), filters="- header_mutation: {mutations: {request_mutations: [{remove: x-forwarded-proto}]}}"),
)

CASES = (*MAPS, *SUSPECTS, *CHAINS, *READS, *ROUTED)
