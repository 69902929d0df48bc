"""TCP sessions under a Proxy-Wasm module: data, closes, pauses, calls, state, and the access loggers of both layers."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from tests.parity.case import Case, ask, request, response, tunnel
from tests.parity.cases.wasm import CALL_PATH, HELLO, l4, number, prop, value
from tests.parity.cases.wasm_flow import COUNTING, EFFECTIVE, TICKING, in_ticks
from tests.parity.cases.wasm_state import fields, foreign, put
from tests.support.guest import (
    OUT,
    OUT_U32,
    TRAP,
    At,
    Guest,
    P,
    Raw,
    Step,
    answer,
    call,
    keep,
    note,
    plugin_yaml,
    show_log,
)
from tests.support.steps import Close, Fin, Until, UntilEnd, Wait

NOTHING_YET = "(if (i32.eqz (local.get 1)) (then (return (i32.const 0))))"
ALL = 4294967295


def told() -> Guest:
    """A module that logs its life."""
    return Guest().on("context_create", note("c")).on("downstream_connection_close", note("dc", P(1))).on("upstream_connection_close", note("uc", P(1))).on("done", note("done"), returns=1).on("log", note("log"), show_log())


def data(kind: int = 2) -> tuple[Step | str, ...]:
    return (note("d" if kind == 2 else "u", P(1), "/", P(2)), call("get_buffer_bytes", kind, 0, 99, OUT, label="b"))


ECHO = tunnel(Until(b"hello"), b"welcome", UntilEnd(1.0))
END = UntilEnd(1.5)

SESSIONS = (
    l4("life-client-first", told().on("new_connection", note("new")).on("downstream_data", *data()).on("upstream_data", *data(3)), b"hello", Until(b"welcome"), Fin(), END, upstream={"up": tunnel(Until(b"hello"), b"welcome", UntilEnd(1.0), Close())}),
    l4("life-client-closes", told().on("downstream_data", *data()).on("upstream_data", *data(3)), b"hello", Until(b"welcome"), Close(), upstream={"up": ECHO}),
    l4("life-upstream-first", told().on("downstream_data", *data()).on("upstream_data", *data(3)), b"hello", END, upstream={"up": tunnel(Until(b"hello"), b"welcome", Wait(0.1), Close())}),
    l4("life-nothing", told().on("new_connection", note("new")), Wait(0.1), Close()),
    l4("no-callbacks", Guest().on("tick"), b"hello", END, upstream={"up": HELLO}),
    l4("only-close", Guest().on("downstream_connection_close", note("dc", P(1)), show_log()), b"hello", Until(b"welcome"), Close(), upstream={"up": ECHO}),
    l4("dead", told().on("new_connection", note("new")), b"hello", END, to="dead"),
    l4("operations", told().on("downstream_data", NOTHING_YET, call("set_buffer_bytes", 2, 0, 5, "write", label="s"), call("set_buffer_bytes", 2, 1, 1, "x", label="s"), call("set_buffer_bytes", 2, 5, 0, "+", label="s"), call("set_buffer_bytes", 2, 99, 9, "!", label="s"), call("get_buffer_bytes", 2, 1, 3, OUT, label="g"), call("get_buffer_bytes", 2, 99, 3, OUT, label="g"), call("get_buffer_status", 2, OUT_U32, At(600), label="n"), call("get_buffer_bytes", 3, 0, 9, OUT, label="o"), call("set_buffer_bytes", 3, 0, 0, "o", label="o")), b"hello", Wait(0.3), Close(), upstream={"up": tunnel(Until(b"!"), UntilEnd(1.0))}),
    l4("removed", Guest().on("downstream_data", NOTHING_YET, call("set_buffer_bytes", 2, 0, ALL, Raw(0, 0))).on("upstream_data", NOTHING_YET, call("set_buffer_bytes", 3, 0, 3, Raw(0, 0))), b"hello", END, upstream={"up": tunnel(Wait(0.2), b"welcome", Fin(), UntilEnd(0.5))}),
    l4("upstream-held", told().on("upstream_data", *data(3), "(if (i32.lt_u (local.get 1) (i32.const 6)) (then", answer(1), "))"), b"hello", Until(b"welcome"), Close(), upstream={"up": tunnel(Until(b"hello"), b"wel", Wait(0.2), b"come", UntilEnd(1.0))}),
    *(l4(f"{name}-end-held", told().on("downstream_data", *data(), returns=down).on("upstream_data", *data(3), returns=up), *steps, UntilEnd(0.8), upstream={"up": tunnel(*there)}, settle_s=0.3)
      for name, down, up, steps, there in (
          ("upstream", 0, 1, (b"hello",), (Until(b"hello"), b"welcome", Wait(0.1), Fin(), UntilEnd(2.0))),
          ("both", 1, 1, (Wait(0.15), b"hello", Wait(0.3), Fin()), (b"welcome", Wait(0.3), Fin(), UntilEnd(2.0))),
          ("client", 1, 0, (Until(b"welcome"), b"hello", Wait(0.1), Fin()), (b"welcome", UntilEnd(1.2), Fin())),
          ("upstream-then-client", 0, 1, (b"hello", Wait(0.4), Fin()), (Until(b"hello"), b"welcome", Wait(0.1), Fin(), UntilEnd(2.0))),
      )),
    Case("wasm-l4-two-see-the-ends", "", ((b"hello", Until(b"welcome"), Wait(0.3), Fin(), UntilEnd(0.8)),), l4="".join(f"- wasm: {{config: {plugin_yaml(Guest().on('downstream_data', *data()).on('upstream_data', *data(3)).on('upstream_connection_close', note('uc', P(1))).on('log', show_log()), vm='vm_id: $id', name=name)}}}\n" for name in ("one", "two")) + "- tcp_proxy: {stat_prefix: $id, cluster: $up}", upstream={"up": tunnel(Until(b"hello"), b"welcome", Wait(0.1), Fin(), UntilEnd(2.0))}),
    l4("new-then-tick", told().on("configure", *TICKING, returns=1).on("new_connection", note("new"), keep(0), COUNTING, returns=1).on("downstream_data", *data()).on("tick", *in_ticks(4, EFFECTIVE, call("continue_stream", 2, label="c"))), b"hello", END, upstream={"up": HELLO}),
    l4("data-then-tick", told().on("configure", *TICKING, returns=1).on("downstream_data", *data(), keep(0), "(if (local.get 2) (then", answer(0), "))", COUNTING, returns=1).on("tick", *in_ticks(4, EFFECTIVE, call("get_buffer_bytes", 2, 0, 99, OUT, label="b"), call("continue_stream", 2, label="c"))), b"hello", END, upstream={"up": HELLO}),
    l4("tick-closes", told().on("configure", *TICKING, returns=1).on("new_connection", keep(0), COUNTING).on("tick", *in_ticks(4, EFFECTIVE, call("close_stream", 2, label="c"))), b"hello", END, upstream={"up": ECHO}),
    l4("close-upstream", told().on("downstream_data", call("close_stream", 3, label="c")), b"hello", END, upstream={"up": ECHO}),
    l4("close-http-kinds", told().on("downstream_data", NOTHING_YET, call("close_stream", 0, label="c"), call("close_stream", 1, label="c"), call("continue_stream", 0, label="k"), call("continue_stream", 1, label="k"), call("continue_stream", 3, label="k")), b"hello", Until(b"welcome"), Close(), upstream={"up": ECHO}),
    l4("call", told().on("downstream_data", *data(), keep(0), "(if (local.get 2) (then", answer(0), "))", call("http_call", "wasm-l4-call-b", CALL_PATH, "sent", Raw(0, 0), 1000, At(256), label="call"), returns=1).on("http_call_response", note("cb", P(2)), value(6, ":status"), EFFECTIVE, call("continue_stream", 2, label="c")), b"hello", END, upstream={"up": HELLO, "b": tunnel(Until(b"sent"), response("200 OK"), UntilEnd(1.0))}, clusters={"b": ""}, extra="$b"),
    l4("cluster", told().on("new_connection", foreign("set_envoy_filter_state", fields((1, b"envoy.tcp_proxy.cluster"), (2, b"wasm-l4-cluster-b"), (3, 2)))), b"hello", END, upstream={"b": HELLO}, clusters={"b": ""}, extra="$b"),
    l4("state", told().on("new_connection", put("a", "1"), prop("a")).on("downstream_data", NOTHING_YET, prop("a"), put("a", "2"), prop("a"), prop("filter_state", "wasm.a")), b"hello", Until(b"welcome"), Close(), upstream={"up": ECHO}),
    l4("props", told().on("downstream_data", NOTHING_YET, *(prop(*path.split("/")) for path in ("connection/mtls", "connection/requested_server_name", "connection/tls_version", "plugin_name", "plugin_vm_id", "xds/cluster_name", "xds/listener_metadata", "xds/filter_chain_name", "request/protocol", "request", "connection", "source", "upstream", "metadata", "filter_state", "xds/node/id", "upstream/transport_failure_reason", "connection/termination_details")), *(number(*path.split("/")) for path in ("connection/id", "source/port", "destination/port", "upstream/port", "xds/listener_direction", "request/size", "response/flags", "request/time", "connection_id"))), b"hello", Until(b"welcome"), Close(), upstream={"up": ECHO}),
    *(l4(f"trap-{callback}{'-open' if policy else ''}", told().on(callback, note(callback), show_log(), TRAP) if callback != "downstream_connection_close" else Guest().on(callback, TRAP), b"hello", END, upstream={"up": HELLO}, more="failure_policy: FAIL_OPEN" if policy else "") for callback in ("new_connection", "upstream_data", "downstream_connection_close") for policy in (0, 1)),
    l4("trap-tick", Guest().on("configure", *TICKING, returns=1).on("new_connection", keep(0), COUNTING).on("tick", *in_ticks(4, TRAP)), b"hello", Until(b"welcome"), Wait(0.5), b"more", END, upstream={"up": tunnel(Until(b"hello"), b"welcome", Until(b"more"), b"again", UntilEnd(1.0))}),
)

LOG_KIND = "type.googleapis.com/envoy.extensions.access_loggers.wasm.v3.WasmAccessLog"


def entry(guest: Guest, name: str = "logger") -> str:
    return f"{{name: envoy.access_loggers.wasm, typed_config: {{'@type': {LOG_KIND}, config: {plugin_yaml(guest, vm='vm_id: $id', name=name, more='root_id: log')}}}}}"


HTTP_LOG = Guest().on("log", note("l", P(0)), value(0, ":path"), value(2, ":status"), value(3, "x"), value(1, "x"), prop("response", "code_details"), prop("request", "headers", "x-a"), prop("plugin_name"), prop("xds", "route_name"), number("response", "code"), call("get_header_map_pairs", 0, At(256), At(260), label="p"), call("add_header_map_value", 0, "a", "b", label="a"), call("get_buffer_bytes", 0, 0, 9, OUT, label="b"), call("send_local_response", 200, "d", "b", Raw(0, 0), 0, label="r"), put("x", "y"), call("continue_stream", 0, label="c"), show_log())
LOGGERS = (
    Case("wasm-log-alone", "200 200", (ask(request("/one", "x-a: 1"), request("/two")),), hcm=f"access_log: [{entry(HTTP_LOG)}]"),
    Case("wasm-log-of-bad-request", "400", ((b"GET / HTTP/1.1\r\n\r\n", UntilEnd(1.0)),), hcm=f"access_log: [{entry(HTTP_LOG)}]"),
    Case("wasm-log-traps", "200 200", (ask(request("/one"), request("/two")),), hcm=f"access_log: [{entry(Guest().on('log', note('l'), show_log(), TRAP))}]"),
    Case("wasm-log-calls", "200", (ask(request("/one")), (Wait(0.3),)), hcm=f"access_log: [{entry(Guest().on('log', call('http_call', 'wasm-log-calls-b', CALL_PATH, Raw(0, 0), Raw(0, 0), 1000, At(256), label='call')).on('http_call_response', note('cb', P(2)), show_log()))}]", clusters={"b": ""}, routes="- {match: {prefix: /}, route: {cluster: $up}, name: all}  # and $b"),
    Case("wasm-log-l4", "", ((b"hello", UntilEnd(1.5)),), l4=f"- tcp_proxy: {{stat_prefix: $id, cluster: $up, access_log: [{entry(Guest().on('log', note('l'), value(0, ':path'), prop('plugin_name'), prop('connection', 'termination_details'), number('source', 'port'), number('upstream', 'port'), number('request', 'size'), number('response', 'size'), number('connection', 'id'), prop('request', 'path'), show_log()))}]}}", upstream={"up": HELLO}),
)
CASES = (*SESSIONS, *LOGGERS)
