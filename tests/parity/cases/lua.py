"""The Lua filter: header maps, the handle's methods, argument errors, object lifetimes, what a script finds in its state.

Each script runs in both proxies; what it found out travels in headers (`out`), errors through `err`.
"""
# ruff: noqa: E501 - a table: a case reads best on its own line

import json

from tests.parity.case import Case, answers, ask, request, response

TOOLS = """
local function out(h, name, value) h:headers():add("x-" .. name, tostring(value)) end
local function err(f, ...) local ok, e = pcall(f, ...) return tostring(ok) .. " " .. tostring(e) end
local function dump(v)
  if type(v) ~= "table" then return type(v) .. ":" .. tostring(v) end
  local keys, parts = {}, {}
  for k in pairs(v) do keys[#keys + 1] = k end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for _, k in ipairs(keys) do parts[#parts + 1] = tostring(k) .. "=" .. dump(v[k]) end
  return "{" .. table.concat(parts, ",") .. "}"
end
"""
LINES = ("X-A: 1", "X-B: b", "X-A: 2")
UP = {"up": answers(response("200 OK", "X-U: 1", "X-V: v", "X-U: 2", body=b"upstream"))}


def source(script: str) -> str:
    return f"default_source_code: {{inline_string: {json.dumps(script)}}}"


def lua(name: str, want: str, script: str, *requests: bytes, more: str = "", **fields: object) -> Case:
    """A case with this script; by default one GET with LINES."""
    sent = requests or (request("/p?q=1", *LINES),)
    fields.setdefault("upstream", UP)
    return Case(f"lua-{name}", want, (ask(*sent),), filters=f"- lua: {{{source(TOOLS + script)}{more}}}", **fields)  # type: ignore[arg-type]


def req(name: str, body: str, *requests: bytes, want: str = "200", **fields: object) -> Case:
    """A script with envoy_on_request(h)."""
    return lua(name, want, f"function envoy_on_request(h) {body} end", *requests, **fields)  # type: ignore[arg-type]


def resp(name: str, body: str, *requests: bytes, want: str = "200", **fields: object) -> Case:
    """A script with envoy_on_response(h)."""
    return lua(name, want, f"function envoy_on_response(h) {body} end", *requests, **fields)  # type: ignore[arg-type]


CASES = (
    # ---- header maps
    req("get-joined", 'out(h, "r", h:headers():get("x-a"))'),
    req("get-upper-case", 'out(h, "r", h:headers():get("X-A"))'),
    req("get-missing", 'out(h, "r", select("#", h:headers():get("none")))'),
    req("get-pseudo", 'local m = h:headers() out(h, "r", m:get(":method") .. m:get(":path") .. m:get(":authority") .. m:get(":scheme"))'),
    req("get-missing-tostring", 'out(h, "r", err(function() return tostring(h:headers():get("none")) end))'),
    req("get-number", 'out(h, "r", select("#", h:headers():get(5)))'),
    req("get-at-index", 'local m = h:headers() out(h, "r", m:getAtIndex("x-a", 0) .. m:getAtIndex("x-a", 1) .. select("#", m:getAtIndex("x-a", 2)))'),
    req("get-at-negative-index", 'out(h, "r", err(function() local n = select("#", h:headers():getAtIndex("x-a", -1)) return n end))'),
    req("get-at-fraction", 'out(h, "r", h:headers():getAtIndex("x-a", 1.9))'),
    req("get-at-text-index", 'out(h, "r", h:headers():getAtIndex("x-a", "1"))'),
    req("num-values", 'local m = h:headers() out(h, "r", m:getNumValues("x-a") .. m:getNumValues("x-b") .. m:getNumValues("none"))'),
    req("add-new", 'h:headers():add("x-new", "1")'),
    req("add-again", 'h:headers():add("x-b", "c")'),
    req("add-inline", 'h:headers():add("user-agent", "c") h:headers():add("user-agent", "d")'),
    req("add-upper-case", 'h:headers():add("X-NEW", "MiXed")'),
    req("add-empty", 'h:headers():add("x-new", "")'),
    req("add-numbers", 'h:headers():add("x-new", 12) h:headers():add("x-new", 1.25) h:headers():add("x-new", 1e20)'),
    req("add-nul", 'h:headers():add("x-new", "a\\0b")'),
    req("replace-one", 'h:headers():replace("x-b", "new")'),
    req("replace-many", 'h:headers():replace("x-a", "new")'),
    req("replace-missing", 'h:headers():replace("x-new", "new")'),
    req("replace-path", 'h:headers():replace(":path", "/other")', routes="- {match: {prefix: /other}, route: {cluster: $up}, name: o}\n- {match: {prefix: /}, direct_response: {status: 418}}"),
    req("replace-method", 'h:headers():replace(":method", "PUT")'),
    req("replace-authority", 'h:headers():replace(":authority", "b.test")'),
    req("replace-path-kept-route", 'h:headers():replace(":path", "/other")', more=", clear_route_cache: false", routes="- {match: {prefix: /other}, direct_response: {status: 418}}\n- {match: {prefix: /}, route: {cluster: $up}, name: o}"),
    req("remove", 'h:headers():remove("x-a") h:headers():remove("none")'),
    req("remove-path", 'h:headers():remove(":path")', want="404"),
    req("remove-authority", 'h:headers():remove(":authority")'),
    req("bad-name", 'h:headers():add("x y", "1")', want="503"),
    req("bad-value", 'h:headers():add("x-y", "1\\n2")', want="503"),
    req("pairs-order", 'local t = {} for k, v in pairs(h:headers()) do if k ~= "x-request-id" then t[#t + 1] = k .. "=" .. v end end out(h, "r", table.concat(t, " "))'),
    req("pairs-edit-inside", 'local e for k, v in pairs(h:headers()) do e = e or err(function() h:headers():add("x-c", "1") end) end out(h, "r", e)'),
    req("pairs-edit-after", 'for k, v in pairs(h:headers()) do end h:headers():add("x-c", "1")'),
    req("pairs-left-early", 'for k, v in pairs(h:headers()) do break end h:headers():add("x-c", "1")'),
    req("pairs-second", 'local e for k, v in pairs(h:headers()) do e = e or err(function() pairs(h:headers()) end) end out(h, "r", e)'),
    req("pairs-replace-inside", 'local e for k, v in pairs(h:headers()) do e = e or err(function() local m = h:headers() m:replace("x-c", "1") end) end out(h, "r", e)'),
    req("pairs-remove-inside", 'local e for k, v in pairs(h:headers()) do e = e or err(function() local m = h:headers() m:remove("x-c") end) end out(h, "r", e)'),
    req("same-object", 'out(h, "r", h:headers() == h:headers())'),
    req("types", 'out(h, "r", type(h) .. type(h:headers()) .. type(h:streamInfo()))'),
    resp("response-add-replace", 'h:headers():add("x-new", "1") h:headers():replace("x-v", "w")'),
    resp("response-get", 'out(h, "r", h:headers():get("x-u") .. h:headers():get(":status"))'),
    resp("response-status", 'h:headers():replace(":status", "201")', want="201"),
    resp("response-remove-status", 'h:headers():remove(":status")', want="502"),
    resp("response-server", 'h:headers():replace("server", "mine") h:headers():remove("x-u")'),
    resp("response-pairs", 'local t = {} for k, v in pairs(h:headers()) do t[#t + 1] = k .. "=" .. v end out(h, "r", table.concat(t, " "):gsub("time=%d+", "time"))'),
    resp("response-request-headers", 'out(h, "r", h:requestHeaders():get("x-a")) h:requestHeaders():add("x-z", "1") out(h, "s", h:requestHeaders():get("x-z"))'),
    req("request-request-headers", 'out(h, "r", err(function() local m = h:requestHeaders() return m:get("x-a") end))'),
    req("host-get", 'local m = h:headers() out(h, "r", m:get("host") .. m:get("Host") .. m:getNumValues("host") .. m:getAtIndex("host", 0))'),
    req("host-replace", 'h:headers():replace("host", "b.test") out(h, "r", h:headers():get(":authority"))'),
    req("host-add", 'h:headers():add("host", "more")'),
    resp("host-in-response", 'h:headers():add("host", "x") out(h, "r", h:headers():get("host") .. h:requestHeaders():get("host"))'),
    # ---- argument errors
    req("err-no-self", 'out(h, "r", err(function() local m = h.headers() end))'),
    req("err-number-self", 'out(h, "r", err(function() local m = h.headers(5) end))'),
    req("err-other-self", 'out(h, "r", err(function() local m = h:headers().add(h, "a", "b") end))'),
    req("err-add-nothing", 'out(h, "r", err(function() h:headers():add() end))'),
    req("err-add-nil", 'out(h, "r", err(function() h:headers():add("x", nil) end))'),
    req("err-add-table", 'out(h, "r", err(function() h:headers():add("x", {}) end))'),
    req("err-add-boolean", 'out(h, "r", err(function() h:headers():add("x", true) end))'),
    req("err-add-tail-call", 'out(h, "r", err(function() return h:headers():add("x") end))'),
    req("err-dot-call", 'out(h, "r", err(function() h:headers().add("x", "y") end))'),
    req("err-local-function", 'out(h, "r", err(function() local g = h:headers().get g("x") end))'),
    req("err-unknown-method", 'out(h, "r", err(function() h:headers():append("x", "y") end))'),
    req("err-no-log-method", 'out(h, "r", err(function() h:log("info", "y") end))'),
    req("err-set-field", 'out(h, "r", err(function() h.x = 1 end))'),
    req("err-pairs-handle", 'out(h, "r", err(function() for k in pairs(h) do end end))'),
    req("err-body-argument", 'out(h, "r", err(function() local b = h:body("x") end))'),
    req("err-log-nil", 'out(h, "r", err(function() h:logInfo(nil) end))'),
    req("err-log-nothing", 'out(h, "r", err(function() h:headers():logWarn() end))'),
    req("err-timestamp", 'out(h, "r", err(function() local t = h:timestamp(5) end))'),
    req("err-timestamp-string", 'out(h, "r", err(function() local t = h:timestampString("x") end))'),
    req("err-override-host", 'out(h, "r", err(function() h:setUpstreamOverrideHost("name") end))'),
    req("err-override-host-flag", 'out(h, "r", err(function() h:setUpstreamOverrideHost("1.2.3.4:5", 5) end))'),
    req("err-base64", 'out(h, "r", err(function() local t = h:base64Escape() end))'),
    req("err-get-at", 'out(h, "r", err(function() local t = h:headers():getAtIndex("x-a") end))'),
    req("err-get-at-table", 'out(h, "r", err(function() local t = h:headers():getAtIndex("x-a", {}) end))'),
    # ---- errors of the script
    req("raise-text", 'h:headers():add("x-before", "1") error("boom") h:headers():add("x-after", "1")'),
    req("raise-table", 'error({})'),
    req("raise-nil-index", 'local t = nil t.x = 1'),
    lua("raise-response-still-runs", "200", 'function envoy_on_request(h) error("x") end function envoy_on_response(h) out(h, "r", 1) end'),
    req("raise-in-pcall", 'out(h, "r", err(error, "text")) out(h, "s", err(error, {1}):sub(1, 12))'),
    req("unexpected-yield", 'h:headers():add("x-before", "1") coroutine.yield() h:headers():add("x-after", "1")'),
    req("own-coroutine", 'local co = coroutine.wrap(function() coroutine.yield(1) coroutine.yield(2) end) out(h, "r", co() + co())'),
    req("xpcall", 'out(h, "r", select(2, xpcall(function() error("e") end, function(m) return "handled " .. m end)))'),
    lua("no-hooks", "200", "local x = 1"),
    lua("hook-is-no-function", "200", "envoy_on_request = 5"),
    lua("globals-live-on", "200 200", 'n = 0 function envoy_on_request(h) n = n + 1 out(h, "r", n) end', request("/"), request("/")),
    lua("hook-replaced-later", "200 200", 'function envoy_on_request(h) out(h, "r", "one") envoy_on_request = function(h) out(h, "r", "two") end end', request("/"), request("/")),
    lua("stale-handle", "200 200", 'function envoy_on_request(h) if kept then out(h, "r", err(function() local m = kept:headers() end)) end kept = h end', request("/"), request("/")),
    lua("stale-headers", "200 200", 'function envoy_on_request(h) if kept then out(h, "r", err(function() kept:add("a", "b") end)) end kept = h:headers() end', request("/"), request("/")),
    lua("stale-handle-in-response", "200", 'function envoy_on_request(h) kept = h end function envoy_on_response(h) out(h, "r", err(function() kept:logInfo("x") end)) end'),
    # ---- what a script finds
    req("globals", 'local t = {} for k in pairs(_G) do t[#t + 1] = k end table.sort(t) out(h, "r", table.concat(t, ","))'),
    req("version", 'out(h, "r", _VERSION .. " " .. jit.version:sub(1, 10) .. " " .. bit.band(7, 3))'),
    req("libraries", 'out(h, "r", type(io.open) .. type(os.time) .. type(require("ffi").new) .. type(loadstring("return 1")) .. type(package.path))'),
    req("os-getenv", 'out(h, "r", os.getenv("NO_SUCH_VARIABLE"))'),
    req("string-functions", 'out(h, "r", ("a,b"):gsub(",", ";") .. ("x"):rep(3, "-") .. string.format("%5.2f|%q", 1.5, "q"))'),
    req("table-functions", 'local p = table.pack(1, nil, 3) out(h, "r", p.n .. table.concat({1, 2}, ",") .. tostring(table.unpack({4})) .. rawlen({1, 2}))'),
    req("math-functions", 'out(h, "r", math.log(8, 2) .. math.floor(2.5) .. math.huge .. 7 % 3 .. 2 ^ 10)'),
    req("pairs-metatable", 'local m = setmetatable({}, {__pairs = function() return next, {z = 1} end}) for k, v in pairs(m) do out(h, "r", k .. v) end'),
    req("load-function", 'out(h, "r", load("return ...", "c")(7)) out(h, "s", tostring(select(2, load("x x", "=c"))))'),
    req("os-date", 'out(h, "r", os.date("!%Y-%m-%d", 0))'),
    # ---- handle methods
    req("base64", 'out(h, "r", h:base64Escape("a\\0b\\255") .. h:base64Escape(""))'),
    req("base64-decode", 'out(h, "r", h:base64Decode("YWJj") .. tostring((h:base64Decode("!!"))) .. tostring((h:base64Decode("YWI"))))'),
    req("timestamp", 'local t = h:timestamp() out(h, "r", type(t) .. tostring(t > 1.7e12) .. tostring(math.abs(h:timestamp(EnvoyTimestampResolution.MILLISECOND) - t) < 1e4))'),
    req("timestamp-string", 'out(h, "r", type(h:timestampString()) .. #h:timestampString() .. #h:timestampString(EnvoyTimestampResolution.MICROSECOND))'),
    req("log-levels", 'for _, l in ipairs({"Trace", "Debug", "Info", "Warn", "Err", "Critical"}) do h["log" .. l](h, "text " .. l) end h:headers():logInfo(5) out(h, "r", "done")'),
    req("override-host", 'h:setUpstreamOverrideHost("127.0.0.1:$up_port") out(h, "r", 1)'),
    req("override-host-unknown", 'h:setUpstreamOverrideHost("10.1.1.1:1")'),
    req("override-host-strict", 'h:setUpstreamOverrideHost("10.1.1.1:1", true)', want="503"),
    req("clear-route-cache", 'h:headers():add("x-r", "1") h:clearRouteCache()', more=", clear_route_cache: false", routes="- {match: {prefix: /, headers: [{name: x-r, present_match: true}]}, route: {cluster: $up}, name: new}\n- {match: {prefix: /}, direct_response: {status: 418}}"),
    req("route-not-cleared", 'h:headers():add("x-r", "1")', want="418", more=", clear_route_cache: false", routes="- {match: {prefix: /, headers: [{name: x-r, present_match: true}]}, route: {cluster: $up}, name: new}\n- {match: {prefix: /}, direct_response: {status: 418}}"),
    req("drain-connection", 'h:streamInfo():drainConnectionUponCompletion()'),
    resp("reason-phrase", 'h:headers():setHttp1ReasonPhrase("Good Enough")'),
    resp("reason-phrase-with-status", 'h:headers():replace(":status", "299") h:headers():setHttp1ReasonPhrase("Slow Down")', want="299"),
)
