"""The Lua filter's httpCall: what the other cluster sees, what the script gets back, failures, options, errors."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from tests.parity.case import Case, answers, ask, request, response
from tests.parity.cases.lua import req, resp
from tests.parity.cases.lua_flow import POST, both
from tests.support.steps import Wait

UP = {"up": answers(response("200 OK", body=b"upstream"))}
SIDE = UP | {"b": answers(response("200 OK", "X-C: 1", "X-D: one", "X-C: 2", body=b"called"))}
ROUTES = "- {match: {prefix: /never}, route: {cluster: $b}}\n- {match: {prefix: /dead}, route: {cluster: $dead}}\n- {match: {prefix: /empty}, route: {cluster: $empty}}\n- {match: {prefix: /stuck}, route: {cluster: $stuck}}\n- {match: {prefix: /}, route: {cluster: $up}, name: all}"
HEADERS = '{[":method"] = "GET", [":path"] = "/call", [":authority"] = "called"}'
SHOW = 'out(h, "r", r[":status"] .. " " .. tostring(b) .. " " .. tostring(r["x-c"]) .. " " .. tostring(r["x-d"]))'
REPLY = 'out(h, "r", tostring(r[":status"]) .. " " .. tostring(b) .. " " .. tostring(r["content-type"]))'


def call(name: str, body: str, *requests: bytes, want: str = "200", **fields: object) -> Case:
    """A request script that may call the cluster `c()`."""
    fields = {"upstream": SIDE, "routes": ROUTES} | fields
    return req(f"call-{name}", f'local function c(n) return "lua-call-{name}-" .. n end {body}', *requests, want=want, **fields)  # type: ignore[arg-type]


def wrong(name: str, arguments: str) -> Case:
    """A call that raises."""
    return call(name, f'out(h, "r", err(function() local r = h:httpCall({arguments}) end))')


CASES = (
    call("get", f'local r, b = h:httpCall(c("b"), {HEADERS}, "", 1000) {SHOW}'),
    call("post", f'local r, b = h:httpCall(c("b"), {{[":method"] = "POST", [":path"] = "/call", [":authority"] = "called", ["X-L"] = {{"1", "2"}}}}, "the body", 1000) {SHOW}'),
    call("nil-body", f'local r, b = h:httpCall(c("b"), {HEADERS}, nil, 1000) {SHOW}'),
    call("number-body", f'local r, b = h:httpCall(c("b"), {HEADERS}, 5, 1000) {SHOW}'),
    call("no-timeout", f'local r, b = h:httpCall(c("b"), {HEADERS}, nil, 0) {SHOW}'),
    call("empty-answer", 'local r, b = h:httpCall(c("b"), ' + HEADERS + ', nil, 1000) out(h, "r", r[":status"] .. tostring(b))', upstream=UP | {"b": answers(response("204 No Content", body=None))}),
    call("error-answer", f'local r, b = h:httpCall(c("b"), {HEADERS}, nil, 1000) {SHOW}', upstream=UP | {"b": answers(response("500 Oops", body=b"bad"))}),
    call("chunked-answer", f'local r, b = h:httpCall(c("b"), {HEADERS}, nil, 1000) {SHOW}', upstream=UP | {"b": answers(response("200 OK", "Transfer-Encoding: chunked", body=None) + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")}),
    call("async", f'local r = h:httpCall(c("b"), {HEADERS}, nil, 1000, true) out(h, "r", tostring(r))'),
    call("async-false", f'local r, b = h:httpCall(c("b"), {HEADERS}, nil, 1000, false) {SHOW}'),
    call("options", f'local r, b = h:httpCall(c("b"), {HEADERS}, nil, {{timeout_ms = 1000}}) {SHOW}'),
    call("options-async", f'local r = h:httpCall(c("b"), {HEADERS}, nil, {{timeout_ms = 1000, asynchronous = true}}) out(h, "r", tostring(r))'),
    call("options-duplicates", 'local r, b = h:httpCall(c("b"), ' + HEADERS + ', nil, {timeout_ms = 1000, return_duplicate_headers = true}) out(h, "r", dump(r["x-c"]) .. dump(r["x-d"]))'),
    call("options-no-xff", f'local r, b = h:httpCall(c("b"), {HEADERS}, nil, {{timeout_ms = 1000, send_xff = false}}) {SHOW}'),
    call("options-trace", f'local r, b = h:httpCall(c("b"), {HEADERS}, nil, {{timeout_ms = 1000, trace_sampled = true}}) {SHOW}'),
    call("options-empty", f'local r, b = h:httpCall(c("b"), {HEADERS}, nil, {{}}) {SHOW}'),
    call("refused", f'local r, b = h:httpCall(c("dead"), {HEADERS}, nil, 1000) {REPLY}'),
    call("no-host", f'local r, b = h:httpCall(c("empty"), {HEADERS}, nil, 1000) {REPLY}'),
    call("timeout", f'local r, b = h:httpCall(c("b"), {HEADERS}, nil, 100) {REPLY}', upstream=UP | {"b": answers((Wait(2.0), response()))}),
    call("garbage", f'local r, b = h:httpCall(c("b"), {HEADERS}, nil, 1000) {REPLY}', upstream=UP | {"b": answers(b"rubbish\r\n\r\n")}),
    call("twice", f'local r, b = h:httpCall(c("b"), {HEADERS}, "one", 1000) local s, d = h:httpCall(c("b"), {HEADERS}, b, 1000) out(h, "r", d)'),
    call("headers-die", f'local m = h:headers() h:httpCall(c("b"), {HEADERS}, nil, 1000) out(h, "r", err(function() m:add("a", "b") end))'),
    call("then-respond", f'local r, b = h:httpCall(c("b"), {HEADERS}, nil, 1000) h:respond({{[":status"] = "403", ["x-c"] = r["x-c"]}}, b)', want="403"),
    call("then-body", f'h:httpCall(c("b"), {HEADERS}, nil, 1000) local b = h:body() out(h, "r", b and b:getBytes(0, b:length()))', POST),
    call("then-body-set", f'h:httpCall(c("b"), {HEADERS}, nil, 1000) h:body():setBytes("changed")', POST),
    call("body-then-call", 'local b = h:body() local r, c = h:httpCall(c("b"), {[":method"] = "POST", [":path"] = "/", [":authority"] = "x"}, b:getBytes(0, b:length()), 1000) h:body():setBytes(c)', POST),
    call("with-body-untouched", f'local r, b = h:httpCall(c("b"), {HEADERS}, nil, 1000) {SHOW}', POST),
    call("then-raise", f'h:headers():add("x-before", "1") h:httpCall(c("b"), {HEADERS}, nil, 1000) error("late")'),
    call("in-pcall", f'local ok, r, b = pcall(h.httpCall, h, c("b"), {HEADERS}, nil, 1000) out(h, "r", tostring(ok) .. tostring(b))'),
    call("keep-alive", f'local r, b = h:httpCall(c("b"), {HEADERS}, nil, 1000) {SHOW}', request("/"), request("/"), want="200 200"),
    call("content-length-given", 'local r, b = h:httpCall(c("b"), {[":method"] = "POST", [":path"] = "/", [":authority"] = "x", ["content-length"] = "99"}, "abc", 1000) ' + SHOW),
    wrong("err-cluster", f'"nobody", {HEADERS}, "", 1000'),
    wrong("err-headers", 'c("b"), {[":method"] = "GET"}, "", 1000'),
    wrong("err-headers-type", 'c("b"), "x", "", 1000'),
    wrong("err-timeout", f'c("b"), {HEADERS}, "", -1'),
    wrong("err-timeout-missing", f'c("b"), {HEADERS}, ""'),
    wrong("err-timeout-text", f'c("b"), {HEADERS}, "", "soon"'),
    wrong("err-async", f'c("b"), {HEADERS}, "", 1000, 1'),
    wrong("err-async-nil", f'c("b"), {HEADERS}, "", 1000, nil'),
    wrong("err-option", f'c("b"), {HEADERS}, "", {{timeout = 1}}'),
    wrong("err-option-number", f'c("b"), {HEADERS}, "", {{1}}'),
    wrong("err-option-type", f'c("b"), {HEADERS}, "", {{timeout_ms = "x"}}'),
    wrong("err-option-negative", f'c("b"), {HEADERS}, "", {{timeout_ms = -1}}'),
    wrong("err-option-async-type", f'c("b"), {HEADERS}, "", {{asynchronous = 1}}'),
    wrong("err-value", 'c("b"), {[":method"] = true}, "", 1000'),
    wrong("err-list-value", 'c("b"), {x = {true}}, "", 1000'),
    wrong("err-body", f'c("b"), {HEADERS}, {{}}, 1000'),
    wrong("err-nothing", ""),
    Case("lua-call-in-response", "200", (ask(request("/")),), filters=resp("x", f'local r, b = h:httpCall("lua-call-in-response-b", {HEADERS}, nil, 1000) {SHOW}').filters, upstream=SIDE, routes=ROUTES),
    Case("lua-call-in-response-body", "200", (ask(request("/")),), filters=resp("x", f'local r, b = h:httpCall("lua-call-in-response-body-b", {HEADERS}, nil, 1000) h:body():setBytes(b .. h:body():length())').filters, upstream=SIDE, routes=ROUTES),
    Case("lua-call-both-hooks", "200", (ask(POST),), filters=both("x", f'h:httpCall("lua-call-both-hooks-b", {HEADERS}, nil, 1000) h:headers():add("x-q", "1")', f'h:httpCall("lua-call-both-hooks-b", {HEADERS}, nil, 1000) h:headers():add("x-s", "1")').filters, upstream=SIDE, routes=ROUTES),
)
