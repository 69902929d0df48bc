"""The Lua filter where scripts that people publish have found a difference: statuses that are none, headers that never
leave or never arrive, the headers of calls, the pieces of a body, what stands in a state."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from tests.parity.case import Case, answers, request, response
from tests.parity.cases.lua import lua, req, resp
from tests.parity.cases.lua_flow import CHUNKED, POST, UP_CHUNKED, both

STATIC = "- {match: {prefix: /}, direct_response: {status: 200, body: {inline_string: static}}}"
SIZES = 'local t = {} for c in h:bodyChunks() do t[#t + 1] = c:length() end h:logInfo("x") h:streamInfo():dynamicMetadata():set("m", "sizes", table.concat(t, " "))'
LOG = "%DYNAMIC_METADATA(m:sizes)%\n"
UP_KEEPS = {"up": answers(response("200 OK", "Keep-Alive: timeout=5", "Connection: keep-alive", "X-U: 1", body=b"u"))}
UP_CHUNKS = {"up": answers(response("200 OK", "Transfer-Encoding: chunked", body=None) + b"4\r\nabcd\r\n2\r\nef\r\n1\r\ng\r\n0\r\n\r\n")}
CALL_TO_B = {"routes": "- {match: {prefix: /}, route: {cluster: $up}}\n- {match: {prefix: /b}, route: {cluster: $b}}"}


def status(name: str, change: str, **fields: object) -> Case:
    """A response whose status the script spoils."""
    return resp(f"edge-status-{name}", f"h:headers():{change}", want="502", **fields)  # type: ignore[arg-type]


def call(name: str, headers: str) -> Case:
    """A call with these headers, beside those that it needs."""
    script = f'function envoy_on_request(h) h:httpCall("$b", {{[":method"] = "POST", [":path"] = "/c", [":authority"] = "calls.test", {headers}}}, "abc", 1000) end'
    return lua(f"edge-call-{name}", "200", script, **CALL_TO_B)  # type: ignore[arg-type]


CASES = (
    status("word", 'replace(":status", "abc")'),
    status("empty", 'replace(":status", "")'),
    status("fraction", 'replace(":status", 200.5)'),
    status("added", 'add(":status", "404")'),
    status("removed-from-reply", 'remove(":status")', routes=STATIC),
    status("spoilt-in-reply", 'replace(":status", "x")', routes=STATIC),
    resp("edge-status-spoilt-for-head", 'h:headers():replace(":status", "x")', request("/", method="HEAD"), want="502", routes=STATIC),
    both("edge-status-spoilt-after-respond", 'h:respond({[":status"] = "403"}, "no")', 'h:headers():replace(":status", "x")', want="502"),
    req("edge-pseudo-request", 'h:headers():add(":odd", "1") out(h, "r", h:headers():get(":odd"))'),
    req("edge-pseudo-request-twice", 'h:headers():add(":odd", "1") h:headers():add("x-b", "c")'),
    resp("edge-pseudo-response", 'h:headers():add(":odd", "1") h:headers():add(":path", "/x") out(h, "r", h:headers():get(":path"))'),
    resp("edge-pseudo-response-first", 'h:headers():add(":odd", "1")', upstream={"up": answers(response("200 OK", body=b"u"))}),
    resp("edge-keep-alive-gone", 'out(h, "r", select("#", h:headers():get("keep-alive")))', upstream=UP_KEEPS),
    resp("edge-keep-alive-gone-twice", 'out(h, "r", select("#", h:headers():get("keep-alive")))', request("/1"), request("/2"), request("/3"), want="200 200 200", upstream=UP_KEEPS),
    resp("edge-keep-alive-own", 'h:headers():add("keep-alive", "timeout=9")'),
    resp("edge-keep-alive-chunked", 'out(h, "r", select("#", h:headers():get("keep-alive")))', upstream={"up": answers(response("200 OK", "Keep-Alive: timeout=5", "Transfer-Encoding: chunked", body=None) + b"1\r\na\r\n0\r\n\r\n")}),
    call("connection", 'connection = "keep-alive"'),
    call("hop", '["keep-alive"] = "5", ["proxy-connection"] = "x", te = "deflate"'),
    call("nominated", 'connection = "x-hop", ["x-hop"] = "1"'),
    call("framing", '["content-length"] = "7"'),
    req("edge-pieces-request", SIZES, CHUNKED, log=LOG),
    resp("edge-pieces-response", SIZES, upstream=UP_CHUNKS, log=LOG),
    resp("edge-pieces-response-one", SIZES, upstream=UP_CHUNKED, log=LOG),
    req("edge-pieces-whole", SIZES, POST, log=LOG),
    req("edge-loaded-modules", 'local t = {} for k in pairs(package.loaded) do t[#t + 1] = k end table.sort(t) out(h, "r", table.concat(t, " "))'),
    req("edge-error-between-changes", 'h:headers():add("x-1", "a") h:headers():replace("x-b", "new") h:headers():remove("x-a") local n = nil h:headers():add("x-2", n.x)'),
    req("edge-error-caught-between-changes", 'h:headers():add("x-1", "a") pcall(function() h:headers():add("x-2", "b") error("x") end) out(h, "r", h:headers():get("x-2"))'),
    req("edge-changes-then-route", 'h:headers():replace(":path", "/other") out(h, "r", h:streamInfo():routeName()) h:clearRouteCache() out(h, "s", h:streamInfo():routeName())', routes="- {match: {prefix: /other}, route: {cluster: $up}, name: o}\n- {match: {prefix: /}, route: {cluster: $up}, name: all}"),
    req("edge-changes-then-reply", 'h:headers():add("x-1", "a") h:respond({[":status"] = "200"}, h:headers():get("x-1"))'),
    req("edge-changes-of-both-maps", 'h:headers():add("x-1", "a") h:requestHeaders():add("x-1", "b") h:headers():add("x-1", "c") out(h, "r", h:requestHeaders():get("x-1"))'),
    both("edge-changes-from-response", "mine = h", 'local ok, e = pcall(function() mine:headers():add("x-1", "a") end) out(h, "r", e) h:headers():add("x-2", "b")'),
    both("edge-changes-kept-map", "map = h:headers()", 'local ok, e = pcall(function() map:add("x-1", "a") end) out(h, "r", e)'),
)
